"""Whether a rule's tests hold for a party at a place: true, false, or not known."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from admission.api.policy import Effect, Fact
from admission.catalogue.countries import COUNTRIES
from admission.tenants.screening import OF_WHOM
from admission.tenants.ternary import Ternary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from admission.decide.rules import ResolvedRule, ResolvedTest, RulesInForce
    from admission.tenants.standing import Standing, Values


_CODES = frozenset({Fact.Place, Fact.AccessCountry})
"""Facts whose values may be codes of no country; those of a Tenant's spec are sorted out where it is read."""

_MATCH = frozenset({"Match"})

MOST_KEPT = 100_000
"""So many answers of ``applicable`` are kept for one set of rules; past that they are found anew."""


class At(NamedTuple):
    """Where a rule is tested: one party, class and place."""

    party: Standing
    class_name: str
    place: str
    governing: str


class Applicable(NamedTuple):
    """A rule that applies, or may, with what its check is called in the record, and what decided."""

    rule: ResolvedRule
    outcome: Ternary
    name: str
    inputs: Mapping[str, str]


def applicable(
    rules: RulesInForce, party: Standing, class_name: str, place: str, governing: str
) -> tuple[Applicable, ...]:
    """Return the rules about a class that apply to the party at the place, or may.

    It depends on nothing else, so it is kept for as long as these rules and this standing are the current ones.
    """
    key = (id(party), class_name, place, governing)
    kept = rules.applicable.get(key)
    if kept is None:
        inputs = {"class": class_name, "place": place, "governing": governing}
        inputs |= {"tooOld": " ".join(sorted(party.stale))} if party.stale else {}
        outcomes = ((rule, applies(rule, party, place, governing)) for rule in rules.about(class_name))
        kept = (
            party,
            tuple(
                Applicable(
                    rule, outcome, f"rule {rule.name} {rule.effect}", {**inputs, "applies": outcome.name.lower()}
                )
                for rule, outcome in outcomes
                if outcome is not Ternary.FALSE
            ),
        )
        if len(rules.applicable) >= MOST_KEPT:
            rules.applicable.clear()
        rules.applicable[key] = kept  # it holds the party, so that no other object gets its id meanwhile
    return kept[1]


def applies(rule: ResolvedRule, party: Standing, place: str, governing: str) -> Ternary:
    """Whether all tests of the rule hold for the party."""
    return min((_holds(rule, test, party, place, governing) for test in rule.tests), default=Ternary.TRUE)


def undecided(rule: ResolvedRule, party: Standing, place: str, governing: str) -> tuple[Fact, ...]:
    """The facts whose value is not known and would decide whether the rule applies."""
    return tuple(test.fact for test in rule.tests if _holds(rule, test, party, place, governing) is Ternary.UNKNOWN)


def _holds(rule: ResolvedRule, test: ResolvedTest, party: Standing, place: str, governing: str) -> Ternary:
    """Whether one test holds; of a fact that is too old that is not known, nor whether it is unknown by now."""
    if test.fact in party.stale:
        return Ternary.UNKNOWN
    allows = rule.effect is Effect.Allow
    if test.fact is Fact.OwnerHeadquarters:
        return _owners(test, party, allows=allows)
    return _compared(test, _values(test.fact, party, place, governing), allows=allows)


def _compared(test: ResolvedTest, values: Values, *, allows: bool) -> Ternary:
    """Of several values any decides for a rule that restricts, and all do for one that allows."""
    match test.operator:
        case "Unknown":
            return Ternary.FALSE if _are_known(test.fact, values) else Ternary.TRUE
        case "Exists":
            if not values:
                return Ternary.FALSE
            return Ternary.TRUE if _are_known(test.fact, values) else Ternary.UNKNOWN
        case "In":
            return _all_among(test, values) if allows else _any_among(test, values)
    return ~(_any_among(test, values) if allows else _all_among(test, values))


def denies_everybody(rule: ResolvedRule, place: str) -> bool:
    """Whether the rule's tests hold whoever asks: they are about the place alone, or there are none."""
    at = frozenset({place}) if place else None
    return all(
        test.fact is Fact.Place and _compared(test, at, allows=False) is not Ternary.FALSE for test in rule.tests
    )


def _owners(test: ResolvedTest, party: Standing, *, allows: bool) -> Ternary:
    """Owners' headquarters are unknown where owners without a known one may hold half or more by themselves."""
    are_known = party.owned_from(frozenset()) is Ternary.FALSE
    if test.operator == "Unknown":
        return Ternary.FALSE if are_known else Ternary.TRUE
    if test.operator == "Exists":
        known = Ternary.TRUE if party.facts[Fact.OwnerHeadquarters] else Ternary.FALSE
        return known if are_known or known is Ternary.TRUE else Ternary.UNKNOWN
    is_in = test.operator == "In"
    owned = party.owned_from(test.values)
    if is_in is allows:  # all of them: owners elsewhere do not hold half as well
        owned = min(owned, ~party.owned_from(_elsewhere(test.values)))
    return owned if is_in else ~owned


@functools.lru_cache(maxsize=1024)
def _elsewhere(countries: frozenset[str]) -> frozenset[str]:
    return COUNTRIES - countries


def _any_among(test: ResolvedTest, values: Values) -> Ternary:
    """One known value among the wanted is enough; that none is, can be said only where all are known."""
    if values and not values.isdisjoint(test.values):
        return Ternary.TRUE
    return Ternary.FALSE if _are_known(test.fact, values) else Ternary.UNKNOWN


def _all_among(test: ResolvedTest, values: Values) -> Ternary:
    """One known value that is not among the wanted is enough to say no; no value at all is none of them."""
    if values is None:
        return Ternary.UNKNOWN
    if not values or any(_are_known(test.fact, frozenset({each})) for each in _told(values) - test.values):
        return Ternary.FALSE
    return Ternary.TRUE if _are_known(test.fact, values) else Ternary.UNKNOWN


def _told(values: frozenset[str]) -> frozenset[str]:
    """The values without the word Match where others say of whom it is."""
    return values - _MATCH if not values.isdisjoint(OF_WHOM) else values


def _are_known(fact: Fact, values: Values) -> bool:
    """Whether every value says something: a code that is no country does not, nor does the word Unknown."""
    if values is None or (fact is Fact.Payment and "Unknown" in values):
        return False
    return fact not in _CODES or values <= COUNTRIES


def _values(fact: Fact, party: Standing, place: str, governing: str) -> Values:
    if fact is Fact.Place:
        return frozenset({place}) if place else None
    if fact is Fact.GoverningJurisdiction:
        return frozenset({governing}) if governing else None
    return party.facts[fact]
