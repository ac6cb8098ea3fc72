"""Certificates that must not be served, and what is said of them: the last good one is kept, and found again."""

from __future__ import annotations

import datetime as dt
import logging
import time
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from admission.server import selfsigned
from admission.server.certificates import certificate_figures
from admission.server.settings import ServingTLS
from admission.server.tls import Certificate, CertificateError
from tests.server.test_certificates import rotate, served
from tests.server.webserver import Running, now

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = dt.timedelta(days=1)


def another_key(server: Running) -> None:
    (server.folder / "tls.key").write_bytes(server.issue()[1])


def expired(server: Running) -> None:
    selfsigned.write(server.folder, *server.issue(days=-1))


def tomorrow(server: Running) -> None:
    selfsigned.write(server.folder, *server.authority.issue(["localhost"], now() + DAY, days=2))


def another_name(server: Running) -> None:
    selfsigned.write(server.folder, *server.authority.issue(["example.com"], now(), days=2))


def a_stranger(server: Running) -> None:
    selfsigned.write(server.folder, *selfsigned.Authority.make(now()).issue(["localhost"], now()))


def expired_authority(server: Running) -> None:
    """It ended yesterday, though what it signed did not."""
    rotate(server)
    key, name = server.authority.key, server.authority.certificate.subject
    old = selfsigned._builder(name, name, key, now() - 10 * DAY, now() - DAY)
    old = old.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    pem = old.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (server.folder / "ca.crt").write_bytes(pem)


def unreadable_authority(server: Running) -> None:
    rotate(server)
    (server.folder / "ca.crt").write_bytes(b"-----BEGIN CERTIFICATE-----\nnothing")


BAD = [
    pytest.param(another_key, "key values mismatch", False, id="another key"),
    pytest.param(expired, "has expired", True, id="expired"),
    pytest.param(tomorrow, "certificate is not yet valid", True, id="of tomorrow"),
    pytest.param(another_name, "certificate is not valid for 'localhost'", True, id="for another name"),
    pytest.param(a_stranger, "unable to get local issuer certificate", True, id="of a stranger"),
    pytest.param(expired_authority, "has expired", True, id="authority of yesterday"),
    pytest.param(unreadable_authority, "its authority cannot be read", True, id="unreadable authority"),
]
"""What is written, what is said of it, and whether a start with it is possible: it is then served, and unready."""


def current(certificate: Certificate) -> float:
    return next(
        each.samples[0].value
        for each in certificate_figures(certificate)
        if each.name == "computegate_certificate_current"
    )


@pytest.mark.parametrize(("spoil", "words", "_starts"), BAD)
def test_the_last_good_certificate_is_kept_and_ready_until_a_better_one_comes(
    start: Callable[..., Running],
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Running], None],
    words: str,
    _starts: bool,
) -> None:
    server = start(name="localhost")
    before, authority = served(server), (server.folder / "ca.crt").read_bytes()
    with caplog.at_level(logging.WARNING):
        spoil(server)
        assert [server.certificate.refresh() for _ in range(3)] == [False, False, False]
    assert [words in each.message for each in caplog.records] == [True], "said once"
    assert (served(server), server.get("/readyz")) == (before, (200, "ok\n"))
    assert (server.post()[0], current(server.certificate), server.certificate.reloads["failed"]) == (200, 0.0, 1)
    (server.folder / "ca.crt").write_bytes(authority)
    fresh = rotate(server)
    assert server.certificate.refresh()
    assert (served(server), current(server.certificate)) == (fresh, 1.0)


@pytest.mark.parametrize(("spoil", "words", "starts"), BAD)
def test_a_start_with_a_bad_certificate_says_what_is_wrong(
    server: Running, spoil: Callable[[Running], None], words: str, starts: bool
) -> None:
    spoil(server)
    try:
        said = str(Certificate(server.folder / "tls.crt", server.folder / "tls.key", name="localhost").problem())
        started = True
    except CertificateError as error:
        said, started = str(error), False
    assert words in said
    assert started == starts


def test_a_certificate_of_tomorrow_is_taken_when_its_day_has_come(server: Running) -> None:
    soon = now() + dt.timedelta(minutes=5, seconds=2)  # certificates are dated back by five minutes
    fresh, key = server.authority.issue(["localhost"], soon)
    selfsigned.write(server.folder, fresh, key)
    assert not server.certificate.refresh()
    until = time.monotonic() + 20
    while served(server) != fresh:
        assert time.monotonic() < until, "it is looked at again, though the files have not changed"
        time.sleep(0.05)
    assert server.certificate.problem() is None


def test_a_clock_that_jumps_is_said_and_recovered_from(server: Running) -> None:
    jump = [0.0]
    certificate = Certificate(server.folder / "tls.crt", server.folder / "tls.key", clock=lambda: time.time() + jump[0])
    jump[0] = 40 * DAY.total_seconds()
    assert not certificate.refresh()
    assert "has expired" in str(certificate.problem())
    jump[0] = 0.0
    assert certificate.problem() is None


def test_readiness_proves_that_what_was_loaded_is_served(server: Running) -> None:
    swapped = server.certificate.listening.sni_callback
    server.certificate.listening.sni_callback = None
    rotate(server)
    server.certificate.refresh()
    assert server.get("/readyz") == (503, f"certificate {server.folder / 'tls.crt'}: another one is served\n")
    server.certificate.listening.sni_callback = swapped
    server.certificate.refresh()
    assert server.get("/readyz") == (200, "ok\n")


def test_the_ends_of_all_certificates_are_told(start: Callable[..., Running]) -> None:
    server = start(client_ca=True)
    ends = next(iter(certificate_figures(server.certificate))).samples
    authority = server.authority.certificate.not_valid_after_utc.timestamp()
    assert {each.labels["certificate"]: each.value for each in ends} == {
        "serving": server.certificate.expires_at,
        "authority": authority,
        "clients": authority,
    }


@pytest.mark.parametrize(
    "half", [{"clientCaFile": "/ca.crt"}, {"clientNames": ["kube-apiserver"]}], ids=["CA", "names"]
)
def test_a_client_ca_without_names_would_let_everybody_in_whom_it_signed(half: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="clientCaFile and clientNames go together"):
        ServingTLS.model_validate(half)


@pytest.mark.parametrize("content", [b"", b"nothing", b"-----BEGIN CERTIFICATE-----\nnothing"])
def test_a_client_ca_that_cannot_be_read_changes_nothing_and_is_named(
    start: Callable[..., Running], tmp_path: Path, content: bytes
) -> None:
    server = start(client_ca=True, client_certificates=True, client_names=frozenset({"kube-apiserver"}))
    assert server.post()[0] == 401
    clients = tmp_path / "clients.crt"
    clients.write_bytes(server.authority.pem())
    certificate = Certificate(server.folder / "tls.crt", server.folder / "tls.key", client_ca=clients)
    clients.write_bytes(content)
    assert not certificate.refresh()
    assert certificate.problem() is None
    assert not certificate.current
    with pytest.raises(CertificateError, match=r"clients\.crt"):
        Certificate(server.folder / "tls.crt", server.folder / "tls.key", client_ca=clients)
