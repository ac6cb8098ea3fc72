"""The served certificate follows its files, and survives whatever is done to them."""

from __future__ import annotations

import datetime as dt
import http.client
import ssl
import threading
from typing import TYPE_CHECKING

import pytest

from admission.server import der, selfsigned
from admission.server.tls import Certificate, CertificateError
from tests.server.webserver import JSON, PATIENCE, Running, now, wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def served(server: Running) -> bytes:
    return ssl.get_server_certificate(("127.0.0.1", server.server.port), timeout=PATIENCE).encode()


def rotate(server: Running) -> bytes:
    certificate, key = server.issue()
    selfsigned.write(server.folder, certificate, key)
    return certificate


def test_a_new_certificate_is_served_and_kept_connections_live_on(server: Running) -> None:
    kept = server.client()
    kept.request("POST", "/validate/enforced", b"{}", JSON)
    kept.getresponse().read()
    socket = kept.sock
    fresh = rotate(server)
    assert server.certificate.refresh()
    assert served(server) == fresh
    kept.request("POST", "/validate/enforced", b"{}", JSON)
    assert kept.getresponse().status == 200
    assert kept.sock is socket
    kept.close()


def test_the_files_are_watched(server: Running) -> None:
    fresh = rotate(server)
    wait(lambda: served(server) == fresh)


def test_no_request_is_lost_while_certificates_rotate(server: Running) -> None:
    statuses: list[int] = []

    def ask() -> None:
        statuses.extend(server.post()[0] for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        rotate(server)
        server.certificate.refresh()
    assert statuses == [200] * 80
    assert server.certificate.reloads["ok"] > 0


@pytest.mark.parametrize("file", ["tls.crt", "tls.key"], ids=["new certificate, old key", "old certificate, new key"])
@pytest.mark.parametrize("content", ["new", "empty", "garbage", "missing"])
def test_a_torn_pair_keeps_the_old_certificate(server: Running, file: str, content: str) -> None:
    before = served(server)
    path = server.folder / file
    fresh = server.issue()[0 if file == "tls.crt" else 1]
    if content == "missing":
        path.unlink()
    else:
        path.write_bytes({"new": fresh, "empty": b"", "garbage": b"-----BEGIN CERTIFICATE-----\nnothing"}[content])
    for _ in range(3):
        assert not server.certificate.refresh()
    assert served(server) == before
    assert server.post()[0] == 200
    assert server.certificate.reloads == {"failed": 1}
    assert server.certificate.problem() is None, "a moment of difference is how files are replaced"


def test_an_expired_certificate_is_unready_and_never_replaces_a_valid_one(server: Running) -> None:
    before = served(server)
    selfsigned.write(server.folder, *server.issue(days=-1))
    assert not server.certificate.refresh()
    assert served(server) == before
    expired = Certificate(server.folder / "tls.crt", server.folder / "tls.key")
    assert "has expired" in str(expired.problem())
    rotate(server)
    assert expired.refresh()
    assert expired.problem() is None


def test_readiness_names_the_certificate(start: Callable[..., Running]) -> None:
    server = start()
    server.certificate.expires_at = 0.0
    status, text = server.get("/readyz")
    assert (status, text) == (503, f"certificate {server.folder / 'tls.crt'} has expired\n")


@pytest.mark.parametrize("days", [1, 400, 365 * 40], ids=["tomorrow", "next year", "after 2049 (GeneralizedTime)"])
def test_the_expiry_is_read_from_the_certificate(days: int) -> None:
    certificate, _ = selfsigned.Authority.make(now(), days).issue(["localhost"], now(), days)
    expected = now() + dt.timedelta(days=days)
    assert der.expiry(certificate) == pytest.approx(expected.timestamp(), abs=PATIENCE)


@pytest.mark.parametrize(
    ("days", "passed", "told"),
    [(90, 75, False), (90, 77, True), (6, 4.5, False), (6, 5.5, True), (6, 7, True)],
    ids=["renewed in time", "two weeks are left", "a short one", "a sixth of a short one is left", "over"],
)
def test_an_end_is_told_once_it_should_have_been_renewed(
    tmp_path: Path, days: float, passed: float, *, told: bool
) -> None:
    pair = selfsigned.Authority.make(now(), 900).issue(["localhost"], now(), days)
    later = now() + dt.timedelta(days=passed)
    certificate = Certificate(*selfsigned.write(tmp_path, *pair), clock=later.timestamp)
    said = certificate.ending()
    assert bool(said) == told
    assert said == "" or said.startswith(
        f"the certificate (serving) ends at {now() + dt.timedelta(days=days):%Y-%m-%dT}"
    )


def test_a_start_without_a_certificate_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"tls\.crt: No such file"):
        Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")


def test_an_encrypted_key_is_refused_instead_of_asking_for_its_password(server: Running) -> None:
    from cryptography.hazmat.primitives import serialization as s  # noqa: PLC0415 - needed here alone

    path = server.folder / "tls.key"
    key = s.load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret")))
    with pytest.raises(CertificateError, match="the key is encrypted"):
        Certificate(server.folder / "tls.crt", path)


@pytest.mark.parametrize("version", ["TLSv1_1", "TLSv1_2", "TLSv1_3"])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_nothing_older_than_tls_1_2_is_spoken(server: Running, version: str) -> None:
    context = server.client_context()
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    connection = http.client.HTTPSConnection("localhost", server.server.port, context=context, timeout=PATIENCE)
    try:
        connection.request("GET", "/healthz")
        spoken = connection.getresponse().status == 200
    except (ssl.SSLError, ConnectionError):
        spoken = False
    finally:
        connection.close()
    assert spoken == (version != "TLSv1_1")


@pytest.mark.parametrize(
    ("name", "status"),
    [(None, 401), ("kube-apiserver", 200), ("somebody", 401), ("stranger", None)],
    ids=["no certificate", "the API server", "another name", "another authority"],
)
def test_with_a_client_ca_only_named_clients_may_ask_for_reviews(
    start: Callable[..., Running], tmp_path: Path, name: str | None, status: int | None
) -> None:
    server = start(client_ca=True, client_certificates=True, client_names=frozenset({"kube-apiserver"}))
    rotate(server)
    server.certificate.refresh()
    assert server.get("/healthz")[0] == 200
    context = server.client_context()
    if name is not None:
        authority = selfsigned.Authority.make(now()) if name == "stranger" else server.authority
        folder = tmp_path / "client"
        folder.mkdir()
        context.load_cert_chain(*selfsigned.write(folder, *authority.issue([name], now())))
    connection = http.client.HTTPSConnection("localhost", server.server.port, context=context, timeout=PATIENCE)
    try:
        connection.request("POST", "/validate/enforced", b"{}", JSON)
        assert connection.getresponse().status == status
    except (ssl.SSLError, ConnectionError):
        assert status is None
    finally:
        connection.close()
