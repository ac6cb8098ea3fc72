"""What somebody attests of a tenant's clearance, and what becomes of the clearance by it.

    verification ─► dated? ─► newer? ─► refused by others? ─► allowed? ─► covers? ─► the clearance to write
                    BadDate   Repeated        Kept            NotAllowed  NotAllowed
                              OutOfOrder                      a refusal: noted

Events are ordered by their instants.  One provider's later event takes the place of its own earlier ones, and of no
other's refusal: that stands until the one who refused verifies the tenant, or a person decides.  One that is late leads
to a review, and one that the state does not lead to is noted beside it.  Provider's deliveries and imported rows come
this way alike.
Nothing here reads a clock or a cluster.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from admission.api.clearance import KYC, LONGEST_DAYS, TRANSITIONS, KYCState
from admission.review import deliveries
from admission.tenants.kyc import end_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

MOST_AHEAD = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours."""

LONGEST_REASON = 1024
"""Characters of ``reason`` that a Tenant can hold."""

HELD = frozenset({KYCState.Suspended, KYCState.Revoked})
"""States that no verification lifts: a person begins anew with ``computegate kyc request``."""

AGAINST = frozenset({KYCState.Rejected, KYCState.NeedsReview, *HELD})
"""States that whoever attests them has to take back itself: late as one may come, it is not passed over."""

_REVERSED = frozenset({KYCState.Verified, KYCState.Expired, *HELD})
"""States in which there is, or was, a clearance: a refusal then takes it back."""

_UNMOVED = frozenset({KYCState.Verified, KYCState.NeedsReview})
"""States that outlast the beginning of another verification, until its outcome."""

_NOTED = frozenset({KYCState.Unverified, KYCState.NeedsReview, KYCState.Rejected, KYCState.Expired})
"""States that a late refusal leaves as they are, and in which it is noted for what follows them."""

MOST_REFUSERS = 16

_RANK = {
    state: rank
    for rank, state in enumerate(
        (
            KYCState.Unverified,
            KYCState.Pending,
            KYCState.Verified,
            KYCState.Expired,
            KYCState.NeedsReview,
            KYCState.Rejected,
            KYCState.Suspended,
            KYCState.Revoked,
        )
    )
}
"""Of two events at one instant the one further along holds, and the stricter of two outcomes."""


class BadDate(ValueError):  # noqa: N818 (what is wrong, as the message says it)
    """An instant that cannot be right; the message begins with its field."""


class NotAllowed(ValueError):  # noqa: N818 (a verdict)
    """The clearance cannot become this; the message says what to do."""


class Result(enum.StrEnum):
    """What came of a verification that could be judged."""

    Applied = "applied"
    Repeated = "repeated"
    OutOfOrder = "out_of_order"
    Kept = "kept"


class Step(NamedTuple):
    """The result, and the clearance to write; None where nothing is written."""

    result: Result
    kyc: KYC | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """That a tenant's verification reached a state at an instant, by the words of whoever verified.

    ``covers`` is the digest of the facts that were given to the verifier; empty where it is not said.
    """

    tenant: str
    state: KYCState
    as_of: datetime
    covers: str = ""
    level: int = 0
    verified_at: datetime | None = None
    expires_at: datetime | None = None
    reverify_by: datetime | None = None
    provider: str = ""
    reference: str = ""
    verifier: str = ""
    reason: str = ""


def check_dates(verification: Verification, now: datetime) -> None:
    """Raise ``BadDate`` for an instant that lies ahead, or an end that is not after its beginning."""
    latest = now + MOST_AHEAD
    if verification.as_of > latest:
        raise BadDate(f"asOf: {deliveries.instant_ahead(verification.as_of)}")
    if verification.state is not KYCState.Verified:
        return
    verified_at = verification.verified_at or verification.as_of
    if verified_at > latest:
        raise BadDate(f"verifiedAt: {deliveries.instant_ahead(verified_at)}")
    if verification.expires_at is None:
        raise BadDate(f"expiresAt: {deliveries.clearance_without_end()}")
    if verification.expires_at <= verified_at:
        raise BadDate(f"expiresAt: {deliveries.ends_before(verification.expires_at, verified_at)}")
    if verification.expires_at - verified_at > timedelta(days=LONGEST_DAYS):
        raise BadDate(f"expiresAt: {deliveries.ends_late(verification.expires_at, LONGEST_DAYS)}")
    if verification.reverify_by is not None and verification.reverify_by <= verified_at:
        raise BadDate(f"reverifyBy: {deliveries.ends_before(verification.reverify_by, verified_at)}")


