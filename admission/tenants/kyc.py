"""Whether a clearance holds at an instant."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from admission.api.clearance import KYC, LONGEST_DAYS, KYCState
from admission.review.reasons import Reason
from admission.tenants.spell import Spell

if TYPE_CHECKING:
    from datetime import datetime

_NOT_VERIFIED = {
    KYCState.Unverified: Reason.KYCMissing,
    KYCState.Pending: Reason.KYCPending,
    KYCState.NeedsReview: Reason.NeedsReview,
    KYCState.Rejected: Reason.KYCRejected,
    KYCState.Expired: Reason.KYCExpired,
    KYCState.Suspended: Reason.KYCSuspended,
    KYCState.Revoked: Reason.KYCSuspended,
}

IDENTITY = 1
"""The level at which somebody's identity was verified: the floor of every clearance, from the first device on."""


def judge_clearance(
    kyc: KYC | None, identity_digest: str, now: datetime, review_after: int | None = 0
) -> Reason | None:
    """Return why the clearance does not hold at ``now``, or None when it does.

    A clearance of a level below ``IDENTITY`` has verified nothing, one without an end has expired, as has one that was
    verified ``LONGEST_DAYS`` ago, whatever its end; one that covers other facts than today's is stale, and one that is
    dated in the future is still pending.  ``review_after`` seconds past the due date of the next verification it must
    be reviewed; never where that is None.
    """
    return clearance_in(Spell(now), kyc, identity_digest, review_after)


def clearance_in(spell: Spell, kyc: KYC | None, identity_digest: str, review_after: int | None) -> Reason | None:
    """Return the same at the instant of a spell, which is then as long as that is the answer."""
    if kyc is None or (kyc.state is KYCState.Verified and kyc.level < IDENTITY):
        return Reason.KYCMissing
    if kyc.state is not KYCState.Verified:
        return _NOT_VERIFIED[kyc.state]
    if kyc.verified_at is None or not spell.has_come(kyc.verified_at):
        return Reason.KYCPending
    if (end := end_of(kyc)) is None or spell.has_come(end):
        return Reason.KYCExpired
    if kyc.covers != identity_digest:
        return Reason.KYCStale
    return Reason.NeedsReview if _is_overdue(kyc, spell, review_after) else None


def end_of(kyc: KYC) -> datetime | None:
    """Return the instant from which a clearance is expired; None where it was never verified, or has no end."""
    if kyc.verified_at is None or kyc.expires_at is None:
        return None
    beyond = kyc.expires_at - kyc.verified_at - timedelta(days=LONGEST_DAYS)
    # Taken off the end: added to the beginning it might lie beyond the calendar.
    return kyc.expires_at - max(beyond, timedelta())


def lapse_of(kyc: KYC, review_after: int | None) -> datetime | None:
    """Return the instant from which a clearance holds no more: its end, or where its overdue review counts before."""
    end = end_of(kyc)
    if end is None or kyc.reverify_by is None or review_after is None:
        return end
    return kyc.reverify_by + timedelta(seconds=review_after) if _is_overdue(kyc, Spell(end), review_after) else end


def due_state(kyc: KYC | None, now: datetime, warn_before: int) -> Literal["", "due", "overdue"]:
    """Return how the next verification of a verified tenant stands, from ``warn_before`` seconds before it is due."""
    if kyc is None or kyc.state is not KYCState.Verified or kyc.reverify_by is None:
        return ""
    left = (kyc.reverify_by - now).total_seconds()
    return "overdue" if left <= 0 else "due" if left <= warn_before else ""


def _is_overdue(kyc: KYC, spell: Spell, review_after: int | None) -> bool:
    if kyc.reverify_by is None or review_after is None:
        return False
    return spell.has_lasted(kyc.reverify_by, review_after)
