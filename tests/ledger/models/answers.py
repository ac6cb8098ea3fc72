"""Compare-and-swap over a bad network: a write is answered, or its answer is lost, or it arrives after all.

Each replica holds one review.  A write that nobody waits for any more may still take effect, as long as
nothing else was written since it was drawn up: versions are never used twice, so a write that has become stale
stays so.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tests.ledger.models.explorer import LEAK, OVER, Case, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

ASKING, SENT, ALLOWED, LIVE, GONE, DENIED = range(6)
LIMIT = 1


@dataclasses.dataclass(frozen=True)
class Rules:
    swap: bool = True
    """A write takes effect only on the version that it was drawn from."""
    carried: bool = False
    """A verdict survives a conflict."""
    unknown: str = "read"
    """read | written: what a lost answer is taken for."""
    by_uid: bool = True
    """An entry that stands already is found by its uid."""


class Cache(NamedTuple):
    fresh: bool
    held: tuple[int, ...]


class Write(NamedTuple):
    pod: int
    fresh: bool
    held: tuple[int, ...]
    awaited: bool = True


class Wire(NamedTuple):
    """Pods by number; who stands in the ledger; what each replica last read; the writes under way."""

    pods: tuple[int, ...]
    held: tuple[int, ...] = ()
    caches: tuple[Cache | None, ...] = ()
    writes: tuple[Write, ...] = ()


def answers(rules: Rules) -> Callable[[Wire], Iterator[Wire]]:
    def steps(w: Wire) -> Iterator[Wire]:
        for pod, stage in enumerate(w.pods):
            yield from _replica_steps(w, pod, stage, rules)
            if stage in (GONE, DENIED) and pod in w.held:
                yield _written(w, _less(w.held, pod), rules)  # proved absent
        for write in w.writes:
            yield from _network_steps(w, write, rules)

    return steps


def _replica_steps(w: Wire, pod: int, stage: int, rules: Rules) -> Iterator[Wire]:
    if stage == ASKING:
        yield w._replace(caches=put(w.caches, pod, Cache(fresh=True, held=w.held)))
        yield w._replace(pods=put(w.pods, pod, DENIED))  # past its deadline, whatever is under way
        if (cache := w.caches[pod]) is not None:
            yield _judged(w, pod, cache, rules)
    elif stage == ALLOWED:
        yield w._replace(pods=put(w.pods, pod, LIVE))
        yield w._replace(pods=put(w.pods, pod, GONE))
    elif stage == LIVE:
        yield w._replace(pods=put(w.pods, pod, GONE))


def _judged(w: Wire, pod: int, cache: Cache, rules: Rules) -> Wire:
    if rules.by_uid and pod in cache.held:
        return w._replace(pods=put(w.pods, pod, ALLOWED))
    if len(cache.held) >= LIMIT + (not rules.by_uid and pod in cache.held):
        return w._replace(pods=put(w.pods, pod, DENIED))
    write = Write(pod, cache.fresh, tuple(sorted((*cache.held, pod))))
    return w._replace(pods=put(w.pods, pod, SENT), writes=tuple(sorted((*w.writes, write))))


def _network_steps(w: Wire, write: Write, rules: Rules) -> Iterator[Wire]:
    rest = w._replace(writes=_less(w.writes, write))
    effect = write.fresh or not rules.swap
    done = _written(rest, write.held, rules) if effect else rest
    if not write.awaited:
        yield done
        return
    if effect:
        yield _answered(done, write.pod, ALLOWED, Cache(fresh=True, held=done.held))
    else:
        yield _answered(done, write.pod, ALLOWED if rules.carried else ASKING, None)
    given_up = ALLOWED if rules.unknown == "written" else ASKING
    yield _answered(done, write.pod, given_up, None)  # the answer is lost
    yield _answered(rest, write.pod, given_up, None)  # the request is
    late = rest._replace(writes=_on_their_way((*rest.writes, write._replace(awaited=False)), rules))
    yield _answered(late, write.pod, given_up, None)  # neither: it is on its way


def _answered(w: Wire, pod: int, stage: int, cache: Cache | None) -> Wire:
    return w._replace(pods=put(w.pods, pod, stage), caches=put(w.caches, pod, cache))


def _written(w: Wire, held: tuple[int, ...], rules: Rules) -> Wire:
    writes = tuple(write._replace(fresh=False) for write in w.writes)
    caches = tuple(cache and cache._replace(fresh=False) for cache in w.caches)
    return w._replace(held=held, caches=caches, writes=_on_their_way(writes, rules))


def _on_their_way(writes: tuple[Write, ...], rules: Rules) -> tuple[Write, ...]:
    """Leave out what changes nothing: a stale write that nobody awaits, and of equal ones all but one."""
    return tuple(sorted({write for write in writes if write.awaited or write.fresh or not rules.swap}))


def _less(items: tuple[T, ...], item: T) -> tuple[T, ...]:
    index = items.index(item)
    return (*items[:index], *items[index + 1 :])


def _bad(w: Wire) -> str:
    if w.pods.count(LIVE) > LIMIT:
        return OVER
    return LEAK if len(set(w.held)) < len(w.held) else ""


def _case(variant: str, rules: Rules, finds: str = "", states: int | None = None, pods: int = 2) -> Case[Wire]:
    start = Wire((ASKING,) * pods, (), (None,) * pods)
    return Case("lost and late answers", variant, start, answers(rules), _bad, lambda w: LIVE in w.pods, states, finds)


CASES = (
    _case("protocol, 2 replicas", Rules(), states=381),
    _case("protocol, 3 replicas", Rules(), states=6_451, pods=3),
    _case("the last writer wins", Rules(swap=False), OVER),
    _case("a verdict is carried over a conflict", Rules(carried=True), OVER),
    _case("no answer means written", Rules(unknown="written"), OVER),
    _case("an entry is not looked for by uid", Rules(by_uid=False), LEAK),
)
