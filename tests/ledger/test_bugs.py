"""Seeded bugs: each is known from another system, or from an early draft of this one, and must be noticed."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from admission.ledger import draft, fold, reconciler
from admission.ledger.commit import Committer
from admission.ledger.draft import Drafter, Withdrawal
from admission.ledger.limits import Granted
from admission.ledger.objects import ObjectStore
from admission.ledger.reconciler import Reconciler, Waits
from admission.ledger.store import Conflict, Snapshot, Unknown
from tests.ledger.simulation import run
from tests.ledger.test_world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.ledger.census import Census
    from admission.ledger.limits import Outcome
    from admission.ledger.state import Entry, State

SEEDS = 150
Patch = pytest.MonkeyPatch


def no_version_guard(patch: Patch) -> World:
    """A new leader folds its older cache (ledger protocol, variant E)."""

    def bug(state: State, scope: str, census: Census, gone: Any) -> State | None:
        return fold.fold(dataclasses.replace(state, observed_pods=0), scope, census, gone)

    patch.setattr(reconciler, "fold", bug)
    return World(0)


def fold_by_amount(patch: Patch) -> World:
    """The recount from a cache stands for everything (kubernetes/kubernetes#123434)."""

    def bug(state: State, scope: str, census: Census, gone: Any) -> State | None:
        folded = fold.fold(state, scope, census, gone)
        return folded and dataclasses.replace(folded, inflight={})

    patch.setattr(reconciler, "fold", bug)
    return World(0)


def expiry_by_time_alone(patch: Patch) -> World:
    """A time to live too short for a slow create, and nobody looks."""

    async def bug(self: Reconciler, scope: str, entry: Entry) -> bool:  # noqa: ARG001 (the method's)
        return True

    patch.setattr(Reconciler, "_absent", bug)
    return World(0, waits=Waits(absent=5))


def expiry_before_the_bound(patch: Patch) -> World:  # noqa: ARG001 (a parameter is the bug)
    """Looked, not there, gone: but it was still to come."""
    return World(0, waits=Waits(absent=5))


def expiry_by_the_cache(patch: Patch) -> World:
    """Waited long enough, then asked the cache that lags (variant D)."""

    async def bug(self: Reconciler, scope: str, entry: Entry) -> bool:  # noqa: ARG001 (the method's)
        census = self._census()
        return census is not None and not census.settled(entry)

    patch.setattr(Reconciler, "_absent", bug)
    return World(0)


def verdicts_carried_over(patch: Patch) -> World:
    """A conflict is answered from what was judged on the old state (kubernetes/kubernetes#141904)."""
    honest = Committer._write

    async def bug(self: Committer, *args: Any) -> None:
        try:
            await honest(self, *args)
        except Conflict:
            return

    patch.setattr(Committer, "_write", bug)
    return World(0)


def no_answer_means_written(patch: Patch) -> World:
    """A lost answer is taken for success."""
    honest = Committer._write

    async def bug(self: Committer, *args: Any) -> None:
        try:
            await honest(self, *args)
        except Unknown:
            return

    patch.setattr(Committer, "_write", bug)
    return World(0)


def no_swap(patch: Patch) -> World:
    """The last writer wins."""
    honest = ObjectStore.write

    async def bug(self: ObjectStore, scope: str, state: State, version: int, timeout: float) -> Snapshot:  # noqa: ASYNC109, ARG001 (the method's)
        newest = await self.read(scope, timeout)
        return await honest(self, scope, state, newest.version, timeout)

    patch.setattr(ObjectStore, "write", bug)
    return World(0)


def withdrawal_by_uid(patch: Patch) -> World:
    """An attempt that is denied takes back the entry that another attempt for the same uid relies on."""
    patch.setattr(Withdrawal, "covers", lambda self, entry: True)  # noqa: ARG005 (the method's)
    return World(0)


def entries_change_hands(patch: Patch) -> World:
    """The later attempt becomes the owner, and takes back what the earlier one relies on."""
    honest = Drafter._repeat

    def bug(self: Drafter, ask: draft.Ask, entry: Entry) -> Outcome:
        outcome = honest(self, ask, entry)
        if isinstance(outcome, Granted) and entry.owner != ask.owner:
            self._inflight[ask.uid] = dataclasses.replace(entry, owner=ask.owner)
            self._changed = True
        return outcome

    patch.setattr(Drafter, "_repeat", bug)
    return World(0)


def rebuilt_at_once(patch: Patch) -> World:  # noqa: ARG001 (a parameter is the bug)
    """A lost ledger is counted while creates that it had promised are still to come."""
    return World(0, waits=Waits(rebuild=0))


def orphans_stay(patch: Patch) -> World:
    """Nothing expires (a create that failed eats quota: kubernetes/kubernetes#76787)."""
    patch.setattr(Reconciler, "_overdue", lambda self, scope, entry: False)  # noqa: ARG005 (the method's)
    return World(0)


def charged_to_the_request(patch: Patch) -> World:
    """Entries are keyed by the attempt and not by the object, so a repeat counts twice."""
    numbers = itertools.count()
    honest = Drafter._judge

    def bug(self: Drafter, ask: draft.Ask) -> Outcome:
        return honest(self, dataclasses.replace(ask, uid=f"{ask.uid}.{next(numbers)}"))

    patch.setattr(Drafter, "_judge", bug)
    return World(0)


def smaller_repeats_shrink(patch: Patch) -> World:
    """A limit is held against each request alone, not against what the batch already took."""
    patch.setattr("admission.ledger.limits.Tally.add", lambda self, charge: None)  # noqa: ARG005 (the method's)
    return World(0)


BUGS = (
    no_version_guard, fold_by_amount, expiry_by_time_alone, expiry_before_the_bound, expiry_by_the_cache,
    verdicts_carried_over, no_answer_means_written, no_swap, withdrawal_by_uid, entries_change_hands,
    rebuilt_at_once, orphans_stay, charged_to_the_request, smaller_repeats_shrink,
)  # fmt: skip


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__.replace("_", " "))
def test_a_seeded_bug_is_noticed(bug: Callable[[Patch], World], monkeypatch: Patch) -> None:
    world = bug(monkeypatch)
    for seed in range(SEEDS):
        try:
            run(dataclasses.replace(world, seed=seed).play())
        except (AssertionError, BaseExceptionGroup):
            return
    pytest.fail(f"{bug.__doc__} went unnoticed in {SEEDS} runs")
