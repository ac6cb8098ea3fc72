"""A claim and the pod that was charged for it, each folded from a watch of its own: neither tells how far the other is.

Two reconcilers, each with a cache of pods and one of claims.  The pod holds nothing by itself: its claim does, which
may outlive it.  Revisions are of one store, and compare within one kind alone: what a cache has of pods says nothing of
the claims that it has not.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, NamedTuple

from tests.ledger.models.explorer import LEAK, OVER, Case, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDLE, PROMISED, LIVE, GONE, FAILED = range(5)
POD, CLAIM, OTHER = range(3)
"""A pod of one device, to be had by its claim; the claim; another pod, of one device."""

LIMIT = 1


@dataclasses.dataclass(frozen=True)
class Rules:
    guard: str = "of both kinds"
    """of both kinds | of pods | of whatever is newest: the versions that a cache must have come to, to be folded."""
    left_by: str = "its own object"
    """its own object | its pod: whose being seen lets a claim's entry leave."""
    waits: bool = True
    """A pod's entry stays while its claim may still be made; otherwise until the pod is seen."""
    together: bool = False
    """A claim leaves the count with its pod."""


class Cache(NamedTuple):
    """How far a reconciler has come with pods, and with claims."""

    pods: int = 0
    claims: int = 0


class World(NamedTuple):
    """Stages; the log of both kinds (number + 1, its negative for an end); the ledger; the caches."""

    stages: tuple[int, ...] = (IDLE,) * 3
    log: tuple[int, ...] = ()
    used: frozenset[int] = frozenset()
    inflight: frozenset[int] = frozenset()
    observed: Cache = Cache()
    caches: tuple[Cache, Cache] = (Cache(), Cache())


def claim_folds(rules: Rules, lasting: frozenset[int] = frozenset()) -> Callable[[World], Iterator[World]]:
    """Return the steps; what is ``lasting`` is created if it was promised, and stays."""

    def steps(w: World) -> Iterator[World]:
        for who, stage in enumerate(w.stages):
            yield from _object_steps(w, who, stage, rules, ends=who not in lasting)
            if who in w.inflight and stage in (GONE, FAILED):
                yield w._replace(inflight=w.inflight - {who})  # proved absent
        for which, cache in enumerate(w.caches):
            for following in _further(w, cache):
                yield w._replace(caches=tuple(sorted(put(w.caches, which, following))))
            if _is_current(cache, w.observed, rules):
                yield _folded(w, cache, rules)

    return steps


def _object_steps(w: World, who: int, stage: int, rules: Rules, *, ends: bool) -> Iterator[World]:
    if stage == IDLE:
        yield from _review(w, who, rules)
    elif stage == PROMISED:
        yield w._replace(stages=put(w.stages, who, LIVE), log=(*w.log, who + 1))
        if ends:
            yield w._replace(stages=put(w.stages, who, FAILED))
    elif stage == LIVE and ends:
        yield w._replace(stages=put(w.stages, who, GONE), log=(*w.log, -who - 1))


def _review(w: World, who: int, rules: Rules) -> Iterator[World]:
    if who == CLAIM and w.stages[POD] != LIVE:
        return  # claims are made for a pod that is there
    promised = w._replace(stages=put(w.stages, who, PROMISED))
    if who == CLAIM and POD in w.inflight:
        yield promised._replace(inflight=w.inflight - {POD} | {CLAIM})  # the part goes over, in one write
    elif len(w.used) + len(w.inflight) < LIMIT:
        yield promised._replace(inflight=w.inflight | {who})
    elif who == CLAIM and not rules.waits:
        yield promised  # "was charged with its pod"


def _further(w: World, cache: Cache) -> Iterator[Cache]:
    """Each watch goes on to the next event of its kind, or is told that there is none; a new leader lists."""
    for kind, position in enumerate(cache):
        if position < len(w.log):
            coming = (at for at in range(position + 1, len(w.log) + 1) if _is_of(w.log[at - 1], kind))
            yield Cache(*put(cache, kind, next(coming, len(w.log))))


def _is_of(event: int, kind: int) -> bool:
    return (abs(event) - 1 == CLAIM) == bool(kind)


def _is_current(cache: Cache, observed: Cache, rules: Rules) -> bool:
    if rules.guard == "of pods":
        return cache.pods >= observed.pods
    if rules.guard == "of whatever is newest":
        return max(cache) >= max(observed)
    return cache.pods >= observed.pods and cache.claims >= observed.claims


def _folded(w: World, cache: Cache, rules: Rules) -> World:
    seen, there = _known(w.log, cache)
    left = seen - {POD} if rules.waits else seen
    if rules.left_by == "its pod" and POD in seen:
        left |= {CLAIM}
    if rules.together and POD in seen - there:
        there -= {CLAIM}
    inflight = w.inflight - left
    return w._replace(used=there - {POD} - inflight, inflight=inflight, observed=cache)


@functools.cache
def _known(log: tuple[int, ...], cache: Cache) -> tuple[frozenset[int], frozenset[int]]:
    """What a cache has ever seen, and what of that is there."""
    events = [event for at, event in enumerate(log) if at < cache[abs(event) - 1 == CLAIM]]
    seen = frozenset(abs(event) - 1 for event in events)
    return seen, frozenset(who for who in seen if -who - 1 not in events)


def _leaks(w: World) -> bool:
    """Once all is seen, folded and proved, something is counted besides what exists or may still come."""
    end = Cache(len(w.log), len(w.log))
    after = _folded(w, end, Rules())
    left = {who for who in after.inflight if w.stages[who] not in (GONE, FAILED)}
    claimed = {POD} if w.stages[POD] == LIVE else set()  # its claim may still be made
    coming = {who for who, stage in enumerate(w.stages) if stage == PROMISED}
    there = {who for who in (CLAIM, OTHER) if w.stages[who] == LIVE}
    return after.used != there or not left <= coming | claimed


def _case(
    variant: str,
    rules: Rules,
    states: int | None = None,
    *,
    lasting: frozenset[int] = frozenset(),
    deep: bool = False,
) -> Case[World]:
    def bad(w: World) -> str:
        if sum(w.stages[who] == LIVE for who in (CLAIM, OTHER)) > LIMIT:
            return OVER
        return LEAK if states and _leaks(w) else ""

    return Case(
        "claims are folded",
        variant,
        World(),
        claim_folds(rules, lasting),
        bad,
        lambda w: CLAIM in w.used and w.stages[POD] == GONE,
        states,
        "" if states else OVER,
        deep=deep,
    )


CASES = (
    _case("protocol", Rules(), states=4_724, lasting=frozenset({CLAIM, OTHER})),
    _case("protocol, claims and the other pod end too", Rules(), states=628_826, deep=True),
    _case("only the version of pods is guarded", Rules(guard="of pods")),
    _case("versions compare across kinds", Rules(guard="of whatever is newest")),
    _case("a claim's entry leaves when its pod is seen", Rules(left_by="its pod")),
    _case("a pod's entry leaves when seen, its claim to come", Rules(waits=False)),
    _case("a claim leaves with its pod", Rules(together=True)),
)
