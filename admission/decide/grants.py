"""The authorizations of one holder taken together: what they cover at once, as limits that a ledger can decide.

Each device needs room under one authorization that covers its class and is for its account, and no ledger keeps under
which.  That there is a way to share them out is Hall's theorem: for every set of authorizations, the devices that
nothing outside the set covers are no more than the set covers together.  Each such sentence is one limit.  All stand in
one ledger, the holder's own, as its customers may be of several jurisdictions.
"""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

from admission.catalogue.slices import with_slices
from admission.decide.limits import Limit, Parties, either, whole
from admission.demand.reach import UNKNOWN_CLASS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from admission.api.quota import Authorization
    from admission.decide.rules import Lists, RulesInForce, Weighs

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
    """The authorizations of a holder that hold at ``now``, the one that ends first leading."""
    own = [grant for grant in grants if grant.spec.tenant == tenant]
    valid = [grant for grant in own if grant.spec.valid_from <= now < grant.spec.valid_until]
    return tuple(sorted(valid, key=lambda grant: (grant.spec.valid_until, grant.name)))


def counting(grants: Iterable[Authorization], account: str) -> tuple[Authorization, ...]:
    """Those of a holder's authorizations under which what stands on an account counts.

    Those that name its end customer; where none does, those that name nobody.
    """
    grants = tuple(grants)
    named = tuple(grant for grant in grants if _names(grant, account))
    return named or tuple(grant for grant in grants if not grant.spec.end_customers)


def _names(grant: Authorization, account: str) -> bool:
    """Whether the account is of an end customer of the holder for whom the authorization was granted."""
    reseller, _, customer = account.rpartition("/")
    return bool(reseller) and grant.spec.tenant == reseller and customer in grant.spec.end_customers


def covering(
    rules: RulesInForce, valid: Iterable[Authorization], account: str, party: str, class_name: str
) -> tuple[Authorization, ...]:
    """The authorizations of one holder, of those that are valid, that cover a party of an account for a class.

    Its own; or, of an end customer without one, its reseller's that name it.  Nothing covers who is not of the account.
    """
    if party not in account.split("/"):
        return ()
    meant = [grant for grant in valid if rules.class_permitted(class_name, grant.spec.classes)]
    own = counting((grant for grant in meant if grant.spec.tenant == party), account)
    customer = account.rpartition("/")[2]
    return own or tuple(grant for grant in meant if party == customer and _names(grant, account))


def grant_limits(
    rules: RulesInForce, valid: tuple[Authorization, ...], class_names: Iterable[str], party: str
) -> Iterator[Limit]:
    """Yield what devices of these classes must fit, by the valid authorizations of one holder.

    Of more than are taken together, those that cover a class asked for come first.  To leave others out never lets more
    in: what they cover besides is then held against those that are left.
    """
    asked = frozenset(class_names)
    tenant = valid[0].spec.tenant if valid else ""
    grants = _together(rules, valid, asked, party)
    lists = tuple((tuple(grant.spec.classes), tuple(grant.spec.end_customers)) for grant in grants)
    own = _naming(grants, party)
    of_holder, of_party = Parties.of(either, tenant), Parties.of(whole, party)

    for together, weighs in _shared(rules, lists, asked, own):
        key = AUTHORIZATION + "+".join(grants[place].name for place in sorted(together))
        amount = sum(grants[place].spec.devices for place in together)

        def weights_of(account: str, weighs: Weighs = weighs) -> Mapping[str, int]:
            return weighs(_naming(grants, account))

        yield Limit(key, "devices", amount, weighs(own), of_holder, of_party, varying=weights_of)


def _naming(grants: tuple[Authorization, ...], account: str) -> Cover:
    """Which of these authorizations name the end customer of an account."""
    return frozenset(place for place, grant in enumerate(grants) if _names(grant, account))


def _together(
    rules: RulesInForce, valid: tuple[Authorization, ...], asked: frozenset[str], party: str
) -> tuple[Authorization, ...]:
    """The authorizations that are taken together, in the order in which they are given."""
    if len(valid) <= MOST_AT_ONCE:
        return valid
    covers = [
        counting((grant for grant in valid if rules.class_permitted(name, grant.spec.classes)), party)
        for name in sorted(asked)
    ]
    covering = [grant for grant in valid if any(grant in each for each in covers)]
    leading = [each[0] for each in covers if each]  # no class that is asked for goes without a limit
    others = [grant for grant in valid if grant not in covering]
    taken = list({grant.name: grant for grant in (*leading, *covering, *others)}.values())[:MOST_AT_ONCE]
    return tuple(grant for grant in valid if grant in taken)


def _shared(rules: RulesInForce, lists: Lists, asked: frozenset[str], own: Cover) -> tuple[tuple[Cover, Weighs], ...]:
    """The sets of authorizations that must have room, each with what a device of each class takes in it.

    ``lists`` are their classes and their end customers, ``own`` those that name the asking one.
    """
    if (lists, asked, own) not in rules.shared:
        meant = {
            name: frozenset(place for place, (classes, _) in enumerate(lists) if rules.class_permitted(name, classes))
            for name in rules.catalogue.chips
        }
        nobody = frozenset(place for place, (_, customers) in enumerate(lists) if not customers)

        @functools.cache
        def covers(naming: Cover) -> Mapping[str, Cover]:
            return {name: (cover & naming) or (cover & nobody) for name, cover in meant.items()}

        customers = {customer for _, each in lists for customer in each}
        kinds = {frozenset(place for place, (_, each) in enumerate(lists) if name in each) for name in customers}
        every = {cover for kind in (*kinds, frozenset[int]()) for cover in covers(kind).values()}
        sets = _sets({covers(own).get(name, frozenset()) for name in asked}, every)
        if len(rules.shared) >= MOST_KEPT:
            rules.shared.clear()
        rules.shared[lists, asked, own] = tuple((each, _weighing(covers, each)) for each in sorted(sets, key=sorted))
    return rules.shared[lists, asked, own]


def _sets(asked: Iterable[Cover], distinct: set[Cover]) -> set[Cover]:
    """The sets for which one more device of the classes asked for can be one too many."""
    found = {cover for cover in asked if cover}
    waiting = list(found)
    while waiting:
        together = waiting.pop()
        for cover in distinct:
            if not cover.isdisjoint(together) and together | cover not in found:
                found.add(together | cover)
                waiting.append(together | cover)
    return found


def _weighing(covers: Callable[[Cover], Mapping[str, Cover]], together: Cover) -> Weighs:
    """Return what tells the weights in a set of an account, by which authorizations name its end customer."""

    @functools.cache
    def weighs(naming: Cover) -> Mapping[str, int]:
        # What nobody can name counts in every limit: unknown is not cleared.
        counted = {name: int(bool(cover) and cover <= together) for name, cover in covers(naming).items()}
        return with_slices(counted | {UNKNOWN_CLASS: 1})

    return weighs
