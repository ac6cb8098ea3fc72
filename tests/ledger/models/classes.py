"""Classes that come and go: a pod that waits is charged for every class that it may land on, until it has."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from tests.ledger.models.explorer import OVER, Case, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDLE, PENDING, BOUND, GONE = range(4)
A, B = range(2)
ASKS = (frozenset({A, B}), frozenset({A, B}), frozenset({B}))
"""The classes that each pod would take."""

LIMIT = 1
"""Of either class."""


@dataclasses.dataclass(frozen=True)
class Rules:
    sticky: bool = True
    """A class counts as present from the first node that shows it; otherwise as long as a node shows it."""
    opened: str = "when nobody waits without it"
    """when nobody waits without it | at any time: when a class that is new takes pods."""


class Nodes(NamedTuple):
    stages: tuple[int, ...] = (IDLE,) * len(ASKS)
    charged: tuple[frozenset[int], ...] = (frozenset(),) * len(ASKS)
    known: frozenset[int] = frozenset({A})
    present: frozenset[int] = frozenset({A})


def classes(rules: Rules) -> Callable[[Nodes], Iterator[Nodes]]:
    def steps(n: Nodes) -> Iterator[Nodes]:
        for pod, stage in enumerate(n.stages):
            if stage == IDLE:
                yield from _admit(n, pod, rules)
            elif stage == PENDING:
                yield from _pending_steps(n, pod, rules)
            elif stage == BOUND:
                yield _charged(n, pod, GONE, frozenset())
        yield from _node_steps(n, rules)

    return steps


def _admit(n: Nodes, pod: int, rules: Rules) -> Iterator[Nodes]:
    reach = ASKS[pod] & (n.known if rules.sticky else n.present)
    if reach and all(sum(each in charged for charged in n.charged) < LIMIT for each in reach):
        yield _charged(n, pod, PENDING, reach)


def _pending_steps(n: Nodes, pod: int, rules: Rules) -> Iterator[Nodes]:
    for each in ASKS[pod] & n.present:
        yield _charged(n, pod, BOUND, frozenset({each}))
    yield _charged(n, pod, GONE, frozenset())
    if not rules.sticky and ASKS[pod] & n.present:
        yield _charged(n, pod, PENDING, ASKS[pod] & n.present)  # counted anew, by today's nodes


def _node_steps(n: Nodes, rules: Rules) -> Iterator[Nodes]:
    for each in n.known:
        yield n._replace(present=n.present ^ {each})
    lacking = any(n.stages[pod] == PENDING and B in asks and B not in n.charged[pod] for pod, asks in enumerate(ASKS))
    if B not in n.known and not (lacking and rules.opened == "when nobody waits without it"):
        yield n._replace(known=n.known | {B}, present=n.present | {B})


def _charged(n: Nodes, pod: int, stage: int, charge: frozenset[int]) -> Nodes:
    return n._replace(stages=put(n.stages, pod, stage), charged=put(n.charged, pod, charge))


def _bad(n: Nodes) -> str:
    bound = [charge for charge, stage in zip(n.charged, n.stages, strict=True) if stage == BOUND]
    return OVER if any(sum(each in charge for charge in bound) > LIMIT for each in (A, B)) else ""


def _case(variant: str, rules: Rules, states: int | None = None) -> Case[Nodes]:
    return Case(
        "classes that come and go",
        variant,
        Nodes(),
        classes(rules),
        _bad,
        lambda n: n.stages.count(BOUND) == 2,
        states,
        "" if states else OVER,
    )


CASES = (
    _case("protocol: a class once seen counts", Rules(), states=216),
    _case("the classes of today's nodes count", Rules(sticky=False)),
    _case("a new class takes pods that wait", Rules(opened="at any time")),
)
