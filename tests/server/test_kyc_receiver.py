"""The receiver over HTTP: what it refuses before any cluster is asked, and secrets that change under it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import hmac
import http.client
import json
import signal
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from admission.api.clearance import KYC, KYCState
from admission.cluster.clearances import Clearances, NoTenant
from admission.cluster.client import Unreachable
from admission.cluster.clock import Clock
from admission.server import selfsigned
from admission.server.receiver import Receiver, Source
from admission.server.receiving import LIMITS, receive, sources
from admission.server.secrets import Secrets
from admission.server.settings import TLS, Listen, ReceiverSettings, SettingsError, read_receiver_settings
from admission.tenants.providers.delivery import Provider
from admission.tenants.providers.mapping import builtin
from tools.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from admission.tenants.verification import Step

NOW = dt.datetime(2026, 11, 26, 10, tzinfo=dt.UTC)
SECRET, NEXT = b"the-secret-of-today", b"the-secret-of-tomorrow"
DIGEST = f"sha256:{'a' * 64}"


class Kept(Clearances):
    """One Tenant's clearance in memory; others are not there, and one cannot be reached."""

    def __init__(self) -> None:
        self.kyc: KYC | None = None

    async def advance(self, name: str, step: Callable[[KYC | None], Step]) -> Step:
        """Take the step."""
        if name == "unreachable":
            raise Unreachable("no complete answer in time")
        if name == "faulty":
            raise AttributeError("a fault of ours")
        if name != "acme":
            raise NoTenant(f"there is no Tenant {name}")
        taken = step(self.kyc)
        self.kyc = taken.kyc or self.kyc
        return taken


class Served:
    """A receiver with one provider, asked through ASGI."""

    def __init__(self, folder: Path, mapping: str = "generic") -> None:
        self.file = folder / "ours"
        self.file.write_bytes(SECRET)
        self.secrets = Secrets(folder, ["ours"])
        self.kept = Kept()
        source = Source(Provider(name="ours"), builtin()[mapping])
        self.unsure = ""
        self.receiver = Receiver(
            [source], self.secrets, self.kept, limits=LIMITS, now=lambda: NOW, unsure=lambda: self.unsure
        )

    def ask(
        self, body: bytes = b"", *headers: tuple[bytes, bytes], path: str = "/kyc/ours", method: str = "POST"
    ) -> str:
        """Return status and text of the answer."""
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "path": path, "method": method, "headers": list(headers)}
        asyncio.run(self.receiver(scope, receive, send))
        return f"{sent[0]['status']} {sent[1]['body'].decode().strip()}"

    def deliver(self, secret: bytes = SECRET, sent: dt.datetime = NOW, **fields: Any) -> str:
        """Deliver a payload of the generic mapping, signed."""
        told = {"tenant": f"acme@{DIGEST}", "state": "Pending", "at": NOW.isoformat(), "reference": "case-1"}
        body = json.dumps(told | fields).encode()
        return self.ask(body, (b"computegate-signature", _signature(secret, sent, body)))


def _signature(secret: bytes, sent: dt.datetime, body: bytes) -> bytes:
    at = int(sent.timestamp())
    return b"t=%d,v1=%s" % (at, hmac.new(secret, b"%d.%b" % (at, body), hashlib.sha256).hexdigest().encode())


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


def test_deliveries_advance_the_clearance(served: Served) -> None:
    assert served.deliver() == "200 applied"
    assert served.deliver() == "200 repeated"
    assert served.deliver(state="Verified", at="2026-11-26T10:00:01Z") == "200 applied"
    assert served.deliver(at="2026-11-26T09:00:00Z") == "200 out_of_order"
    assert served.deliver(at="2026-11-26T10:00:02Z") == "200 kept"
    assert served.kept.kyc is not None
    assert (served.kept.kyc.state, served.kept.kyc.covers) == (KYCState.Verified, DIGEST)


