"""Every interleaving of a small instance of the protocol, explored to the end, breadth first.

A case is one model under one set of rules: those of the protocol, which must prove safe, or a tempting
simplification, which must be found unsafe.  States are tuples that say all there is to say; steps are whatever
may happen next, to anybody, in any order.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    import typing
    from collections.abc import Callable, Iterable

S = TypeVar("S", bound="typing.Hashable")

OVER = "more lives than is allowed"
LEAK = "what is counted stays counted"


@dataclasses.dataclass(frozen=True)
class Case(Generic[S]):
    """One model under one set of rules."""

    model: str
    variant: str
    start: S
    steps: Callable[[S], Iterable[S]]
    bad: Callable[[S], str]
    """What does not hold in a state; empty where everything does."""
    busy: Callable[[S], bool] = lambda _: True
    """A state that must be reached, lest a protocol be safe by doing nothing."""
    states: int | None = None
    """How many states there are, where the rules are safe; None where they are not."""
    finds: str = ""
    """What unsafe rules lead to."""
    deep: bool = False
    """Whether it takes minutes."""


class Verdict(NamedTuple):
    """How many states there are, up to the first bad one; what is bad about that, and after how many steps."""

    states: int
    finding: str
    steps: int
    busy: bool


def explore(case: Case[Any]) -> Verdict:
    """Visit every state that can be reached, until one is bad."""
    depth, queue, busy = {case.start: 0}, collections.deque([case.start]), case.busy(case.start)
    while queue:
        state = queue.popleft()
        steps = depth[state] + 1
        for following in case.steps(state):
            if following not in depth:
                depth[following] = steps
                if finding := case.bad(following):
                    return Verdict(len(depth), finding, steps, busy)
                busy = busy or case.busy(following)
                queue.append(following)
    return Verdict(len(depth), "", max(depth.values()), busy)


def put(items: tuple[Any, ...], index: int, value: object) -> tuple[Any, ...]:
    """Return the items with another value at an index."""
    return (*items[:index], value, *items[index + 1 :])


def live(log: tuple[int, ...]) -> frozenset[int]:
    """Return the objects that exist after a log of creates (number + 1) and deletes (its negative)."""
    return frozenset(event - 1 for event in log if event > 0 and -event not in log)
