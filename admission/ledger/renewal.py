"""The next tranches of objects without an end: all that are due in one state, by the fit check of admissions.  Pure.

What does not fit stays as it is: it is found by who judges what runs, told, and ended within what it has paid for.
Objects that were there before anybody asked for tranches are taken in alike: by the hours that they have begun.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from admission.decide.limits import ENDING, Charge
from admission.ledger.limits import Granted, judge
from admission.ledger.tranches import MOST, Tranche, first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from admission.decide.limits import Limit
    from admission.ledger.hours import Stay
    from admission.ledger.limits import Tally
    from admission.ledger.state import State


class Renewing(NamedTuple):
    """How the objects without an end of one scope go on.

    ``limits`` are those over time that stand in the scope for devices of a party; ``ending`` is the seconds between
    what a tenant is told and its end, None for devices that some quota does not let go on without an end.
    """

    limits: Callable[[str, tuple[tuple[str, int], ...]], tuple[Limit, ...]]
    ending: Callable[[tuple[tuple[str, int], ...]], int | None]


class Renewed(NamedTuple):
    """What came of it: the state after it, None where nothing was paid, and the uids whose next hour is refused."""

    state: State | None
    refused: frozenset[str]


class _Due(NamedTuple):
    stay: Stay
    tranche: Tranche
    ending: int


def renewed(state: State, stays: Iterable[Stay], renewing: Renewing, now: int) -> Renewed:
    """Renew what is due, what has paid for the shortest time first, as far as it fits; ``now`` is unix seconds."""
    due = sorted(_due(state, stays, renewing, now), key=lambda each: (each.tranche.until, each.stay.uid))
    if not due:
        return Renewed(None, frozenset())
    tally, refused = state.tally(now), set[str]()
    prepaid, tranches = Counter(state.hours.prepaid), dict(state.hours.tranches)
    for each in due:
        if not _fits(each, renewing.limits(each.stay.party, each.stay.counts), tally, now):
            refused.add(each.stay.uid)
            continue
        after = each.tranche.renewed(now, each.ending)
        more = after.seconds - each.tranche.bound(state.hours.settled_at)
        prepaid.update({(each.stay.party, key): count * more for key, count in each.stay.counts})
        tranches[each.stay.uid, each.stay.party] = after
    if tranches == state.hours.tranches:
        return Renewed(None, frozenset(refused))
    hours = dataclasses.replace(state.hours, prepaid=prepaid, tranches=tranches)
    return Renewed(state.following(hours), frozenset(refused))


def _due(state: State, stays: Iterable[Stay], renewing: Renewing, now: int) -> Iterator[_Due]:
    for stay in stays:
        if not stay.is_endless or stay.uid in state.inflight:
            continue
        tranche = state.hours.tranches.get((stay.uid, stay.party))
        if tranche is None and len(state.hours.tranches) >= MOST:
            continue  # it counts by the hours that it has begun
        tranche = tranche or Tranche(stay.counts, stay.since, 0)
        ending = renewing.ending(stay.counts)
        if ending is not None and tranche.is_due(now, ending):
            yield _Due(stay, tranche, ending)


def _fits(due: _Due, limits: Iterable[Limit], tally: Tally, now: int) -> bool:
    """Hold the next tranche against all limits over time at once; what fits is counted in."""
    stay, price = due.stay, due.tranche.price(now, due.ending)
    paid = Charge(stay.party, stay.counts, seconds=price - ENDING, group=stay.group)
    held = dataclasses.replace(paid, seconds=first(due.ending))
    every = tuple(limits)
    hours = [limit for limit in every if limit.unit != "hold"]
    holds = [limit for limit in every if limit.unit == "hold"]
    if not all(map(tally.knows, hours)):
        return False
    if not (isinstance(judge(paid, hours, tally), Granted) and isinstance(judge(held, holds, tally), Granted)):
        return False
    tally.pay(stay.party, paid.prepaid)
    return True