def advance(current: KYC | None, verification: Verification, now: datetime, *, first: bool = False) -> Step:
    """Return what becomes of a clearance; ``current`` is None where there was never any.

    With ``first``, a tenant that never had one may get any at once: a person imports what was verified elsewhere, hears
    of what is out of order, and may clear whom a provider refused.

    Raises ``NotAllowed`` where the CRD's transitions do not lead there, where a person has to begin anew, and where
    nobody says which facts were verified.  A provider's refusal is noted all the same.
    """
    was = current or KYC(state=KYCState.Unverified)
    state = _reached(was.state, verification.state)
    if (stale := _order(was, verification, state)) is not None:
        late = not first and stale is Result.OutOfOrder and _is_unheard(was, verification, now)
        return Step(Result.Applied, _reviewed(was, verification)) if late else Step(stale)
    if not first and state not in AGAINST and was.state not in HELD and _others(was, verification.provider):
        return Step(Result.Kept, _taken_back(was, state, verification))
    if state is KYCState.Pending and was.state in _UNMOVED:
        return Step(Result.Kept)
    if not first and state is KYCState.Verified and _knows_more(was, verification, now):
        return Step(Result.Kept)
    if not first and state in AGAINST and verification.provider and not _leads(was.state, state):
        return _beside(was, state, verification)
    if current is not None or not first:
        _check(was.state, state)
    return Step(Result.Applied, _written(was, state, verification, () if first else _refusers(was)))


def request(current: KYC | None, covers: str, verifier: str) -> KYC | None:
    """Return the clearance of a tenant whose verification begins, by a person; None while one of these facts stands.

    ``covers`` is the digest of the facts as they are.  The instant of the last event and whose it was stay, so that
    no earlier delivery fits the new round.  Raises ``NotAllowed``.
    """
    was = current or KYC(state=KYCState.Unverified)
    if was.state is KYCState.Verified and was.covers == covers:
        return None
    if was.state is not KYCState.Pending and KYCState.Pending not in TRANSITIONS[was.state]:
        raise NotAllowed(deliveries.transition_refused(was.state, KYCState.Pending, TRANSITIONS[was.state]))
    told = {"as_of": was.as_of or was.verified_at, "provider": was.provider}
    return KYC.model_validate({"state": KYCState.Pending, "covers": covers, "verifier": verifier, **told})


def restore(current: KYC | None, kept: KYC, now: datetime) -> KYC | None:
    """Return an exported clearance as it is to be written again; None where it stands already.

    Raises ``BadDate`` and ``NotAllowed``.
    """
    for field, instant in (("asOf", kept.as_of), ("verifiedAt", kept.verified_at)):
        if instant is not None and instant > now + MOST_AHEAD:
            raise BadDate(f"{field}: {deliveries.instant_ahead(instant)}")
    if current is None:
        return kept
    if current == kept:
        return None
    as_of = kept.as_of or kept.verified_at
    known = current.as_of or current.verified_at
    if as_of is None or known is None or as_of <= known:
        raise NotAllowed(deliveries.cluster_newer(known))
    _check(current.state, kept.state)
    return kept


def _reached(was: KYCState, attested: KYCState) -> KYCState:
    """A refusal after a clearance revokes it."""
    return KYCState.Revoked if attested is KYCState.Rejected and was in _REVERSED else attested


def _order(was: KYC, verification: Verification, state: KYCState) -> Result | None:
    known = was.as_of or was.verified_at
    if known is None or verification.as_of > known:
        return None
    if verification.as_of < known:
        return Result.OutOfOrder
    if state is was.state:
        return Result.Repeated
    noted = was.state is KYCState.Unverified and was.refused_by and verification.state not in AGAINST
    return Result.OutOfOrder if noted or _RANK[verification.state] < _RANK[was.state] else None


def _is_unheard(was: KYC, verification: Verification, now: datetime) -> bool:
    """Whether a late refusal or review must not be lost: another's, or its own's beside an event dated ahead of us."""
    known = was.as_of or was.verified_at
    superseded = was.provider == verification.provider and known is not None and known <= now
    if verification.state not in AGAINST or superseded:
        return False
    if was.state in _NOTED:
        return verification.provider not in _refusers(was)
    return KYCState.NeedsReview in TRANSITIONS[was.state]


