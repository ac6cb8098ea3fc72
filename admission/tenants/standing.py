"""What a tenant is, computed once when it changes: the facts that rules test and the places that govern it."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from admission.api.identity import TENANT_ITSELF, TenantKind
from admission.api.policy import Fact
from admission.catalogue.countries import COUNTRIES
from admission.tenants.age import Age, Sources, sources_of
from admission.tenants.contradictions import contradiction_of
from admission.tenants.group import Top, top_of
from admission.tenants.identity import identity_digest
from admission.tenants.kinds import believed_type, kind_belied, types_belied
from admission.tenants.kyc import clearance_in, judge_clearance
from admission.tenants.ownership import UNNAMED, OwnershipGraph, graph_of
from admission.tenants.places import unknown_countries
from admission.tenants.screening import CLEAR, Judged, judge
from admission.tenants.spell import Spell
from admission.tenants.stand import Stand
from admission.tenants.ternary import Ternary
from admission.tenants.topmost import state_missing, top_declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from admission.api.dismissal import ScreeningDismissal
    from admission.api.identity import Party, TenantSpec
    from admission.api.tenant import Tenant
    from admission.review.reasons import Reason
    from admission.tenants.screening import Terms
    from admission.tenants.stand import Timing

INTERMEDIARIES = frozenset({TenantKind.Reseller, TenantKind.ClusterReseller, TenantKind.Broker, TenantKind.Marketplace})
"""Kinds that supply others: their namespaces must name who computes there."""

MUST_ATTEST = frozenset({TenantKind.InferenceProvider, TenantKind.ClusterReseller, TenantKind.IaaSProvider})
"""Kinds that compute for others, and attest by themselves, again and again, that this is what they do."""

FORMED_NOWHERE = frozenset({TenantKind.Individual, TenantKind.Government})
"""Kinds that have no incorporation."""

PLACED_BY = (Fact.Headquarters, Fact.UltimateParentHeadquarters, Fact.OwnerHeadquarters)
"""Facts of which one must be known for the tenant to have a jurisdiction."""

MOST_AGES = 4
"""Sets of ages for which a standing keeps what is too old: those in force, those proposed, and both before a change.

