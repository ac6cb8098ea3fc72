"""What becomes of a clearance by what is attested: allowed steps only, in the order of events, whatever comes again."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.api.clearance import KYC, TRANSITIONS, KYCState
from admission.tenants.verification import (
    AGAINST,
    HELD,
    BadDate,
    NotAllowed,
    Result,
    Verification,
    advance,
    check_dates,
    request,
    restore,
)

T0 = datetime(2026, 11, 26, tzinfo=UTC)
DIGEST, OTHER = (f"sha256:{digit * 64}" for digit in "ab")
State = KYCState


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def attested(state: KYCState, hours: float, covers: str = DIGEST, provider: str = "acme-kyc") -> Verification:
    return Verification("acme", state, at(hours), covers, level=2, expires_at=at(9999), provider=provider)


def known(state: KYCState, hours: float | None = 0, covers: str = DIGEST, provider: str = "acme-kyc") -> KYC:
    return KYC(state=state, as_of=None if hours is None else at(hours), covers=covers, provider=provider)


STEPS: list[tuple[KYC | None, Verification, Result, KYCState | None]] = [
    (None, attested(State.Pending, 1), Result.Applied, State.Pending),
    (known(State.Pending), attested(State.Verified, 1), Result.Applied, State.Verified),
    (known(State.Pending), attested(State.Rejected, 1), Result.Applied, State.Rejected),
    (known(State.Verified), attested(State.Verified, 1), Result.Applied, State.Verified),  # renewed
    (known(State.Verified), attested(State.Pending, 1), Result.Kept, None),  # a renewal takes nothing away
    (known(State.NeedsReview), attested(State.Pending, 1), Result.Kept, None),
    (known(State.Verified), attested(State.Rejected, 1), Result.Applied, State.Revoked),  # a reversal
    (known(State.Expired), attested(State.Rejected, 1), Result.Applied, State.Revoked),
    (known(State.Suspended), attested(State.Rejected, 1), Result.Applied, State.Revoked),
    (known(State.Verified), attested(State.NeedsReview, 1), Result.Applied, State.NeedsReview),
    (known(State.NeedsReview), attested(State.Verified, 1), Result.Applied, State.Verified),
    (known(State.Verified, 2), attested(State.Rejected, 1), Result.OutOfOrder, None),
    (known(State.Revoked, 2), attested(State.Verified, 1), Result.OutOfOrder, None),
    (known(State.Verified, 1), attested(State.Verified, 1), Result.Repeated, None),
    (known(State.Revoked, 1), attested(State.Rejected, 1), Result.Repeated, None),
    # At one instant the one further along holds, and the stricter of two outcomes.
    (known(State.Pending, 1), attested(State.Verified, 1), Result.Applied, State.Verified),
    (known(State.Verified, 1), attested(State.Pending, 1), Result.OutOfOrder, None),
    (known(State.Verified, 1), attested(State.Rejected, 1), Result.Applied, State.Revoked),
    (known(State.Rejected, 1), attested(State.Verified, 1), Result.OutOfOrder, None),
    (known(State.Rejected, 1), attested(State.Suspended, 1), Result.Applied, State.Suspended),
    (known(State.Suspended, 1), attested(State.Rejected, 1), Result.OutOfOrder, None),  # it came before that
]


@pytest.mark.parametrize(("current", "verification", "result", "state"), STEPS)
def test_a_step_leads_where_the_event_says(
    current: KYC | None, verification: Verification, result: Result, state: KYCState | None
) -> None:
    step = advance(current, verification, at(9))
    assert (step.result, step.kyc.state if step.kyc else None) == (result, state)


def test_a_late_refusal_leads_to_a_review_unless_its_own_provider_said_otherwise_since() -> None:
    against = (State.Rejected, State.Suspended, State.NeedsReview)
    for state, refusal in itertools.product((State.Pending, State.Verified), against):
        weak, strong = known(state, 2, provider="weak"), attested(refusal, 1, provider="strong")
        step = advance(weak, replace(strong, reference="case-9", reason="forged papers"), at(9))
        assert step.kyc is not None
        assert (step.kyc.state, step.kyc.as_of, step.kyc.provider) == (State.NeedsReview, at(2), "weak")
        said = f"provider strong said {refusal} at {at(1).isoformat()}, heard after a later event; "
        assert step.kyc.reason == f"{said}reference case-9: forged papers"
        assert advance(step.kyc, strong, at(9)).result is Result.OutOfOrder
    own = known(State.Verified, 2, provider="strong")
    assert advance(own, strong, at(9)).result is Result.OutOfOrder
    assert advance(own, strong, at(1.99)).result is Result.Applied, "dated ahead, it takes the place of nothing"
    assert advance(weak, attested(State.Verified, 1, provider="strong"), at(9)).result is Result.OutOfOrder
    assert advance(weak, strong, at(9), first=True).result is Result.OutOfOrder, "who imports hears of it"
    for held in (State.Suspended, State.Revoked):
        assert advance(known(held, 2, provider="weak"), strong, at(9)).result is Result.OutOfOrder
    for closed in (State.Rejected, State.NeedsReview, State.Expired):
        noted = advance(known(closed, 2, provider="weak"), strong, at(9)).kyc
        assert noted is not None
        assert (noted.state, noted.as_of, noted.refused_by[-1]) == (closed, at(2), "strong")


PENDING, VERIFIED, REVIEW, REJECTED = State.Pending, State.Verified, State.NeedsReview, State.Rejected
CLEARED = [(PENDING, "weak"), (VERIFIED, "weak")]
ROUNDS: dict[str, tuple[list[tuple[KYCState, str]], KYCState, list[str]]] = {
    "a review that another asked for": ([*CLEARED, (REVIEW, "strong"), (VERIFIED, "weak")], REVIEW, ["strong"]),
    "a refusal, and an inquiry begun elsewhere": (
        [(PENDING, "strong"), (REJECTED, "strong"), (PENDING, "weak"), (VERIFIED, "weak")],
        *(REJECTED, ["strong"]),
    ),
    "a refusal whose own provider has begun anew": (
        [(PENDING, "strong"), (REJECTED, "strong"), (PENDING, "strong"), (VERIFIED, "weak")],
        *(PENDING, ["strong"]),
    ),
    "who refused verifies": ([*CLEARED, (REVIEW, "strong"), (VERIFIED, "strong")], VERIFIED, []),
    "one of two who refused verifies": (
        [*CLEARED, (REVIEW, "strong"), (REVIEW, "weak"), (VERIFIED, "weak")],
        *(REVIEW, ["strong"]),
    ),
    "both verify": (
        [*CLEARED, (REVIEW, "strong"), (REVIEW, "weak"), (VERIFIED, "weak"), (VERIFIED, "strong")],
        *(VERIFIED, []),
    ),
}


@pytest.mark.parametrize(("events", "state", "refused_by"), ROUNDS.values(), ids=ROUNDS)
def test_no_other_provider_lifts_a_refusal(
    events: list[tuple[KYCState, str]], state: KYCState, refused_by: list[str]
) -> None:
    kyc: KYC | None = None
    for hour, (told, provider) in enumerate(events):
        kyc = _taken(kyc, attested(told, hour, provider=provider))
    assert kyc is not None
    assert (kyc.state, kyc.refused_by) == (state, refused_by)


IN_TIME: list[tuple[KYC | None, KYCState, KYCState, list[str]]] = [
    (None, State.NeedsReview, State.Unverified, ["strong"]),
    (None, State.Rejected, State.Unverified, ["strong"]),
    (None, State.Suspended, State.Unverified, ["strong"]),  # no guard lets a clearance begin with it
    (known(State.Unverified), State.Revoked, State.Unverified, ["strong"]),
    (known(State.Unverified), State.Suspended, State.Unverified, ["strong"]),
    (known(State.Pending), State.Suspended, State.Suspended, ["strong"]),
    (known(State.Pending), State.Revoked, State.Revoked, ["strong"]),
    (known(State.Expired), State.NeedsReview, State.Expired, ["strong"]),
    (known(State.Expired), State.Suspended, State.Suspended, ["strong"]),
    (known(State.Rejected), State.NeedsReview, State.Rejected, ["acme-kyc", "strong"]),
    (known(State.Rejected), State.Revoked, State.Revoked, ["acme-kyc", "strong"]),
    (known(State.Rejected), State.Suspended, State.Suspended, ["acme-kyc", "strong"]),
    (known(State.Suspended), State.NeedsReview, State.Suspended, ["strong"]),
    (known(State.Revoked), State.Suspended, State.Revoked, ["strong"]),
]


@pytest.mark.parametrize(("was", "refusal", "state", "refused_by"), IN_TIME)
def test_no_refusal_is_lost_whatever_the_state_and_no_other_provider_clears_the_tenant(
    was: KYC | None, refusal: KYCState, state: KYCState, refused_by: list[str]
) -> None:
    strong = attested(refusal, 1, provider="strong")
    noted = advance(was, strong, at(9))
    assert noted.result is Result.Applied
    assert noted.kyc is not None
    assert (noted.kyc.state, noted.kyc.as_of, noted.kyc.refused_by) == (state, at(1), refused_by)
    kyc: KYC | None = noted.kyc
    assert advance(kyc, strong, at(9)).kyc is None, "it comes again"
    for hour, told in enumerate((State.Pending, State.Verified), 2):
        kyc = _taken(kyc, attested(told, hour, provider="weak"))
    assert kyc == noted.kyc


def test_a_refusal_that_is_noted_says_whose_it_was_and_a_person_who_imports_hears_of_it() -> None:
    strong = replace(attested(State.NeedsReview, 1, provider="strong"), reference="case-9", reason="on hold")
    noted = advance(known(State.Expired), strong, at(9)).kyc
    assert noted is not None
    said = f"provider strong said NeedsReview at {at(1).isoformat()}, no step from the state that stands; "
    assert noted.reason == f"{said}reference case-9: on hold"
    held = known(State.Suspended).model_copy(update={"reason": "by order of a court"})
    kept = advance(held, strong, at(9)).kyc
    assert kept is not None
    assert kept.reason == "by order of a court"
    with pytest.raises(NotAllowed, match="Expired does not become NeedsReview"):
        advance(known(State.Expired), strong, at(9), first=True)


def test_no_other_provider_lifts_a_late_refusal_and_a_person_does() -> None:
    strong, weak = attested(State.Rejected, 1, provider="strong"), attested(State.Verified, 3, provider="weak")
    reviewed = advance(known(State.Verified, 2, provider="weak"), strong, at(9)).kyc
    assert reviewed is not None
    assert advance(reviewed, weak, at(9)) == (Result.Kept, None)
    same = replace(weak, provider="strong")
    for lifted in (advance(reviewed, same, at(9)), advance(reviewed, weak, at(9), first=True)):
        assert lifted.kyc is not None
        assert (lifted.kyc.state, lifted.kyc.refused_by) == (State.Verified, [])
    begun = request(known(State.Rejected, 2, provider="strong"), DIGEST, "alice")
    assert advance(begun, weak, at(9)).result is Result.Applied, "somebody began anew"


WEAKER: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "of the same facts": ({}, {}, True),
    "of facts that are not said": ({}, {"covers": ""}, True),
    "by the same provider": ({}, {"provider": "strong"}, False),
    "of other facts": ({}, {"covers": OTHER}, False),
    "of the same level": ({}, {"level": 3}, False),
    "beside one that has ended": ({"expires_at": at(9)}, {}, False),
    "beside one that is due": ({"reverify_by": at(9)}, {}, False),
    "beside one without an end": ({"expires_at": None}, {}, False),
    "after a review": ({"state": State.Pending}, {}, False),
}


@pytest.mark.parametrize(("held", "told", "kept"), WEAKER.values(), ids=WEAKER)
def test_a_weaker_verification_takes_nothing_from_another_providers_deeper_clearance(
    held: dict[str, Any], told: dict[str, Any], kept: bool
) -> None:
    deep = {"level": 3, "verified_at": at(0), "expires_at": at(99), "provider": "strong", **held}
    was = known(State.Verified).model_copy(update=deep)
    weak = replace(attested(State.Verified, 1, provider="weak"), **{"level": 1, **told})
    assert advance(was, weak, at(9)).result is (Result.Kept if kept else Result.Applied)
    assert advance(was, weak, at(9), first=True).result is Result.Applied, "a person decides"


def test_a_late_refusal_of_who_verified_more_deeply_is_not_passed_over_for_a_weaker_verification() -> None:
    told = {"level": 3, "verified_at": at(0), "expires_at": at(99), "provider": "strong"}
    was = known(State.Verified).model_copy(update=told)
    weak = replace(attested(State.Verified, 2, provider="weak"), level=1)
    kept = _taken(was, weak)
    refused = _taken(kept, attested(State.Rejected, 1, provider="strong"))
    assert refused is not None
    assert refused.state is State.Revoked


def test_who_refused_before_refusers_were_kept_is_who_wrote_last() -> None:
    before = known(State.NeedsReview, 2, provider="strong")
    assert advance(before, attested(State.Verified, 3, provider="weak"), at(9)).result is Result.Kept
    assert advance(before, attested(State.Verified, 3, provider="strong"), at(9)).result is Result.Applied


REFUSED: list[tuple[KYC | None, Verification, str]] = [
    (None, attested(State.Verified, 1), "Unverified does not become Verified, only Pending, Suspended; begin"),
    (known(State.Rejected), attested(State.Verified, 1), "begin with Pending: computegate kyc request NAME"),
    (
        known(State.Expired),
        attested(State.Verified, 1),
        "Expired does not become Verified, only Pending, Suspended, Revoked; begin",
    ),
    (known(State.Suspended), attested(State.Verified, 1), "Suspended is not lifted by a provider or an import"),
    (known(State.Revoked, None), attested(State.Pending, 1), "Revoked is not lifted by a provider or an import"),
    (
        known(State.Pending, covers=""),
        attested(State.Verified, 1, covers=""),
        "nobody says which facts of acme were verified",
    ),
]


@pytest.mark.parametrize(("current", "verification", "said"), REFUSED)
def test_a_step_that_is_not_allowed_says_what_to_do(current: KYC | None, verification: Verification, said: str) -> None:
    with pytest.raises(NotAllowed, match=said):
        advance(current, verification, at(9))


@pytest.mark.parametrize(
    ("recorded", "delivered", "covers"), [(DIGEST, "", DIGEST), (DIGEST, OTHER, OTHER), ("", OTHER, OTHER)]
)
def test_a_clearance_covers_what_the_verifier_was_given(recorded: str, delivered: str, covers: str) -> None:
    step = advance(known(State.Pending, covers=recorded), attested(State.Verified, 1, covers=delivered), at(9))
    assert step.kyc is not None
    assert step.kyc.covers == covers


def test_a_renewal_leaves_no_date_of_the_verification_before() -> None:
    before = known(State.Verified).model_copy(update={"reverify_by": at(1), "expires_at": at(2)})
    renewed = advance(before, replace(attested(State.Verified, 1), reverify_by=at(9)), at(9)).kyc
    assert renewed is not None
    assert (renewed.reverify_by, renewed.expires_at) == (at(9), at(9999))


DATES = [
    ({"as_of": at(1)}, "asOf: .* lies ahead"),
    ({"verified_at": at(1)}, "verifiedAt: .* lies ahead"),
    ({"expires_at": None}, "expiresAt: a clearance needs an end"),
    ({"expires_at": at(-1)}, "expiresAt: .* is not after"),
    ({"reverify_by": at(0)}, "reverifyBy: .* is not after"),
]


@pytest.mark.parametrize(("changed", "said"), DATES)
def test_dates_that_cannot_be_are_refused_by_their_field(changed: dict[str, Any], said: str) -> None:
    check_dates(attested(State.Verified, 0), T0)
    with pytest.raises(BadDate, match=said):
        check_dates(replace(attested(State.Verified, 0), **changed), T0)


def test_a_request_begins_anew_and_no_earlier_event_fits_it() -> None:
    begun = request(known(State.Revoked, 5), OTHER, "alice")
    assert begun == KYC(state=State.Pending, covers=OTHER, verifier="alice", as_of=at(5), provider="acme-kyc")
    for state in (State.Verified, State.Rejected):
        assert advance(begun, attested(state, 4), at(9)).result is Result.OutOfOrder
    assert request(known(State.Verified), DIGEST, "alice") is None, "a clearance stands until the outcome"
    stale = request(known(State.Verified), OTHER, "alice")
    assert stale is not None
    assert (stale.state, stale.covers) == (State.Pending, OTHER)
    with pytest.raises(NotAllowed, match="NeedsReview does not become Pending, only"):
        request(known(State.NeedsReview), OTHER, "alice")


def test_an_exported_clearance_is_restored_only_over_an_older_one() -> None:
    kept = known(State.Verified, 2)
    assert restore(None, kept, at(9)) == kept
    assert restore(kept, kept, at(9)) is None
    assert restore(known(State.Pending, 1), kept, at(9)) == kept
    for newer in (known(State.Pending, 3), known(State.Pending, None), known(State.Suspended, 1)):
        with pytest.raises(NotAllowed):
            restore(newer, kept, at(9))
    with pytest.raises(BadDate, match=r"asOf: .* lies ahead"):
        restore(None, kept, at(1))


EVENTS = st.lists(
    st.builds(
        attested,
        st.sampled_from([state for state in State if state is not State.Unverified]),
        st.integers(0, 5),
        st.sampled_from(["", DIGEST, OTHER]),
        st.sampled_from(["acme-kyc", "other-kyc"]),
    ),
    max_size=12,
)


@given(EVENTS)
def test_whatever_comes_in_whatever_order_only_allowed_steps_are_taken(events: list[Verification]) -> None:
    kyc: KYC | None = None
    applied = []
    for event in events:
        after = _taken(kyc, event)
        if kyc is not None and after is not kyc:
            assert after is not None
            assert after.state is kyc.state or after.state in TRANSITIONS[kyc.state]
            assert kyc.state not in HELD or after.state in HELD
            assert kyc.as_of is not None
            assert after.as_of is not None
            assert after.as_of >= kyc.as_of
        applied += [event] if after is not kyc else []
        kyc = after
        for again in applied:
            assert _unless_late(kyc, again) is kyc, "a delivery that was applied changes nothing when it comes again"


def _unless_late(kyc: KYC | None, event: Verification) -> KYC | None:
    """What the other provider holds against it may ask for a review, or be noted, again: nothing tells that it did."""
    after = _taken(kyc, event)
    asked = kyc is not None and kyc.provider != event.provider and event.state in AGAINST
    if kyc is not None and after is not None and asked and after.state in {State.NeedsReview, kyc.state}:
        return kyc
    return after


def _taken(kyc: KYC | None, event: Verification) -> KYC | None:
    try:
        return advance(kyc, event, at(9)).kyc or kyc
    except NotAllowed:
        return kyc
