"""The history of hours in a second object: what was spent is copied there, then dropped here, each exactly once.

No write spans two objects.  Both carry a sequence number: the history is written first, with the next number and
what it took in, and then the ledger, which drops that.  A history that is one ahead says that the second
write is still to be made, and what it has to drop.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from tests.ledger.models.explorer import LEAK, Case, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOURS = 3
WINDOW = 2
NOTHING = (0,) * HOURS
LOST = "past use is lost"


@dataclasses.dataclass(frozen=True)
class Rules:
    numbered: bool = True
    """Who copies looks at both numbers first."""
    history_first: bool = True
    ahead: int = 0
    """So much the clock is ahead by which past use leaves the window."""


class Copy(NamedTuple):
    """What an archiver has read of the ledger, and whether it has written the first object."""

    spent: tuple[int, ...]
    number: int
    half: bool = False


class Books(NamedTuple):
    """Use by hour: in truth, in the ledger and not yet copied, in the history; what the ledger has of the window."""

    left: int
    hour: int = 0
    truth: tuple[int, ...] = NOTHING
    window: int = 0
    spent: tuple[int, ...] = NOTHING
    number: int = 0
    history: tuple[int, ...] = NOTHING
    history_number: int = 0
    batch: tuple[int, ...] = NOTHING
    archivers: tuple[Copy | None, ...] = (None, None)


def archive(rules: Rules) -> Callable[[Books], Iterator[Books]]:
    def steps(b: Books) -> Iterator[Books]:
        if b.left:
            one = [put(each, b.hour, each[b.hour] + 1) for each in (b.truth, b.spent)]
            yield b._replace(left=b.left - 1, truth=one[0], spent=one[1])
        if b.hour < HOURS - 1:
            yield b._replace(hour=b.hour + 1)
        if b.number == b.history_number or not (rules.numbered and rules.history_first):
            yield b._replace(window=_within(b.history, b.hour + rules.ahead))
        for which, copy in enumerate(b.archivers):
            yield b._replace(archivers=put(b.archivers, which, None))  # it dies
            yield from _archiver_steps(b, which, copy, rules)

    return steps


def _archiver_steps(b: Books, which: int, copy: Copy | None, rules: Rules) -> Iterator[Books]:
    if copy is None and any(b.spent):
        yield b._replace(archivers=put(b.archivers, which, Copy(b.spent, b.number)))
    elif copy is not None and not rules.history_first:
        yield from _ledger_first(b, which, copy)
    elif copy is not None and (b.history_number == copy.number if rules.numbered else not copy.half):
        done = b._replace(history=_sum(b.history, copy.spent), history_number=b.history_number + 1, batch=copy.spent)
        yield done._replace(archivers=put(b.archivers, which, copy._replace(half=True)))
    if rules.history_first and (b.history_number == b.number + 1 if rules.numbered else copy is not None and copy.half):
        yield _dropped(b, which, rules)


def _dropped(b: Books, which: int, rules: Rules) -> Books:
    """The second write, by whoever finds that it is still to be made."""
    return b._replace(
        spent=tuple(max(0, each - gone) for each, gone in zip(b.spent, b.batch, strict=True)),
        window=_within(b.history, b.hour + rules.ahead),
        number=b.history_number,
        archivers=put(b.archivers, which, None),
    )


def _ledger_first(b: Books, which: int, copy: Copy) -> Iterator[Books]:
    if not copy.half and b.number == copy.number:
        dropped = b._replace(spent=NOTHING, number=b.number + 1, window=b.window + sum(b.spent))
        yield dropped._replace(archivers=put(b.archivers, which, Copy(b.spent, b.number, half=True)))
    elif copy.half:
        done = b._replace(history=_sum(b.history, copy.spent), history_number=b.history_number + 1)
        yield done._replace(archivers=put(b.archivers, which, None))


def _sum(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _within(use: tuple[int, ...], hour: int) -> int:
    """Return the use of the hours that are, in part at least, within the window."""
    return sum(count for number, count in enumerate(use) if number > hour - WINDOW)


def _bad(b: Books) -> str:
    truth = _within(b.truth, b.hour)
    if b.window + sum(b.spent) < truth:
        return LOST
    missing = NOTHING if b.history_number > b.number else b.spent
    return LEAK if _within(_sum(b.history, missing), b.hour) > truth and b.history_number != b.number + 1 else ""


def _case(variant: str, rules: Rules, states: int | None = None, *, finds: str = LOST, left: int = 2) -> Case[Books]:
    def busy(b: Books) -> bool:
        return b.number > 1 and b.window < sum(b.truth)

    finds = "" if states else finds
    return Case("archive of hours", variant, Books(left), archive(rules), _bad, busy, states, finds)


CASES = (
    _case("protocol, 2 hours spent", Rules(), states=1_242),
    _case("protocol, 3 hours spent", Rules(), states=8_096, left=3),
    _case("copied without a number", Rules(numbered=False), finds=LEAK),
    _case("the ledger first, then the history", Rules(history_first=False)),
    _case("a clock that is ahead is believed", Rules(ahead=1)),
)
