"""Tranches of device-hours: what has no end pays an hour ahead, is renewed as it fits, and is ended where it does not.

Time passes in whole hours for all that lives, whatever leaders do.  The ledger knows of each object what it has paid
for; beyond that readers count the hours that it has begun.  Ends are seen, or missed by a later list.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from tests.ledger.models.explorer import Case, put

if TYPE_CHECKING:
    from collections.abc import Iterator

IDLE, LIVE, GONE = range(3)

SPENT = "more is used than the budget"
UNDER = "less is counted than was used"
CAUSED = "more is counted after a grant than the budget"


@dataclasses.dataclass(frozen=True)
class Rules:
    swap: bool = True
    """A renewal is written only over the state that it was judged on."""
    together: bool = True
    """What is due is held against what the others of the same write take."""
    overrun: bool = True
    """Readers count what goes on beyond what it has paid for."""
    unseen: bool = True
    """What is missed counts as having gone on until then, not only for what it had paid."""
    ends: bool = True
    """What is refused its next hour is ended within the one that it has paid for."""
    away: bool = False
    """Leaders may be away for longer than an hour."""


class Held(NamedTuple):
    """One object: the hours that it has used, and has paid for; ``known`` while it stands in the ledger."""

    stage: int = IDLE
    used: int = 0
    paid: int = 0
    known: bool = False
    refused: bool = False

    @property
    def due(self) -> bool:
        """Whether it is in the last hour that it has paid for, or beyond."""
        return self.stage == LIVE and self.paid <= self.used + 1


class Copy(NamedTuple):
    """What a leader has read and not written yet."""

    version: int
    hour: int
    due: tuple[int, ...]
    counted: int


class World(NamedTuple):
    """``spent`` is what the ledger has settled, ``version`` how often it was written."""

    each: tuple[Held, ...]
    spent: int = 0
    hour: int = 0
    version: int = 0
    copy: Copy | None = None
    caused: bool = False
    """Whether more than the budget was counted after something was granted."""


@dataclasses.dataclass(frozen=True)
class Instance:
    """How large: hours that all may use, and for how many hours the world lasts."""

    rules: Rules
    budget: int
    lasts: int

    def steps(self, w: World) -> Iterator[World]:
        for number, held in enumerate(w.each):
            if held.stage == IDLE and self.counted(w) + 1 <= self.budget:
                yield self._granted(w, put(w.each, number, Held(LIVE, 0, 1, known=True)))
            if held.stage == LIVE:
                yield from _ended(w, number, held)
            if held.stage == GONE and held.known:
                yield self._missed(w, number, held)
        if w.hour < self.lasts and self._may_pass(w):
            each = tuple(held._replace(used=held.used + (held.stage == LIVE)) for held in w.each)
            yield w._replace(each=each, hour=w.hour + 1)
        yield w._replace(copy=self._read(w)) if w.copy is None else self._renewed(w, w.copy)

    def counted(self, w: World) -> int:
        """Return what a reader counts now."""
        late = self.rules.overrun
        return w.spent + sum(max(held.paid, held.used if late else 0) for held in w.each if held.known)

    def _may_pass(self, w: World) -> bool:
        """Say whether an hour passes: leaders that are there have renewed, or ended, everything by then."""
        goes_on = (held for held in w.each if held.stage == LIVE)
        return self.rules.away or all(
            held.paid > held.used or (held.refused and not self.rules.ends) for held in goes_on
        )

    def _missed(self, w: World, number: int, held: Held) -> World:
        cost = max(held.paid, held.used) if self.rules.unseen else held.paid
        each = put(w.each, number, held._replace(known=False))
        return w._replace(each=each, spent=w.spent + cost, version=w.version + 1)

    def _read(self, w: World) -> Copy:
        due = tuple(number for number, held in enumerate(w.each) if held.known and held.due)
        return Copy(w.version, w.hour, due, self.counted(w))

    def _renewed(self, w: World, copy: Copy) -> World:
        """A write takes no hour; where somebody else has written, the leader reads again."""
        if copy.hour != w.hour or (self.rules.swap and copy.version != w.version):
            return w._replace(copy=None)
        each, taken = list(w.each), 0
        for number in copy.due:
            held = w.each[number]
            after = max(held.paid, held.used) + 1
            if copy.counted + (taken if self.rules.together else 0) + 1 <= self.budget:
                each[number], taken = held._replace(paid=after, refused=False), taken + 1
            else:
                each[number] = held._replace(refused=True)
        after_all = w._replace(copy=None)
        return self._granted(after_all, tuple(each)) if taken else after_all._replace(each=tuple(each))

    def _granted(self, w: World, each: tuple[Held, ...]) -> World:
        after = w._replace(each=each, version=w.version + 1)
        return after._replace(caused=w.caused or self.counted(after) > self.budget)

    def bad(self, w: World) -> str:
        used = sum(held.used for held in w.each)
        if used > self.counted(w):
            return UNDER
        if w.caused:
            return CAUSED
        return SPENT if used > self.budget and not self.rules.away else ""


def _ended(w: World, number: int, held: Held) -> Iterator[World]:
    """An end that the leader sees, which costs what was used; and one that nobody sees."""
    seen = put(w.each, number, held._replace(stage=GONE, known=False))
    yield w._replace(each=seen, spent=w.spent + held.used, version=w.version + 1)
    yield w._replace(each=put(w.each, number, held._replace(stage=GONE)))


def _case(
    variant: str, rules: Rules, states: int | None = None, *, finds: str = "", size: tuple[int, int, int] = (2, 3, 3)
) -> Case[World]:
    objects, budget, lasts = size
    of = Instance(rules, budget, lasts)

    def busy(w: World) -> bool:
        return sum(held.used for held in w.each) == budget and any(held.refused for held in w.each)

    start = World((Held(),) * objects)
    return Case("tranches", variant, start, of.steps, of.bad, busy, states, "" if states else finds)


CASES = (
    _case("protocol, 2 objects, budget 3", Rules(), states=18_943),
    _case("protocol, leaders are away", Rules(away=True), states=31_631),
    _case("a renewal is written over whatever stands", Rules(swap=False), finds=CAUSED),
    _case("each that is due is held against the budget alone", Rules(together=False), finds=CAUSED),
    _case("what goes on unpaid is not counted", Rules(away=True, overrun=False), finds=UNDER),
    _case("what is missed costs what it had paid", Rules(away=True, unseen=False), finds=UNDER),
    _case("what is refused goes on", Rules(ends=False), finds=SPENT),
)
