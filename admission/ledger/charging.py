"""Who is charged for what is held, and in which ledgers: by records of Tenants, reservations, and today's labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api.policy import Mode
from admission.api.quota import Authorization, ComputeQuota
from admission.ledger.homes import Homes, computes
from admission.ledger.membership import membership

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from admission.decide.registry import Registry
    from admission.ledger.homes import Attribution, Places
    from admission.ledger.sums import Home


class Charging:
    """Attributes what is held at a home.

    By the record of its namespace (``ledger.homes``); where there is none yet, or it is another tenant's, by the
    reservation of what is held; and where there is neither, by today's labels.
    """

    def __init__(self, registry: Registry, now: Callable[[], datetime]) -> None:
        self._registry, self._now = registry, now
        self._members: dict[str, tuple[object, Callable[[str, Places], bool]]] = {}
        self.homes = Homes()

    def attribution(self, scope: str) -> Attribution:
        """Return how new the records are that objects of a scope are attributed by."""
        return self.homes.attribution(self.belongs(scope))

    def home_of(self, held: Home) -> Mapping[str, Places]:
        """Whom a live object is charged to, and where: by its reservation while its namespace is another tenant's."""
        recorded = self.homes.of(held.namespace)
        if held.party in recorded or (recorded and self._is_at_home(held, recorded)):
            return recorded
        if recorded and self._has_moved(held):
            return {held.party: held.scopes}
        return {held.party: held.scopes | {held.governing}}

    def account_of(self, held: Home) -> str:
        """Return the one party that a live object is charged to; of several between which it moves, its own."""
        parties = self.home_of(held)
        return held.party if held.party in parties else min(parties)

    def _has_moved(self, held: Home) -> bool:
        """Whether a ledger with its reservation is not one of where its party is governed: where else, no record says.

        Where it has not, a quota that is new there counts it too.
        """
        places = frozenset({held.governing})
        return not all(self.belongs(scope)(held.party, places) for scope in held.scopes)

    @staticmethod
    def _is_at_home(held: Home, recorded: Mapping[str, Places]) -> bool:
        return not held.scopes or computes(held.party) in map(computes, recorded)

    def is_enforced(self, home: Home) -> bool:
        """Whether what is held there counts against limits.

        That does which has a reservation, or stands in a namespace that is enforced today: one that becomes enforced
        brings its use along.
        """
        return bool(home.scopes) or self._registry.mode(home.namespace) is Mode.Enforce

    def belongs(self, scope: str) -> Callable[[str, Places], bool]:
        """Return what tells whether a party that is charged in some places is charged in a scope."""
        registry, now = self._registry, self._now()
        basis = registry.rules(now), registry.every(ComputeQuota), registry.every(Authorization), registry.shards
        known = self._members.get(scope)
        if known is None or known[0] != basis:
            known = self._members[scope] = basis, membership(registry, scope, now)
        return known[1]

    def home(self, namespace: str) -> tuple[str, str]:
        """Return the governing jurisdiction and the party of a namespace, by today's labels and Tenants."""
        requester = self._registry.requester(namespace)
        places = {place for party in requester.standings for place in party.jurisdictions()}
        return self._registry.rules(self._now()).strictest(places), requester.party

    def reaches(self, namespace: str, scope: str) -> bool:
        """Say whether what stands in a namespace may be charged in a scope: by its record, or by today's labels."""
        governing, party = self.home(namespace)
        belongs = self.belongs(scope)
        homes = {**self.homes.of(namespace)}
        homes[party] = homes.get(party, frozenset()) | {governing}
        return any(belongs(*home) for home in homes.items())

    def group(self, namespace: str) -> str:
        """Return the ownership group of a namespace, by today's label and Tenants."""
        return self._registry.requester(namespace).group

    def group_of(self, party: str) -> str:
        """Return the ownership group of a party, by today's Tenants."""
        return self._registry.group_of(party)

    def account(self, tenant: str) -> str:
        """Return the party of a tenant in a namespace of its own, by today's Tenants; "" of one that is none."""
        standing = self._registry.standings.get(tenant)
        supplier = standing.tenant.spec.supplied_by if standing else None
        return f"{supplier}/{tenant}" if supplier else tenant if standing else ""

    def governing(self, party: str) -> str:
        """Return the governing jurisdiction of a party, by today's Tenants; "" where it is not known."""
        standings = (self._registry.standings.get(name) for name in party.split("/"))
        places = {place for standing in standings if standing for place in standing.jurisdictions()}
        return self._registry.rules(self._now()).strictest(places)
