"""The census: what the pods and the claims of a cluster hold, attributed as their reservations were.

A pod is charged to the party and in the places that the record of its namespace names (``ledger.homes``), which the
reservations of what it holds were folded by.  Where there is no record yet, or it is another tenant's, the pod's own
reservation says both; and where there is neither (from before the install, or past us), today's labels, as soon as they
allow.

A pod that was charged for claims made from templates stands in flight with that charge until each claim has taken over
its part, and with what it asks for by resources besides.  The one exception is a claim that the scheduler makes for a
pod's resources: it is the pod's own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from admission.decide.shards import account_of
from admission.ledger.ends import stay_of
from admission.ledger.seen import Seen
from admission.ledger.sums import Held, Home

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from admission.decide.limits import Account
    from admission.ledger.homes import Attribution
    from admission.ledger.hours import Stay
    from admission.ledger.state import Entry


class PodCensus(Seen):
    """Live accelerator pods and claims up to one version of each; see ``admission.ledger.census.Census``."""

    def heir(self) -> PodCensus:
        """Return an empty census that attributes the pods it will see as this one does."""
        heir = PodCensus(self._registry, self._now)
        heir._inherited, heir._harmless = self._held, self._idle
        heir._promises = self._promises.copy()
        heir.charging.homes = self.charging.homes
        return heir

    def settled(self, entry: Entry) -> bool:
        """Say whether the object of a reservation was seen, and nothing else is to be made that it was charged for."""
        return self.seen(entry.uid) and not entry.charge.parts

    def attributed(self, entry: Entry, scope: str) -> bool:
        """Say whether the record of its namespace charges an object as its reservation does, or it is gone."""
        if entry.uid not in self._held:
            return True
        charging, party = self.charging, entry.charge.party
        places = charging.homes.of(entry.namespace).get(party)
        return places is not None and charging.homes.kept(entry.namespace) and charging.belongs(scope)(party, places)

    def attribution(self, scope: str) -> Attribution:
        """Return how new the records are that objects of a scope are attributed by."""
        return self.charging.attribution(scope)

    def unreadable(self, scope: str) -> Collection[str]:
        """Return the objects of which nobody knows what they hold, and whose namespace is charged in a scope."""
        reaches = self.charging.reaches
        return [" ".join(each) for each, namespace in self._unreadable.items() if reaches(namespace, scope)]

    def charges(self, scope: str, promised: Collection[str] = ()) -> Mapping[Account, int]:
        """Return what the live objects hold that are charged in a scope, without those that are still ``promised``."""
        return self._accounts(scope, enforced=True, without=promised)

    def observed(self, scope: str) -> Mapping[Account, int]:
        """Return what the live pods hold that would be charged in a scope if their namespaces were enforced."""
        return self._accounts(scope, enforced=False)

    def stays(self, scope: str, promised: Collection[str] = ()) -> Collection[Stay]:
        """Return for how long the objects hold their devices that ``charges`` counts."""
        return [stay_of(self._lasts(held)) for held in self._charged(scope, without=promised)]

    def ended(self, scope: str) -> Collection[Stay]:
        """Return the stays of objects of a scope whose end was seen here."""
        return self._ends.of(self.charging.belongs(scope), self._on_account_of)

    def forget(self, pods: int, claims: int) -> None:
        """Forget the ends up to these versions."""
        self._ends.forget(pods, claims)

    def _accounts(self, scope: str, *, enforced: bool, without: Collection[str] = ()) -> Mapping[Account, int]:
        self._settle()
        belongs, shards = self.charging.belongs(scope), self._registry.shards
        total: Counter[Account] = Counter()
        for home, counts in self._held.sums({*without, *self._counted_with_pods()}):
            if self.charging.is_enforced(home) is enforced:
                for party, places in self.charging.home_of(home).items():
                    if belongs(party, places):
                        account = account_of(scope, party, shards)
                        total.update({(account, key): count for key, count in counts.items()})
        return +total

    def _charged(self, scope: str, *, without: Collection[str]) -> Iterator[Held]:
        self._settle()
        belongs, elsewhere = self.charging.belongs(scope), self._counted_with_pods()
        for held in self._held.all():
            if held.uid not in without and held.uid not in elsewhere and self.charging.is_enforced(held.home):
                for party, places in self.charging.home_of(held.home).items():
                    if belongs(party, places):
                        yield self._on_account_of(party, held)

    def _on_account_of(self, party: str, held: Held) -> Held:
        """What is held as a party's: on the hold of its own group, whoever's the namespace was when this was seen."""
        return held if held.party == party else held._replace(party=party, group=self.charging.group_of(party))

    def residents(self) -> Mapping[str, Collection[str]]:
        """Return who is charged for what each namespace holds."""
        self._settle()
        found: defaultdict[str, set[str]] = defaultdict(set)
        for home, _ in self._held.sums():
            if self.charging.is_enforced(home):
                found[home.namespace].update(self.charging.home_of(home))
        return found

    def occupied(self) -> frozenset[str]:
        """Return the namespaces in which live objects hold devices, judged or not."""
        return frozenset(home.namespace for home, _ in self._held.sums())

    def account(self, uid: str, namespace: str) -> tuple[str, str]:
        """Return the party that is charged for an object, and its ownership group, whatever a label says today.

        Of an object that was never seen here too, as what came and went while nobody watched.
        """
        known = self._held.get(uid) or self._promises.get(uid)
        own, scopes, group = (known.party, known.scopes, known.group) if known else ("", frozenset[str](), "")
        party = self.charging.account_of(Home(namespace, "", own or self.charging.home(namespace)[1], scopes))
        return party, group if group and party == own else self.charging.group_of(party)

    def use(self) -> Mapping[str, Counter[str]]:
        """Return what each party holds by class key, enforced or not."""
        self._settle()
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for home, counts in self._held.sums(self._counted_with_pods()):
            for party in self.charging.home_of(home):
                found[party].update(counts)
        return found

    def unattributed(self) -> int:
        """Return the devices of live pods, in namespaces that are not judged too, that no jurisdiction was found for.

        As the last count of a scope or of use left it.  Safe in any thread.
        """
        return sum(
            sum(tuple(counts.values()))
            for home, counts in self._held.snapshot()
            if not home.governing and not home.scopes and not self.charging.homes.of(home.namespace)
        )

    def _counted_with_pods(self) -> frozenset[str]:
        """The claims that hold what a pod was charged for by its resources, and no more than that."""

        def total(uid: str) -> int:
            held = self._held.get(uid)
            return sum(count for _, count in held.counts) if held else 0

        return frozenset(
            claim for pod, claim in self._book.pairs() if claim not in self._promises and total(claim) <= total(pod)
        )
