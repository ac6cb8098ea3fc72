"""The authorizations of one tenant taken together: what they cover at once, as limits that a ledger can decide.

Each device needs room under one authorization that covers its class, and no ledger keeps under which.  That there is
a way to share them out is Hall's theorem: for every set of authorizations, the devices of classes that nothing outside
the set covers are no more than the set covers together.  Each such sentence is one limit.  All stand in one ledger,
the tenant's own, as its customers may be of several jurisdictions.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from admission.catalogue.slices import with_slices
from admission.decide.limits import Limit
from admission.demand.reach import UNKNOWN_CLASS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from admission.api.quota import Authorization
    from admission.decide.rules import Lists, RulesInForce

    Cover = frozenset[int]

AUTHORIZATION = "authorization/"
"""Before the names of Authorizations in a limit's key: a quota may have the same name."""

MOST_AT_ONCE = 8
"""Authorizations of one tenant that are taken together: sets of more are too many."""

MOST_KEPT = 1000
"""So many answers are kept for one set of rules; past that they are found anew."""


def scope_of_grant(grant: Authorization) -> str:
    """The ledger of an authorization: the one of its tenant."""
    return f"authorization-{hashlib.sha256(grant.spec.tenant.encode()).hexdigest()[:16]}"


def valid_grants(grants: Iterable[Authorization], tenant: str, now: datetime) -> tuple[Authorization, ...]:
    """The authorizations of a tenant that hold at ``now``, the one that ends first leading."""
    own = [grant for grant in grants if grant.spec.tenant == tenant]
    valid = [grant for grant in own if grant.spec.valid_from <= now < grant.spec.valid_until]
    return tuple(sorted(valid, key=lambda grant: (grant.spec.valid_until, grant.name)))


def grant_limits(
    rules: RulesInForce, valid: tuple[Authorization, ...], class_names: Iterable[str], party: str
) -> Iterator[Limit]:
    """Yield what devices of these classes must fit, by the valid authorizations of one tenant.

    Of more than are taken together, those that cover a class asked for come first.  To leave others out never lets more
    in: what they cover besides is then held against those that are left.
    """
    asked = frozenset(class_names)
    tenant = valid[0].spec.tenant if valid else ""
    grants = _together(rules, valid, asked)
    lists = tuple(tuple(grant.spec.classes) for grant in grants)

    def is_party(account: str) -> bool:
        return account == party

    def is_holder(account: str) -> bool:
        return tenant in account.split("/")

    for together, weights in _shared(rules, lists, asked):
        key = AUTHORIZATION + "+".join(grants[place].name for place in sorted(together))
        amount = sum(grants[place].spec.devices for place in together)
        yield Limit(key, "devices", amount, weights, is_holder, is_party)


def _together(
    rules: RulesInForce, valid: tuple[Authorization, ...], asked: frozenset[str]
) -> tuple[Authorization, ...]:
    """The authorizations that are taken together, in the order in which they are given."""
    if len(valid) <= MOST_AT_ONCE:
        return valid
    covering = [grant for grant in valid if any(rules.class_permitted(name, grant.spec.classes) for name in asked)]
    taken = (covering + [grant for grant in valid if grant not in covering])[:MOST_AT_ONCE]
    return tuple(grant for grant in valid if grant in taken)


def _shared(rules: RulesInForce, lists: Lists, asked: frozenset[str]) -> tuple[tuple[Cover, Mapping[str, int]], ...]:
    """The sets of lists of classes that must have room, each with what a device of each class takes in it."""
    if (lists, asked) not in rules.shared:
        covers = {
            name: frozenset(place for place, each in enumerate(lists) if rules.class_permitted(name, each))
            for name in rules.catalogue.chips
        }
        sets = _sets({covers.get(name, frozenset()) for name in asked}, covers)
        if len(rules.shared) >= MOST_KEPT:
            rules.shared.clear()
        rules.shared[lists, asked] = tuple((each, _weights(covers, each)) for each in sorted(sets, key=sorted))
    return rules.shared[lists, asked]


def _sets(asked: Iterable[Cover], covers: Mapping[str, Cover]) -> set[Cover]:
    """The sets for which one more device of the classes asked for can be one too many."""
    found, distinct = {cover for cover in asked if cover}, set(covers.values())
    waiting = list(found)
    while waiting:
        together = waiting.pop()
        for cover in distinct:
            if not cover.isdisjoint(together) and together | cover not in found:
                found.add(together | cover)
                waiting.append(together | cover)
    return found


def _weights(covers: Mapping[str, Cover], together: Cover) -> Mapping[str, int]:
    # What nobody can name counts in every limit: unknown is not cleared.
    counted = {name: int(bool(cover) and cover <= together) for name, cover in covers.items()}
    return with_slices(counted | {UNKNOWN_CLASS: 1})
