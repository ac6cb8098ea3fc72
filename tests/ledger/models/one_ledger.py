"""One ledger: admissions, late commits, deletes, two reconcilers whose caches lag, and expiry."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from tests.ledger.models.explorer import LEAK, OVER, Case, live, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
            yield w._replace(pods=put(w.pods, pod, PROMISED), inflight=w.inflight | {pod})
        else:
            yield w._replace(pods=put(w.pods, pod, PROMISED), used=w.used + 1)
    elif stage == PROMISED:
        yield w._replace(pods=put(w.pods, pod, LIVE), log=(*w.log, pod + 1))
        yield w._replace(pods=put(w.pods, pod, FAILED))
    elif stage == LIVE:
        yield w._replace(pods=put(w.pods, pod, GONE), log=(*w.log, -pod - 1))


def _reconciler_steps(w: World, which: int, cache: tuple[int, int], rules: Rules) -> Iterator[World]:
    start, position = cache
    if position < len(w.log):
        yield _moved(w, which, (start, position + 1))
    if start < len(w.log):
        yield _moved(w, which, (len(w.log), len(w.log)))  # a new leader lists
    if position >= w.observed or not rules.guard:
        counted = live(w.log[:position])
        seen = live(w.log[:start]) | {abs(event) - 1 for event in w.log[start:position]}
        yield w._replace(used=len(counted), inflight=w.inflight - seen, observed=position)
    for pod in w.inflight:
        if _may_expire(w, pod, position, rules.expiry):
            yield w._replace(inflight=w.inflight - {pod})


def _moved(w: World, which: int, cache: tuple[int, int]) -> World:
    return w._replace(caches=tuple(sorted(put(w.caches, which, cache))))  # the two are interchangeable


def _may_expire(w: World, pod: int, position: int, expiry: str) -> bool:
    if expiry == "any time":
        return True
    over = w.pods[pod] != PROMISED  # the wait is longer than the API server's bound
    if expiry == "cache":
        return over and pod not in live(w.log[:position])
    return expiry == "quorum" and over and w.pods[pod] != LIVE


def _leaks(w: World) -> bool:
    """After catching up, folding and expiring, more or less is counted than exists or may still come."""
    came = {abs(event) - 1 for event in w.log}
    left = {pod for pod in w.inflight - came if w.pods[pod] == PROMISED}
    return len(live(w.log)) + len(left) != w.pods.count(LIVE) + w.pods.count(PROMISED)


def _case(
    variant: str, rules: Rules, pods: int, *, limit: int = 1, states: int | None = None, deep: bool = False
) -> Case[World]:
    def bad(w: World) -> str:
        return OVER if w.pods.count(LIVE) > limit else LEAK if states and _leaks(w) else ""

    start, steps = World((IDLE,) * pods), one_ledger(rules, limit)
    finds = "" if states else OVER
    return Case(
        "one ledger", variant, start, steps, bad, lambda w: w.pods.count(LIVE) == limit, states, finds, deep=deep
    )


CASES = (
    _case("protocol, 2 pods, limit 1", Rules(), 2, states=2_766),
    _case("protocol, 3 pods, limit 1", Rules(), 3, states=53_930),
    _case("protocol, 3 pods, limit 2", Rules(), 3, limit=2, states=593_852, deep=True),
    _case("A: a counter and a recount", Rules(reservations=False, expiry="never", guard=False), 2),
    _case("B: expiry at any time", Rules(expiry="any time"), 2),
    _case("C: an older cache may fold", Rules(expiry="never", guard=False), 2),
    _case("D: absence read from the cache", Rules(expiry="cache"), 2),
    _case("E: proof, but an older cache may fold", Rules(guard=False), 2),
)
