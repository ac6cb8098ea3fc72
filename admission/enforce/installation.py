"""What conditions of an installation say: what each replica finds for itself, and what they say together; no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from admission.api.installation import ComputeGateStatus, ReplicaStatus
from admission.enforce.conditions import condition
from admission.review import alarms
from admission.review.fitting import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from admission.api.installation import ComputeGate
    from admission.api.object import Condition

READY = "Ready"
_NO_REPLICA, _UNTOLD = "NoReplica", "NotKnown"
_LONGEST = 1024
_HOLDS = {"False": False, "Unknown": None, "True": True}
_WORST_FIRST = tuple(_HOLDS)


class Finding(NamedTuple):
    """What a replica finds of one type of condition; ``holds`` is None where nobody can tell."""

    holds: bool | None
    reason: str
    message: str = ""


class Steady:
    """What counts of one type: what is good at once, anything else when it has lasted for ``grace`` seconds.

    It lasts while it is not good, or while what counts is of another status: another reason begins nothing anew.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._since: float | None = None
        self.counts: Finding | None = None

    def heed(self, found: Finding | None, now: float) -> None:
        """Take what is found at an instant of a monotonic clock; None is nothing to say."""
        if found is None or found.holds or (self.counts is not None and self.counts.holds is found.holds):
            self.counts, self._since = found, None
            return
        if self._since is None:
            self._since = now
        if now >= self._since + self._grace:
            self.counts, self._since = found, None


def told(
    gate: ComputeGate,
    replica: str,
    findings: Mapping[str, Finding],
    types: Collection[str],
    now: datetime,
    *,
    gone: Collection[str] = (),
) -> ComputeGateStatus:
    """Return the status with what a replica finds; ``types`` are all that it may find, ``gone`` other replicas."""
    said = {each.name: each.conditions for each in gate.status.replicas}
    own = [
        condition(
            kind,
            found.reason,
            holds=found.holds,
            current=said.get(replica, ()),
            now=now,
            generation=gate.metadata.generation,
            message=printable(found.message)[:_LONGEST],
        )
        for kind, found in findings.items()
    ]
    others = [each for each in gate.status.replicas if each.name not in {replica, *gone}]
    replicas = sorted([*others, ReplicaStatus(name=replica, conditions=own)], key=lambda each: each.name)
    return ComputeGateStatus(replicas=replicas, conditions=_together(gate, replicas, types, now))


def left(gate: ComputeGate, replica: str, types: Collection[str], now: datetime) -> ComputeGateStatus:
    """Return the status without a replica that was told to stop; after the last one nothing is known."""
    replicas = [each for each in gate.status.replicas if each.name != replica]
    return ComputeGateStatus(replicas=replicas, conditions=_together(gate, replicas, types, now))


def _together(
    gate: ComputeGate, replicas: Collection[ReplicaStatus], types: Collection[str], now: datetime
) -> list[Condition]:
    """Return what they say together; what none says stays as it was, for a leader that is yet to come."""
    before = {each.type: Finding(_HOLDS[each.status], each.reason, each.message) for each in gate.status.conditions}
    found = {}
    for kind in sorted(types):
        saying = [(each.name, said) for each in replicas for said in each.conditions if said.type == kind]
        found[kind] = _worst(saying) if saying else before.get(kind, Finding(None, _UNTOLD, alarms.unknown_yet()))
    if not replicas:
        found = {kind: Finding(None, _NO_REPLICA, alarms.no_replica()) for kind in found}
    return [
        condition(
            kind,
            each.reason,
            holds=each.holds,
            current=gate.status.conditions,
            now=now,
            generation=gate.metadata.generation,
            message=each.message,
        )
        for kind, each in {READY: _ready(found), **found}.items()
    ]


def _worst(saying: Collection[tuple[str, Condition]]) -> Finding:
    """Return the worst that is said, with who says it where not all do."""
    replica, worst = min(saying, key=lambda each: _WORST_FIRST.index(each[1].status))
    alone = any(said.status != worst.status for _, said in saying)
    message = f"{replica}: {worst.message}" if alone and worst.message else worst.message
    return Finding(_HOLDS[worst.status], worst.reason, message[:_LONGEST])


def _ready(found: Mapping[str, Finding]) -> Finding:
    for holds in (False, None):
        for kind, each in found.items():
            if each.holds is holds:
                return Finding(holds, each.reason, f"{kind}: {each.message}"[:_LONGEST])
    return Finding(holds=True, reason=READY)