And so many timings for which it keeps how it stands.
"""

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
    top: Top = field(default_factory=Top)
    """The party at the top, by which others are of the same group."""
    sources: Sources = field(default_factory=lambda: Sources({}, {}))
    """Who attests the facts, and since when."""
    stale: frozenset[Fact] = frozenset()
    """Facts that are too old to be known at the instant that is asked about; `facts` has what they were last."""
    _aged: dict[tuple[int, frozenset[Fact]], Standing] = field(default_factory=dict, compare=False, repr=False)
    judged: Judged | None = None
    """Its screening with the dismissals of hits; None where it was never screened."""
    _screened: dict[Values, Standing] = field(default_factory=dict, init=False, compare=False, repr=False)
    _owned: dict[frozenset[str], Ternary] = field(default_factory=dict, compare=False, repr=False)
    _unnamed: dict[float, bool] = field(default_factory=dict, compare=False, repr=False)
    _stale: dict[tuple[Age, ...], tuple[Spell, frozenset[Fact]]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    _stands: dict[Timing, Stand] = field(default_factory=dict, init=False, compare=False, repr=False)

    @functools.cached_property
    def name(self) -> str:
        """The Tenant's name."""
        return self.tenant.name

    @functools.cached_property
    def level(self) -> int:
        """KYC level; 0 where nothing was verified."""
        return self.tenant.status.kyc.level if self.tenant.status.kyc else 0

    @functools.cached_property
    def is_intermediary(self) -> bool:
        """Whether this tenant supplies others, who must be named."""
        return self.tenant.spec.kind in INTERMEDIARIES

    @property
    def rents_on(self) -> bool:
        """Whether others compute on what this tenant gets, so that it is nobody's end customer."""
        return self.is_intermediary or self.tenant.spec.kind is TenantKind.IaaSProvider

    @functools.cached_property
    def verification(self) -> Mapping[str, str]:
        """What of it decides, for the record."""
        kyc = self.tenant.status.kyc
        return {
            "state": str(kyc.state) if kyc else "",
            "expiresAt": kyc.expires_at.isoformat() if kyc and kyc.expires_at else "",
            "reverifyBy": kyc.reverify_by.isoformat() if kyc and kyc.reverify_by else "",
            "covers": kyc.covers if kyc else "",
            "identityDigest": self.digest,
        }

    def clearance(self, now: datetime, review_after: int | None = 0) -> Reason | None:
        """Return why the party is not cleared at ``now``, or None.

        ``review_after`` is in seconds from the due date of its next verification; None where that is not acted on.
        """
        return judge_clearance(self.tenant.status.kyc, self.digest, now, review_after)

    @functools.cached_property
    def must_attest(self) -> bool:
        """Whether this is a kind that attests by itself, again and again, what it is."""
        return self.tenant.spec.kind in MUST_ATTEST

    @functools.cached_property
    def is_placed(self) -> bool:
        """Whether any place of it is known."""
        return any(self.facts[fact] for fact in PLACED_BY if fact not in self.stale)

    def at(self, now: datetime, timing: Timing) -> Stand:
        """How it stands at ``now``; found once for as long as it does."""
        kept = self._stands.get(timing)
        if kept is None or now not in kept.spell:
            if len(self._stands) >= MOST_AGES:
                self._stands.clear()
            kept = self._stands[timing] = self._found(Spell(now), timing)
        return kept

    def _found(self, spell: Spell, timing: Timing) -> Stand:
        _, old = self._found_stale(spell, timing.ages)
        is_clear = self.judged is None or (
            self.judged.worst == self.facts[Fact.Screening] == CLEAR and self.judged.is_known(spell, timing.screening)
        )
        lapsed = clearance_in(spell, self.tenant.status.kyc, self.digest, timing.review_after)
        return Stand(spell, is_clear and not old and not self.stale, lapsed)

    def stale_at(self, now: datetime, ages: tuple[Age, ...]) -> frozenset[Fact]:
        """The facts with a value that are too old to be known at ``now``; found once for as long as they are."""
        kept = self._stale.get(ages)
        if kept is None or now not in kept[0]:
            kept = self._found_stale(Spell(now), ages)
            if len(self._stale) >= MOST_AGES:
                self._stale.clear()
            self._stale[ages] = kept
        return kept[1]

    def _found_stale(self, spell: Spell, ages: tuple[Age, ...]) -> tuple[Spell, frozenset[Fact]]:
        old = self.sources.stale(spell, ages)
        return spell, frozenset(fact for fact in old if self.facts[fact] is not None)

    def without(self, stale: frozenset[Fact]) -> Standing:
        """The same with these facts too old to be known; the same object each time: answers about it are kept."""
        if stale == self.stale:
            return self
        key = id(self.facts), stale  # what is kept has the same facts, so that no others get their id meanwhile
        if key not in self._aged:
            self._aged[key] = dataclasses.replace(self, stale=stale)
        return self._aged[key]

    def in_group(self, group: str) -> Standing:
        """The same in another ownership group, as other tenants came or went."""
        return self if group == self.group else dataclasses.replace(self, group=group, _aged={})

    def owned_from(self, countries: frozenset[str]) -> Ternary:
        """Whether owners headquartered in these countries hold 50 percent or more, in aggregate."""
        if countries not in self._owned:
            self._owned[countries] = self.graph.owned_by(lambda party: _headquartered(self.graph, party, countries))
        return self._owned[countries]

    def screened(self, now: datetime, terms: Terms, review_after: int | None = 0) -> Standing:
        """The same with its screening as it counts at ``now``; one object for each value, so that answers are kept.

        ``review_after`` as for ``clearance``: whether a hit may wait depends on whether the clearance holds.
        """
        if self.judged is None:
            return self
        waits = self.judged.worst != CLEAR  # nobody's clearance matters to what is clear
        value = self.judged.at(now, terms, cleared=waits and self.clearance(now, review_after) is None)
        if value == self.facts[Fact.Screening]:
            return self
        if value not in self._screened:
            self._screened[value] = dataclasses.replace(self, facts={**self.facts, Fact.Screening: value})
        return self._screened[value]

    def may_hide_owner(self, percent: float) -> bool:
        """Whether somebody whom nobody has named may hold so much of the tenant, or of a party that does."""
        if percent not in self._unnamed:
            self._unnamed[percent] = self.graph.unnamed_from(percent)
        return self._unnamed[percent]

    @functools.cached_property
    def _places(self) -> tuple[str, ...]:
        return tuple(sorted({place for fact in PLACED_BY for place in self.facts[fact] or ()}))

    @functools.cached_property
    def problem(self) -> str:
        """What of its facts cannot be: codes of no country, a state body of no state, owners that belie each other.

        For operators.  What a fact that cannot be says is unknown to every rule.
        """
        found = unknown_countries(self.tenant)
        countries = (f"{'.'.join(map(str, path))}: {said}" for path, said in found.items())
        spec = self.tenant.spec
        others = (kind_belied(spec), state_missing(spec), *types_belied(spec), contradiction_of(spec, self.graph))
        return "; ".join(each for each in (*countries, *others) if each)

    def jurisdictions(self) -> tuple[str, ...]:
        """Every country that has, or last had, a say: headquarters, ultimate parent, owners of 50 percent or more."""
        return self._places