def _reviewed(was: KYC, verification: Verification) -> KYC:
    """The last event stays that of ``was``: what is newer than the refusal, but not than that, is still old."""
    reason = deliveries.refused_late(
        verification.provider, verification.state, verification.as_of, verification.reference, verification.reason
    )
    told = {
        "state": was.state if was.state in _NOTED else KYCState.NeedsReview,
        "verifier": verification.verifier,
        "reason": reason[:LONGEST_REASON],
        "refused_by": _with(_refusers(was), verification.provider),
    }
    return was.model_copy(update=told)


def _leads(was: KYCState, state: KYCState) -> bool:
    """Whether a refusal takes the place of a state: nothing less lifts a hold, and each clearance begins at Pending."""
    lifted = was in HELD and _RANK[state] < _RANK[was]
    return was is not KYCState.Unverified and not lifted and (state is was or state in TRANSITIONS[was])


def _beside(was: KYC, state: KYCState, verification: Verification) -> Step:
    """What is noted of a refusal that is in time, and that the state does not lead to: its provider has to lift it."""
    if verification.as_of == was.as_of and verification.provider in was.refused_by:
        return Step(Result.Repeated)
    reason = deliveries.refused_beside(
        verification.provider, state, verification.as_of, verification.reference, verification.reason
    )
    told = {
        "as_of": verification.as_of,
        "provider": verification.provider,
        "verifier": verification.verifier,
        "reason": was.reason if was.state in HELD else reason[:LONGEST_REASON],
        "refused_by": _with(_refusers(was), verification.provider),
    }
    return Step(Result.Applied, was.model_copy(update=told))


def _refusers(was: KYC) -> Sequence[str]:
    """The providers whose refusal stands; what was written before these were kept tells the last one alone."""
    last = was.provider if was.state in AGAINST - HELD else ""
    return was.refused_by or ([last] if last else [])


def _others(was: KYC, provider: str) -> list[str]:
    return [each for each in _refusers(was) if each != provider]


def _with(refusers: Iterable[str], provider: str) -> list[str]:
    return list(dict.fromkeys((*refusers, *([provider] if provider else []))))[:MOST_REFUSERS]


def _taken_back(was: KYC, state: KYCState, verification: Verification) -> KYC | None:
    """What is left where one of several who refused verifies the tenant; None where nothing of it is another."""
    if state is not KYCState.Verified or verification.provider not in _refusers(was):
        return None
    return was.model_copy(update={"as_of": verification.as_of, "refused_by": _others(was, verification.provider)})


def _knows_more(was: KYC, verification: Verification, now: datetime) -> bool:
    """Whether another provider verified the same facts more deeply, and its clearance has neither ended nor come due.

    The instant of the last event then stays that provider's: a late refusal of its own must not pass for superseded.
    """
    if was.state is not KYCState.Verified or was.provider == verification.provider or was.level <= verification.level:
        return False
    covers = verification.covers or was.covers
    is_due = was.reverify_by is not None and was.reverify_by <= now
    return was.covers == covers and not is_due and (end := end_of(was)) is not None and end > now


def _check(was: KYCState, state: KYCState) -> None:
    if was in HELD and _RANK[state] < _RANK[was]:
        raise NotAllowed(deliveries.clearance_held(was))
    if was is not state and state not in TRANSITIONS[was]:
        raise NotAllowed(deliveries.transition_refused(was, state, TRANSITIONS[was]))


def _written(was: KYC, state: KYCState, verification: Verification, refusers: Iterable[str]) -> KYC:
    """``refusers`` have refused before; among them whoever verifies now, and nobody else."""
    told = {
        "state": state,
        "as_of": verification.as_of,
        "provider": verification.provider,
        "reference": verification.reference or was.reference,
        "verifier": verification.verifier,
        "reason": verification.reason,
        "refused_by": _with(refusers, verification.provider if state in AGAINST else ""),
    }
    if state is KYCState.Verified:
        return KYC.model_validate({**told, "refused_by": [], **_clearance(was, verification)})
    if state is KYCState.Pending:
        begun = was.covers if was.state is KYCState.Pending else ""
        return KYC.model_validate({**told, "covers": verification.covers or begun})
    return was.model_copy(update=told)


def _clearance(was: KYC, verification: Verification) -> dict[str, object]:
    """A clearance covers what was given to the verifier, never what the facts happen to be when it answers."""
    covers = verification.covers or was.covers
    if not covers:
        raise NotAllowed(deliveries.covers_nothing(verification.tenant))
    return {
        "covers": covers,
        "level": verification.level,
        "verified_at": verification.verified_at or verification.as_of,
        "expires_at": verification.expires_at,
        "reverify_by": verification.reverify_by,
    }