def test_an_event_that_says_nothing_of_a_clearance_is_ignored(tmp_path: Path) -> None:
    served, body = Served(tmp_path, "persona"), b'{"data": {"attributes": {"name": "inquiry.completed"}}}'
    assert served.ask(body, (b"persona-signature", _signature(SECRET, NOW, body))) == "200 ignored"


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"secret": NEXT}, "401 Computegate-Signature: missing, or not by a secret of this provider", "not_signed"),
    ({"sent": NOW - dt.timedelta(seconds=301)}, "400 signed more than 300 s ago, or by a clock that is ahead", "stale"),
    ({"at": "2026-11-27T10:00:00Z"}, "400 asOf: 2026-11-27T10:00:00+00:00 lies ahead", "malformed"),
    ({"tenant": "Acme Ltd."}, "400 tenant: write NAME or NAME@sha256:...", "malformed"),
    ({"state": "revoked"}, "400 state: write one of Pending, Verified, NeedsReview", "malformed"),
    ({"state": "Verified"}, "409 Unverified does not become Verified, only Pending, Suspended; begin", "not_allowed"),
    (
        {"state": "revoked"},
        "400 state: write one of Pending, Verified, NeedsReview, Rejected, Suspended, Revoked",
        "malformed",
    ),
    ({"tenant": "nobody"}, "404 there is no Tenant nobody", "unknown_tenant"),
    ({"tenant": "unreachable"}, "503 the clearance cannot be written now; deliver again", "unavailable"),
    ({"tenant": "faulty"}, "500 internal error; see the log of the receiver", "error"),
]


@pytest.mark.parametrize(("delivery", "answer", "result"), REFUSED, ids=[each[2] for each in REFUSED])
def test_a_refusal_says_why_and_is_counted(served: Served, delivery: dict[str, Any], answer: str, result: str) -> None:
    said = served.deliver(**delivery)
    assert said.startswith(answer)
    assert served.receiver.results == {("ours", result): 1}
    assert served.kept.kyc is None


def test_what_is_not_a_delivery_is_refused(served: Served) -> None:
    assert served.ask(method="GET").startswith("405 send a POST")
    assert served.ask(path="/kyc/theirs") == "404 no such path"
    assert served.ask(path="/") == "404 no such path"
    assert served.ask(b"x" * (LIMITS.body_bytes + 1)).startswith("413 ")
    assert served.ask(b"{}").startswith("401 ")
    assert served.ask(b"[" * 9000, (b"computegate-signature", _signature(SECRET, NOW, b"[" * 9000))).startswith(
        "400 the body"
    )
    assert served.ask(path="/healthz", method="GET") == "200 ok"


def test_an_event_whose_instant_alone_is_signed_grows_stale(tmp_path: Path) -> None:
    served = Served(tmp_path, "sumsub")

    def deliver(created: str, kind: str = "applicantPending") -> str:
        body = json.dumps({"type": kind, "externalUserId": "acme", "applicantId": "1", "createdAtMs": created}).encode()
        return served.ask(body, (b"x-payload-digest", hmac.new(SECRET, body, hashlib.sha256).hexdigest().encode()))

    assert deliver("2026-11-24 09:59:59.000").startswith("400 signed more than 172800 s ago")
    assert deliver("2026-11-25 10:00:00.000") == "200 applied"
    assert deliver("2026-11-25 10:00:00.000", "applicantTagsChanged") == "200 ignored"


def test_a_secret_is_rotated_without_losing_a_delivery(served: Served) -> None:
    served.file.write_bytes(NEXT + b"\n" + SECRET + b"\n")
    served.secrets.reload()
    assert served.deliver(NEXT) == "200 applied"
    assert served.deliver(SECRET) == "200 repeated"
    served.file.write_bytes(NEXT)
    served.secrets.reload()
    assert served.deliver(SECRET).startswith("401 ")
    assert served.deliver(NEXT) == "200 repeated"


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"short", b"a" * 16 + b"\n" + b"b" * 16 + b"\n" + b"c" * 16, b"x" * 5000]
)
def test_a_bad_file_of_secrets_leaves_the_last_good_ones(served: Served, content: bytes) -> None:
    served.file.write_bytes(content)
    served.secrets.reload()
    assert served.deliver() == "200 applied"
    assert [each.samples[0].value for each in served.secrets.figures()] == [0.0]
    served.file.write_bytes(SECRET)
    served.secrets.reload()
    assert [each.samples[0].value for each in served.secrets.figures()] == [1.0]


