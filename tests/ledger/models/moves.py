"""A tenant that moves from one ledger to another: its charges are in the new one before it counts there.

The field that names the tenant's ledger is read by replicas that lag, so an admission may arrive at one ledger when
the field has come to name the other.  What was admitted there while the tenant moved would be dropped with the rest,
or count in the wrong place: so a ledger says in its own state whether it is open to the tenant.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from tests.ledger.models.explorer import LEAK, OVER, Case, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDLE, READ_A, READ_B, PROMISED, GONE = range(5)
A, B = range(2)
MOVES, AT_A, AT_B = range(3)
PODS = (MOVES, MOVES, AT_A, AT_B)
"""Whose each pod is: two of the tenant that moves, one of a tenant of either ledger."""

LIMIT = 2
SAFE = ("close", "charge", "switch", "open", "drop")


@dataclasses.dataclass(frozen=True)
class Rules:
    order: tuple[str, ...] = SAFE
    by_object: bool = False
    """An object belongs where it is counted: what the new ledger does not have yet is not dropped from the old."""
    recount: bool = False
    """No move at all: each ledger counts whoever belongs to it by today's label."""


class Move(NamedTuple):
    """Pods; who is counted in either ledger; which one the tenant's field names; how far the move is."""

    pods: tuple[int, ...] = (IDLE,) * len(PODS)
    held: tuple[frozenset[int], ...] = (frozenset(), frozenset())
    home: int = A
    closed: frozenset[int] = frozenset({B})
    done: int = 0
    moves: int = 2
    over: bool = False


def moves(rules: Rules) -> Callable[[Move], Iterator[Move]]:
    def steps(m: Move) -> Iterator[Move]:
        for pod, stage in enumerate(m.pods):
            if stage == IDLE:
                yield m._replace(pods=put(m.pods, pod, READ_A + _home(m, pod)))
            elif stage in (READ_A, READ_B):
                yield from _reserve(m, pod, stage - READ_A, rules)
            elif stage == PROMISED:
                yield m._replace(pods=put(m.pods, pod, GONE), held=tuple(each - {pod} for each in m.held))
        yield from _recount(m) if rules.recount else _move(m, rules)

    return steps


def _home(m: Move, pod: int) -> int:
    return m.home if PODS[pod] == MOVES else PODS[pod] - AT_A


def _reserve(m: Move, pod: int, ledger: int, rules: Rules) -> Iterator[Move]:
    if PODS[pod] == MOVES and ledger in m.closed and "close" in rules.order and not rules.recount:
        yield m._replace(pods=put(m.pods, pod, IDLE))  # to be tried again
    elif len(m.held[ledger]) < LIMIT:
        m = m._replace(pods=put(m.pods, pod, PROMISED), held=put(m.held, ledger, m.held[ledger] | {pod}))
        m = m._replace(over=not rules.by_object and _count(m, _home(m, pod)) > LIMIT)
        yield m


def _count(m: Move, ledger: int) -> int:
    return sum(stage == PROMISED and _home(m, pod) == ledger for pod, stage in enumerate(m.pods))


def _move(m: Move, rules: Rules) -> Iterator[Move]:
    """The next of the move's writes; each is one swap of one object."""
    if not m.moves:
        return
    step, switched = rules.order[m.done], rules.order.index("switch") < m.done
    old, new = (1 - m.home, m.home) if switched else (m.home, 1 - m.home)
    its_own = frozenset(pod for pod in m.held[old] if PODS[pod] == MOVES)
    if step == "close":
        m = m._replace(closed=m.closed | {old})
    elif step == "charge":
        m = m._replace(held=put(m.held, new, m.held[new] | its_own))
    elif step == "switch":
        m = m._replace(home=new)
    elif step == "open":
        m = m._replace(closed=m.closed - {new})
    else:
        there = m.held[new] if rules.by_object else its_own
        m = m._replace(held=put(m.held, old, m.held[old] - (its_own & there)))
    done = (m.done + 1) % len(rules.order)
    yield m._replace(done=done, moves=m.moves - (done == 0))


def _recount(m: Move) -> Iterator[Move]:
    if m.moves:
        yield m._replace(home=1 - m.home, moves=m.moves - 1)
    for ledger in (A, B):
        there = {pod for pod, stage in enumerate(m.pods) if stage == PROMISED and _home(m, pod) == ledger}
        yield m._replace(held=put(m.held, ledger, frozenset(there)))


def _twice(m: Move) -> bool:
    return any(m.pods[pod] == PROMISED for pod in m.held[A] & m.held[B])


def _case(variant: str, rules: Rules, states: int | None = None) -> Case[Move]:
    def busy(m: Move) -> bool:
        return m.moves < 2 and PROMISED in m.pods[:2] and m.home == B

    def bad(m: Move) -> str:
        """An admission left more under a limit than it allows, as a move alone may; or a move left something behind."""
        lost = any(stage == PROMISED and pod not in m.held[A] | m.held[B] for pod, stage in enumerate(m.pods))
        if m.over or (rules.by_object and lost):
            return OVER
        return LEAK if m.done == 0 and not rules.recount and _twice(m) else ""

    finds = "" if states else OVER
    return Case("moved attribution", variant, Move(), moves(rules), bad, busy, states, finds)


CASES = (
    _case("protocol: close old, charge new, switch, open new, drop old", Rules(), states=4_276),
    _case(
        "protocol: an object belongs where it is counted",
        Rules(order=("charge", "switch", "drop"), by_object=True),
        states=4_072,
    ),
    _case("the home is that of today's label", Rules(recount=True)),
    _case("switch first", Rules(order=("close", "switch", "charge", "open", "drop"))),
    _case("drop first", Rules(order=("close", "drop", "charge", "switch", "open"))),
    _case("the old one stays open", Rules(order=("charge", "switch", "open", "drop"))),
    _case("the new one opens before the switch", Rules(order=("close", "charge", "open", "switch", "drop"))),
)
