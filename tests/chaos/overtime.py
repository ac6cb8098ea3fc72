"""What must hold of limits over time at every revision of etcd, beside what the replay asserts of devices.

overspent   where something is granted, what was used and what is paid for fit the budget
unpaid      the ledger counts, of each party, what its pods can use that exist and what those did use that ended
overheld    who is granted devices gives them back before the longest hold is over
shortened   a hold goes on from where it began: here no break is as long as the gap
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.decide.limits import ENDING
from admission.ledger.objects import object_name
from admission.ledger.seen import ENDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.ledger.state import State
    from tools.revisions import Change

BOUND, OVER = "PodScheduled", "Ready"
"""The conditions of a pod that tell since when it holds devices, and, once false, until when it did."""


class Timed(NamedTuple):
    """A limit of device-hours and a longest hold, on the pods of a namespace whose tenant bears the same name."""

    name: str
    scope: str
    budget: int
    """Device-seconds."""
    window: int
    hold: int
    """Seconds, both."""
    resource: str = "nvidia.com/gpu"


class _Condition(msgspec.Struct, rename="camel"):
    type: str
    status: str
    last_transition_time: dt.datetime | None = None


class _Status(msgspec.Struct):
    phase: str = ""
    conditions: list[_Condition] = []

    def at(self, kind: str, status: str) -> float | None:
        times = [each.last_transition_time for each in self.conditions if (each.type, each.status) == (kind, status)]
        return times[0].timestamp() if times and times[0] else None


class _Resources(msgspec.Struct):
    limits: dict[str, str] = {}


class _Container(msgspec.Struct):
    resources: _Resources


class _Spec(msgspec.Struct, rename="camel"):
    containers: list[_Container]
    active_deadline_seconds: int


class _Pod(msgspec.Struct):
    spec: _Spec
    status: _Status


_pod = msgspec.json.Decoder(_Pod)


class Overtime:
    """The pods under one limit over time, and the ledger beside them.  ``blame`` is told what does not hold."""

    def __init__(self, limit: Timed, blame: Callable[[str, str], None]) -> None:
        self.limit, self._blame = limit, blame
        self.granted, self.bound, self.ended = 0, 0, 0
        self.peak = 0
        self._paid: dict[str, int] = {}
        self._used = 0.0
        self._running: set[str] = set()
        self._inflight: frozenset[str] = frozenset()
        self._holds: dict[tuple[str, str], int] = {}

    def take(self, change: Change, state: State) -> None:
        """Go on to the next change of a pod or a ledger; ``state`` is what the ledger says then."""
        if change.key.startswith(f"/registry/pods/{self.limit.name}/"):
            self._take_pod(change)
        elif change.key.endswith(f"/{object_name(self.limit.scope)}") and state.initialized:
            self._check_grants(state)
            self._check_holds(state)
        if state.initialized:
            self._check_paid(state)

    def _take_pod(self, change: Change) -> None:
        paid = self._paid.pop(change.key, 0)
        pod = _pod.decode(change.value) if change.value is not None else None
        if pod is None or pod.status.phase in ENDED:
            self._running.discard(change.key)
            self._take_end(pod, paid)
            return
        self._paid[change.key] = _devices(pod, self.limit.resource) * (pod.spec.active_deadline_seconds + ENDING)
        if pod.status.at(BOUND, "True") is not None and change.key not in self._running:
            self._running.add(change.key)
            self.bound += 1

    def _take_end(self, pod: _Pod | None, paid: int) -> None:
        """Count what a pod used, by what its node says: in whole seconds, so that it may be two less."""
        since = pod.status.at(BOUND, "True") if pod else None
        until = pod.status.at(OVER, "False") if pod else None
        if pod is not None and paid and since is not None and until is not None:
            self.ended += 1
            self._used += _devices(pod, self.limit.resource) * max(0.0, until - since - 1)

    def _check_paid(self, state: State) -> None:
        counted, true = self._counted(state), sum(self._paid.values()) + self._used
        if counted is not None and counted < true:
            self._blame(f"unpaid {self.limit.name}", f"{true:.0f} device-seconds, {counted} in {self.limit.scope}")

    def _check_grants(self, state: State) -> None:
        added = state.inflight.keys() - self._inflight
        self._inflight = frozenset(state.inflight)
        self.granted += len(added)
        counted = self._counted(state) or 0
        self.peak = max(self.peak, counted if added else 0)
        if added and counted > self.limit.budget:
            self._blame(f"overspent {self.limit.name}", f"{counted} of {self.limit.budget} device-seconds")
        for uid in added:
            entry = state.inflight[uid]
            for name, _ in entry.charge.counts:
                hold = state.hours.holds.get((entry.charge.group or entry.charge.party, name))
                asked = entry.charge.seconds + (max(0, entry.reserved_at - hold.since) if hold else 0)
                if asked > self.limit.hold:
                    self._blame(f"overheld {self.limit.name}", f"{uid} may end {asked} s after its hold began")

    def _check_holds(self, state: State) -> None:
        for key, since in self._holds.items():
            hold = state.hours.holds.get(key)
            if hold is None or hold.since > since:
                self._blame(f"shortened {self.limit.name}", f"{key} held since {since}, now {hold}")
        self._holds = {key: hold.since for key, hold in state.hours.holds.items()}

    def _counted(self, state: State) -> int | None:
        used = state.hours.used(self.limit.window)
        paid = sum(state.hours.prepaid.values()) + sum(state.promised_hours().values())
        return None if used is None else paid + sum(n for _, n in used)


def _devices(pod: _Pod, resource: str) -> int:
    return sum(int(each.resources.limits.get(resource, 0)) for each in pod.spec.containers)