def test_without_any_secret_nothing_is_taken_and_the_probe_says_so(tmp_path: Path) -> None:
    served = Served(tmp_path)
    served.file.unlink()
    bare = Secrets(tmp_path, ["ours"])
    served.receiver._secrets = bare
    assert served.deliver() == "503 this provider has no secret; deliver again later"
    assert served.ask(path="/readyz", method="GET") == f"503 {served.file}: No such file or directory"


def test_while_nobody_knows_the_time_a_delivery_is_to_come_again(served: Served) -> None:
    served.unsure = "the clock is a day off"
    assert served.deliver().startswith("503 ")
    assert served.ask(path="/readyz", method="GET") == "503 the clock is a day off"
    assert served.kept.kyc is None
    served.unsure = ""
    assert served.deliver() == "200 applied"


def test_what_the_api_server_says_of_the_time_when_it_is_asked_counts(served: Served) -> None:
    said = iter(["", "the clock is a day off"])
    served.receiver._unsure = lambda: next(said, "")
    assert served.deliver().startswith("503 ")
    assert served.kept.kyc is None


def test_it_serves_https_with_the_mounted_certificate(tmp_path: Path) -> None:
    authority = selfsigned.Authority.make(dt.datetime.now(dt.UTC))
    certificate, key = authority.issue(["localhost"], dt.datetime.now(dt.UTC), 1.0)
    (tmp_path / "tls.crt").write_bytes(certificate)
    (tmp_path / "tls.key").write_bytes(key)
    (tmp_path / "ours").write_bytes(SECRET)
    settings = ReceiverSettings(
        providers=[Provider(name="ours", mapping="generic")],
        secrets_folder=tmp_path,
        drain_seconds=0,
        listen=Listen(host="127.0.0.1", port=free_port(), metrics_host="127.0.0.1", metrics_port=free_port()),
        tls=TLS(cert_file=tmp_path / "tls.crt", key_file=tmp_path / "tls.key"),
    )
    trusting = ssl.create_default_context(cadata=authority.pem().decode())

    def ask() -> int:
        connection = http.client.HTTPSConnection("localhost", settings.listen.port, context=trusting, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", "/readyz")
            return connection.getresponse().status

    async def served() -> int:
        receiving = asyncio.create_task(receive(settings, Kept(), Clock()))
        await asyncio.sleep(0)  # it listens from its first step on
        status = await asyncio.to_thread(ask)
        signal.raise_signal(signal.SIGTERM)
        await receiving
        return status

    assert uvloop.run(served()) == 200


SETTINGS = [
    ("{}", "providers: Field required"),
    ("providers: []", "providers: List should have at least 1 item"),
    ("providers: [{name: A}]", "providers.0.name: String should match"),
    ("providers: [{name: a}, {name: a}]", "name 'a' stands twice"),
    ("providers: [{name: a, secret: x}]", "providers.0.secret: Extra inputs are not permitted"),
    ("providers: [{name: a, levels: {x: 5}}]", "providers.0.levels.x: Input should be less than or equal to 4"),
    ("providers: [{name: a, validDays: 0}]", "providers.0.validDays: Input should be greater than 0"),
]


@pytest.mark.parametrize(("text", "said"), SETTINGS)
def test_bad_settings_are_refused_by_their_key(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as raised:
        read_receiver_settings(file)
    assert said in str(raised.value)


def test_levels_need_a_mapping_that_tells_sorts_apart() -> None:
    settings = ReceiverSettings(providers=[Provider(name="generic", levels={"x": 1})])
    with pytest.raises(SettingsError, match="provider generic: levels: its mapping has no field product"):
        list(sources(settings))


def test_a_provider_without_a_mapping_is_named() -> None:
    settings = ReceiverSettings(providers=[Provider(name="acme-kyc")])
    with pytest.raises(SettingsError, match="provider acme-kyc: no mapping 'acme-kyc'; there are generic, persona, "):
        list(sources(settings))
