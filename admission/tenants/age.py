"""How old what is known of a tenant is: who attests each fact, since when, and which are too old at an instant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, get_args

from admission.api.attestation import LONGEST_DAYS, Attestation, AttestedFact, Attester
from admission.api.clearance import KYCState
from admission.api.policy import Fact
from admission.tenants.kyc import end_of
from admission.tenants.spell import Spell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.api.tenant import Tenant

ATTESTED = frozenset(map(Fact, get_args(AttestedFact)))
"""Facts of a Tenant's spec."""

COVERED = ATTESTED - {Fact.DeclaredUse}
"""Those that a clearance attests, as its digest covers them."""

OWNERSHIP = 2
"""The KYC level from which on owners and parents were verified."""

OF_OWNERSHIP = frozenset({Fact.OwnerHeadquarters, Fact.UltimateParentHeadquarters, Fact.UltimateParentIncorporation})
"""The facts that rest on these."""

_NEVER = datetime.max.replace(tzinfo=UTC)


class Age(NamedTuple):
    """How old a fact may be, in seconds, by whose word; nobody named means anybody's."""

    fact: Fact
    seconds: int
    by: frozenset[Attester]


class Source(NamedTuple):
    """One word for a fact: whose, since when, until when."""

    by: Attester
    at: datetime
    until: datetime

    def holds(self, spell: Spell) -> bool:
        """Whether it counts at the instant."""
        return spell.has_come(self.at) and not spell.has_come(self.until)

    def meets(self, age: Age, spell: Spell) -> bool:
        """Whether it is from somebody whose word counts, and young enough at the instant."""
        counts = not age.by or self.by in age.by
        return counts and self.holds(spell) and not spell.is_over(self.at, age.seconds)


_Sources = Mapping[Fact, tuple[Source, ...]]


@dataclass(frozen=True, slots=True)
class Sources:
    """What stands behind a tenant's facts: ``stated`` by attestations, ``every`` by anything."""

    stated: _Sources
    every: _Sources

    def stale(self, spell: Spell, ages: Iterable[Age]) -> frozenset[Fact]:
        """The facts that nobody attests any more, or not since long enough ago."""
        lapsed = {fact for fact, sources in self.stated.items() if not any(each.holds(spell) for each in sources)}
        old = {age.fact for age in ages if not any(each.meets(age, spell) for each in self.every.get(age.fact, ()))}
        return frozenset(lapsed | old)

    def attests_itself(self, now: datetime) -> bool:
        """Whether the tenant itself attests at ``now`` what kind of customer it is."""
        spell = Spell(now)
        return any(each.by is Attester.Tenant and each.holds(spell) for each in self.stated.get(Fact.TenantKind, ()))


def sources_of(tenant: Tenant, digest: str) -> Sources:
    """Return what stands behind each fact of a tenant whose identity facts have this digest."""
    stated: defaultdict[Fact, list[Source]] = defaultdict(list)
    for attestation in tenant.spec.attestations:
        until = attestation.valid_until - _beyond(attestation)
        for name in attestation.facts:
            stated[Fact(name)].append(Source(attestation.by, attestation.at, until))
    every = defaultdict(list, {fact: list(sources) for fact, sources in stated.items()})
    kyc, access = tenant.status.kyc, tenant.status.access
    end = end_of(kyc) if kyc else None
    if kyc and kyc.state is KYCState.Verified and kyc.covers == digest and kyc.verified_at and end:
        for fact in COVERED - (frozenset() if kyc.level >= OWNERSHIP else OF_OWNERSHIP):
            every[fact].append(Source(Attester.Provider, kyc.verified_at, end))
    if access and access.as_of:
        every[Fact.AccessCountry].append(Source(Attester.IdentityProvider, access.as_of, _NEVER))
    return Sources(_fixed(stated), _fixed(every))


def too_long(tenant: Tenant) -> dict[tuple[str | int, ...], str]:
    """Return what is wrong with attestations that nobody would have to renew, by the field, as a path in it."""
    return {
        ("spec", "attestations", place, "validUntil"): (
            f"{each.valid_until.isoformat()} is more than {LONGEST_DAYS} days after {each.at.isoformat()}, "
            "when it was attested; attest anew before"
        )
        for place, each in enumerate(tenant.spec.attestations)
        if _beyond(each)
    }


def _beyond(attestation: Attestation) -> timedelta:
    """How much too long it is to last; taken off its end, as a sum with its beginning may lie beyond the calendar."""
    return max(attestation.valid_until - attestation.at - timedelta(days=LONGEST_DAYS), timedelta())


def _fixed(sources: Mapping[Fact, list[Source]]) -> _Sources:
    return {fact: tuple(each) for fact, each in sources.items()}
