"""Why a request is denied: the operator's reason, and the public code a tenant reads.

Each operator's reason has exactly one public code.  Metrics, conditions on the operator's objects and
the decision record carry the reason; whatever a tenant can read carries the code alone, so that it
tells neither a list, nor an owner, nor a match.
"""

from __future__ import annotations

import enum


class PublicCode(enum.StrEnum):
    """What a tenant reads, in the order in which a denial with several codes leads."""

    NotPermitted = "NotPermitted"
    InfoNeeded = "InfoNeeded"
    NotCleared = "NotCleared"
    UnderReview = "UnderReview"
    LimitReached = "LimitReached"
    TryAgain = "TryAgain"


class Reason(enum.StrEnum):
    """What an operator reads, in one enum for metrics, conditions and the decision record."""

    KYCMissing = "KYCMissing"
    KYCExpired = "KYCExpired"
    KYCRejected = "KYCRejected"
    KYCSuspended = "KYCSuspended"
    KYCStale = "KYCStale"
    FactStale = "FactStale"
    JurisdictionNotAllowed = "JurisdictionNotAllowed"
    OwnershipNotCleared = "OwnershipNotCleared"
    ListedParty = "ListedParty"
    EndUseNotCleared = "EndUseNotCleared"
    EndCustomerNotCleared = "EndCustomerNotCleared"
    KYCPending = "KYCPending"
    NeedsReview = "NeedsReview"
    OwnerUnknown = "OwnerUnknown"
    TenantUnknown = "TenantUnknown"
    KYCLevelTooLow = "KYCLevelTooLow"
    AttestationLapsed = "AttestationLapsed"
    EndCustomerMissing = "EndCustomerMissing"
    EndUseMissing = "EndUseMissing"
    PaymentUnknown = "PaymentUnknown"
    ClassAmbiguous = "ClassAmbiguous"
    ClaimMissing = "ClaimMissing"
    HoldUnbounded = "HoldUnbounded"
    QuotaExceeded = "QuotaExceeded"
    HoursExhausted = "HoursExhausted"
    HoldTooLong = "HoldTooLong"
    AuthorizationRequired = "AuthorizationRequired"
    AuthorizationExhausted = "AuthorizationExhausted"
    DeviceBypass = "DeviceBypass"
    ClassUnknown = "ClassUnknown"
    BeforeInstall = "BeforeInstall"
    StaticPod = "StaticPod"
    NotSynced = "NotSynced"
    LedgerBusy = "LedgerBusy"
    Draining = "Draining"
    RecordUnwritten = "RecordUnwritten"
    RulesUnusable = "RulesUnusable"

    @property
    def code(self) -> PublicCode:
        """The public code behind which this reason stands."""
        return _CODES[self]


_BEHIND: dict[PublicCode, tuple[Reason, ...]] = {
    PublicCode.NotPermitted: (Reason.DeviceBypass, Reason.ClassUnknown, Reason.BeforeInstall, Reason.StaticPod),
    PublicCode.InfoNeeded: (
        Reason.TenantUnknown,
        Reason.KYCLevelTooLow,
        Reason.AttestationLapsed,
        Reason.EndCustomerMissing,
        Reason.EndUseMissing,
        Reason.OwnerUnknown,
        Reason.PaymentUnknown,
        Reason.ClassAmbiguous,
        Reason.ClaimMissing,
        Reason.HoldUnbounded,
    ),
    PublicCode.NotCleared: (
        Reason.KYCMissing,
        Reason.KYCExpired,
        Reason.KYCRejected,
        Reason.KYCSuspended,
        Reason.KYCStale,
        Reason.FactStale,
        Reason.JurisdictionNotAllowed,
        Reason.OwnershipNotCleared,
        Reason.ListedParty,
        Reason.EndUseNotCleared,
        Reason.EndCustomerNotCleared,
    ),
    PublicCode.UnderReview: (Reason.KYCPending, Reason.NeedsReview),
    PublicCode.LimitReached: (
        Reason.QuotaExceeded,
        Reason.HoursExhausted,
        Reason.HoldTooLong,
        Reason.AuthorizationRequired,
        Reason.AuthorizationExhausted,
    ),
    PublicCode.TryAgain: (
        Reason.NotSynced,
        Reason.LedgerBusy,
        Reason.Draining,
        Reason.RecordUnwritten,
        Reason.RulesUnusable,
    ),
}
_CODES = {reason: code for code, reasons in _BEHIND.items() for reason in reasons}
