"""Whether a clearance holds at an instant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api.clearance import KYC, KYCState
from admission.review.reasons import Reason

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


def judge_clearance(kyc: KYC | None, identity_digest: str, now: datetime) -> Reason | None:
    """Return why the clearance does not hold at ``now``, or None when it does.

    A clearance without an end has expired, one that covers other facts than today's is stale, and one that
    is dated in the future is still pending.
    """
    if kyc is None:
        return Reason.KYCMissing
    if kyc.state is not KYCState.Verified:
        return _NOT_VERIFIED[kyc.state]
    if kyc.verified_at is None or kyc.verified_at > now:
        return Reason.KYCPending
    if kyc.expires_at is None or kyc.expires_at <= now:
        return Reason.KYCExpired
    return None if kyc.covers == identity_digest else Reason.KYCStale
