"""A ledger that is new, or lost and made again: counted from nothing, when no earlier promise can still be kept."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from tests.ledger.models.explorer import OVER, Case, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDLE, PASSING, SENDING, PROMISED, LIVE, GONE, FAILED = range(7)
"""PASSING: under way since before reviews were in force, so that nobody reviews it."""

LIMIT = 1


@dataclasses.dataclass(frozen=True)
class Rules:
    wait: bool = True
    """The list that counts begins when whatever was under way at the beginning of the wait is over."""
    one_version: bool = True
    """The wait is for one version of the ledger: one that was counted in between begins it anew."""
    armed: bool = True
    """It begins when reviews are in force."""
    fresh: bool = True
    """The count is that of a list, not of what was last seen."""
    unique: bool = True
    """No version is ever used twice."""


class Wait(NamedTuple):
    version: int
    under_way: frozenset[int]


class Store(NamedTuple):
    pods: tuple[int, ...]
    version: int = 0
    counted: bool = False
    held: frozenset[int] = frozenset()
    sent: tuple[tuple[int, int, frozenset[int]], ...] = ()
    """Writes under way: for which pod, from which version, and what stands then."""
    waits: tuple[Wait | None, ...] = (None, None)
    """Of each reconciler."""
    seen: frozenset[int] = frozenset()
    armed: bool = False
    losses: int = 1


def recreation(rules: Rules) -> Callable[[Store], Iterator[Store]]:
    def steps(s: Store) -> Iterator[Store]:
        for pod, stage in enumerate(s.pods):
            yield from _pod_steps(s, pod, stage)
        for write in s.sent:
            yield _delivered(s, *write)
        for which, wait in enumerate(s.waits):
            yield from _reconciler_steps(s, which, wait, rules)
        yield s._replace(armed=True)
        if s.losses:
            lost = s._replace(counted=False, held=frozenset(), losses=s.losses - 1)
            yield lost._replace(version=s.version + 1 if rules.unique else 0)

    return steps


def _pod_steps(s: Store, pod: int, stage: int) -> Iterator[Store]:
    if stage == IDLE and not s.armed:
        yield _at(s, pod, PASSING)
    elif stage == IDLE and s.counted and len(s.held) < LIMIT:
        yield _at(s, pod, SENDING)._replace(sent=tuple(sorted((*s.sent, (pod, s.version, s.held | {pod})), key=repr)))
    elif stage in (PASSING, PROMISED):
        yield _at(s, pod, LIVE)
        yield _at(s, pod, FAILED)
    elif stage == LIVE:
        yield _at(s, pod, GONE)
    elif stage in (GONE, FAILED) and s.counted and pod in s.held:
        yield s._replace(held=s.held - {pod}, version=s.version + 1)


def _delivered(s: Store, pod: int, version: int, held: frozenset[int]) -> Store:
    s = s._replace(sent=tuple(each for each in s.sent if each[0] != pod))
    if version != s.version:
        return _at(s, pod, IDLE)  # conflict: judged anew
    return _at(s, pod, PROMISED)._replace(version=s.version + 1, held=held)


def _reconciler_steps(s: Store, which: int, wait: Wait | None, rules: Rules) -> Iterator[Store]:
    yield s._replace(seen=_live(s))  # the watch catches up, now or later
    if s.counted:
        return
    if (wait is None or (rules.one_version and wait.version != s.version)) and (s.armed or not rules.armed):
        yield s._replace(waits=put(s.waits, which, Wait(s.version, _under_way(s))))
    elif wait is not None and s.armed and not (rules.wait and wait.under_way & _under_way(s)):
        held = _live(s) if rules.fresh else s.seen
        yield s._replace(counted=True, held=held, version=s.version + 1, waits=put(s.waits, which, None))


def _under_way(s: Store) -> frozenset[int]:
    return frozenset(pod for pod, stage in enumerate(s.pods) if stage in (PASSING, PROMISED))


def _live(s: Store) -> frozenset[int]:
    return frozenset(pod for pod, stage in enumerate(s.pods) if stage == LIVE)


def _at(s: Store, pod: int, stage: int) -> Store:
    return s._replace(pods=put(s.pods, pod, stage))


def _case(
    variant: str, rules: Rules, states: int | None = None, *, armed: bool = True, pods: int = 2, deep: bool = False
) -> Case[Store]:
    """Without ``armed`` it is an install: creates pass until reviews are in force, and all of them are allowed."""
    start = Store((IDLE,) * pods, armed=armed, losses=1 if armed else 0)

    def bad(s: Store) -> str:
        if armed:
            return OVER if s.pods.count(LIVE) > LIMIT else ""
        # What came before reviews were in force may exceed the limit; a promise may not join it there.
        coming = [stage for stage in s.pods if stage in (PASSING, PROMISED, LIVE)]
        return OVER if PROMISED in coming and len(coming) > LIMIT else ""

    finds = "" if states else OVER
    return Case("ledger made again", variant, start, recreation(rules), bad, _used, states, finds, deep=deep)


def _used(s: Store) -> bool:
    return s.counted and any(stage == LIVE for stage in s.pods)


CASES = (
    _case("protocol, lost under load", Rules(), states=29_209, pods=3),
    _case("protocol, installed under load", Rules(), states=31_931, armed=False, pods=3),
    _case("counted at once", Rules(wait=False)),
    _case("a wait goes on over a ledger that was counted", Rules(one_version=False), pods=3),
    _case("a wait begins before reviews are in force", Rules(armed=False), armed=False),
    _case("counted from the cache", Rules(fresh=False)),
    _case("a version is used twice", Rules(unique=False), pods=3),
)
