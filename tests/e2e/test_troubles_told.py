"""What an operator has to mend stands in `kubectl describe` of the gate's ConfigMap: said, harmless, over by itself."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.e2e.world import eventually
from tools.authority import Certificate, write_key
from tools.installation import NAMESPACE, Replica

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.world import World

DAY = dt.timedelta(days=1)
SETTINGS = {"mode": "enforce", "excludedNamespaces": ["kube-system", NAMESPACE], "gate": {"graceSeconds": 1}}


def described(world: World) -> str:
    """What an operator sees of the gate, a line of it on one line."""
    shown = world.kubectl("describe", "configmap", "computegate-gate", "-n", NAMESPACE).stdout
    return re.sub(r"\s+", " ", shown.partition("Events:")[2])


def another_key(certificate: Certificate) -> None:
    write_key(certificate.key)


def authority_of_yesterday(certificate: Certificate) -> None:
    """It ended yesterday, and what it signed did not."""
    now, key = dt.datetime.now(dt.UTC), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("yesterday's")
    host = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    serving = ec.generate_private_key(ec.SECP256R1())
    for file, subject, public, ends, more in (
        ("ca.crt", issuer, key.public_key(), now - DAY, x509.BasicConstraints(ca=True, path_length=0)),
        ("tls.crt", _name("localhost"), serving.public_key(), now + DAY, host),
    ):
        builder = x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number(), now - 9 * DAY, ends)
        made = builder.add_extension(more, critical=False).sign(key, hashes.SHA256())
        certificate.certificate.with_name(file).write_bytes(made.public_bytes(serialization.Encoding.PEM))
    write_key(certificate.key, serving)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


SPOILT = [
    pytest.param(another_key, "key values mismatch", id="a key of another certificate"),
    pytest.param(authority_of_yesterday, "has expired", id="a CA that ended yesterday"),
]


@pytest.fixture
def provided(world: World) -> Certificate:
    """The files of a certificate of its own, with its authority beside them."""
    issued = world.installed.plane.issue("spare", ("localhost", "127.0.0.1"))
    issued.certificate.with_name("ca.crt").write_text(issued.authority)
    return issued


@pytest.fixture
def spare(world: World, provided: Certificate, tmp_path: Path, unique: str) -> Iterator[Replica]:
    """One more replica, which nobody asks: what is wrong with it is its own."""
    replica = Replica(world.installed.plane, tmp_path / unique, provided, SETTINGS)
    yield replica
    replica.stop()


@pytest.mark.parametrize(("spoil", "words"), SPOILT)
def test_a_certificate_that_cannot_be_served_is_told_on_the_release(
    world: World, provided: Certificate, spare: Replica, spoil: Callable[[Certificate], None], words: str
) -> None:
    folder, name = provided.certificate.parent, spare.directory.name
    good = {path: path.read_bytes() for path in folder.iterdir()}
    spare.start()
    spare.wait()
    spoil(provided)
    eventually(
        lambda: described(world), lambda text: "CertificateUnusable" in text and f"{name}: " in text and words in text
    )
    assert spare.get("/readyz") == "ok", "the last one is served on"
    for path, content in good.items():
        path.write_bytes(content)
    eventually(lambda: described(world), lambda text: f"{name}: CertificateUnusable is over" in text)


def test_a_start_with_a_ca_that_ended_yesterday_is_unready_and_told(
    world: World, provided: Certificate, spare: Replica
) -> None:
    good = {path: path.read_bytes() for path in provided.certificate.parent.iterdir()}
    authority_of_yesterday(provided)
    spare.start()
    eventually(
        lambda: described(world), lambda text: f"{spare.directory.name}: certificate {provided.certificate}" in text
    )
    assert "has expired" in spare.log.read_text()
    for path, content in good.items():
        path.write_bytes(content)
    spare.wait()
