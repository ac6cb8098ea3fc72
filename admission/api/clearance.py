"""What others find out of a tenant: the verification, the screening, and where its users log in from."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import pydantic

from admission.api.identity import PartyID
from admission.api.object import Country, Model, Text, rules
from admission.api.screening import ScreeningHit


class KYCState(enum.StrEnum):
    """The states of know-your-customer verification."""

    Unverified = "Unverified"
    Pending = "Pending"
    Verified = "Verified"
    NeedsReview = "NeedsReview"
    Rejected = "Rejected"
    Expired = "Expired"
    Suspended = "Suspended"
    Revoked = "Revoked"


TRANSITIONS: dict[KYCState, tuple[KYCState, ...]] = {
    KYCState.Unverified: (KYCState.Pending, KYCState.Suspended),
    KYCState.Pending: (
        KYCState.Verified,
        KYCState.NeedsReview,
        KYCState.Rejected,
        KYCState.Suspended,
        KYCState.Revoked,
    ),
    KYCState.Verified: (KYCState.NeedsReview, KYCState.Expired, KYCState.Suspended, KYCState.Revoked, KYCState.Pending),
    KYCState.NeedsReview: (KYCState.Verified, KYCState.Rejected, KYCState.Suspended, KYCState.Revoked),
    KYCState.Rejected: (KYCState.Pending, KYCState.Suspended, KYCState.Revoked),
    KYCState.Expired: (KYCState.Pending, KYCState.Suspended, KYCState.Revoked),
    KYCState.Suspended: (KYCState.Pending, KYCState.Verified, KYCState.Revoked),
    KYCState.Revoked: (KYCState.Pending,),
}
"""From each state, the states that may follow it; enforced by the CRD on every write. All but Revoked, which holds as it does, can be Suspended."""

LONGEST_DAYS = 3660
"""Days that a verification may count for: whoever verified ten years ago knows nobody any more."""

_CEL_TRANSITIONS = (
    "{" + ", ".join(f"'{a}': [{', '.join(repr(str(b)) for b in after)}]" for a, after in TRANSITIONS.items()) + "}"
)


class KYC(Model):
    """The clearance, written by the KYC integration alone, through the status subresource."""

    state: Annotated[
        KYCState,
        pydantic.Field(
            json_schema_extra=rules(
                (
                    f"self == oldSelf || self in {_CEL_TRANSITIONS}[oldSelf]",
                    "this transition is not allowed: Unverified > Pending > Verified or Rejected; a lapsed clearance starts again at Pending",
                )
            )
        ),
    ]
    """Where verification stands. Expiry is judged at decision time from expiresAt, whatever this says."""
    level: Annotated[int, pydantic.Field(ge=0, le=4)] = 0
    """How deep the verification went: 1 identity, 2 ownership, 3 enhanced, 4 in person; rules ask for a least level. At 0 nothing was verified: that clears nobody for a controlled class, whatever the state and the rules say."""
    verified_at: pydantic.AwareDatetime | None = None
    """When the verification was completed."""
    expires_at: pydantic.AwareDatetime | None = None
    """From this instant the clearance is expired. It is in any case from 3660 days after it was verified. Absent on a Verified tenant counts as expired."""
    reverify_by: pydantic.AwareDatetime | None = None
    """When the next verification is due. What follows is said by `reverification` of AccessPolicies: by default a warning before, and a review from then on."""
    provider: Annotated[str, pydantic.Field(max_length=128)] = ""
    """The KYC provider that verified."""
    reference: Annotated[str, pydantic.Field(max_length=256)] = ""
    """The provider's reference to the evidence; never the evidence itself."""
    verifier: Annotated[str, pydantic.Field(max_length=128)] = ""
    """Who or what wrote this status."""
    as_of: pydantic.AwareDatetime | None = None
    """The instant of the provider's event that this status tells of; deliveries of earlier events change nothing."""
    covers: Annotated[str, pydantic.Field(max_length=71)] = ""
    """Digest of the identity facts that were verified (`computegate digest`). A fact changed since makes the clearance stale."""
    reason: Text = ""
    """Why the state is what it is, for operators."""
    refused_by: Annotated[list[Annotated[str, pydantic.Field(max_length=128)]], pydantic.Field(max_length=16)] = []
    """Providers that refused the tenant, or asked for a review, and have not verified it since. While there is one, no other's delivery clears it; a person does."""


class Screening(Model):
    """What screening against restricted-party lists found, written by the screening integration (`computegate screen`, or your own)."""

    state: Literal["Clear", "Candidate", "Match"]
    """Clear; Candidate: a name hit not yet judged (under review); Match: a listed party. As it was when this was written: where there are hits, each request is judged by these and by the ScreeningDismissals; Match with no matchedParties is the tenant itself, and stands."""
    lists_as_of: pydantic.AwareDatetime | None = None
    """Date of the lists that were searched."""
    matched_parties: Annotated[list[PartyID], pydantic.Field(max_length=201)] = []
    """Party ids, or `tenant`, that are on a list. Ownership of 50 percent or more by them, in aggregate, counts as listed. One that is none of the parties counts as the tenant itself. One of whom there is no hit is listed whatever the hits are; one with hits is judged by these."""
    candidate_since: pydantic.AwareDatetime | None = None
    """When the first of the hits that wait for judgement was seen."""
    cleared_since: pydantic.AwareDatetime | None = None
    """Since when the tenant has been seen with a clearance that holds, whatever `kyc.verifiedAt` says. Only a hit first seen after it has the review period; absent: none has."""
    hits: Annotated[list[ScreeningHit], pydantic.Field(max_length=200)] = []
    """Every hit, matches first, then by likeness; those that were dismissed stay."""
    more_hits: Annotated[int, pydantic.Field(ge=0)] = 0
    """Hits beyond these. They are candidates that nobody can dismiss: correct the names first."""
    covers: Annotated[str, pydantic.Field(max_length=71)] = ""
    """Digest of the names and identifiers that were searched for. Once they are others, a tenant that was clear is of unknown screening."""
    list_digest: Annotated[str, pydantic.Field(max_length=71)] = ""
    """Digest of the list that was searched."""
    list_entries: Annotated[int, pydantic.Field(ge=0)] = 0
    """Entries of the list that was searched: a next one that is much shorter is refused."""
    list_names: Annotated[int, pydantic.Field(ge=0)] = 0
    """Names and aliases of its entries: likewise."""
    list_numbers: Annotated[int, pydantic.Field(ge=0)] = 0
    """Identifiers of its entries: likewise."""
    reference: Annotated[str, pydantic.Field(max_length=256)] = ""
    """The screening system's reference."""


class AccessEvidence(Model):
    """Where the tenant's users log in from, fed by the identity provider."""

    countries: Annotated[list[Country], pydantic.Field(max_length=250)] = []
    """Countries seen (ISO 3166-1 alpha-2). None at all means that it is not known from where users log in."""
    as_of: pydantic.AwareDatetime | None = None
    """When this was last refreshed; `factAges` of AccessPolicies say for how long it counts."""
