"""The meter: turns what objects hold, as it is seen, into intervals.  It reads no clock and does no I/O.

The intervals of one object never overlap, and leave no gap while it holds anything.  They are cut at midnight UTC,
so that each belongs to one day, and where the devices change.  What is not known of a holding at first (its class
before the node is seen, its tenant before the namespace is bound, its device ids) is filled in and then stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from admission.demand.reach import UNKNOWN_CLASS
from admission.ledger.usage.interval import How, Interval, midnight_after

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.ledger.usage.interval import Holding, Key

GRACE = 10_000
"""Milliseconds.  Devices that are seen so soon after the first were there from the beginning: a pod and its claims
come by two watches."""

MOST_DEVICES_NAMED = 64
"""So many device ids of one interval are kept."""


class Meter:
    """Open intervals by uid, and those that ended and still have to be written.

    ``since`` is when the record began: what an object held before is in no interval.  ``touched`` names the
    intervals that are not as the journal has them; whoever writes it empties the set.
    """

    def __init__(self, since: int) -> None:
        self.since = since
        self.open: dict[str, Interval] = {}
        self.ended: dict[Key, Interval] = {}
        self.touched: set[Key] = set()
        self._noticed: dict[str, int] = {}
        self._idle: set[str] = set()

    def resume(self, intervals: Iterable[Interval]) -> None:
        """Go on with intervals that somebody else began; those that have an end wait to be written."""
        for each in intervals:
            if each.how is not None:
                self.ended[each.key] = each
            elif each.uid in self.open:
                self._join(self.open[each.uid], each)
            else:
                self.open[each.uid] = each

    def _join(self, one: Interval, other: Interval) -> None:
        """Of two open intervals of one object the later goes on from the earlier: a write of them was cut short."""
        earlier, later = sorted((one, other), key=lambda each: each.first)
        self.open[later.uid] = later
        if earlier.first < later.first:
            how = How.DAY if midnight_after(earlier.first) == later.first else How.CHANGED
            self._put(earlier.until(later.first, later.first, how))

    def find(self, key: Key) -> Interval | None:
        """Return an interval that is open, or waits to be written."""
        current = self.open.get(key[0])
        return current if current is not None and current.first == key[1] else self.ended.get(key)

    def see(self, uid: str, holding: Holding, now: int) -> None:
        """Take note of what an object holds now; no devices is that it could hold some, and does not."""
        current = self.open.get(uid)
        if current is None:
            self._begin(uid, holding, now)
        elif holding.counts == current.holding.counts or self._is_late(current, holding, now):
            self._amend(current, holding)
        else:
            self.end(uid, now, How.CHANGED)
            self._idle.add(uid)
            whose = current.holding if current.holding.party else holding
            self._begin(uid, msgspec.structs.replace(holding, party=whose.party, group=whose.group), now, now)

    def complete(self, uid: str, holding: Holding, now: int) -> None:
        """Take note of what was held by an object that is about to end: nothing is cut any more."""
        current = self.open.get(uid)
        if current is None:
            self._begin(uid, holding, now)
        elif _names(current.holding, holding):
            self._amend(current, holding)
        else:
            self._amend(current, msgspec.structs.replace(holding, counts=current.holding.counts))

    def end(self, uid: str, now: int, how: How, *, known: int | None = None, finished: str = "") -> None:
        """Take note that an object holds nothing any more, if it did; ``known`` is None where the end was seen."""
        self._idle.discard(uid)
        self._noticed.pop(uid, None)
        current = self.open.pop(uid, None)
        if current is None:
            return
        for part in current.by_day(now, now if known is None else known, how, finished):
            self._put(part)

    def due(self, now: int) -> list[str]:
        """Return the uids whose interval a midnight has come for."""
        return [uid for uid, each in self.open.items() if midnight_after(each.first) <= now]

    def cut(self, uid: str, now: int) -> None:
        """End an open interval at each midnight that has passed, and go on."""
        current = self.open.get(uid)
        if current is None or midnight_after(current.first) > now:
            return
        *days, rest = current.by_day(now, now, How.DAY)
        if rest.last == midnight_after(rest.first):  # midnight is now
            days.append(rest)
        for part in days:
            self._put(part)
        self.open[uid] = current.since(days[-1].last)
        self.touched.add(self.open[uid].key)

    def written(self, keys: Iterable[Key]) -> None:
        """Take note of intervals that stand in the record."""
        for key in keys:
            if self.ended.pop(key, None) is not None:
                self.touched.add(key)

    def take_over(self, intervals: Iterable[Interval]) -> None:
        """Take in intervals that ended elsewhere, to be written."""
        for each in intervals:
            self._put(each)

    def _put(self, ended: Interval) -> None:
        """Keep an interval until it is written; of two ends that were learned of it, the tighter one."""
        known = self.ended.get(ended.key)
        if known is None or ended.last < known.last:
            self.ended[ended.key] = ended
            self.touched.add(ended.key)

    def _begin(self, uid: str, holding: Holding, now: int, first: int | None = None) -> None:
        if not holding.counts:
            self._idle.add(uid)
            return
        bound = now if holding.bound is None else holding.bound
        if first is None:
            first = max(now if uid in self._idle and now - bound > GRACE else bound, self.since)
        self._idle.discard(uid)
        self._noticed[uid] = now
        self.open[uid] = Interval(uid, first, holding)
        self.touched.add((uid, first))
        self.cut(uid, now)

    def _is_late(self, current: Interval, holding: Holding, now: int) -> bool:
        """Whether other devices are what was there all the time, and is only known now."""
        noticed = self._noticed.get(current.uid, current.first - GRACE)
        soon = now - noticed <= GRACE and bool(holding.counts)
        return soon or now <= current.first or _names(current.holding, holding)

    def _amend(self, current: Interval, found: Holding) -> None:
        held = current.holding
        whose = held if held.party else found
        devices = tuple(sorted({*held.devices, *found.devices})[:MOST_DEVICES_NAMED])
        amended = msgspec.structs.replace(
            held,
            party=whose.party,
            group=whose.group,
            node=held.node or found.node,
            country=held.country or found.country,
            site=held.site or found.site,
            counts=found.counts,
            devices=devices if held.devices != devices else held.devices,
        )
        if amended != held:
            self.open[current.uid] = msgspec.structs.replace(current, holding=amended)
            self.touched.add(current.key)


def _names(held: Holding, found: Holding) -> bool:
    """Whether as many devices are found as were held, of which some had no name until now."""
    unknown = any(UNKNOWN_CLASS in key.split("|") for key, _ in held.counts)
    return unknown and sum(count for _, count in held.counts) == sum(count for _, count in found.counts)
