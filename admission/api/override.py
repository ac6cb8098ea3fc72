"""KYCOverride: a clearance that does not hold is let stand for a while, for one tenant, by two people."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import pydantic

from admission.api.approval import Approval, check_end
from admission.api.object import CRD, Digest, Justification, Model, Name, Object, UserName, rules

_FIXED = "an override is never changed; delete it and ask for a new one"

LONGEST_DAYS = 31
"""Days from its creation, in files without one from its approval, after which an override must be asked for anew."""

OverridableReason = Literal[
    "KYCMissing", "KYCPending", "KYCExpired", "KYCRejected", "KYCSuspended", "KYCStale", "NeedsReview"
]
"""Reasons that the state of a verification has; of rules, such as those about listed parties, none can be overridden."""


class KYCOverrideSpec(Model):
    """Whose clearance is let stand, in spite of what, why and until when. Never changed once created."""

    model_config = pydantic.ConfigDict(json_schema_extra=rules(("self == oldSelf", _FIXED)))

    tenant: Name
    """Name of the Tenant."""
    reasons: Annotated[list[OverridableReason], pydantic.Field(min_length=1, max_length=7)]
    """What is overridden, by the words of `status.standing.reason` and the record. NeedsReview is that of the verification; what rules find is not overridden, nor is a level too low."""
    covers: Digest
    """Digest of the identity facts that both people looked at (`status.standing.identityDigest`). When a fact changes it overrides nothing any more."""
    reason: Justification
    """Why, for the approver and the auditor."""
    requested_by: UserName
    """User name of who creates the override; the API server's own word for it is required to match."""
    valid_until: pydantic.AwareDatetime
    """It ends at this instant, 31 days from its creation at most."""


class KYCOverrideStatus(Model):
    """Written by the approver, through the status subresource."""

    approval: Approval | None = None
    """The approval; without one nothing is overridden."""


class KYCOverride(Object):
    """Lets a tenant's clearance stand until an instant although its verification says otherwise.

    Rules are asked as ever, and so is the KYC level. Not approved by a second person, ended, of other facts, or
    unreadable, it overrides nothing.
    """

    crd = CRD(
        plural="kycoverrides",
        short_names=("cgoverride",),
        columns=(
            ("Tenant", "string", ".spec.tenant", "whose clearance is let stand"),
            ("Reasons", "string", ".spec.reasons", "what is overridden"),
            ("Until", "string", ".spec.validUntil", "end of validity"),
            ("Requested-By", "string", ".spec.requestedBy", "who asked for it"),
            ("Approved-By", "string", ".status.approval.by", "who approved it; empty: it overrides nothing"),
        ),
    )
    kind: Literal["KYCOverride"] = "KYCOverride"
    spec: KYCOverrideSpec
    """What is overridden."""
    status: KYCOverrideStatus = KYCOverrideStatus()
    """Whether it was approved."""

    @pydantic.model_validator(mode="after")
    def _ends_in_time(self) -> Self:
        check_end(self.metadata, self.status.approval, self.spec.valid_until, LONGEST_DAYS)
        return self
