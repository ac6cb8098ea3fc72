"""What must hold of ledgers and objects at every revision of the simulated API server.

Each invariant is a function of the server that yields what does not hold; ``EVERY`` names them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.ledger.limits import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from admission.ledger.state import State
    from tests.ledger.simulation import ApiServer, Pod


def size(pod: Pod) -> int:
    """Return the devices that an object is charged for, those of its claims included."""
    return sum(count for _, count in pod.charge.counts)


def held(pod: Pod) -> int:
    """Return the devices that an object holds itself."""
    return sum(count for _, count in pod.own)


def in_use(server: ApiServer, scope: str) -> int:
    """Return what exists in a scope."""
    return sum(held(pod) for pod in server.live.values() if scope in pod.scopes)


def no_more_lives_than_was_ever_allowed(server: ApiServer) -> Iterator[str]:
    for scope, limit in server.limits.items():
        if (use := in_use(server, scope)) > limit:
            yield f"{scope}: {use} live, {limit} allowed"


def what_exists_or_may_come_is_counted_once(server: ApiServer) -> Iterator[str]:
    for scope, state in server.counted():
        for pod in server.promised.values():
            if scope in pod.scopes and pod.uid not in state.inflight:
                yield f"{scope}: {pod.uid} may still come and is not counted"
        for pod in server.live.values():
            if scope in pod.scopes:
                yield from _of_live(server, scope, state, pod)


def _of_live(server: ApiServer, scope: str, state: State, pod: Pod) -> Iterator[str]:
    observed = state.observed_pods if pod.kind is Kind.Pod else state.observed_claims
    folded, entry = server.created[pod.uid] <= observed, state.inflight.get(pod.uid)
    if not folded and entry is None and pod.own:
        yield f"{scope}: {pod.uid} exists and is not counted"
    if folded and entry and not (pod.charge.parts or pod.twice or pod.uid in server.promised):
        yield f"{scope}: {pod.uid} is counted twice"
    yield from _of_parts(server, scope, state, pod)


def _of_parts(server: ApiServer, scope: str, state: State, pod: Pod) -> Iterator[str]:
    """What may still be claimed is counted with the pod, unless the ledger was counted anew: then it is asked again."""
    entry = state.inflight.get(pod.uid)
    left = {part.name for part in entry.charge.parts} if entry else set()
    server.claimed |= {(scope, *server.claims[uid]) for uid in state.inflight if uid in server.claims}
    for part in pod.charge.parts:
        if not state.epoch and part.name not in left and (scope, pod.uid, part.name) not in server.claimed:
            yield f"{scope}: what {pod.uid} may claim is not counted"


def no_less_is_counted_than_exists_or_may_come(server: ApiServer) -> Iterator[str]:
    for scope, state in server.counted():
        total = sum(state.used.values()) + sum(state.reserved().values())
        coming = sum(size(pod) for pod in server.promised.values() if scope in pod.scopes)
        if total < in_use(server, scope) + coming:
            yield f"{scope}: {total} counted, {in_use(server, scope)} there and {coming} to come"


def entries_fit_what_was_asked_under(server: ApiServer) -> Iterator[str]:
    """Of the entries that the last write added, at least the last was judged with all the others there."""
    for scope, state in server.counted():
        added = [uid for uid in state.inflight if uid not in server.before.get(scope, ())]
        server.before[scope] = frozenset(state.inflight)
        asked = [server.asked[scope, uid] for uid in added if (scope, uid) in server.asked]
        total = sum(state.used.values()) + sum(state.reserved().values())
        if asked and total > max(asked):
            yield f"{scope}: {total} counted after a grant under a limit of {max(asked)}"


def entries_are_few_and_of_real_requests(server: ApiServer) -> Iterator[str]:
    for scope, state in server.counted():
        entries = sum(1 + len(entry.charge.parts) for entry in state.inflight.values())
        if server.most is not None and entries >= server.most + MOST_AT_ONCE:
            yield f"{scope}: {entries} entries"
        for uid in state.inflight:
            if uid.startswith(DRY):
                yield f"{scope}: the dry run {uid} has changed something"


def not_exact(server: ApiServer) -> Iterator[str]:
    """Once all is quiet: each ledger counts what exists, and promises only what a pod that exists may still claim."""
    for scope in server.limits:
        state = server.state(scope)
        if state is None or not state.initialized:
            yield f"{scope}: not counted"
            continue
        waiting = {uid for uid, entry in state.inflight.items() if entry.charge.parts and uid in server.live}
        for uid in state.inflight.keys() - waiting:
            yield f"{scope}: {uid} stays promised"
        use = in_use(server, scope) - sum(held(server.live[uid]) for uid in waiting)
        if sum(state.used.values()) != use:
            yield f"{scope}: {dict(state.used)} counted, {use} there"


DRY = "dry-"
"""What the uids of dry runs begin with."""

MOST_AT_ONCE = 3
"""The entries of one object: it may be the last that finds room."""

EVERY: tuple[Callable[[ApiServer], Iterator[str]], ...] = (
    no_more_lives_than_was_ever_allowed,
    what_exists_or_may_come_is_counted_once,
    no_less_is_counted_than_exists_or_may_come,
    entries_fit_what_was_asked_under,
    entries_are_few_and_of_real_requests,
)
