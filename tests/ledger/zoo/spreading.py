"""Bugs in how the number of shards is changed."""

from __future__ import annotations

from admission.decide.shards import is_used
from admission.ledger.archive import is_archive
from admission.ledger.draft import Drafter
from admission.ledger.reconciler import Reconciler
from admission.ledger.uncount import uncount
from tests.ledger.renumbered import Renumbered
from tests.ledger.zoo.bug import Bug, Patch

WORLD = Renumbered(0, happens=())


def any_number_will_do(patch: Patch) -> None:
    patch.setattr(Drafter, "_is_for", lambda self, ask: True)  # noqa: ARG005 (the method's)


def old_shards_stay(patch: Patch) -> None:
    async def bug(self: Reconciler) -> None:
        for scope in self._store.scopes():
            snapshot = self._store.cached(scope)
            state = snapshot.state if snapshot and not is_archive(scope) else None
            if state and state.initialized and is_used(scope, self._shards) and not self._is_counted(state):
                await uncount(self._store, scope, self._waits.timeout)

    patch.setattr(Reconciler, "_renumber", bug)


BUGS = (
    Bug("any count will do for any number of shards", "protocol: one number for all", any_number_will_do, WORLD),
    Bug("a shard out of use keeps its count", "protocol: marked before any is counted", old_shards_stay, WORLD),
)
