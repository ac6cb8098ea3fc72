"""An authority of our own is replaced so that whoever verifies always trusts who signed what is served."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admission.server.keyring import Keyring
from admission.server.selfsigned import Authority
from admission.server.terms import AUTHORITY, CERTIFICATE, Terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

START = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)
TERMS = Terms(("gate.example.svc",), certificate_days=90, authority_days=730)


def believed(ring: Keyring, trusted: tuple[x509.Certificate, ...], now: dt.datetime) -> bool:
    return ring.leaf is not None and ring.leaf.serves(TERMS.names, trusted, now)


def stored(ring: Keyring) -> Keyring:
    """What the next leader reads of it."""
    return Keyring.read(ring.data())


def made(now: dt.datetime = START) -> Keyring:
    return Keyring().advance(now, TERMS, trusted=False)


days = st.floats(0, 200, allow_nan=False)
step = st.tuples(days, st.booleans(), st.sampled_from(["", "", "", AUTHORITY, CERTIFICATE]))


@given(st.lists(step, min_size=1, max_size=30))
@settings(max_examples=60)
def test_nothing_that_is_believed_is_ever_replaced_by_what_is_not(
    steps: list[tuple[float, bool, str]],
) -> None:
    """Days pass, configurations can be written or not, and a new one is asked for: in any order."""
    now, ring = START, made()
    configured = ring.trusted()
    for passed, written, asked in steps:
        now += dt.timedelta(days=passed)
        if written:
            configured = ring.trusted()
        before = believed(ring, configured, now)
        ring = stored(ring.advance(now, TERMS, trusted=configured == ring.trusted(), asked=asked))
        assert believed(ring, configured, now) or not before
        assert believed(ring, ring.trusted(), now), "it can always be believed by who hears of it"
        assert len(ring.trusted()) <= 5


@given(st.lists(step, max_size=10))
@settings(max_examples=30)
def test_it_comes_to_rest_with_nothing_due(steps: list[tuple[float, bool, str]]) -> None:
    now, ring = START, made()
    for passed, written, asked in steps:
        now += dt.timedelta(days=passed)
        ring = ring.advance(now, TERMS, trusted=written, asked=asked)
    for _ in range(4):
        ring = stored(ring.advance(now, TERMS, trusted=True))
    assert ring == ring.advance(now, TERMS, trusted=True)
    assert ring.coming is None
    assert now < ring.trusted()[0].not_valid_after_utc


@pytest.mark.parametrize(
    ("day", "trusted", "changes"),
    [
        (59, True, set()),
        (61, True, {"tls.crt", "tls.key"}),
        (61, False, {"tls.crt", "tls.key"}),
        (80, False, {"tls.crt", "tls.key"}),
    ],
    ids=["not yet", "after two thirds", "whoever trusts", "later"],
)
def test_a_serving_certificate_is_replaced_ahead_of_its_end(day: int, trusted: bool, changes: set[str]) -> None:
    first = made()
    then = first.advance(START + dt.timedelta(days=day), TERMS, trusted=trusted)
    assert {key for key, value in then.data().items() if first.data().get(key) != value} == changes


def test_a_new_authority_is_trusted_first_and_signs_afterwards() -> None:
    first = made()
    now = START + dt.timedelta(days=500)
    first = first.advance(now - dt.timedelta(days=30), TERMS, trusted=False)  # a certificate that is not due meanwhile
    overlap = first.advance(now, TERMS, trusted=False)
    assert overlap.leaf == first.leaf
    assert overlap.trusted()[0] == first.trusted()[0]
    assert len(overlap.trusted()) == 2
    assert overlap.advance(now, TERMS, trusted=False) == overlap, "it waits"
    after = overlap.advance(now, TERMS, trusted=True)
    assert after.leaf != first.leaf
    assert after.trusted() == overlap.trusted()[::-1], "the former one stays trusted"
    assert "next.key" not in after.data()
    assert believed(after, after.trusted()[:1], now)
    ended = START + dt.timedelta(days=731)
    assert len(after.advance(ended, TERMS, trusted=True).trusted()) == 1, "until it ends"


def swap_keys(data: dict[str, bytes]) -> dict[str, bytes]:
    return data | {"tls.key": Authority.make(START).issue(["x"], START)[1]}


@pytest.mark.parametrize(
    ("spoil", "kept"),
    [
        pytest.param(lambda _: {}, False, id="nothing left"),
        pytest.param(swap_keys, False, id="another serving key"),
        pytest.param(lambda data: data | {"tls.crt": b"garbage"}, False, id="no certificate"),
        pytest.param(lambda data: data | {"ca.crt": b"garbage"}, False, id="no authority"),
        pytest.param(lambda data: data | {"ca.key": b"garbage"}, True, id="no key of the authority"),
        pytest.param(lambda data: data | {"ca.key": Authority.make(START).private()}, True, id="another key of it"),
        pytest.param(lambda data: data | {"next.crt": b"x", "next.key": b"y"}, True, id="no coming authority"),
    ],
)
def test_what_was_spoilt_is_made_anew_and_what_is_still_good_is_kept(
    spoil: Callable[[dict[str, bytes]], dict[str, bytes]], kept: bool
) -> None:
    """A certificate that can still be served stays until its next authority is trusted."""
    good = made()
    ring = Keyring.read(spoil(good.data()))
    after = ring.advance(START, TERMS, trusted=False)
    assert (after.leaf == good.leaf) == kept
    healed = after.advance(START, TERMS, trusted=True)
    assert believed(healed, healed.trusted()[:1], START)
    assert healed.signing is not None


def test_other_names_need_another_certificate_of_the_same_authority() -> None:
    first, renamed = made(), replace(TERMS, names=("other.example.svc",))
    after = first.advance(START, renamed, trusted=True)
    assert after.leaf is not None
    assert after.leaf.serves(renamed.names, first.trusted(), START)
    assert after.trusted() == first.trusted()
