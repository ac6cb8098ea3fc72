"""Bugs in use over time: what is paid for, what is given back, and what moves to the archive."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from admission.ledger import absence, archive, fold, hours, rebuilding, reconciler, state
from tests.ledger import happenings, test_hours
from tests.ledger.holding import HeldWorld
from tests.ledger.paid import PaidWorld, WatchedWorld, shorten
from tests.ledger.simulation import Faults
from tests.ledger.zoo.bug import Bug, Patch

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.ledger.state import Hours

WORLD = PaidWorld(0, happens=())
WATCHED = WatchedWorld(0, happens=(), faults=Faults(unanswered=0.15, refused=0.05, delay=0.02))

RESTORED = HeldWorld(0, happens=(happenings.restore_a_backup,))
LOST = HeldWorld(0, happens=(happenings.lose_a_ledger,))


def _timed(seed: Callable[[Patch], None]) -> Callable[[Patch], None]:
    def both(patch: Patch) -> None:
        shorten(patch)
        seed(patch)

    return both


def unseen_ends_are_free(patch: Patch) -> None:
    patch.setattr(hours, "_unseen", lambda *_: ())


def ends_are_free(patch: Patch) -> None:
    patch.setattr(hours, "used_in", lambda counts, party, since, until: ())  # noqa: ARG005 (the function's)


def absent_is_unused(patch: Patch) -> None:
    honest = fold.fold

    def bug(*args: Any, **more: Any) -> Any:
        return honest(*args, **{**more, "doubtful": ()})

    patch.setattr(reconciler, "fold", bug)


def absent_before_the_watch_looked(patch: Patch) -> None:
    async def bug(self: absence.Absence, *args: Any) -> bool:  # noqa: ARG001 (the method's)
        return True

    patch.setattr(absence.Absence, "_looked_back", bug)


def recounts_settle(patch: Patch) -> None:
    honest = fold.fold

    def bug(*args: Any, **more: Any) -> Any:
        return honest(*args, **{**more, "recount": False})

    patch.setattr(reconciler, "fold", bug)


def moved_hours_stay(patch: Patch) -> None:
    honest = hours.archived

    def bug(*args: Any) -> Hours:
        return dataclasses.replace(honest(*args), moved={})

    patch.setattr(archive, "archived", bug)


def the_archive_moves_twice(patch: Patch) -> None:
    honest = hours.archived

    def bug(*args: Any) -> Hours:
        found = honest(*args)
        return dataclasses.replace(found, archived=found.archived - 1)

    patch.setattr(archive, "archived", bug)


def what_runs_is_free(patch: Patch) -> None:
    honest = state.Hours.counted
    patch.setattr(state.Hours, "counted", lambda self, window: (honest(self, window) or ())[:-1])


def counted_anew_without_hours(patch: Patch) -> None:
    honest = fold.rebuilt

    def bug(before: state.State, *args: Any, **more: Any) -> Any:
        return honest(dataclasses.replace(before, hours=state.Hours()), *args, **{**more, "archive": None})

    patch.setattr(rebuilding, "rebuilt", bug)


def archives_unread(patch: Patch) -> None:
    honest = fold.rebuilt
    patch.setattr(rebuilding, "rebuilt", lambda *args, **more: honest(*args, **{**more, "archive": None}))


def holds_begin_anew(patch: Patch) -> None:
    honest = hours.held_on

    def bug(before: Hours, *args: Any) -> Any:
        return honest(dataclasses.replace(before, holds={}), *args)

    patch.setattr(fold, "held_on", bug)


BUGS = (
    Bug("an end that nobody saw costs nothing", "protocol: unseen ends in full", _timed(unseen_ends_are_free), WORLD),
    Bug("what has ended used nothing", "protocol: settled by what was used", _timed(ends_are_free), WORLD),
    Bug("what came and went unseen never came", "protocol: doubt is charged", _timed(absent_is_unused), WORLD),
    Bug(
        "a proof of absence runs ahead of the watch",
        "protocol: look back before refunding",
        _timed(absent_before_the_watch_looked),
        WORLD,
    ),
    Bug("a recount by a list settles ends", "protocol: a list sees no ends", _timed(recounts_settle), WATCHED),
    Bug("what moved to the archive stays as well", "protocol: two writes, one number", _timed(moved_hours_stay), WORLD),
    Bug("a half-made move is made again", "protocol: two writes, one number", _timed(the_archive_moves_twice), WORLD),
    Bug("who counts anew forgets the hours", "protocol: restored store", _timed(counted_anew_without_hours), RESTORED),
    Bug("who counts from nothing reads no archive", "protocol: two writes, one number", _timed(archives_unread), LOST),
    Bug("a hold begins anew with each pod", "protocol: continuous holds", _timed(holds_begin_anew), RESTORED),
    Bug(
        "what runs counts when it has ended",
        "protocol: prepaid",
        what_runs_is_free,
        test=test_hours.test_a_batch_pays_from_one_budget,
    ),
)
