"""How a state is brought up to what exists.  Pure.

A fold takes in a census: use becomes what the census counts, and what the census has seen is no longer in
flight.  Three guards make it exact, and without any of them the count drops below what exists
(kubernetes/kubernetes#123434):

* by uid: an entry leaves because its own object was seen, and nothing else is to be made for it, never because the sums
  match;
* by record: an entry leaves only when a record says whom and where to charge its object without it (``ledger.homes``);
* by version: a census older than the one that the state already took in is not folded, as it may not have
  seen an object whose entry has left, or the record by which it is charged.

Where something exists that cannot be read, a fold only raises: no entry leaves because it was seen, and no account is
lowered, as what is not counted may be in what was counted before.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

from admission.decide.shards import account_of
from admission.ledger.accounts import Kept
from admission.ledger.homes import Attribution
from admission.ledger.hours import (
    UNTIMED,
    Stay,
    Terms,
    added,
    after_archiving,
    held_on,
    outlived,
    paying,
    prepaid,
    settled,
    taken_in,
    tranches_of,
)
from admission.ledger.state import Hours, State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from admission.decide.limits import Account
    from admission.ledger.census import Census
    from admission.ledger.state import Entry, Hold


def fold(
    state: State,
    scope: str,
    census: Census,
    gone: Collection[str],
    *,
    doubtful: Collection[str] = (),
    terms: Terms = UNTIMED,
    now: int = 0,
    recount: bool = False,
) -> State | None:
    """Return the state after a census, without the entries proved ``gone``; None when nothing would change.

    Of the ``doubtful`` among these nobody can tell whether they came and went: what they paid for counts as used.
    ``now`` is unix seconds.  A ``recount`` by a list has seen what exists, and no object end.
    """
    current = is_current(census, state, scope)
    blind = current and bool(census.unreadable(scope))
    left = {uid for uid, entry in state.inflight.items() if current and not blind and leaves(entry, scope, census)}
    inflight = {uid: entry for uid, entry in state.inflight.items() if uid not in gone and uid not in left}
    used = counted(census, scope, inflight) if current else state.used
    if blind:
        used = {account: max(used.get(account, 0), state.used.get(account, 0)) for account in {**used, **state.used}}
    hours = state.hours
    if current:
        followed = _counted_in(state, scope, census, left, terms=terms, now=now) if recount else None
        lost = {uid for uid in doubtful if uid in state.inflight} - left
        hours = followed or _followed(state, scope, census, left | lost, terms=terms, now=now, blind=blind)
    if blind:
        hours = dataclasses.replace(hours, holds={**hours.holds, **_going_on(state.hours.holds)})
    attribution = census.attribution(scope) if current else Attribution()
    same = used == state.used and len(inflight) == len(state.inflight) and hours == state.hours
    if same and attribution.due <= state.observed_tenants:
        return None
    pods, claims = census.newest() if current else (0, 0)
    if hours != state.hours and not recount:
        hours = dataclasses.replace(
            hours, ends_pods=max(pods, hours.ends_pods), ends_claims=max(claims, hours.ends_claims)
        )
    return dataclasses.replace(
        state,
        observed_pods=max(pods, state.observed_pods),
        observed_claims=max(claims, state.observed_claims),
        observed_tenants=max(attribution.newest, state.observed_tenants),
        used=Kept(used, state.used),
        inflight=inflight,
        hours=hours,
    )


_BEFORE_ALL = 1
"""Unix seconds: a moment before anything was held; 0 says that the moment is not known."""


def _followed(
    state: State, scope: str, census: Census, leaving: Collection[str], *, terms: Terms, now: int, blind: bool
) -> Hours:
    """Return the hours after a census: ends that they have not taken in are settled."""
    hours = state.hours
    if not terms.timed:
        kept = hours.prepaid or hours.holds or hours.tranches
        return dataclasses.replace(hours, prepaid={}, holds={}, tranches={}) if kept else hours
    staying = state.inflight.keys() - leaving
    every = census.stays(scope, ())
    ended = [
        stay
        for stay in census.ended(scope)
        if stay.uid in leaving or (stay.uid not in staying and not _has_taken_in(hours, stay))
    ]
    if terms.windows:
        counted_here = [stay for stay in every if stay.uid not in staying]
        hours = _settled(state, leaving, [*counted_here, *(_unread(hours, every, ended) if blind else ())], ended, now)
    elif hours.prepaid or hours.tranches:
        hours = dataclasses.replace(hours, prepaid={}, tranches={})
    return dataclasses.replace(hours, holds=held_on(hours, [*every, *ended], terms.gap, now))


def _settled(
    state: State, leaving: Collection[str], live: Collection[Stay], ended: Collection[Stay], now: int
) -> Hours:
    """Return the hours with what has ended settled, and with the tranches of what goes on."""
    before, entries = state.hours, [state.inflight[uid] for uid in leaving]
    promised = {entry.uid: entry.charge for entry in entries}
    tranches = tranches_of(before, promised, live)
    known = {**tranches, **tranches_of(before, promised, ended)}
    hours = settled(before, promised, paying(live, known), paying(ended, known), now)
    more = outlived(before, entries, {stay.uid for stays in (live, ended) for stay in stays}, now)
    if tranches == before.tranches and not more:
        return hours
    return dataclasses.replace(hours, spent=Counter(hours.spent) + more, tranches=tranches)


def _unread(hours: Hours, live: Iterable[Stay], ended: Iterable[Stay]) -> list[Stay]:
    """Return the stays that have paid by tranches and cannot be read: nobody can tell that they have ended."""
    seen = {stay.uid for stays in (live, ended) for stay in stays}
    left = ((key, each) for key, each in hours.tranches.items() if key[0] not in seen)
    return [Stay(uid, party, "", each.counts, 0, each.since) for (uid, party), each in left]


def _going_on(holds: Mapping[tuple[str, str], Hold]) -> dict[tuple[str, str], Hold]:
    return {key: hold for key, hold in holds.items() if not hold.until}


def _counted_in(state: State, scope: str, census: Census, leaving: Iterable[str], *, terms: Terms, now: int) -> Hours:
    """Return the hours after a list, which sees what exists and no end: what it counts in is paid for, and held."""
    stays = census.stays(scope, ())
    hours = state.hours
    if terms.windows:
        entries = [state.inflight[uid] for uid in leaving]
        promised = {entry.uid: entry.charge for entry in entries}
        first = promised and not (hours.prepaid or hours.settled_at)
        hours = added(hours, promised.values())
        if first:  # each has paid what its reservation says, however long ago: none goes by the clock of a sum
            hours = dataclasses.replace(hours, settled_at=_BEFORE_ALL)
        tranches = {**hours.tranches, **tranches_of(hours, promised, stays)}
        # What its tranche tells of is settled by the next fold; an entry that is leaving is told of here or nowhere.
        more = outlived(Hours(), entries, {stay.uid for stay in stays}, now)
        if more or tranches != hours.tranches:
            hours = dataclasses.replace(hours, spent=Counter(hours.spent) + more, tranches=tranches)
    if terms.gap is None:
        return hours
    return dataclasses.replace(hours, holds=held_on(hours, stays, terms.gap, now))


def _has_taken_in(hours: Hours, stay: Stay) -> bool:
    """Whether an end was settled already, by who saw it or by who did not: all but those of objects in flight."""
    return stay.version <= (hours.ends_claims if stay.claim else hours.ends_pods)


def leaves(entry: Entry, scope: str, census: Census) -> bool:
    """Say whether an entry is no longer needed, as the census has its object by itself, and so has any later one."""
    return census.settled(entry) and census.attributed(entry, scope)


def follows(state: State, scope: str, census: Census) -> bool:
    """Say whether a state has all that a census counts, and is known to go by its records."""
    if not state.initialized or not is_current(census, state, scope) or census.unreadable(scope):
        return False
    waiting = any(leaves(entry, scope, census) for entry in state.inflight.values())
    noted = census.attribution(scope).due <= state.observed_tenants
    return noted and not waiting and counted(census, scope, state.inflight) == state.used


def is_current(census: Census, state: State, scope: str) -> bool:
    """Whether the census has come as far as the newest object that the state has taken in, and the newest record.

    Then it has seen every object that existed for that state.  How far is compared with what: where nothing is written,
    a watch that misses nothing stays behind a later list, and would hold back every fold until the next bookmark.
    """
    return (
        census.resource_version >= state.observed_pods
        and census.claims_version >= state.observed_claims
        and census.attribution(scope).version >= state.observed_tenants
    )


def rebuilt(
    state: State,
    scope: str,
    census: Census,
    *,
    archive: Hours | None = None,
    terms: Terms = UNTIMED,
    now: int = 0,
    shards: int = 0,
) -> State:
    """Return a state counted from nothing but a census, and an archive of hours where there is one.

    Right only when no earlier promise can still be kept.  Hours that a state still has hold, whatever else of it is
    counted anew: the next fold settles what has ended since.
    """
    pods, claims = census.newest()
    if state.hours != Hours() and terms.timed:
        hours = _counted_in(state, scope, census, state.inflight, terms=terms, now=now)
    else:
        hours = _from_nothing(scope, census, archive, terms, now)
    return State(
        state.epoch + 1,
        initialized=True,
        observed_pods=pods,
        observed_claims=claims,
        observed_tenants=census.attribution(scope).newest,
        used=counted(census, scope),
        hours=hours,
        shards=shards,
    )


def _from_nothing(scope: str, census: Census, archive: Hours | None, terms: Terms, now: int) -> Hours:
    pods, claims = census.newest()
    live = census.stays(scope, ()) if terms.timed else ()
    hours = Hours(ends_pods=pods, ends_claims=claims)
    if terms.windows:
        tranches = taken_in(live, now) if terms.tranches else {}
        paid = prepaid(paying(live, tranches), now)
        hours = dataclasses.replace(hours, prepaid=paid, settled_at=now, tranches=tranches)
    if archive is not None:
        hours = after_archiving(hours, archive, terms.windows, now)
    return dataclasses.replace(hours, holds=held_on(hours, live, terms.gap, now))


def counted(census: Census, scope: str, promised: Collection[str] = ()) -> dict[Account, int]:
    """Return the census's charges without empty accounts, and without objects whose charge is still in flight."""
    return {account: count for account, count in census.charges(scope, promised).items() if count}


def uncounted(
    state: State, scope: str, census: Census, limited: Callable[[str], bool] = lambda _: True
) -> dict[str, int]:
    """Return, by party, the devices that exist and that the ledger counted nowhere: what came in past it.

    By party and not by class, as a pod that may land on several classes is charged to fewer once it is bound.
    Classes that are not ``limited`` there are reserved by nobody.  A census older than the state says nothing.
    """
    if not is_current(census, state, scope):
        return {}
    excess = _by_party(counted(census, scope), limited)
    reserved: Counter[str] = Counter()
    for party, count in _by_party(state.reserved(), limited).items():
        reserved[account_of(scope, party, state.shards)] += count
    for total in (_by_party(state.used, limited), reserved):
        for party, count in total.items():
            excess[party] = excess.get(party, 0) - count
    return {party: count for party, count in excess.items() if count > 0}


def _by_party(accounts: Mapping[Account, int], limited: Callable[[str], bool]) -> dict[str, int]:
    total: dict[str, int] = {}
    for (party, key), count in accounts.items():
        if limited(key):
            total[party] = total.get(party, 0) + count
    return total
