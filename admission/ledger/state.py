"""The state of one scope: what is used, what is promised, and up to where it has been counted."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from admission.decide.duration import HOUR
from admission.decide.limits import ENDING
from admission.ledger.accounts import Kept, Sums, kept
from admission.ledger.limits import Kind, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from admission.decide.limits import Account, Charge, Limit
    from admission.ledger.tranches import Tranche

Bucket = tuple[str, str, int]
"""Party, class key and hour (unix time in whole hours)."""

SHARED = ""
"""Owner of an entry on which more than one attempt relies: none of them may withdraw it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One reservation: promised, and not yet counted among the objects that exist.

    ``owner`` names the attempt that wrote it.  Only that attempt may take it back, and only while no
    other relies on it: two reviews of one object can be under way at once (a retried webhook call),
    and the one that is denied in a later scope must not pull the entry away from the one that is allowed.
    ``reserved_at`` is unix seconds by the writer's clock; nothing is decided by it.
    """

    uid: str
    namespace: str
    name: str
    charge: Charge
    reserved_at: int
    owner: str
    kind: Kind = Kind.Pod

    def __hash__(self) -> int:
        """Return the uid's: an entry is looked up as often as its ledger is written."""
        return hash(self.uid)

    def shared(self) -> Entry:
        """Return the entry as nobody's own."""
        return dataclasses.replace(self, owner=SHARED)


class Hold(NamedTuple):
    """A group's continuous hold of a class: since when, and until when (unix seconds; 0 while it goes on)."""

    since: int
    until: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Hours:
    """Use over time in one scope, in device-seconds.

    ``prepaid`` is what the objects in ``State.used`` can use at most, by account.  ``spent`` is what objects that
    have ended did use, by account and hour (unix hours), as far as it is not archived; ``archived`` counts how often
    some of it was, and ``past`` sums the archive by window (seconds) and account.  ``moved`` stands in the archive
    alone: what its last write brought.  ``holds`` are by group and class.  The ends of objects are taken in up to
    the resourceVersions ``ends_pods`` and ``ends_claims``.  ``settled_at`` is when ``prepaid`` was last summed (unix
    seconds; 0 where that is not known): from it follows what each object had paid then.  ``tranches`` are by uid and
    party what objects without an end have paid for; it is in ``prepaid``.
    """

    prepaid: Mapping[Account, int] = dataclasses.field(default_factory=dict)
    spent: Mapping[Bucket, int] = dataclasses.field(default_factory=dict)
    archived: int = 0
    past: Mapping[int, Mapping[Account, int]] = dataclasses.field(default_factory=dict)
    moved: Mapping[Bucket, int] = dataclasses.field(default_factory=dict)
    holds: Mapping[tuple[str, str], Hold] = dataclasses.field(default_factory=dict)
    ends_pods: int = 0
    ends_claims: int = 0
    settled_at: int = 0
    tranches: Mapping[tuple[str, str], Tranche] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep what is counted against windows together with its sums."""
        object.__setattr__(self, "prepaid", kept(self.prepaid))
        object.__setattr__(self, "spent", kept(self.spent))
        object.__setattr__(self, "past", {window: kept(accounts) for window, accounts in self.past.items()})

    def used(self, window: int) -> list[tuple[Account, int]] | None:
        """Return what was used within a window, an account more than once; None where the archive is not summed."""
        if self.archived and window not in self.past:
            return None
        recent = (((party, key), seconds) for (party, key, _), seconds in self.spent.items())
        return [*self.past.get(window, {}).items(), *recent]

    def counted(self, window: int) -> tuple[Kept, ...] | None:
        """Return what counts against a window: what was used within it, and what is prepaid."""
        if self.archived and window not in self.past:
            return None
        return kept(self.past.get(window, {})), kept(self.spent), kept(self.prepaid)

    def overrun(self, now: int) -> Iterator[tuple[Account, int]]:
        """Yield what objects without an end have used since ``prepaid`` was summed beyond what they had paid for."""
        for (_, party), tranche in self.tranches.items():
            more = tranche.bound(now) - tranche.bound(self.settled_at)
            yield from (((party, key), count * more) for key, count in tranche.counts if more > 0)

    def elapsed(self, group: str, limit: Limit, now: int) -> int:
        """Return for how many seconds a group has held the classes of a limit, breaks within the limit's included."""
        holds = (self.holds.get((group, name)) for name in limit.classes)
        since = [hold.since for hold in holds if hold and (not hold.until or now <= hold.until + limit.window)]
        return max(0, now - min(since, default=now))


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """One scope at one version of its store; never changed in place.

    ``used`` sums the objects that existed at ``observed_pods`` and ``observed_claims``, attributed by the records of
    ``observed_tenants`` (resourceVersions, which compare only within one resource); ``inflight`` holds, by uid, what
    was promised and not yet seen there.
    Their sum is never less than what exists or may still come to exist by a promise.
    """

    epoch: int = 0
    initialized: bool = False
    observed_pods: int = 0
    used: Mapping[Account, int] = dataclasses.field(default_factory=dict)
    inflight: Mapping[str, Entry] = dataclasses.field(default_factory=dict)
    observed_claims: int = 0
    observed_tenants: int = 0
    hours: Hours = Hours()
    shards: int = 0
    """For how many shards it was counted (``decide.shards``): under another number other accounts stand in it."""

    def __post_init__(self) -> None:
        """Keep what is used together with its sums."""
        object.__setattr__(self, "used", kept(self.used))

    def following(self, hours: Hours) -> State:
        """Return the state with other hours."""
        return dataclasses.replace(self, hours=hours)

    def tally(self, now: int = 0) -> Tally:
        """Return the running use that this state starts from: used and promised.  ``now`` is unix seconds."""
        hours, late = self.hours, Sums([*self._overstayed(now), *self.hours.overrun(now)])

        def counted(window: int) -> list[Sums] | None:
            known = hours.counted(window)
            return None if known is None else [*(each.sums for each in known), late]

        tally = Tally((kept(self.used).sums,), counted, lambda group, limit: hours.elapsed(group, limit, now))
        for entry in self.inflight.values():
            tally.add(entry.charge)
        return tally

    def _overstayed(self, now: int) -> Iterator[tuple[Account, int]]:
        """Yield what objects in flight go on to use beyond what they paid for, by the hours begun."""
        for entry in self.inflight.values():
            paid, elapsed = entry.charge.seconds + ENDING, now - entry.reserved_at
            if entry.charge.seconds and elapsed > paid:
                more = -(-elapsed // HOUR) * HOUR - paid
                yield from (((entry.charge.party, key), count * more) for key, count in entry.charge.counts)

    def reserved(self) -> dict[Account, int]:
        """Return what is promised, by account."""
        total: dict[Account, int] = {}
        for account, count in self._promises():
            total[account] = total.get(account, 0) + count
        return total

    def promised_hours(self) -> dict[Account, int]:
        """Return the device-seconds that are prepaid by what is promised, by account."""
        total: dict[Account, int] = {}
        for entry in self.inflight.values():
            for key, seconds in entry.charge.prepaid:
                account = entry.charge.party, key
                total[account] = total.get(account, 0) + seconds
        return total

    def _promises(self) -> Iterator[tuple[Account, int]]:
        for entry in self.inflight.values():
            for key, count in entry.charge.counts:
                yield (entry.charge.party, key), count
