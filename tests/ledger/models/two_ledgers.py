"""Two ledgers reserved in order: what is held in the first when the second says no, and by whom it is decided."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from tests.ledger.models.explorer import LEAK, OVER, Case, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ASKING, HALF, ALLOWED, LIVE, GONE, DENIED, CRASHED, ASIDE = range(8)
NEEDS = ((0, 1), (0, 1), (1,), (1,))
"""The ledgers that each pod is charged in, in their order: a group's, and a country's."""

LIMITS = (1, 2)


@dataclasses.dataclass(frozen=True)
class Rules:
    answered: str = "after the last"
    """after the last | after the first: when "allowed" is said."""
    judged: str = "at each write"
    """at each write | once, before | what conflicted: what a verdict rests on."""
    taken_back: bool = True
    """What is held for a request that was denied, or whose replica died, leaves."""


class Books(NamedTuple):
    pods: tuple[int, ...] = (ASKING,) * len(NEEDS)
    held: tuple[frozenset[int], ...] = (frozenset(), frozenset())


def two_ledgers(rules: Rules) -> Callable[[Books], Iterator[Books]]:
    def steps(b: Books) -> Iterator[Books]:
        for pod, stage in enumerate(b.pods):
            if stage in (ASKING, HALF):
                yield from _reserve(b, pod, rules)
                yield _at(b, pod, DENIED)  # past its deadline
                yield _at(b, pod, CRASHED)
            elif stage == ALLOWED:
                yield _at(b, pod, LIVE)
                yield _at(b, pod, GONE)
            elif stage == LIVE:
                yield _at(b, pod, GONE)
            elif stage in (GONE, DENIED, CRASHED):
                yield _leave(b, pod, rules)

    return steps


def _reserve(b: Books, pod: int, rules: Rules) -> Iterator[Books]:
    stage, needs = b.pods[pod], NEEDS[pod]
    ledger = needs[1 if stage == HALF else 0]
    blind = rules.judged == "once, before" and stage == HALF
    rooms = [len(b.held[each]) < LIMITS[each] for each in (needs if rules.judged == "once, before" else (ledger,))]
    if not (blind or all(rooms)):
        yield _at(b, pod, DENIED)
    else:
        last = ledger == needs[-1] or rules.answered == "after the first"
        yield _at(_put(b, ledger, pod), pod, ALLOWED if last else HALF)
    if rules.judged == "what conflicted" and stage == ASKING and len(b.held[needs[-1]]) < LIMITS[needs[-1]]:
        # Judged in both, denied by the first; the write to the second conflicts and is all that is tried again.
        yield _at(_put(b, needs[-1], pod), pod, ALLOWED)


def _leave(b: Books, pod: int, rules: Rules) -> Books:
    stage = b.pods[pod]
    if rules.taken_back or stage == GONE:
        b = b._replace(held=tuple(each - {pod} for each in b.held))
    return _at(b, pod, ASIDE)


def _put(b: Books, ledger: int, pod: int) -> Books:
    return b._replace(held=put(b.held, ledger, b.held[ledger] | {pod}))


def _at(b: Books, pod: int, stage: int) -> Books:
    return b._replace(pods=put(b.pods, pod, stage))


def _bad(b: Books) -> str:
    for ledger in range(2):
        if sum(stage == LIVE and ledger in NEEDS[pod] for pod, stage in enumerate(b.pods)) > LIMITS[ledger]:
            return OVER
    return LEAK if any(b.pods[pod] == ASIDE for each in b.held for pod in each) else ""


def _case(variant: str, rules: Rules, finds: str = "", states: int | None = None) -> Case[Books]:
    return Case(
        "two ledgers in order", variant, Books(), two_ledgers(rules), _bad, lambda b: b.pods[0] == LIVE, states, finds
    )


CASES = (
    _case("protocol", Rules(), states=2_920),
    _case("allowed after the first", Rules(answered="after the first"), OVER),
    _case("both judged before either is written", Rules(judged="once, before"), OVER),
    _case("a retry judges only what conflicted (kubernetes#141904)", Rules(judged="what conflicted"), OVER),
    _case("a denial leaves behind what it held", Rules(taken_back=False), LEAK),
)
