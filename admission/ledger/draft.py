"""One batch against one state: who is granted, and the state that would make it so.  Pure.

A draft is worth nothing until its state is written, or, when there is nothing to write, until the state it
was drawn from is known to be the newest.  It is never carried over to another state
(kubernetes/kubernetes#141904 is what happens otherwise).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from admission.decide.limits import Charge, Limit
from admission.ledger.hours import used_in
from admission.ledger.limits import Differs, Exceeded, Granted, Kind, Origin, Outcome, Unavailable, judge
from admission.ledger.state import SHARED, Entry, State
from admission.ledger.tranches import MOST
from admission.review.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclasses.dataclass(frozen=True, slots=True)
class Caps:
    """Most entries in flight, each part of an entry counted like one.

    A party that fills its own share is told LedgerBusy and locks out nobody else.
    """

    namespace: int = 256
    party: int = 384
    ledger: int = 768
    tranches: int = MOST
    """Objects without an end that a ledger keeps, from which on no further one is let in."""


UNWATCHED = Caps(namespace=1_000_000, party=1_000_000, ledger=1_000_000)
"""Where nothing watches the objects: an entry then stays in flight for as long as its object is there."""


class Ask(msgspec.Struct, frozen=True):
    """One attempt to reserve in one scope.  ``owner`` names the attempt, and no other attempt anywhere.

    ``shards`` is the number for which its limits were laid out.
    """

    uid: str
    namespace: str
    name: str
    charge: Charge
    limits: tuple[Limit, ...]
    owner: str
    kind: Kind = Kind.Pod
    origin: Origin | None = None
    shards: int = 0

    def entry(self, now: int) -> Entry:
        """Return the reservation that grants it."""
        return Entry(self.uid, self.namespace, self.name, self.charge, now, self.owner, self.kind)


@dataclasses.dataclass(frozen=True, slots=True)
class Withdrawal:
    """An entry to take back: its owner's own, or, with owner None, whoever's.

    Whoever's only where it is proved that the object neither exists nor can come to exist.
    """

    uid: str
    owner: str | None

    def covers(self, entry: Entry) -> bool:
        """Say whether this entry may be taken back by it."""
        return self.owner is None or (self.owner != SHARED and self.owner == entry.owner)


@dataclasses.dataclass(frozen=True, slots=True)
class Draft:
    """The verdicts, in the order of the asks, and the state to write; None when nothing changes."""

    outcomes: tuple[Outcome, ...]
    state: State | None


class Drafter:
    """Works through one batch in order of arrival, with running totals."""

    def __init__(self, state: State, caps: Caps, now: int) -> None:
        self._state, self._caps, self._now = state, caps, now
        self._inflight = dict(state.inflight)
        self._hours = state.hours
        self._size, self._changed = 0, False
        self._namespaces: Counter[str] = Counter()
        self._parties: Counter[str] = Counter()
        for entry in self._inflight.values():
            self._add(entry, 1)

    def draft(self, asks: Sequence[Ask], withdrawals: Iterable[Withdrawal]) -> Draft:
        """Take back first, then judge each ask against what is left."""
        if not self._state.initialized:
            return Draft((Unavailable(Reason.NotSynced),) * len(asks), None)
        for withdrawal in withdrawals:
            self._withdraw(withdrawal)
        self._tally = dataclasses.replace(self._state, inflight=self._inflight, hours=self._hours).tally(self._now)
        outcomes = tuple(self._judge(ask) if self._is_for(ask) else Unavailable(Reason.NotSynced) for ask in asks)
        state = dataclasses.replace(self._state, inflight=self._inflight, hours=self._hours) if self._changed else None
        return Draft(outcomes, state)

    def _is_for(self, ask: Ask) -> bool:
        """Whether the accounts that stand here are those that the ask's limits are about."""
        return ask.shards == self._state.shards

    def _withdraw(self, withdrawal: Withdrawal) -> None:
        entry = self._inflight.get(withdrawal.uid)
        if entry is not None and withdrawal.covers(entry):
            del self._inflight[entry.uid]
            self._count(entry, -1)
            if withdrawal.owner is None and entry.charge.seconds:
                self._spend(entry)

    def _spend(self, entry: Entry) -> None:
        """Count what an object that is gone has used since it was admitted: nobody else saw it begin, or end."""
        charge, spent = entry.charge, Counter(self._hours.spent)
        spent.update(dict(used_in(charge.counts, charge.party, entry.reserved_at, max(self._now, entry.reserved_at))))
        self._hours = dataclasses.replace(self._hours, spent=dict(spent))

    def _judge(self, ask: Ask) -> Outcome:
        entry = self._inflight.get(ask.uid)
        if entry is not None:
            return self._repeat(ask, entry)
        if not all(map(self._tally.knows, ask.limits)):
            return Unavailable(Reason.NotSynced)
        moved = self._move(ask)
        if moved is not None:
            return moved
        outcome = judge(ask.charge, ask.limits, self._tally)
        if isinstance(outcome, Exceeded) or not (ask.charge.counts and any(one.requested for one in outcome.levels)):
            return outcome  # what weighs nothing under any limit needs no promise, and fills no ledger
        if self._full(ask):
            return Unavailable(Reason.LedgerBusy)
        self._inflight[ask.uid] = entry = ask.entry(self._now)
        self._count(entry, 1)
        self._tally.add(ask.charge)
        return outcome

    def _move(self, ask: Ask) -> Outcome | None:
        """Let the object hold the part that its origin was charged for it; None where no such part stands.

        The part is used once, in the write that makes it the object's own.
        """
        origin = self._inflight.get(ask.origin.uid) if ask.origin else None
        if ask.origin is None or origin is None:
            return None
        part = next((each for each in origin.charge.parts if each.name == ask.origin.part), None)
        if part is None:
            return None
        if part.digest != ask.origin.digest:
            return Differs(part)
        held = origin.charge.only(part)
        self._tally.remove(held)
        # How long it may hold them was judged with its origin: a claim that is made a moment later begins nothing.
        outcome = judge(ask.charge, [limit for limit in ask.limits if limit.unit != "hold"], self._tally)
        if isinstance(outcome, Exceeded):  # it leaves more open than it did when its origin was charged
            self._tally.add(held)
            return outcome
        self._replace(origin, origin.charge.without(part))
        self._inflight[ask.uid] = entry = ask.entry(self._now)
        self._count(entry, 1)
        self._tally.add(ask.charge)
        return outcome

    def _replace(self, entry: Entry, charge: Charge) -> None:
        """Leave an entry with less; what relied on it before does so still, so that nobody may take it back."""
        del self._inflight[entry.uid]
        self._count(entry, -1)
        if charge.counts:
            self._inflight[entry.uid] = left = dataclasses.replace(entry, charge=charge, owner=SHARED)
            self._count(left, 1)

    def _repeat(self, ask: Ask, entry: Entry) -> Outcome:
        """Grant again what is already counted.

        With another charge it is refused: the first answer may have been "allowed", so the entry may not
        shrink, and which of the two charges is true cannot be told here.  A new create has a new uid.
        """
        if entry.charge != ask.charge and not ask.origin:
            return Unavailable(Reason.LedgerBusy)
        if entry.owner not in (ask.owner, SHARED):
            self._inflight[ask.uid] = entry.shared()
            self._changed = True
        self._tally.remove(entry.charge)
        levels = tuple(self._tally.level(limit, entry.charge) for limit in ask.limits if self._tally.knows(limit))
        self._tally.add(entry.charge)
        return Granted(levels)

    def _full(self, ask: Ask) -> bool:
        return (
            (ask.charge.endless and len(self._hours.tranches) >= self._caps.tranches)
            or self._size >= self._caps.ledger
            or self._parties[ask.charge.party] >= self._caps.party
            or self._namespaces[ask.namespace] >= self._caps.namespace
        )

    def _count(self, entry: Entry, sign: int) -> None:
        self._add(entry, sign)
        self._changed = True

    def _add(self, entry: Entry, sign: int) -> None:
        size = sign * (1 + len(entry.charge.parts))
        self._size += size
        self._namespaces[entry.namespace] += size
        self._parties[entry.charge.party] += size
