"""What a tenant is, computed once when it changes: the facts that rules test and the places that govern it."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from admission.api.identity import TENANT_ITSELF, TenantKind
from admission.api.policy import Fact
from admission.catalogue.countries import COUNTRIES
from admission.tenants.group import group_of
from admission.tenants.identity import identity_digest
from admission.tenants.kyc import judge_clearance
from admission.tenants.ownership import UNNAMED, OwnershipGraph, graph_of
from admission.tenants.ternary import Ternary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from admission.api.identity import TenantSpec
    from admission.api.tenant import Tenant
    from admission.review.reasons import Reason

INTERMEDIARIES = frozenset({TenantKind.Reseller, TenantKind.ClusterReseller, TenantKind.Broker, TenantKind.Marketplace})
"""Kinds that supply others: their namespaces must name who computes there."""

Values = frozenset[str] | None
"""What is known of a fact: its values, none of them (empty), or nothing (None)."""


@dataclass(frozen=True)
class Standing:
    """A tenant as rules and ledger see it.  Instants are judged when asked, everything else is computed."""

    tenant: Tenant
    digest: str
    facts: Mapping[Fact, Values]
    graph: OwnershipGraph
    group: str = ""
    """Key of the ownership group (``tenants.group``); tenants under the same party at the top share it."""
    _owned: dict[frozenset[str], Ternary] = field(default_factory=dict, compare=False, repr=False)
    _unnamed: dict[float, bool] = field(default_factory=dict, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The Tenant's name."""
        return self.tenant.name

    @property
    def level(self) -> int:
        """KYC level; 0 where nothing was verified."""
        return self.tenant.status.kyc.level if self.tenant.status.kyc else 0

    @property
    def is_intermediary(self) -> bool:
        """Whether this tenant supplies others, who must be named."""
        return self.tenant.spec.kind in INTERMEDIARIES

    def clearance(self, now: datetime) -> Reason | None:
        """Return why the party is not cleared at ``now``, or None."""
        return judge_clearance(self.tenant.status.kyc, self.digest, now)

    def owned_from(self, countries: frozenset[str]) -> Ternary:
        """Whether owners headquartered in these countries hold 50 percent or more, in aggregate."""
        if countries not in self._owned:
            self._owned[countries] = self.graph.owned_by(lambda party: _headquartered(self.graph, party, countries))
        return self._owned[countries]

    def owned_by_listed(self) -> Ternary:
        """Whether parties found on a list hold 50 percent or more, in aggregate."""
        screening = self.tenant.status.screening
        listed = frozenset(screening.matched_parties) if screening else frozenset()
        if not listed:
            return Ternary.FALSE
        return self.graph.owned_by(lambda party: _listed(self.graph, party, listed))

    def may_hide_owner(self, percent: float) -> bool:
        """Whether somebody whom nobody has named may hold so much of the tenant, or of a party that does."""
        if percent not in self._unnamed:
            self._unnamed[percent] = self.graph.unnamed_from(percent)
        return self._unnamed[percent]

    @functools.cached_property
    def _places(self) -> tuple[str, ...]:
        known = set(self.facts[Fact.Headquarters] or ()) | set(self.facts[Fact.UltimateParentHeadquarters] or ())
        known |= self.facts[Fact.OwnerHeadquarters] or frozenset()
        return tuple(sorted(known))

    def jurisdictions(self) -> tuple[str, ...]:
        """Every country that has a say: headquarters, ultimate parent, owners of 50 percent or more."""
        return self._places


def standing_of(tenant: Tenant) -> Standing:
    """Compute the standing of a tenant."""
    graph = graph_of(tenant.spec)
    standing = Standing(tenant, identity_digest(tenant.spec), {}, graph)
    return Standing(tenant, standing.digest, _facts(tenant, standing), graph, group_of(tenant.spec, graph))


def _facts(tenant: Tenant, standing: Standing) -> Mapping[Fact, Values]:
    spec, status = tenant.spec, tenant.status
    return {
        Fact.Headquarters: _known(spec.headquarters),
        Fact.Incorporation: _known(spec.incorporation),
        Fact.UltimateParentHeadquarters: _parent_headquarters(tenant),
        Fact.OwnerHeadquarters: _owner_headquarters(spec, standing.graph),
        Fact.AccessCountry: frozenset(status.access.countries) if status.access else None,
        Fact.TenantKind: frozenset({str(spec.kind)}),
        Fact.Payment: frozenset(spec.payment) or None,
        Fact.DeclaredUse: frozenset(spec.declared_use) or None,
        Fact.Screening: _screening(tenant, standing),
    }


def _known(value: str | None) -> Values:
    """A code that is no country says as little as none at all."""
    return frozenset({value}) if value in COUNTRIES else None


def _owner_headquarters(spec: TenantSpec, graph: OwnershipGraph) -> Values:
    """The countries that own half or more by what is stated, even where statements contradict each other."""
    places = {party.headquarters for party in spec.parties if party.headquarters}
    return frozenset(place for place in places if _owned_for_certain(graph, frozenset({place})))


def _owned_for_certain(graph: OwnershipGraph, countries: frozenset[str]) -> bool:
    return graph.owned_for_certain(lambda party: _headquartered(graph, party, countries) is Ternary.TRUE)


def _parent_headquarters(tenant: Tenant) -> Values:
    """Without a declared parent the fact is unknown, unless the tenant is declared independent."""
    if tenant.spec.ultimate_parent is None:
        return frozenset() if tenant.spec.independent else None
    parents = [party for party in tenant.spec.parties if party.id == tenant.spec.ultimate_parent]
    if not parents:
        return None
    return frozenset() if parents[0].type == "NaturalPerson" else _known(parents[0].headquarters)


def _screening(tenant: Tenant, standing: Standing) -> Values:
    """A listed party that owns less than half, or how much nobody knows, is a candidate: to be reviewed."""
    screening = tenant.status.screening
    if screening is None:
        return None
    if not screening.matched_parties:
        return frozenset({screening.state})
    listed = TENANT_ITSELF in screening.matched_parties or standing.owned_by_listed() is Ternary.TRUE
    return frozenset({"Match" if listed else "Candidate"})


def _listed(graph: OwnershipGraph, party: str, listed: frozenset[str]) -> Ternary:
    """Whoever is named was looked for on the lists."""
    if party in listed:
        return Ternary.TRUE
    known = graph.parties.get(party)
    return Ternary.FALSE if known is not None and known.name.strip() else Ternary.UNKNOWN


def _headquartered(graph: OwnershipGraph, party: str, countries: frozenset[str]) -> Ternary:
    if party == UNNAMED:
        return Ternary.UNKNOWN
    known = graph.parties.get(party)
    if known is None:
        return Ternary.UNKNOWN
    if known.type == "NaturalPerson":
        return Ternary.FALSE
    if known.headquarters not in COUNTRIES:
        return Ternary.UNKNOWN
    return Ternary.TRUE if known.headquarters in countries else Ternary.FALSE
