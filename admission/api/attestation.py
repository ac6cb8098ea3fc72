"""Who says that facts of a tenant are so, since when and for how long; and how old they may grow before nobody knows."""

from __future__ import annotations

import enum
from typing import Annotated, Literal, Self

import pydantic

from admission.api.object import Model, rules
from admission.api.quota import Duration

_ENDS_FIRST = "at is not before validUntil; say until when it holds"

LONGEST_DAYS = 366
"""Days for which one attestation counts at most: whoever has to renew it does so each year."""

AttestedFact = Literal[
    "Headquarters",
    "Incorporation",
    "UltimateParentHeadquarters",
    "UltimateParentIncorporation",
    "OwnerHeadquarters",
    "TenantKind",
    "Payment",
    "DeclaredUse",
]
"""Facts of a Tenant's spec; those of its status have instants of their own."""

AgeingFact = Literal[AttestedFact, "AccessCountry"]


class Attester(enum.StrEnum):
    """Who can say that a fact is so."""

    Tenant = "Tenant"
    Provider = "Provider"
    Operator = "Operator"
    IdentityProvider = "IdentityProvider"


class Attestation(Model):
    """One statement that facts of the spec are so. Once every attestation that names a fact has ended, the fact is unknown."""

    model_config = pydantic.ConfigDict(json_schema_extra=rules(("self.at < self.validUntil", _ENDS_FIRST)))

    facts: Annotated[list[AttestedFact], pydantic.Field(min_length=1, max_length=8)]
    """What is attested. TenantKind by the tenant itself is what an InferenceProvider, an IaaSProvider or a ClusterReseller must renew."""
    by: Attester
    """Who attests it: the tenant itself, the KYC provider, the operator, the identity provider."""
    at: pydantic.AwareDatetime
    """When it was attested; it counts from then, and its age is told from then."""
    valid_until: pydantic.AwareDatetime
    """It ends at this instant, and in any case 366 days after it was attested."""
    reference: Annotated[str, pydantic.Field(max_length=256)] = ""
    """Where the statement is kept; never the statement itself."""

    @pydantic.model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.at >= self.valid_until:
            raise ValueError(_ENDS_FIRST)
        return self


class FactAge(Model):
    """How old a fact may be: past that it is unknown, and an unknown fact never lets a restricting rule pass."""

    fact: AgeingFact
    """The fact. A clearance attests all that its digest covers, by the Provider at verifiedAt; AccessCountry is attested by the IdentityProvider at status.access.asOf."""
    max_age: Duration
    """The longest time since it was attested, such as 90d; a fact that nobody attests is older than any."""
    attested_by: Annotated[list[Attester], pydantic.Field(max_length=4)] = []
    """Whose word counts; empty means anybody's."""


class Reverification(Model):
    """What follows from status.kyc.reverifyBy of a Tenant: a warning before it, a review after it."""

    warn_before: Duration = "14d"
    """For so long before the due date callers are warned, and the tenant counts as due in the metrics."""
    grace: Duration = "0h"
    """For so long after the due date the clearance still holds."""
    overdue: Literal["NeedsReview", "Warn"] = "NeedsReview"
    """What comes then: the tenant is not cleared until it was verified again, or callers are warned and no more."""
