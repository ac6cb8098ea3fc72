"""An API server that knows what pods have really used of a budget of device-hours, and holds each ledger against it.

An hour lasts ten seconds here and the window two minutes, so that a run sees many of them.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from admission.ledger import archive
from admission.ledger.objects import object_name
from tests.ledger.invariants import size
from tests.ledger.simulation import ApiServer, Backup, Faults, Pod, QuorumReads, Watch, now

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from admission.ledger.state import Bucket, State

HOUR, ENDING, WINDOW = 10, 2, 120
BUDGETS = {"CN": 500, "group": 250}
"""Device-seconds in the window."""


class Ended(NamedTuple):
    """A pod that is gone, for how long it held its devices, and the revision of its end."""

    pod: Pod
    begun: float
    until: float
    revision: int


@dataclasses.dataclass(frozen=True)
class PaidBackup(Backup):
    """What had ended by then, and what of it is in no ledger, are true again with the rest."""

    ended: tuple[Ended, ...] = ()
    since: Mapping[str, int] = dataclasses.field(default_factory=dict)
    kept: Mapping[str, Mapping[Bucket, int]] = dataclasses.field(default_factory=dict)
    lost: frozenset[str] = frozenset()


class PaidServer(ApiServer):
    """Knows for how long each pod has really held its devices, and holds every ledger against it.

    What may be lost is what the documentation says: with a ledger's object go the hours that its archive does not have
    and the ends until it is counted again; with both, all hours until then.
    """

    def __init__(
        self, rng: random.Random, faults: Faults, limits: Mapping[str, int], budgets: Mapping[str, int]
    ) -> None:
        super().__init__(rng, faults, limits)
        self.budgets = budgets
        self.ended: list[Ended] = []
        self.every_end_is_seen = False
        self.budget: dict[tuple[str, str], int] = {}
        """By scope and uid: the largest budget that a review of the object carried."""
        self.paying: dict[str, frozenset[str]] = {}
        self.listed = 0
        """The revision of the last recount."""
        self.lost: set[str] = set()
        self.since: dict[str, int] = {}
        """By scope: the revision before which what ended is known by its archive alone."""
        self.kept: dict[str, Mapping[Bucket, int]] = {}

    def promise(self, pod: Pod) -> None:
        super().promise(pod)
        for scope in self.budgets.keys() & pod.scopes:
            total = self.used(scope) + self.paid_for(scope)
            if total > self.budgets[scope]:
                self.note(f"{scope}: {total:.1f} device-seconds used and paid for, {self.budgets[scope]} allowed")

    def delete(self, pod: Pod) -> None:
        begun = self.begun[pod.uid]
        # Its node ends it, whatever comes back from a backup; what has no end, nobody.
        until = now() if pod.charge.endless else min(now(), begun + pod.charge.seconds + ENDING)
        super().delete(pod)
        self.ended.append(Ended(pod, begun, until, self.revision))
        self.check()

    # -- what is lost ----------------------------------------------------------------------------

    def lose(self, name: str) -> None:
        for scope in self.limits:
            if name == object_name(scope):
                self.lost.add(scope)
                self.kept[scope] = self._archived(scope)
            elif name == object_name(archive.archive_of(scope)) and scope in self.lost:
                self.kept[scope] = {}
        super().lose(name)

    def _archived(self, scope: str) -> Mapping[Bucket, int]:
        found = self.state(archive.archive_of(scope))
        return dict(found.hours.spent) if found else {}

    def backup(self) -> Backup:
        held = vars(super().backup())
        return PaidBackup(
            **held, ended=tuple(self.ended), since=dict(self.since), kept=dict(self.kept), lost=frozenset(self.lost)
        )

    def restore(self, backup: Backup) -> None:
        assert isinstance(backup, PaidBackup)
        super().restore(backup)
        self.ended, self.since, self.kept = list(backup.ended), dict(backup.since), dict(backup.kept)
        self.lost = set(backup.lost)
        self.paying = {scope: frozenset(state.inflight) for scope, state in self.counted()}
        for pod in self.live.values():
            lasts = self.rng.uniform(0, 60) if pod.charge.endless else pod.charge.seconds + ENDING - 1
            end = self.begun[pod.uid] + lasts
            asyncio.get_running_loop().call_at(max(end, now()), self._expire, pod)

    def _expire(self, pod: Pod) -> None:
        if pod.uid in self.live:
            self.delete(pod)

    # -- what must hold --------------------------------------------------------------------------

    def check(self) -> None:
        super().check()
        for scope, state in self.counted():
            if scope not in self.budgets:
                continue
            if scope in self.lost:
                self.lost.discard(scope)
                self.since[scope] = self.listed
            self._check_hours(scope, state)
            self._check_grants(scope, state)

    def _check_hours(self, scope: str, state: State) -> None:
        counted, true = self.counted_now(state), self.used(scope) + self.paid_for(scope)
        if counted is not None and counted < true - 0.01:
            self.note(f"{scope}: {true:.2f} device-seconds used and paid for, and {counted} counted")
        used = sum(seconds for _, seconds in state.hours.used(WINDOW) or ())
        if self.every_end_is_seen and used > self.at_most(scope):
            self.note(f"{scope}: {used} device-seconds counted as used, {self.at_most(scope):.2f} were")

    def counted_now(self, state: State) -> int | None:
        """Return what a ledger counts against the window at this instant."""
        return over_time(state)

    def _check_grants(self, scope: str, state: State) -> None:
        """Of the entries that the last write added, at least the last was judged with all the others there."""
        added = state.inflight.keys() - self.paying.get(scope, frozenset())
        self.paying[scope] = frozenset(state.inflight)
        asked = [self.budget[scope, uid] for uid in added if (scope, uid) in self.budget]
        total = over_time(state)
        if asked and total is not None and total > max(asked):
            self.note(f"{scope}: {total} device-seconds counted after a grant under a budget of {max(asked)}")

    def used(self, scope: str) -> float:
        """Device-seconds of the window that pods have used that are gone, as far as they may not be lost."""
        oldest = now() - WINDOW
        seen = (each for each in self.ended if scope in each.pod.scopes and each.revision > self.since.get(scope, 0))
        own = sum(size(each.pod) * max(0.0, each.until - max(each.begun, oldest)) for each in seen)
        return own + sum(n for (_, _, hour), n in self.kept.get(scope, {}).items() if hour * HOUR >= oldest)

    def at_most(self, scope: str) -> float:
        """Device-seconds of whole hours in the window, with each end told some seconds late and rounded up."""
        gone = (each for each in self.ended if scope in each.pod.scopes and each.until > now() - WINDOW - 3 * HOUR)
        return sum(size(each.pod) * (each.until - each.begun + 10) for each in gone)

    def paid_for(self, scope: str) -> float:
        """Device-seconds that pods can use that are there or may still come."""
        there = (pod for pod in (*self.live.values(), *self.promised.values()) if scope in pod.scopes)
        return sum(size(pod) * self.may_use(pod) for pod in there)

    def may_use(self, pod: Pod) -> float:
        """Return the seconds for which a pod may hold its devices."""
        return pod.charge.seconds + ENDING


class Lists(QuorumReads):
    """Tells the server as of when what exists was listed."""

    async def recount(self) -> Watch:
        found = await super().recount()
        assert isinstance(self._server, PaidServer)
        self._server.listed = max(self._server.listed, found.resource_version)
        return found


def over_time(state: State) -> int | None:
    """Return what a ledger counts against the window."""
    used = state.hours.used(WINDOW)
    paid = sum(state.hours.prepaid.values()) + sum(state.promised_hours().values())
    return None if used is None else sum(n for _, n in used) + paid
