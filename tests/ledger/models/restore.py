"""An etcd snapshot put back: ledger and pods go back together, what processes remember of them does not.

The API servers are stopped for a restore, so that no create spans it.  A reconciler that followed the lost future
may fold nothing of it.  It knows by a resourceVersion that is below one it has seen; or, where the restore raised
all of them (``etcdutl snapshot restore --bump-revision --mark-compacted``), by one that jumps.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from tests.ledger.models.explorer import OVER, Case, live, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDLE, PROMISED, LIVE, GONE, FAILED = range(5)


@dataclasses.dataclass(frozen=True)
class Rules:
    noticed: str = "below"
    """never | below | jump: what is noticed of the store's revision, which is looked at before each fold."""
    bumped: bool = False
    """The restore raises all revisions, so that no watch goes on over it."""
    grows: bool = False
    """The store may grow as far as it was before anybody looks."""
    stopped: bool = True
    """No create spans the restore."""


class Saved(NamedTuple):
    log: tuple[int, ...]
    used: int
    inflight: frozenset[int]
    observed: int


class Cluster(NamedTuple):
    """As ``one_ledger.World``, with one reconciler: how far its cache is, what it has live, what it ever saw."""

    pods: tuple[int, ...]
    log: tuple[int, ...] = ()
    used: int = 0
    inflight: frozenset[int] = frozenset()
    observed: int = 0
    counted: bool = True
    position: int = 0
    has: frozenset[int] = frozenset()
    seen: frozenset[int] = frozenset()
    broken: bool = False
    """Its watch is told that its version is compacted, and it lists anew, sooner or later."""
    saved: Saved | None = None
    restored: bool = False


def restores(rules: Rules, limit: int) -> Callable[[Cluster], Iterator[Cluster]]:
    def steps(c: Cluster) -> Iterator[Cluster]:
        for pod, stage in enumerate(c.pods):
            yield from _pod_steps(c, pod, stage, rules, limit)
        yield from _watch_steps(c)
        yield from _ledger_steps(c, rules)
        if c.saved is None:
            yield c._replace(saved=Saved(c.log, c.used, c.inflight, c.observed))
        elif not c.restored:
            yield _restore(c, c.saved, rules)

    return steps


def _pod_steps(c: Cluster, pod: int, stage: int, rules: Rules, limit: int) -> Iterator[Cluster]:
    held_back = c.restored and not rules.bumped and not rules.grows and len(c.log) + 1 == c.position
    if stage == IDLE and c.counted and c.used + len(c.inflight) < limit:
        yield c._replace(pods=put(c.pods, pod, PROMISED), inflight=c.inflight | {pod})
    elif stage == PROMISED:
        yield c._replace(pods=put(c.pods, pod, FAILED))
        if not held_back:
            yield c._replace(pods=put(c.pods, pod, LIVE), log=(*c.log, pod + 1))
    elif stage == LIVE and not held_back:
        yield c._replace(pods=put(c.pods, pod, GONE), log=(*c.log, -pod - 1))


def _watch_steps(c: Cluster) -> Iterator[Cluster]:
    if c.position < len(c.log) and not c.broken:
        event = c.log[c.position]
        has = c.has | {event - 1} if event > 0 else c.has - {-event - 1}
        yield c._replace(position=c.position + 1, has=has, seen=c.seen | {abs(event) - 1})
    yield _listed(c)


def _listed(c: Cluster) -> Cluster:
    return c._replace(position=len(c.log), has=live(c.log), seen=live(c.log), broken=False)


def _ledger_steps(c: Cluster, rules: Rules) -> Iterator[Cluster]:
    if not c.counted:
        if PROMISED not in c.pods:  # the wait
            yield c._replace(counted=True, used=len(live(c.log)), inflight=frozenset(), observed=len(c.log))
        return
    below = len(c.log) < c.position and not rules.bumped
    if (below and rules.noticed == "below") or (c.broken and rules.noticed == "jump"):
        yield _listed(c)._replace(counted=False)
    elif c.position >= c.observed:
        yield c._replace(used=len(c.has), inflight=c.inflight - c.seen, observed=c.position)
    for pod in c.inflight:
        if c.pods[pod] not in (PROMISED, LIVE):
            yield c._replace(inflight=c.inflight - {pod})


def _restore(c: Cluster, saved: Saved, rules: Rules) -> Cluster:
    pods = tuple(_after(stage, pod, saved, rules) for pod, stage in enumerate(c.pods))
    c = c._replace(pods=pods, log=saved.log, used=saved.used, inflight=saved.inflight, observed=saved.observed)
    return c._replace(restored=True, broken=rules.bumped)


def _after(stage: int, pod: int, saved: Saved, rules: Rules) -> int:
    if pod in live(saved.log):
        return LIVE
    if -pod - 1 in saved.log:
        return GONE
    return stage if stage == IDLE or (stage == PROMISED and not rules.stopped) else FAILED


def _case(
    variant: str, rules: Rules, states: int | None = None, *, limit: int = 1, deep: bool = False
) -> Case[Cluster]:
    return Case(
        "restored store",
        variant,
        Cluster((IDLE,) * 3),
        restores(rules, limit),
        lambda c: OVER if c.pods.count(LIVE) > limit else "",
        lambda c: c.restored and c.counted and LIVE in c.pods,
        states,
        "" if states else OVER,
        deep=deep,
    )


CASES = (
    _case("protocol: noticed before it has grown as far", Rules(), states=100_166),
    _case("protocol, limit 2", Rules(), states=1_188_821, limit=2, deep=True),
    _case("protocol, revisions bumped: the jump is noticed", Rules(noticed="jump", bumped=True), states=89_564),
    _case("nobody looks", Rules(noticed="never")),
    _case("it grows as far before anybody looks", Rules(grows=True), limit=2),
    _case("bumped, and only what is below is noticed", Rules(bumped=True)),
    _case("a create spans the restore", Rules(stopped=False)),
)
