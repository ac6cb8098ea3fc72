"""generateName: a create that meets a name in use begins again, with a new name, a new uid and a new review.

The API server does so up to eight times.  Each attempt but the last leaves a promise whose uid never comes, under
a name that somebody else bears.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from tests.ledger.models.explorer import LEAK, OVER, Case, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDLE, REVIEWED, LIVE, GONE, FAILED = range(5)
NAMES = range(3)


@dataclasses.dataclass(frozen=True)
class Rules:
    key: str = "uid"
    """uid | name | create | call: under what a reservation stands."""
    proof: str = "uid"
    """uid | name | never: what must be absent for a reservation to leave."""


class Create(NamedTuple):
    stage: int = IDLE
    attempt: int = 0
    name: int = 0


class Entry(NamedTuple):
    create: int
    attempt: int
    name: int
    call: int = 0
    """Of several calls of the webhook for one object, which."""


class Names(NamedTuple):
    creates: tuple[Create, ...]
    entries: frozenset[Entry] = frozenset()


def names(rules: Rules, limit: int, attempts: int) -> Callable[[Names], Iterator[Names]]:
    def steps(n: Names) -> Iterator[Names]:
        for number, create in enumerate(n.creates):
            if create.stage == IDLE:
                for name in NAMES:
                    yield from _review(n, number, create._replace(name=name), rules, limit)
            elif create.stage == REVIEWED:
                yield _commit(n, number, create, attempts)
                yield from _review(n, number, create, rules, limit, call=1)  # the webhook is called once more
            elif create.stage == LIVE:
                yield _put(n, number, create._replace(stage=GONE))
        for entry in n.entries:
            if _may_leave(n, entry, rules):
                yield n._replace(entries=n.entries - {entry})

    return steps


def _review(n: Names, number: int, create: Create, rules: Rules, limit: int, *, call: int = 0) -> Iterator[Names]:
    entry = Entry(number, create.attempt, create.name, call if rules.key == "call" else 0)
    allowed = _put(n, number, create._replace(stage=REVIEWED))
    if any(_key(entry, rules) == _key(each, rules) for each in n.entries):
        yield allowed
    elif len(n.entries) < limit:
        yield allowed._replace(entries=n.entries | {entry})
    elif call == 0:
        yield _put(n, number, create._replace(stage=FAILED))


def _key(entry: Entry, rules: Rules) -> tuple[int, ...]:
    keys = {"uid": (entry.create, entry.attempt), "name": (entry.name,), "create": (entry.create,)}
    return keys.get(rules.key, entry)


def _commit(n: Names, number: int, create: Create, attempts: int) -> Names:
    if not _bears(n, create.name):
        return _put(n, number, create._replace(stage=LIVE))
    last = create.attempt + 1 == attempts
    return _put(n, number, Create(FAILED if last else IDLE, create.attempt + (not last)))


def _may_leave(n: Names, entry: Entry, rules: Rules) -> bool:
    create = n.creates[entry.create]
    its_own = create.attempt == entry.attempt
    if its_own and create.stage in (IDLE, REVIEWED, LIVE):
        return False  # it may still come, or it is there
    if its_own and create.stage == GONE:
        return True  # seen, and gone
    return rules.proof == "uid" or (rules.proof == "name" and not _bears(n, entry.name))


def _bears(n: Names, name: int) -> bool:
    return any(each.stage == LIVE and each.name == name for each in n.creates)


def _put(n: Names, number: int, create: Create) -> Names:
    return n._replace(creates=put(n.creates, number, create))


def _case(
    variant: str, rules: Rules, finds: str = "", states: int | None = None, *, attempts: int = 3, deep: bool = False
) -> Case[Names]:
    limit, creates = 2, 3

    def bad(n: Names) -> str:
        if sum(create.stage == LIVE for create in n.creates) > limit:
            return OVER
        return LEAK if any(_stays(n, entry, rules) for entry in n.entries) else ""

    start, steps = Names((Create(),) * creates), names(rules, limit, attempts)
    return Case("generateName", variant, start, steps, bad, _tried_again, states, finds, deep=deep)


def _stays(n: Names, entry: Entry, rules: Rules) -> bool:
    """A reservation beside that of the object itself, or of one that will never come, does not leave."""
    create = n.creates[entry.create]
    its_own = create.attempt == entry.attempt and create.stage in (IDLE, REVIEWED, LIVE)
    return entry.call > 0 if its_own else not _may_leave(n, entry, rules)


def _tried_again(n: Names) -> bool:
    return any(create.stage == LIVE and create.attempt > 0 for create in n.creates)


CASES = (
    _case("protocol, 3 creates of 3 attempts", Rules(), states=66_610),
    _case("protocol, 3 creates of 8 attempts", Rules(), states=568_495, attempts=8, deep=True),
    _case("reserved by name", Rules(key="name"), OVER),
    _case("one reservation for all attempts", Rules(key="create"), OVER),
    _case("reserved by the review's own uid", Rules(key="call"), LEAK),
    _case("absence proved by name alone", Rules(proof="name"), LEAK),
    _case("what never came stays (kubernetes#76787, #70563)", Rules(proof="never"), LEAK),
)
