"""What the records of Tenants should say next: where charges stand, and the next step of each that moves.  Pure.

A move charges the new home first, then switches the record, then drops the old charge:

1. the record names both homes, so that every census charges both;
2. once every ledger of the new home has that, and is known to go by this record, the record names the new one alone;
3. the folds that follow drop the old charge.

Whoever stops between any two steps leaves something counted twice, and never nothing.  What moves a charge is that the
same tenant is governed, or supplied, by another.  A namespace whose label names another tenant moves nothing: its
record stays until nothing of the old tenant is left in it, and what the new one starts there stays in flight.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from admission.ledger.homes import Homes, Places, Record, computes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

NOWHERE: Places = frozenset()


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides the records, beside what they say already.

    ``residents`` are the parties that are charged for what each namespace holds.  ``waiting`` are the scopes of
    reservations whose objects are there and that no record covers, by namespace and party.  ``today`` gives the
    governing jurisdiction and the party of a namespace by its labels; where these tell of another tenant, or of none,
    ``account`` gives the party of a tenant by itself, and ``governs`` the jurisdiction of a party.  ``belongs`` says
    whether a party that is charged in some places is charged in a scope, and ``follows`` whether every ledger in which
    it is charged, for some places, has all its charges by the newest records.  ``lingers`` says whether a namespace
    that has just been emptied is kept for now.
    """

    residents: Mapping[str, Collection[str]]
    waiting: Mapping[tuple[str, str], Places]
    today: Callable[[str], tuple[str, str]]
    account: Callable[[str], str]
    governs: Callable[[str], str]
    belongs: Callable[[str, str, Places], bool]
    follows: Callable[[str, Places], bool]
    lingers: Callable[[str], bool]


def wanted(homes: Homes, facts: Facts) -> Mapping[str, Record]:
    """Return the record that each Tenant should have next; a Tenant that is not named should have none."""
    waiting: defaultdict[str, set[str]] = defaultdict(set)
    for namespace, party in facts.waiting:
        waiting[namespace].add(party)
    parties = {
        namespace: found
        for namespace in {*facts.residents, *homes.namespaces()}
        if (found := _parties(namespace, homes, facts, waiting.get(namespace, ())))
    }
    places = _places(parties, homes, facts)
    namespaces: defaultdict[str, dict[str, frozenset[str]]] = defaultdict(dict)
    for namespace, found in parties.items():
        for party in sorted(found):
            holder = homes.holder(party)
            if holder is not None and places[party]:
                namespaces[holder][namespace] = namespaces[holder].get(namespace, frozenset()) | {party}
    return {holder: Record(_charged(each, places), each) for holder, each in namespaces.items()}


def _charged(namespaces: Mapping[str, frozenset[str]], places: Mapping[str, Places]) -> Mapping[str, Places]:
    return {party: places[party] for parties in namespaces.values() for party in parties}


def _parties(namespace: str, homes: Homes, facts: Facts, waiting: Iterable[str]) -> frozenset[str]:
    """Who should be recorded for a namespace; ``waiting`` are those with reservations there that no record covers."""
    recorded, live = frozenset(homes.of(namespace)), frozenset(facts.residents.get(namespace, ()))
    _, today = facts.today(namespace)
    if not recorded and not live:
        return recorded
    if not recorded:
        first = today if today in live else min(live)
        return frozenset(party for party in live if computes(party) == computes(first))
    if recorded.isdisjoint(live):
        return _of_one(recorded, today) if not live and facts.lingers(namespace) else frozenset()
    tenants = set(map(computes, recorded))
    asked = {today} if computes(today) in tenants else {facts.account(tenant) for tenant in tenants}
    asked |= set(waiting)
    needed = frozenset(party for party in asked if computes(party) in tenants)
    if not needed <= recorded:
        return recorded | needed
    left = {party for party in recorded - needed if computes(party) in set(map(computes, needed))}
    moved = all(facts.follows(party, homes.places(party)) for party in needed) if left else True
    return recorded - left if moved else recorded


def _of_one(recorded: frozenset[str], today: str) -> frozenset[str]:
    """Of an empty namespace that two leaders have recorded for two tenants, in the same moment, one alone keeps it."""
    tenant = computes(today if today in recorded else min(recorded))
    return frozenset(party for party in recorded if computes(party) == tenant)


def _places(parties: Mapping[str, frozenset[str]], homes: Homes, facts: Facts) -> Mapping[str, Places]:
    """Where each party should be recorded to be charged."""
    needed: defaultdict[str, set[str]] = defaultdict(set)
    for namespace, found in parties.items():
        governing, today = facts.today(namespace)
        if governing and today in found:
            needed[today].add(governing)
    every = {party for found in parties.values() for party in found}
    for party in every - needed.keys():
        needed[party] |= {facts.governs(party)} - {""}
    for (namespace, party), scopes in facts.waiting.items():
        if party in parties.get(namespace, ()):
            known = homes.places(party) | needed[party]
            needed[party] |= {scope for scope in scopes if not facts.belongs(scope, party, known)}
    return {party: _next(party, homes.places(party), frozenset(needed[party]), facts) for party in every}


def _next(party: str, current: Places, needed: Places, facts: Facts) -> Places:
    if not needed <= current:
        return current | needed
    done = needed < current and needed and facts.follows(party, needed)
    return needed if done else current
