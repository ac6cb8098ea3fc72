"""What is asked, and the answer: plain values, so that the webhook, the command line and a scan ask alike."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.api.policy import Fact
from admission.decide.limits import Charge, Scope
from admission.review.finding import Finding
from admission.tenants.standing import PLACED_BY, Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from admission.api.exemption import Exemption
    from admission.api.override import KYCOverride
    from admission.api.quota import Authorization, ComputeQuota
    from admission.decide.asking import Asked
    from admission.decide.rules import RulesInForce
    from admission.demand.pod import Demand
    from admission.review.reasons import Reason
    from admission.tenants.age import Age


@dataclass(frozen=True)
class Requester:
    """Who is behind a namespace, as far as its labels and the Tenants say.

    ``tenant`` is the party that computes there or contracted for it, ``supplier`` the reseller above it and
    ``customer`` the end customer that a reseller's namespace names.  A name without a standing is unknown.
    """

    namespace: str
    tenant_name: str = ""
    tenant: Standing | None = None
    supplier_name: str = ""
    supplier: Standing | None = None
    customer_name: str = ""
    customer: Standing | None = None

    @functools.cached_property
    def standings(self) -> tuple[Standing, ...]:
        """Everyone who must be cleared, as far as known."""
        return tuple(each for each in (self.tenant, self.supplier, self.customer) if each is not None)

    @functools.cached_property
    def party(self) -> str:
        """The account that is charged: ``tenant``, or ``reseller/customer``."""
        if self.customer_name:
            return f"{self.tenant_name}/{self.customer_name}"
        return f"{self.supplier_name}/{self.tenant_name}" if self.supplier_name else self.tenant_name

    @functools.cached_property
    def group(self) -> str:
        """The ownership group that is charged: of who computes; a party without a standing is one by itself."""
        computes = self.customer if self.customer_name else self.tenant
        return computes.group if computes else self.customer_name or self.tenant_name

    @functools.cached_property
    def charged(self) -> frozenset[str]:
        """Where the live charges of ``party`` stand: jurisdictions, or ledgers that none of these leads to."""
        records = (record for each in self.standings for record in each.tenant.status.charged_to)
        return frozenset(place for record in records if record.party == self.party for place in record.jurisdictions)

    def at(self, now: datetime, ages: tuple[Age, ...]) -> Requester:
        """The same with every fact unknown that is too old at ``now``; jurisdictions that rest on one are doubtful."""
        stale = {each.name: each.stale_at(now, ages) for each in self.standings}
        if not any(stale.values()) and not any(each.stale for each in self.standings):
            return self
        doubtful = any(fact in facts for facts in stale.values() for fact in PLACED_BY)
        also = frozenset({Fact.GoverningJurisdiction} if doubtful else ())

        def aged(party: Standing | None) -> Standing | None:
            return party.without(stale[party.name] | also) if party else None

        tenant, supplier, customer = map(aged, (self.tenant, self.supplier, self.customer))
        if tenant is self.tenant and supplier is self.supplier and customer is self.customer:
            return self
        return replace(self, tenant=tenant, supplier=supplier, customer=customer)

    @functools.cached_property
    def jurisdictions(self) -> frozenset[str]:
        """The jurisdictions of all of them: the strictest governs."""
        return frozenset(place for party in self.standings for place in party.jurisdictions())


@dataclass(frozen=True, slots=True)
class Question:
    """One request for accelerators, with everything that decides it."""

    demand: Demand
    requester: Requester
    rules: RulesInForce
    quotas: tuple[ComputeQuota, ...]
    authorizations: tuple[Authorization, ...]
    now: datetime
    group: Callable[[str], frozenset[str]]
    """The tenants of the ownership group of an account."""
    exemptions: tuple[Exemption, ...] = ()
    overrides: tuple[KYCOverride, ...] = ()
    shards: int = 0
    """Ledgers over which the tenants of one quota are spread; 0 where all stand in one."""
    endings: Mapping[Reason, int] = field(default_factory=dict)
    """Seconds from a tenant's being told to the end of its pod, by the reasons for which pods are ended."""
    asking: dict[str, tuple[Asked, ...]] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What ``asking.asked_of`` found, by jurisdiction."""
    is_controlled: bool = field(init=False, compare=False, repr=False)
    """Whether any class that the request can reach is controlled, or of unknown control."""
    every_class: frozenset[str] = field(init=False, compare=False, repr=False)
    """The classes that its devices can be, here or wherever else they are counted for."""

    def __post_init__(self) -> None:
        """Note what most checks ask for."""
        names = (name for devices in self.demand.devices for name in devices.classes)
        object.__setattr__(self, "is_controlled", any(map(self.rules.controlled, names)))
        object.__setattr__(self, "every_class", self.demand.every_class())

    def now_known(self) -> Question:
        """The same with facts that are too old, by its own rules and instant, unknown."""
        requester = self.requester.at(self.now, self.rules.ages)
        return self if requester is self.requester else replace(self, requester=requester)


class Check(NamedTuple):
    """One check that was run: its name, the party, what came out, and the inputs that decided."""

    name: str
    party: str
    outcome: str
    inputs: Mapping[str, str]


class Verdict(msgspec.Struct, frozen=True):
    """What the checks say.  ``scopes`` are the limits still to be asked of the ledger when nothing denies."""

    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    governing: str = ""
    charge: Charge | None = None
    scopes: tuple[Scope, ...] = ()
    exempted: tuple[tuple[str, str], ...] = ()
    """Each access that was let pass, as exemption and field."""
    overrides: tuple[str, ...] = ()
    """The overrides without which a clearance would not hold."""

    def reasons(self) -> tuple[Reason, ...]:
        """The reasons of the findings, each once."""
        return tuple(dict.fromkeys(finding.reason for finding in self.findings))
