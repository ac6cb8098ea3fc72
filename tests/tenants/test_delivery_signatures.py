"""Who signed a delivery, and when."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.tenants.providers.mapping import builtin
from admission.tenants.providers.signature import NotSigned, Signature, Stale

NOW = datetime(2026, 11, 26, 10, tzinfo=UTC)
SENT = int(NOW.timestamp())
BODY = b'{"a": "\xc3\xa9"}'
OLD, NEW, STRANGE = b"the-secret-of-old", b"the-secret-of-new", b"somebody-elses-secret"

TIMED = Signature(scheme="timestamped", header="X-Sig", window_seconds=300)
PLAIN = Signature(scheme="body", header="X-Sig", hash="sha512", window_seconds=300)


def v1(secret: bytes, at: int = SENT, body: bytes = BODY) -> str:
    return hmac.new(secret, b"%d.%b" % (at, body), hashlib.sha256).hexdigest()


def plain(secret: bytes, body: bytes = BODY) -> str:
    return hmac.new(secret, body, hashlib.sha512).hexdigest()


GOOD = [
    (TIMED, f"t={SENT},v1={v1(NEW)}"),
    (TIMED, f"t={SENT}, v1={v1(OLD)}"),
    (TIMED, f"t={SENT},v1={v1(STRANGE)},v1={v1(NEW)},v0=ff"),
    (TIMED, f"t={SENT},v1={v1(STRANGE)} t={SENT - 9},v1={v1(OLD, SENT - 9)}"),
    (TIMED, f"t={SENT - 300},v1={v1(NEW, SENT - 300)}"),
    (PLAIN, plain(NEW)),
    (PLAIN, plain(OLD)),
]


@pytest.mark.parametrize(("signature", "header"), GOOD)
def test_a_delivery_is_taken_that_either_secret_signed(signature: Signature, header: str) -> None:
    signature.verify({"x-sig": header}, BODY, (NEW, OLD), NOW)


BAD = [
    (TIMED, ""),
    (TIMED, f"t={SENT},v1={v1(STRANGE)}"),
    (TIMED, f"t={SENT + 1},v1={v1(NEW)}"),  # another timestamp than the signed one
    (TIMED, f"v1={v1(NEW)}"),
    (TIMED, f"t={SENT},t={SENT},v1={v1(NEW)}"),
    (TIMED, f"t={SENT},v1={v1(NEW, body=BODY + b' ')}"),
    (TIMED, f"t={SENT},v1={v1(NEW).upper()}"),
    (TIMED, f"t={SENT},v1="),
    (TIMED, plain(NEW)),
    (TIMED, "t=" + "9" * 400 + ",v1=x"),
    (TIMED, "x" * 1_000_000),
    (PLAIN, plain(STRANGE)),
    (PLAIN, ""),
    (PLAIN, f"sha512={plain(NEW)}"),
]


@pytest.mark.parametrize(("signature", "header"), BAD)
def test_anything_else_is_not_signed(signature: Signature, header: str) -> None:
    with pytest.raises(NotSigned, match="X-Sig: missing, or not by a secret of this provider"):
        signature.verify({"x-sig": header}, BODY, (NEW, OLD), NOW)


@pytest.mark.parametrize("at", [SENT - 301, SENT + 301])
def test_a_delivery_that_is_sent_again_later_is_stale(at: int) -> None:
    with pytest.raises(Stale, match="signed more than 300 s ago, or by a clock that is ahead"):
        TIMED.verify({"x-sig": f"t={at},v1={v1(NEW, at)}"}, BODY, (NEW,), NOW)


def test_where_no_instant_is_signed_the_events_own_stands_in() -> None:
    old, later = datetime(2026, 11, 26, 9, tzinfo=UTC), datetime(2026, 11, 26, 11, tzinfo=UTC)
    for event in (old, later):
        with pytest.raises(Stale):
            PLAIN.check_age(event, NOW)
        TIMED.check_age(event, NOW)
    PLAIN.check_age(NOW, NOW)


@given(st.text(max_size=300), st.binary(max_size=50))
def test_no_header_is_a_signature_by_chance(header: str, body: bytes) -> None:
    for mapping in builtin().values():
        with pytest.raises(NotSigned):
            mapping.signature.verify({mapping.signature.header.lower(): header}, body, (NEW, OLD), NOW)
