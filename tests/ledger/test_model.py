"""Every interleaving of small instances of the protocol, explored to the end.

Two models.  The first is one ledger: admissions, late commits, deletes, two reconcilers whose caches lag,
expiry.  The second is one object whose review reaches two replicas at once, over two ledgers.  In each the
tempting simplifications are shown to be unsafe, and the protocol as built to be safe.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import pytest

if TYPE_CHECKING:
    import typing
    from collections.abc import Callable, Iterable, Iterator

S = TypeVar("S", bound="typing.Hashable")


def explore(start: S, steps: Callable[[S], Iterable[S]], bad: Callable[[S], bool]) -> tuple[int, bool]:
    """Return how many states there are, breadth first, up to the first bad one, and whether there is one."""
    seen, queue = {start}, collections.deque([start])
    while queue:
        for following in steps(queue.popleft()):
            if following not in seen:
                if bad(following):
                    return len(seen) + 1, True
                seen.add(following)
                queue.append(following)
    return len(seen), False


# -- one ledger ---------------------------------------------------------------------------------

IDLE, PROMISED, LIVE, GONE, FAILED = range(5)


@dataclasses.dataclass(frozen=True)
class Rules:
    reservations: bool = True
    """Promises stand beside the count; without them admission raises the count, as ResourceQuota does."""
    expiry: str = "quorum"
    """never | any time | cache | quorum: what an entry's expiry rests on."""
    guard: bool = True
    """Folds only go forward."""


class World(NamedTuple):
    """Pods by number; the log of creates (+) and deletes (-); how far each reconciler's cache is, and since when."""

    pods: tuple[int, ...]
    log: tuple[int, ...] = ()
    used: int = 0
    inflight: frozenset[int] = frozenset()
    observed: int = 0
    caches: tuple[tuple[int, int], ...] = ((0, 0), (0, 0))


def one_ledger(rules: Rules, limit: int) -> Callable[[World], Iterator[World]]:
    def steps(w: World) -> Iterator[World]:
        for pod, stage in enumerate(w.pods):
            yield from _pod_steps(w, pod, stage, limit, rules)
        for which, cache in enumerate(w.caches):
            yield from _reconciler_steps(w, which, cache, rules)

    return steps


def _pod_steps(w: World, pod: int, stage: int, limit: int, rules: Rules) -> Iterator[World]:
    if stage == IDLE and w.used + len(w.inflight) < limit:
        if rules.reservations:
            yield w._replace(pods=_with(w.pods, pod, PROMISED), inflight=w.inflight | {pod})
        else:
            yield w._replace(pods=_with(w.pods, pod, PROMISED), used=w.used + 1)
    elif stage == PROMISED:
        yield w._replace(pods=_with(w.pods, pod, LIVE), log=(*w.log, pod + 1))
        yield w._replace(pods=_with(w.pods, pod, FAILED))
    elif stage == LIVE:
        yield w._replace(pods=_with(w.pods, pod, GONE), log=(*w.log, -pod - 1))


def _reconciler_steps(w: World, which: int, cache: tuple[int, int], rules: Rules) -> Iterator[World]:
    start, position = cache
    if position < len(w.log):
        yield _moved(w, which, (start, position + 1))
    if start < len(w.log):
        yield _moved(w, which, (len(w.log), len(w.log)))  # a new leader lists
    if position >= w.observed or not rules.guard:
        live = _live(w.log[:position])
        seen = _live(w.log[:start]) | {abs(event) - 1 for event in w.log[start:position]}
        yield w._replace(used=len(live), inflight=w.inflight - seen, observed=position)
    for pod in w.inflight:
        if _may_expire(w, pod, position, rules.expiry):
            yield w._replace(inflight=w.inflight - {pod})


def _moved(w: World, which: int, cache: tuple[int, int]) -> World:
    return w._replace(caches=tuple(sorted(_with(w.caches, which, cache))))  # the two are interchangeable


def _may_expire(w: World, pod: int, position: int, expiry: str) -> bool:
    if expiry == "any time":
        return True
    over = w.pods[pod] != PROMISED  # the wait is longer than the API server's bound
    if expiry == "cache":
        return over and pod not in _live(w.log[:position])
    return expiry == "quorum" and over and w.pods[pod] != LIVE


def _with(items: tuple[typing.Any, ...], index: int, value: object) -> tuple[typing.Any, ...]:
    return (*items[:index], value, *items[index + 1 :])


def _live(log: tuple[int, ...]) -> frozenset[int]:
    return frozenset(event - 1 for event in log if event > 0 and -event not in log)


def over(limit: int) -> Callable[[World], bool]:
    return lambda w: w.pods.count(LIVE) > limit


