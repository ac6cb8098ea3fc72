"""ScreeningDismissal: one hit on a list that is another party after all, judged by two people."""

from __future__ import annotations

from typing import Literal, Self

import pydantic

from admission.api.approval import Approval, check_end
from admission.api.identity import PartyID
from admission.api.object import CRD, Digest, Justification, Model, Name, Object, UserName, rules
from admission.api.screening import EntryID

_FIXED = "a dismissal is never changed; delete it and ask for a new one"

LONGEST_DAYS = 366
"""Days from its creation, in files without one from its approval, by which a dismissal that says when it ends does so."""


class ScreeningDismissalSpec(Model):
    """Which hit of which tenant is dismissed, and why. Never changed once created."""

    model_config = pydantic.ConfigDict(json_schema_extra=rules(("self == oldSelf", _FIXED)))

    tenant: Name
    """Name of the Tenant."""
    party: PartyID
    """The party of the hit: its id, or `tenant`."""
    entry: EntryID
    """The list's own id of the entry."""
    covers: Digest
    """`covers` of the hit as both people saw it. When the party's name or identifiers or the entry's change, the hit has another, and the dismissal dismisses nothing any more."""
    confirmed_at: pydantic.AwareDatetime | None = None
    """`confirmed.at` of a hit that somebody confirmed: this takes that judgement away, and none that is made anew. Absent: a confirmed hit stays."""
    reason: Justification
    """What shows that these are two, for the approver and the auditor."""
    requested_by: UserName
    """User name of who creates the dismissal; the API server's own word for it is required to match."""
    valid_until: pydantic.AwareDatetime | None = None
    """It ends at this instant, 366 days from its creation at most, and the hit waits for judgement anew; absent: it ends when the names or the entry change."""


class ScreeningDismissalStatus(Model):
    """Written by the approver, through the status subresource."""

    approval: Approval | None = None
    """The approval, by another one than requestedBy with the verb approve on screeningdismissals.computegate.io; without one nothing is dismissed."""


class ScreeningDismissal(Object):
    """Takes one hit of `status.screening.hits` away: of one tenant, one party and one entry of a list.

    Not approved by a second person, ended, of other facts than the hit's, of a hit that was confirmed at another instant
    than ``confirmedAt``, or unreadable, it dismisses nothing.
    """

    crd = CRD(
        plural="screeningdismissals",
        short_names=("cgdismiss",),
        columns=(
            ("Tenant", "string", ".spec.tenant", "whose hit is dismissed"),
            ("Party", "string", ".spec.party", "which party"),
            ("Entry", "string", ".spec.entry", "entry of the list"),
            ("Until", "string", ".spec.validUntil", "end of validity; empty: none"),
            ("Requested-By", "string", ".spec.requestedBy", "who asked for it"),
            ("Approved-By", "string", ".status.approval.by", "who approved it; empty: it dismisses nothing"),
        ),
    )
    kind: Literal["ScreeningDismissal"] = "ScreeningDismissal"
    spec: ScreeningDismissalSpec
    """What is dismissed."""
    status: ScreeningDismissalStatus = ScreeningDismissalStatus()
    """Whether it was approved."""

    @pydantic.model_validator(mode="after")
    def _ends_in_time(self) -> Self:
        if self.spec.valid_until is not None:
            check_end(self.metadata, self.status.approval, self.spec.valid_until, LONGEST_DAYS)
        return self
