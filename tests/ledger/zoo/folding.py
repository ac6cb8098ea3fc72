"""Bugs in what makes a ledger follow what exists: folds, expiry, rebuilds, restores."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from admission.ledger import fold, reconciler
from admission.ledger.absence import Absence
from admission.ledger.calm import Calm
from admission.ledger.limits import Kind
from admission.ledger.reconciler import Reconciler
from admission.ledger.witness import ClusterWitness
from admission.ledger.work import Waits
from tests.ledger import happenings, test_claims
from tests.ledger.simulation import now
from tests.ledger.world import World
from tests.ledger.zoo.bug import Bug, Patch, doing_nothing

if TYPE_CHECKING:
    from admission.ledger.census import Census
    from admission.ledger.hours import Terms
    from admission.ledger.state import Entry, State


def no_version_guard(patch: Patch) -> None:
    def bug(state: State, scope: str, census: Census, gone: Any, **more: Any) -> State | None:
        return fold.fold(dataclasses.replace(state, observed_pods=0, observed_claims=0), scope, census, gone, **more)

    patch.setattr(reconciler, "fold", bug)


def claims_version_unguarded(patch: Patch) -> None:
    def bug(state: State, scope: str, census: Census, gone: Any, **more: Any) -> State | None:
        return fold.fold(dataclasses.replace(state, observed_claims=0), scope, census, gone, **more)

    patch.setattr(reconciler, "fold", bug)


def fold_by_amount(patch: Patch) -> None:
    def bug(state: State, scope: str, census: Census, gone: Any, **more: Any) -> State | None:
        folded = fold.fold(state, scope, census, gone, **more)
        return folded and dataclasses.replace(folded, inflight={})

    patch.setattr(reconciler, "fold", bug)


def ttl(patch: Patch) -> None:
    async def bug(self: Absence, scope: str, entry: Entry, terms: Terms) -> bool:  # noqa: ARG001 (the method's)
        return True

    patch.setattr(Absence, "_absent", bug)


def absence_in_the_cache(patch: Patch) -> None:
    async def bug(self: Absence, scope: str, entry: Entry, terms: Terms) -> bool:  # noqa: ARG001 (the method's)
        census = self._census()
        return census is not None and not census.settled(entry)

    patch.setattr(Absence, "_absent", bug)


def age_by_the_writers_clock(patch: Patch) -> None:
    def bug(self: Absence, scope: str, entry: Entry) -> bool:  # noqa: ARG001 (the method's)
        return now() - entry.reserved_at > self._wait

    patch.setattr(Absence, "_overdue", bug)


def leaps_trusted(patch: Patch) -> None:
    honest = Calm.__init__

    def bug(self: Calm, clock: Any, *, slow: float, gap: float) -> None:  # noqa: ARG001 (the method's)
        honest(self, clock, slow=slow, gap=float("inf"))

    patch.setattr(Calm, "__init__", bug)


def nothing_expires(patch: Patch) -> None:
    patch.setattr(Absence, "_overdue", lambda self, scope, entry: False)  # noqa: ARG005 (the method's)


def restore_unnoticed(patch: Patch) -> None:
    async def bug(self: Reconciler) -> bool:
        await self._calm.ask(self._witness.revision())
        return False

    patch.setattr(Reconciler, "_went_back", bug)


def absence_by_name(patch: Patch) -> None:
    honest = ClusterWitness.probe

    async def bug(self: ClusterWitness, entry: Entry) -> bool:
        async for page in self._pages(Kind.Pod, {}, entry.namespace):
            return bool(page.items)
        return await honest(self, entry)

    patch.setattr(ClusterWitness, "probe", bug)


def another_of_its_name() -> None:
    """Run the one row of the witness's table that tells."""
    other = {"uid": "another"}
    test_claims.test_a_witness_says_what_can_still_come(None, test_claims.ENTRY, other, there=False)  # type: ignore[arg-type]


class _Unsettled:
    """A census that takes an object for settled as soon as it is seen."""

    def __init__(self, census: Census) -> None:
        self._census = census

    def __getattr__(self, name: str) -> Any:
        return getattr(self._census, name)

    def settled(self, entry: Entry) -> bool:
        return self._census.settled(dataclasses.replace(entry, charge=dataclasses.replace(entry.charge, parts=())))


def pods_leave_without_their_claims(patch: Patch) -> None:
    def bug(state: State, scope: str, census: Census, gone: Any, **more: Any) -> State | None:
        return fold.fold(state, scope, _Unsettled(census), gone, **more)

    patch.setattr(reconciler, "fold", bug)


IMPATIENT = World(0, waits=Waits(absent=5))

BUGS = (
    Bug("a recount from the cache is the count", "kubernetes#123434", fold_by_amount),
    Bug("what failed to be created stays counted", "kubernetes#76787, #70563", nothing_expires),
    Bug("an older cache is folded", "protocol: version guard", no_version_guard),
    Bug("an older cache of claims is folded", "protocol: version guard", claims_version_unguarded),
    Bug("a time to live, and nobody looks", "protocol: proof of absence", ttl, World(0, waits=Waits(absent=5))),
    Bug(
        "absence believed before a create must end",
        "protocol: 34 s and 10 s",
        doing_nothing,
        World(0, waits=Waits(absent=5)),
    ),
    Bug("absence looked up in the cache", "protocol: quorum reads", absence_in_the_cache),
    Bug("absence proved by name alone", "protocol: proof by uid", absence_by_name, test=another_of_its_name),
    Bug("age told by the writer's clock", "protocol: one clock", age_by_the_writers_clock),
    Bug("a clock that leaps is trusted", "protocol: calm", leaps_trusted, World(0, happens=(happenings.leap,) * 4)),
    Bug(
        "a lost ledger is counted at once",
        "protocol: wait before a rebuild",
        doing_nothing,
        World(0, waits=Waits(rebuild=0), happens=(happenings.lose_a_ledger,)),
    ),
    Bug(
        "a restored store is not noticed",
        "protocol: restored store",
        restore_unnoticed,
        World(0, happens=(happenings.restore_a_backup,)),
    ),
    Bug("a pod leaves when it is seen, its claims to come", "protocol: claims", pods_leave_without_their_claims),
)
