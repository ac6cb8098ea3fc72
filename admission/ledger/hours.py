"""Use over time: what is prepaid, what was used in which hour, and how long a group has held without a break.  Pure.

A pod pays for its whole deadline when it is admitted.  When it has ended, what it did use stands in the hours in
which it used it, and the rest is its account's again.  Hours are unix time in whole hours; an hour counts in full
for as long as any of it lies within the window.  Whatever cannot be told is counted as more, never as less:

* an object without an end is counted by the hours that it has begun;
* an object that ended without anybody seeing it is counted as having used all that it had paid for;
* an object that outlives what it paid for goes on paying, hour by hour;
* an object that is reserved again once it is counted pays again: no API server reviews what it has stored.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from admission.decide.limits import ENDING
from admission.demand.devices import classes_in
from admission.ledger.state import Hold, Hours
from admission.ledger.tranches import MOST, Tranche

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from admission.decide.limits import Account, Charge
    from admission.ledger.state import Bucket, Entry

HOUR = 3600


class Terms(NamedTuple):
    """What the limits over time of a scope need to be kept: windows of device-hours, and the longest break of a hold.

    Both in seconds; ``gap`` is None where no hold is limited.  ``tranches`` says whether what has no end pays by them.
    """

    windows: frozenset[int] = frozenset()
    gap: int | None = None
    tranches: bool = False

    @property
    def timed(self) -> bool:
        """Whether there is any limit over time."""
        return bool(self.windows) or self.gap is not None


UNTIMED = Terms()


class Stay(NamedTuple):
    """The time for which one object holds its devices.  ``since`` and ``until`` are unix seconds.

    ``since`` is 0 while it has none yet, ``until`` 0 until it has ended.  ``seconds`` is for how long at most, 0
    where nobody can tell.  ``version`` is the resourceVersion at which the end was seen, of claims for a ``claim``.
    ``paid`` is for how many seconds one without an end has paid, tranche by tranche.
    """

    uid: str
    party: str
    group: str
    counts: tuple[tuple[str, int], ...]
    seconds: int
    since: int
    until: int = 0
    version: int = 0
    claim: bool = False
    paid: int = 0

    @property
    def is_endless(self) -> bool:
        """Whether it is a pod's that nobody can tell the end of: what pays by tranches, where these are paid."""
        return not self.seconds and not self.claim

    def bound(self, moment: int) -> int:
        """Return the seconds that it is charged for at a moment at which it goes on; 0 is that of its admission.

        What it paid for, or the hours that it has begun.
        """
        elapsed = max(0, moment - self.since) if self.since else 0
        paid = self.paid or (self.seconds + ENDING if self.seconds else 0)
        return paid if elapsed <= paid else -(-elapsed // HOUR) * HOUR


def prepaid(stays: Iterable[Stay], now: int) -> Counter[Account]:
    """Return the device-seconds that stays are charged for while they go on, by account."""
    total: Counter[Account] = Counter()
    for stay in stays:
        for key, count in stay.counts:
            total[stay.party, key] += count * stay.bound(now)
    return +total


def used_in(counts: Iterable[tuple[str, int]], party: str, since: int, until: int) -> Iterator[tuple[Bucket, int]]:
    """Yield the device-seconds of a stay by the hours that it lay in."""
    counts = tuple(counts)
    for hour in range(since // HOUR, -(-until // HOUR)):
        seconds = min(until, (hour + 1) * HOUR) - max(since, hour * HOUR)
        for key, count in counts if seconds > 0 else ():
            yield (party, key, hour), count * seconds


def settled(
    hours: Hours, leaving: Mapping[str, Charge], live: Collection[Stay], ended: Collection[Stay], now: int
) -> Hours:
    """Return the hours with what has ended moved from prepaid to spent.

    ``leaving`` are, by uid, the charges of entries that are no longer in flight after this, ``live`` and ``ended`` the
    stays of counted objects, those that ended only as far as the hours have not taken them in before.
    """
    spent = Counter(hours.spent)
    for stay in ended:
        if stay.since:
            spent.update(dict(used_in(stay.counts, stay.party, stay.since, max(stay.until, stay.since))))
    missing = added(hours, leaving.values()).prepaid
    for (party, key), seconds in _unseen(Counter(missing), [*live, *ended], leaving, hours.settled_at or now):
        spent[party, key, now // HOUR] += seconds
    after = dataclasses.replace(hours, prepaid=prepaid(live, now), spent=spent)
    return after if after == hours else dataclasses.replace(after, settled_at=now)


def added(hours: Hours, leaving: Iterable[Charge]) -> Hours:
    """Return the hours with what entries that are no longer in flight have paid for: their objects are counted now."""
    total = Counter(hours.prepaid)
    for charge in leaving:
        total.update(dict(_by_account(charge.party, charge.prepaid)))
    return dataclasses.replace(hours, prepaid=total) if total != hours.prepaid else hours


def _by_account(party: str, counts: Iterable[tuple[str, int]]) -> Iterator[tuple[Account, int]]:
    return (((party, key), count) for key, count in counts)


def _unseen(
    paid: Counter[Account], seen: Iterable[Stay], leaving: Collection[str], settled_at: int
) -> Iterator[tuple[Account, int]]:
    """Yield what was paid for by objects whose end was not seen, by account.

    That is what is left without what each that was ``seen`` had paid: what it goes on to use beyond that hides nothing.
    By the sums of parties, as what could land on several classes is paid for in fewer of them once it is bound.
    """
    missing = Counter(paid)
    for stay in seen:
        had = stay.bound(0 if stay.uid in leaving else settled_at)
        for key, count in stay.counts:
            missing[stay.party, key] -= count * had
    left: Counter[str] = Counter()
    for (party, _), seconds in missing.items():
        left[party] += seconds
    for (party, key), seconds in sorted(missing.items()):
        taken = min(seconds, left[party])
        if taken > 0:
            left[party] -= taken
            yield (party, key), taken


def tranches_of(hours: Hours, leaving: Mapping[str, Charge], stays: Iterable[Stay]) -> dict[tuple[str, str], Tranche]:
    """Return the tranches of stays without an end: those that stand, and the first of each whose entry is leaving."""
    found: dict[tuple[str, str], Tranche] = {}
    for stay in stays:
        before, charge = hours.tranches.get((stay.uid, stay.party)), leaving.get(stay.uid)
        if before is not None:
            found[stay.uid, stay.party] = before._replace(counts=stay.counts, since=stay.since or before.since)
        elif charge is not None and charge.endless:
            found[stay.uid, stay.party] = Tranche(stay.counts, stay.since, charge.seconds + ENDING)
    return found


def taken_in(stays: Iterable[Stay], now: int) -> dict[tuple[str, str], Tranche]:
    """Return tranches of stays without an end of which nobody knows what they paid for.

    It is the hours that each has begun, and the first of each that still waits for a node.
    """
    endless = (stay for stay in stays if stay.is_endless)
    found = {(stay.uid, stay.party): Tranche(stay.counts, stay.since, stay.bound(now) or HOUR) for stay in endless}
    return dict(sorted(found.items())[:MOST])


def outlived(hours: Hours, leaving: Iterable[Entry], seen: Collection[str], now: int) -> Counter[Bucket]:
    """Return what objects without an end may have used beyond what they paid for that are gone, and nobody saw end.

    They may have gone on until now: whoever renews, and would have seen them end, was away.
    """
    spent: Counter[Bucket] = Counter()
    lost = [
        (party, each.bound(hours.settled_at), each) for (uid, party), each in hours.tranches.items() if uid not in seen
    ]
    for entry in leaving:
        charge = entry.charge
        if charge.endless and entry.uid not in seen:
            paid = charge.seconds + ENDING
            lost.append((charge.party, paid, Tranche(charge.counts, entry.reserved_at, paid)))
    for party, paid, each in lost:
        more = max(0, each.bound(now) - paid)
        spent.update({(party, key, now // HOUR): count * more for key, count in each.counts})
    return +spent


def paying(stays: Iterable[Stay], tranches: Mapping[tuple[str, str], Tranche]) -> list[Stay]:
    """Return the stays with what they have paid for by tranches."""
    found = ((stay, tranches.get((stay.uid, stay.party))) for stay in stays)
    return [stay._replace(paid=tranche.seconds) if tranche else stay for stay, tranche in found]


def held_on(hours: Hours, stays: Iterable[Stay], gap: int | None, now: int) -> Mapping[tuple[str, str], Hold]:
    """Return the continuous holds after the stays, those that ended longer than ``gap`` seconds ago left out."""
    if gap is None:
        return {}
    times: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for stay in stays:
        for name in {name for key, _ in stay.counts for name in classes_in(key)} if stay.since else ():
            times[stay.group or stay.party, name].append((stay.since, stay.until))
    holds = {}
    for key in {*times, *hours.holds}:
        hold = _joined(hours.holds.get(key), sorted(times[key]), gap, now)
        if not hold.until or now <= hold.until + gap:
            holds[key] = hold
    return holds


def _joined(before: Hold | None, times: list[tuple[int, int]], gap: int, now: int) -> Hold:
    """Join what was held before with the times of stays, the earliest first: each goes on with it or begins anew."""
    goes_on = any(not until for _, until in times)
    hold = before and (before if before.until else Hold(before.since, 0 if goes_on else now))
    for since, until in times:
        if hold is None or (hold.until and since > hold.until + gap):
            hold = Hold(since, until)
        else:
            hold = Hold(min(hold.since, since), 0 if not (hold.until and until) else max(hold.until, until))
    assert hold is not None
    return hold


def sums(archive: Mapping[Bucket, int], windows: Iterable[int], now: int) -> dict[int, dict[Account, int]]:
    """Return the archive's device-seconds by window and account: hours that end within the window count in full."""
    found: dict[int, dict[Account, int]] = {}
    for window in sorted(windows):
        total: Counter[Account] = Counter()
        for (party, key, hour), seconds in archive.items():
            if (hour + 1) * HOUR > now - window:
                total[party, key] += seconds
        found[window] = dict(total)
    return found


def archived(archive: Hours, hours: Hours, windows: Collection[int], now: int) -> Hours:
    """Return the archive with what is spent in a ledger added, and what no window reaches any more left out."""
    kept = Counter(archive.spent)
    kept.update(hours.spent)
    oldest = now - max(windows, default=0)
    return Hours(
        spent={bucket: seconds for bucket, seconds in kept.items() if (bucket[2] + 1) * HOUR > oldest},
        moved=dict(hours.spent),
        archived=hours.archived + 1,
    )


def after_archiving(hours: Hours, archive: Hours, windows: Iterable[int], now: int) -> Hours:
    """Return a ledger's hours once the archive holds its spent ones: only what came since the archiving is left."""
    spent = Counter(hours.spent)
    if archive.archived == hours.archived + 1:
        spent.subtract(archive.moved)
    return dataclasses.replace(hours, spent=+spent, archived=archive.archived, past=sums(archive.spent, windows, now))


def replaced(hours: Hours, now: int) -> Hours:
    """Return an archive in place of one that was lost: all that is known to have been used, as of this hour."""
    most: Counter[Account] = Counter()
    for accounts in hours.past.values():
        most |= Counter(accounts)
    return Hours(spent={(party, key, now // HOUR): n for (party, key), n in most.items()}, archived=hours.archived)