def leaks(w: World) -> bool:
    """After catching up, folding and expiring, more or less is counted than exists or may still come."""
    live = _live(w.log)
    came = {abs(event) - 1 for event in w.log}
    left = {pod for pod in w.inflight - came if w.pods[pod] == PROMISED}
    return len(live) + len(left) != w.pods.count(LIVE) + w.pods.count(PROMISED)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(Rules(reservations=False, expiry="never", guard=False), id="A: a counter and a recount"),
        pytest.param(Rules(expiry="any time"), id="B: expiry at any time"),
        pytest.param(Rules(expiry="never", guard=False), id="C: an older cache may fold"),
        pytest.param(Rules(expiry="cache"), id="D: absence read from the cache"),
        pytest.param(Rules(guard=False), id="E: proof, but an older cache may fold"),
    ],
)
def test_a_simpler_protocol_admits_too_much(rules: Rules) -> None:
    _, violated = explore(World((IDLE,) * 2), one_ledger(rules, 1), over(1))
    assert violated


# Four pods or a limit of two take minutes; three pods under a limit of two are 593,852 states, all safe.
@pytest.mark.parametrize(("pods", "states"), [(2, 2_766), (3, 53_930)], ids=["two pods", "three pods"])
def test_the_protocol_never_admits_too_much_nor_leaks(pods: int, states: int) -> None:
    exceeds = over(1)
    found = explore(World((IDLE,) * pods), one_ledger(Rules(), 1), lambda w: exceeds(w) or leaks(w))
    assert found == (states, False)


# -- one object, two reviews, two ledgers ---------------------------------------------------------

FIRST, SECOND, ALLOWED, DENIED, ASIDE = range(5)
NOBODY = -1
FREE = -2


class Reviews(NamedTuple):
    """Two attempts for one uid, at ledgers of one place each, in which another object may stand."""

    stages: tuple[int, int] = (FIRST, FIRST)
    owners: tuple[int, ...] = (FREE, FREE)
    others: tuple[bool, bool] = (False, True)
    """Whether the place is taken by another object: it comes when there is room and leaves when it likes."""


def two_reviews(policy: str) -> Callable[[Reviews], Iterator[Reviews]]:
    def steps(r: Reviews) -> Iterator[Reviews]:
        for ledger in range(2):
            if r.others[ledger] or r.owners[ledger] == FREE:
                yield r._replace(others=_with(r.others, ledger, not r.others[ledger]))
        for attempt, stage in enumerate(r.stages):
            if stage in (FIRST, SECOND):
                yield from _reserve(r, attempt, stage, policy)
            elif stage == DENIED:
                yield _take_back(r, attempt, policy)

    return steps


def _reserve(r: Reviews, attempt: int, stage: int, policy: str) -> Iterator[Reviews]:
    owner = r.owners[stage]
    onward = r._replace(stages=_with(r.stages, attempt, ALLOWED if stage == SECOND else SECOND))
    if owner == FREE and r.others[stage]:
        yield r._replace(stages=_with(r.stages, attempt, DENIED))
    elif owner == FREE or (owner != attempt and policy == "the last owns it"):
        yield onward._replace(owners=_with(r.owners, stage, attempt))
    elif owner != attempt and policy == "nobody owns it":
        yield onward._replace(owners=_with(r.owners, stage, NOBODY))
    else:
        yield onward
    # The write was made and its answer lost: the attempt reads, and finds itself here again.
    if owner == FREE and not r.others[stage]:
        yield r._replace(owners=_with(r.owners, stage, attempt))
    # Past its deadline: denied, whatever it holds.
    yield r._replace(stages=_with(r.stages, attempt, DENIED))


def _take_back(r: Reviews, attempt: int, policy: str) -> Reviews:
    mine = tuple(owner != FREE if policy == "by uid" else owner == attempt for owner in r.owners)
    owners = tuple(FREE if own else owner for own, owner in zip(mine, r.owners, strict=True))
    return r._replace(stages=_with(r.stages, attempt, ASIDE), owners=owners)


def promised_for_nothing(r: Reviews) -> bool:
    """An attempt was answered "allowed", and a ledger does not count the object."""
    return ALLOWED in r.stages and FREE in r.owners


@pytest.mark.parametrize("policy", ["by uid", "the first owns it", "the last owns it"])
def test_taking_back_what_another_review_relies_on_is_unsafe(policy: str) -> None:
    _, violated = explore(Reviews(), two_reviews(policy), promised_for_nothing)
    assert violated


def test_an_entry_that_two_reviews_rely_on_is_nobodys_to_take_back() -> None:
    states, violated = explore(Reviews(), two_reviews("nobody owns it"), promised_for_nothing)
    assert (states, violated) == (151, False)
