"""A pod charged for its claim: the part goes over to the claim in one write, once, and then stands by itself."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from tests.ledger.models.explorer import LEAK, OVER, Case, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDLE, HALF, PROMISED, LIVE, GONE, FAILED = range(6)
POD, FIRST, SECOND, OTHER = range(4)
"""A pod of one device, to be had by a claim; two claims made for it; another pod, of one device."""

LIMIT = 1


@dataclasses.dataclass(frozen=True)
class Rules:
    moved: str = "in one write"
    """in one write | out first, then in: how the part goes over."""
    once: bool = True
    """A part is used by one claim; otherwise by every claim of a pod that was charged for it."""
    compared: bool = True
    """A claim that asks for more than its part is not taken for it."""
    settled: bool = True
    """The pod's entry stays for as long as a claim may be made for it; otherwise until the pod is seen."""
    by_itself: bool = True
    """A claim counts for as long as it exists; otherwise for as long as its pod does."""
    big: bool = False
    """The first claim asks for two devices."""


class Claims(NamedTuple):
    stages: tuple[int, ...] = (IDLE,) * 4
    entries: tuple[int, ...] = (0,) * 4
    """Devices counted for each."""


def claims(rules: Rules) -> Callable[[Claims], Iterator[Claims]]:
    def steps(c: Claims) -> Iterator[Claims]:
        for who, stage in enumerate(c.stages):
            if stage == IDLE:
                yield from _review(c, who, rules)
            elif stage == HALF:
                yield _counted(c, who, PROMISED, _asks(who, rules))
            elif stage == PROMISED:
                yield c._replace(stages=put(c.stages, who, LIVE))
                yield c._replace(stages=put(c.stages, who, FAILED))
            elif stage == LIVE:
                yield c._replace(stages=put(c.stages, who, GONE))
            if c.entries[who] and _may_leave(c, who, rules):
                yield c._replace(entries=put(c.entries, who, 0))

    return steps


def _asks(who: int, rules: Rules) -> int:
    return 2 if who == FIRST and rules.big else 1


def _review(c: Claims, who: int, rules: Rules) -> Iterator[Claims]:
    if who in (POD, OTHER):
        yield from _judged(c, who, 1)
    elif c.stages[POD] == LIVE:  # claims are made for a pod that is there
        yield from _claim(c, who, rules)


def _claim(c: Claims, who: int, rules: Rules) -> Iterator[Claims]:
    if not rules.settled and not c.entries[POD]:
        yield _counted(c, who, PROMISED, 0)  # "was charged with its pod"
    elif not rules.once and c.stages[POD] == LIVE:
        yield _counted(c._replace(entries=put(c.entries, POD, 0)), who, PROMISED, int(bool(c.entries[POD])))
    elif c.entries[POD] and (not rules.compared or _asks(who, rules) == 1):
        out = c._replace(entries=put(c.entries, POD, 0))
        whole = rules.moved == "in one write"
        yield _counted(out, who, PROMISED if whole else HALF, c.entries[POD] if whole else 0)
    else:
        yield from _judged(c, who, _asks(who, rules))


def _judged(c: Claims, who: int, asks: int) -> Iterator[Claims]:
    if sum(c.entries) + asks <= LIMIT:
        yield _counted(c, who, PROMISED, asks)


def _counted(c: Claims, who: int, stage: int, devices: int) -> Claims:
    return c._replace(stages=put(c.stages, who, stage), entries=put(c.entries, who, devices))


def _may_leave(c: Claims, who: int, rules: Rules) -> bool:
    over = c.stages[who] in (GONE, FAILED)
    if who == POD:
        return over or (not rules.settled and c.stages[who] == LIVE)
    return over or (not rules.by_itself and who in (FIRST, SECOND) and c.stages[POD] == GONE)


def _case(variant: str, rules: Rules, states: int | None = None) -> Case[Claims]:
    def bad(c: Claims) -> str:
        held = sum(_asks(who, rules) for who, stage in enumerate(c.stages) if stage == LIVE and who != POD)
        if held > LIMIT:
            return OVER
        stays = any(c.entries[who] and not _may_leave(c, who, rules) for who in range(4) if c.stages[who] > LIVE)
        return LEAK if stays else ""

    return Case(
        "claims",
        variant,
        Claims(),
        claims(rules),
        bad,
        lambda c: c.stages[FIRST] == LIVE,
        states,
        "" if states else OVER,
    )


CASES = (
    _case("protocol", Rules(), states=289),
    _case("a part leaves first and is charged then", Rules(moved="out first, then in")),
    _case("a part is used twice", Rules(once=False)),
    _case("what a claim asks for is not compared", Rules(compared=False, big=True)),
    _case("a pod's entry leaves when the pod is seen", Rules(settled=False)),
    _case("a claim counts while its pod does", Rules(by_itself=False)),
)
