"""Bugs in how a request is decided: commits, drafts, limits, withdrawals, dry runs."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import msgspec

from admission.decide import limits as measures
from admission.ledger.commit import Committer
from admission.ledger.draft import Caps, Drafter, Withdrawal
from admission.ledger.ledger import Ledger
from admission.ledger.limits import Granted, Outcome, Tally
from admission.ledger.objects import ObjectStore
from admission.ledger.store import Conflict, Snapshot, StoreError, Unknown
from tests.ledger import happenings
from tests.ledger.simulation import now
from tests.ledger.world import World
from tests.ledger.zoo.bug import Bug, Patch

if TYPE_CHECKING:
    from admission.decide.limits import Charge, Limit
    from admission.ledger.draft import Ask
    from admission.ledger.limits import Level, Request
    from admission.ledger.state import Entry, State


def _taken_for_written(error: type[StoreError]) -> Any:
    def seed(patch: Patch) -> None:
        honest = Committer._write

        async def bug(self: Committer, *args: Any) -> None:
            try:
                await honest(self, *args)
            except error:
                return

        patch.setattr(Committer, "_write", bug)

    return seed


def no_swap(patch: Patch) -> None:
    honest = ObjectStore.write

    async def bug(self: ObjectStore, scope: str, state: State, version: int, timeout: float) -> Snapshot:  # noqa: ASYNC109, ARG001 (the method's)
        newest = await self.read(scope, timeout)
        return await honest(self, scope, state, newest.version, timeout)

    patch.setattr(ObjectStore, "write", bug)


def withdrawal_by_uid(patch: Patch) -> None:
    patch.setattr(Withdrawal, "covers", lambda self, entry: True)  # noqa: ARG005 (the method's)


def entries_change_hands(patch: Patch) -> None:
    honest = Drafter._repeat

    def bug(self: Drafter, ask: Ask, entry: Entry) -> Outcome:
        outcome = honest(self, ask, entry)
        if isinstance(outcome, Granted) and entry.owner != ask.owner:
            self._inflight[ask.uid] = dataclasses.replace(entry, owner=ask.owner)
            self._changed = True
        return outcome

    patch.setattr(Drafter, "_repeat", bug)


def _judged_under(key: Any) -> Any:
    def seed(patch: Patch) -> None:
        honest = Drafter._judge

        def bug(self: Drafter, ask: Ask) -> Outcome:
            return honest(self, msgspec.structs.replace(ask, uid=key(ask)))

        patch.setattr(Drafter, "_judge", bug)

    return seed


_calls = itertools.count()


def _request_uid(ask: Ask) -> str:
    return f"{ask.uid}.{next(_calls)}"


def a_batch_is_not_summed(patch: Patch) -> None:
    patch.setattr(Tally, "add", lambda self, charge: None)  # noqa: ARG005 (the method's)


def repeats_count_out(patch: Patch) -> None:
    honest = Drafter._repeat

    def bug(self: Drafter, ask: Ask, entry: Entry) -> Outcome:
        outcome = honest(self, ask, entry)
        self._tally.remove(entry.charge)
        return outcome

    patch.setattr(Drafter, "_repeat", bug)


def caps_ignored(patch: Patch) -> None:
    patch.setattr(Drafter, "_full", lambda self, ask: False)  # noqa: ARG005 (the method's)


def dry_runs_reserve(patch: Patch) -> None:
    under_way: set[asyncio.Task[Outcome]] = set()
    honest = Ledger.evaluate

    def bug(self: Ledger, request: Request) -> Outcome:
        under_way.add(asyncio.get_running_loop().create_task(self.reserve(request, now() + 8)))
        return honest(self, request)

    patch.setattr(Ledger, "evaluate", bug)


def limits_read_once(patch: Patch) -> None:
    first: dict[str, Limit] = {}
    honest = Tally.level

    def bug(self: Tally, limit: Limit, charge: Charge) -> Level:
        amount = first.setdefault(limit.key, limit).amount
        return honest(self, limit._replace(amount=amount), charge)

    patch.setattr(Tally, "level", bug)


def counts_wrap(patch: Patch) -> None:
    honest = measures.measure

    def bug(counts: Any, weights: Any) -> int:
        return (honest(counts, weights) + 2**63) % 2**64 - 2**63

    patch.setattr(measures, "measure", bug)


def part_used_twice(patch: Patch) -> None:
    honest = Drafter._replace

    def bug(self: Drafter, entry: Entry, charge: Charge) -> None:
        honest(self, entry, charge)
        if entry.uid in self._inflight:
            left = self._inflight[entry.uid]
            kept = dataclasses.replace(left.charge, parts=entry.charge.parts)
            self._inflight[entry.uid] = dataclasses.replace(left, charge=kept)

    patch.setattr(Drafter, "_replace", bug)


def part_let_through(patch: Patch) -> None:
    honest = Drafter._move

    def bug(self: Drafter, ask: Ask) -> Outcome | None:
        origin = self._inflight.get(ask.origin.uid) if ask.origin else None
        return Granted(()) if origin and origin.charge.parts else honest(self, ask)

    patch.setattr(Drafter, "_move", bug)


def digests_not_compared(patch: Patch) -> None:
    honest = Drafter._move

    def bug(self: Drafter, ask: Ask) -> Outcome | None:
        origin = self._inflight.get(ask.origin.uid) if ask.origin else None
        for part in origin.charge.parts if origin and ask.origin else ():
            if ask.origin and part.name == ask.origin.part:
                ask = msgspec.structs.replace(ask, origin=ask.origin._replace(digest=part.digest))
        return honest(self, ask)

    patch.setattr(Drafter, "_move", bug)


FEW = Caps(namespace=4, party=4, ledger=4)

BUGS = (
    Bug("a verdict is carried over a conflict", "kubernetes#141904", _taken_for_written(Conflict)),
    Bug("counts are 64 bits wide and wrap", "kueue#12896", counts_wrap),
    Bug("no answer is taken for success", "protocol: unknown outcomes", _taken_for_written(Unknown)),
    Bug("the last writer wins", "protocol: compare-and-swap", no_swap),
    Bug("a batch is not summed", "protocol: group commit", a_batch_is_not_summed),
    Bug("a repeat counts out what it found", "protocol: group commit", repeats_count_out),
    Bug(
        "reserved under the review's own uid",
        "protocol: uid of the object",
        _judged_under(lambda ask: f"{ask.uid}.{next(_calls)}"),
    ),
    Bug("reserved under the object's name", "protocol: uid of the object", _judged_under(lambda ask: ask.name)),
    Bug("whoever is denied takes back by uid", "protocol: ownership of entries", withdrawal_by_uid),
    Bug("the later of two reviews owns the entry", "protocol: ownership of entries", entries_change_hands),
    Bug("caps on entries are ignored", "protocol: caps", caps_ignored, World(0, caps=FEW)),
    Bug("a dry run reserves", "protocol: dry runs", dry_runs_reserve),
    Bug(
        "a limit is read once",
        "protocol: limits are questions",
        limits_read_once,
        World(0, happens=(happenings.change_limits,)),
    ),
    Bug("a part of a pod's charge is used twice", "protocol: claims (compare kubernetes#135404)", part_used_twice),
    Bug("a claim is let through, being charged with its pod", "protocol: claims", part_let_through),
    Bug("what a claim asks for is not compared", "protocol: claims", digests_not_compared),
)
