"""Device-hours, prepaid with refund: the bound is charged at admission, and what was not used comes back at the end.

``spent`` sums what has ended, ``prepaid`` the bounds of what lives, and entries in flight carry theirs.  A fold
takes ends out of ``prepaid`` and into ``spent``: with their use where its cache saw both begin and end, and in
full where it did not.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from tests.ledger.models.explorer import LEAK, Case, live, put

if TYPE_CHECKING:
    from collections.abc import Iterator

IDLE, PROMISED, LIVE, FAILED, ENDED = range(5)
"""An object that has ended after n hours is at stage ENDED + n."""

SPENT = "more is used, or may be, than the budget"


@dataclasses.dataclass(frozen=True)
class Rules:
    guard: bool = True
    """Folds only go forward."""
    once: bool = True
    """An end is settled by the fold that goes past it; otherwise by every fold that has seen it."""
    unseen: str = "in full"
    """in full | nothing: what an end costs that the folding cache did not see."""
    expiry: str = "watched"
    """watched | in full | nothing: what an absent object costs that may have come and gone unseen."""
    caught_up: bool = True
    """Absence is believed when the watch has come as far as the look that proved it."""


class Hours(NamedTuple):
    """As ``one_ledger.World``; entries know how long the log was when they were made."""

    pods: tuple[int, ...]
    log: tuple[int, ...] = ()
    spent: int = 0
    prepaid: int = 0
    inflight: frozenset[tuple[int, int]] = frozenset()
    observed: int = 0
    caches: tuple[tuple[int, int], ...] = ((0, 0), (0, 0))
    guessed: bool = False
    """Whether something was charged in full for want of a look at its end."""


@dataclasses.dataclass(frozen=True)
class Instance:
    """How large: hours that one object may use, and all together."""

    rules: Rules
    bound: int
    budget: int

    def steps(self, h: Hours) -> Iterator[Hours]:
        for pod, stage in enumerate(h.pods):
            yield from self._pod_steps(h, pod, stage)
        for which, (start, position) in enumerate(h.caches):
            if position < len(h.log):
                yield _moved(h, which, (start, position + 1))
            if start < len(h.log):
                yield _moved(h, which, (len(h.log), len(h.log)))
            if position >= h.observed or not self.rules.guard:
                yield self.fold(h, start, position)
            for entry in h.inflight:
                yield from self._expire(h, entry, start, position)

    def _pod_steps(self, h: Hours, pod: int, stage: int) -> Iterator[Hours]:
        if stage == IDLE and self.total(h) + self.bound <= self.budget:
            yield h._replace(pods=put(h.pods, pod, PROMISED), inflight=h.inflight | {(pod, len(h.log))})
        elif stage == PROMISED:
            yield h._replace(pods=put(h.pods, pod, LIVE), log=(*h.log, pod + 1))
            yield h._replace(pods=put(h.pods, pod, FAILED))
        elif stage == LIVE:
            for use in range(self.bound + 1):
                yield h._replace(pods=put(h.pods, pod, ENDED + use), log=(*h.log, -pod - 1))

    def total(self, h: Hours) -> int:
        return h.spent + h.prepaid + len(h.inflight) * self.bound

    def truth(self, h: Hours) -> int:
        coming = sum(stage in (PROMISED, LIVE) for stage in h.pods)
        return coming * self.bound + sum(max(0, stage - ENDED) for stage in h.pods)

    def fold(self, h: Hours, start: int, position: int) -> Hours:
        seen = live(h.log[:start]) | {abs(event) - 1 for event in h.log[start:position]}
        entering = {entry for entry in h.inflight if entry[0] in seen}
        prepaid = len(live(h.log[:position])) * self.bound
        ends = _ends(h, start, position, h.observed if self.rules.once else 0, {pod for pod, _ in entering})
        unseen = h.prepaid + (len(entering) - len(ends)) * self.bound - prepaid
        spent = h.spent + sum(h.pods[pod] - ENDED for pod in ends) + (unseen if self.rules.unseen == "in full" else 0)
        return h._replace(
            spent=spent,
            prepaid=prepaid,
            inflight=h.inflight - entering,
            observed=position,
            guessed=h.guessed or unseen != 0,
        )

    def _expire(self, h: Hours, entry: tuple[int, int], start: int, position: int) -> Iterator[Hours]:
        pod, made = entry
        seen = pod in live(h.log[:start]) or pod + 1 in h.log[start:position]
        behind = self.rules.caught_up and position < len(h.log)
        if h.pods[pod] in (PROMISED, LIVE) or seen or behind:
            return
        watched = made >= start  # the watch began before the promise, and has seen nothing
        free = self.rules.expiry == "nothing" or (self.rules.expiry == "watched" and watched)
        gone = h._replace(inflight=h.inflight - {entry})
        yield gone if free else gone._replace(spent=h.spent + self.bound, guessed=h.guessed or not watched)

    def bad(self, h: Hours) -> str:
        return SPENT if self.truth(h) > self.budget else LEAK if self._leaks(h) else ""

    def _leaks(self, h: Hours) -> bool:
        """A cache that has caught up has folded and expired all, saw everything, and yet more is counted."""
        start = min(start for start, _ in h.caches)
        settled = self.fold(h, start, len(h.log))
        for entry in settled.inflight:
            settled = next(self._expire(settled, entry, start, len(h.log)), settled)
        return not settled.guessed and self.total(settled) > self.truth(h)


def _ends(h: Hours, start: int, position: int, settled: int, entering: set[int]) -> list[int]:
    """Return the objects whose end a cache saw and no earlier fold has settled."""
    ended = {-event - 1: number for number, event in enumerate(h.log[:position], 1) if event < 0}
    return [pod for pod, number in ended.items() if number > start and (number > settled or pod in entering)]


def _moved(h: Hours, which: int, cache: tuple[int, int]) -> Hours:
    return h._replace(caches=tuple(sorted(put(h.caches, which, cache))))


def _case(
    variant: str,
    rules: Rules,
    states: int | None = None,
    *,
    finds: str = SPENT,
    size: tuple[int, int, int] = (3, 1, 1),
    deep: bool = False,
) -> Case[Hours]:
    pods, bound, budget = size
    of = Instance(rules, bound, budget)

    def busy(h: Hours) -> bool:
        return of.truth(h) == budget and any(stage > LIVE for stage in h.pods)

    return Case(
        "device-hours",
        variant,
        Hours((IDLE,) * pods),
        of.steps,
        of.bad,
        busy,
        states,
        "" if states else finds,
        deep=deep,
    )


CASES = (
    _case("protocol, 2 objects of 2 hours, budget 3", Rules(), states=7_408, size=(2, 2, 3)),
    _case("protocol, 3 objects of 1 hour, budget 1", Rules(), states=37_658),
    _case("protocol, 3 objects of 1 hour, budget 2", Rules(), states=2_322_356, size=(3, 1, 2), deep=True),
    _case("an older cache refunds", Rules(guard=False)),
    _case("an end is refunded by every fold that saw it", Rules(once=False)),
    _case("an end that nobody saw costs nothing", Rules(unseen="nothing")),
    _case("what is absent costs nothing, whoever watched", Rules(expiry="nothing")),
    _case("absent, and the watch is behind", Rules(caught_up=False)),
    _case("what is absent always costs all", Rules(expiry="in full"), finds=LEAK),
)