def standing_of(tenant: Tenant, dismissals: Iterable[ScreeningDismissal] = ()) -> Standing:
    """Compute the standing of a tenant; ``dismissals`` are those of its screening hits."""
    graph = graph_of(tenant.spec)
    judged = judge(tenant, graph, dismissals)
    standing = Standing(tenant, identity_digest(tenant.spec), {}, graph, judged=judged)
    top = top_of(tenant.spec, graph)
    return dataclasses.replace(
        standing,
        facts=_facts(tenant, standing),
        group=top.name,
        top=top,
        sources=sources_of(tenant, standing.digest),
    )


def _facts(tenant: Tenant, standing: Standing) -> Mapping[Fact, Values]:
    spec, status = tenant.spec, tenant.status
    return {
        Fact.Headquarters: _known(spec.headquarters),
        Fact.Incorporation: _incorporation(spec),
        Fact.UltimateParentHeadquarters: _of_parent(spec, standing.graph, lambda parent: parent.headquarters),
        Fact.UltimateParentIncorporation: _of_parent(
            spec, standing.graph, lambda parent: parent.incorporation, formed_nowhere=frozenset({"State"})
        ),
        Fact.OwnerHeadquarters: _owner_headquarters(spec, standing.graph),
        Fact.AccessCountry: (frozenset(status.access.countries) or None) if status.access else None,
        Fact.TenantKind: frozenset({str(spec.kind)}),
        Fact.Payment: frozenset(spec.payment) or None,
        Fact.DeclaredUse: frozenset(spec.declared_use) or None,
        Fact.Screening: standing.judged.worst if standing.judged else None,
    }


def _incorporation(spec: TenantSpec) -> Values:
    """A person and a government are formed nowhere; of anybody else what is not declared is unknown."""
    is_none = spec.incorporation is None and spec.kind in FORMED_NOWHERE and not kind_belied(spec)
    return frozenset() if is_none else _known(spec.incorporation)


def _known(value: str | None) -> Values:
    """A code that is no country says as little as none at all."""
    return frozenset({value}) if value in COUNTRIES else None


def _owner_headquarters(spec: TenantSpec, graph: OwnershipGraph) -> Values:
    """The countries that own half or more by what is stated, even where statements contradict each other."""
    places = {party.headquarters for party in spec.parties if party.headquarters}
    return frozenset(place for place in places if _owned_for_certain(graph, frozenset({place})))


def _owned_for_certain(graph: OwnershipGraph, countries: frozenset[str]) -> bool:
    return graph.owned_for_certain(lambda party: _headquartered(graph, party, countries) is Ternary.TRUE)


def _of_parent(
    spec: TenantSpec,
    graph: OwnershipGraph,
    country: Callable[[Party], str | None],
    *,
    formed_nowhere: frozenset[str] = frozenset(),
) -> Values:
    """Unknown unless a parent is declared, or that there is none, and no owner of half or more belies that.

    Of a natural person, and of what is formed nowhere, no country counts.
    """
    if not top_declared(spec) or graph.contradicts(spec.ultimate_parent or TENANT_ITSELF):
        return None
    if spec.ultimate_parent is None:
        return frozenset()
    parents = [party for party in spec.parties if party.id == spec.ultimate_parent]
    if not parents:
        return None
    is_none = believed_type(parents[0]) in formed_nowhere | {"NaturalPerson"}
    return frozenset() if is_none else _known(country(parents[0]))


def _headquartered(graph: OwnershipGraph, party: str, countries: frozenset[str]) -> Ternary:
    if party == UNNAMED:
        return Ternary.UNKNOWN
    known = graph.parties.get(party)
    if known is None:
        return Ternary.UNKNOWN
    if believed_type(known) == "NaturalPerson":
        return Ternary.FALSE
    if known.headquarters not in COUNTRIES:
        return Ternary.UNKNOWN
    return Ternary.TRUE if known.headquarters in countries else Ternary.FALSE
