"""Whether a rule's tests hold for a party at a place: true, false, or not known."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from admission.api.policy import Effect, Fact
from admission.catalogue.countries import COUNTRIES
from admission.decide.keeping import keep
from admission.decide.question import Check
from admission.tenants.screening import OF_WHOM
from admission.tenants.ternary import Ternary

if TYPE_CHECKING:
    from admission.decide.rules import ResolvedRule, ResolvedTest, RulesInForce
    from admission.tenants.standing import Standing, Values


_CODES = frozenset({Fact.Place, Fact.AccessCountry})
"""Facts whose values may be codes of no country; those of a Tenant's spec are sorted out where it is read."""

_SAYS_NOTHING = {Fact.Payment: "Unknown", Fact.DeclaredUse: "Other"}
"""Words that a tenant may declare without saying what is so."""

_MATCH = frozenset({"Match"})

_ASKING = frozenset({Effect.Authorization, Effect.Quota})

MOST_KEPT = 20_000
"""So many answers of ``applied``, of about 2 KB, are kept for one set of rules; past that the oldest goes."""


class At(NamedTuple):
    """Where a rule is tested: one party, class and place."""

    party: Standing
    class_name: str
    place: str
    governing: str


class Applicable(NamedTuple):
    """A rule that applies, or may: its check as it stands in the record where it holds nothing against the party."""

    rule: ResolvedRule
    outcome: Ternary
    check: Check
    undecided: tuple[Fact, ...]


class Applied(NamedTuple):
    """The rules about a class that apply to a party at a place, or may."""

    party: Standing
    rules: tuple[Applicable, ...]
    settled: tuple[tuple[Check, None], ...]
    """What comes of those that hold nothing against a cleared party of its level, however much it asks for."""
    restricting: tuple[Applicable, ...]
    """The others."""
    covers: bool
    """Whether one of them allows, for certain."""
    doubts: tuple[Fact, ...]
    """What is not known, and would tell whether one allows."""
    asking: tuple[Applicable, ...]
    """Those that ask for an authorization or a quota."""
    raising: tuple[ResolvedRule, ...]
    """Those that for some amount ask for a higher level than the party has."""


def applied(rules: RulesInForce, party: Standing, class_name: str, place: str, governing: str) -> Applied:
    """Return what applies; it depends on nothing else, so it is kept as long as these rules and this standing are."""
    key = (id(party), class_name, place, governing)
    kept = rules.applied.get(key)  # it holds the party, so that no other object gets its id meanwhile
    return kept or keep(rules.applied, key, _applied(rules, party, class_name, place, governing), MOST_KEPT)


def _applied(rules: RulesInForce, party: Standing, class_name: str, place: str, governing: str) -> Applied:
    at = {"class": class_name, "place": place, "governing": governing}
    at |= {"tooOld": " ".join(sorted(party.stale))} if party.stale else {}
    inputs = {outcome: {**at, "applies": outcome.name.lower()} for outcome in (Ternary.UNKNOWN, Ternary.TRUE)}
    found = []
    for rule in rules.about(class_name):
        outcome = applies(rule, party, place, governing)
        if outcome is not Ternary.FALSE:
            check = Check(rule.checked, party.name, "pass", inputs[outcome])
            unknown = undecided(rule, party, place, governing) if outcome is Ternary.UNKNOWN else ()
            found.append(Applicable(rule, outcome, check, unknown))
    allowing = [each for each in found if each.rule.effect is Effect.Allow]
    levels = (each.rule for each in found if each.rule.effect is Effect.Level)
    return Applied(
        party,
        tuple(found),
        tuple((each.check, None) for each in found if not each.rule.may_restrict(party.level)),
        tuple(each for each in found if each.rule.may_restrict(party.level)),
        any(each.outcome is Ternary.TRUE for each in allowing),
        tuple(fact for each in allowing for fact in each.undecided),
        tuple(each for each in found if each.rule.effect in _ASKING),
        tuple(rule for rule in levels if rule.rises_above(party.level)),
    )


def applies(rule: ResolvedRule, party: Standing, place: str, governing: str) -> Ternary:
    """Whether all tests of the rule hold for the party."""
    least = Ternary.TRUE
    for test in rule.tests:
        least = min(least, _holds(rule, test, party, place, governing))
        if least is Ternary.FALSE:
            break
    return least


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
    """Whether every value says something: a code that is no country does not, nor do the words Unknown and Other."""
    if values is None or _SAYS_NOTHING.get(fact) in values:
        return False
    return fact not in _CODES or values <= COUNTRIES


def _values(fact: Fact, party: Standing, place: str, governing: str) -> Values:
    if fact is Fact.Place:
        return frozenset({place}) if place else None
    if fact is Fact.GoverningJurisdiction:
        return frozenset({governing}) if governing else None
    return party.facts[fact]
