"""The enforcement record: one JSON line for each step, in the same chain as the decisions.

What is irrevocable is written before it is done, and what became of it after.  ``schema`` changes when a field changes
its meaning; fields are only added.  The line is documented in docs/decision-record.md.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from typing import TYPE_CHECKING

import msgspec

from admission.cluster.client import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

SCHEMA = "computegate.io/enforcement/v1"

PATIENCE_SECONDS = 5.0
"""A line that does not stand by then counts as one that was not written."""

LONGEST_DETAIL = 1000

logger = logging.getLogger(__name__)


class Step(enum.StrEnum):
    """What is done, or was."""

    Found = "Found"
    """Pods of a namespace run that would be denied now; told to nobody yet."""
    Warned = "Warned"
    StoppedAdmitting = "StoppedAdmitting"
    GraceBegun = "GraceBegun"
    """The tenant is told of a deadline, or of another one."""
    Resolved = "Resolved"
    """Nothing is found any more of what was told."""
    Withdrawn = "Withdrawn"
    """It is found still, and nothing is done about it any more: its step or the mode of the namespace was changed."""
    BreakerOpened = "BreakerOpened"
    Confirmed = "Confirmed"
    """Somebody said that what the breaker counted is to be evicted."""
    NotEvicted = "NotEvicted"
    """Deadlines have passed, and nothing is evicted, as our own data is not to be relied on."""
    Evicting = "Evicting"
    Evicted = "Evicted"
    Deleting = "Deleting"
    Deleted = "Deleted"
    Refused = "Refused"
    """A PodDisruptionBudget keeps the pod for now."""
    Gone = "Gone"
    """The pod was not there any more."""
    Failed = "Failed"
    Suspending = "Suspending"
    Suspended = "Suspended"
    NotSuspended = "NotSuspended"


class WorkloadOf(msgspec.Struct, frozen=True, rename="camel"):
    """What a step is about: a pod, or what made pods; the names are the tenant's own words."""

    kind: str
    namespace: str
    name: str
    uid: str


class Line(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One step.  ``pods`` counts those that it is about; instants are RFC 3339, empty where there is none."""

    schema: str = SCHEMA
    at: str
    step: Step
    tenant: str = ""
    namespace: str = ""
    workload: WorkloadOf | None = None
    reasons: tuple[str, ...] = ()
    reference: str = ""
    pods: int = 1
    deadline: str = ""
    enforcement: str = ""
    token: str = ""
    confirmed_by: tuple[str, ...] = ()
    detail: str = ""
    such_as: tuple[str, ...] = ()


class NotRecordedError(ClusterError):
    """A step was not recorded, and is not taken for that."""


class Steps:
    """Writes lines.  ``write`` is done once they stand, with an ``OSError`` where some may not.

    With ``strict`` what cannot be recorded is not done; without, it is done all the same, counted and said.
    """

    def __init__(
        self,
        write: Callable[[Sequence[msgspec.Struct]], asyncio.Future[None]],
        *,
        strict: bool,
        tenant: Callable[[str], str],
        now: Callable[[], datetime],
    ) -> None:
        self._write, self._strict, self._tenant, self._now = write, strict, tenant, now
        self.lines = self.unrecorded = 0

    def line(
        self,
        step: Step,
        *,
        namespace: str = "",
        workload: WorkloadOf | None = None,
        reasons: Iterable[str] = (),
        reference: str = "",
        pods: int = 1,
        deadline: datetime | None = None,
        enforcement: str = "",
        token: str = "",
        confirmed_by: tuple[str, ...] = (),
        detail: str = "",
        such_as: tuple[str, ...] = (),
    ) -> Line:
        """Return a line of now, with the tenant of its namespace."""
        return Line(
            at=self._now().isoformat(timespec="milliseconds"),
            step=step,
            tenant=self._tenant(namespace) if namespace else "",
            namespace=namespace,
            workload=workload,
            reasons=tuple(sorted(reasons)),
            reference=reference,
            pods=pods,
            deadline=deadline.isoformat() if deadline else "",
            enforcement=enforcement,
            token=token,
            confirmed_by=confirmed_by,
            detail=detail[:LONGEST_DETAIL],
            such_as=such_as,
        )

    async def before(self, *lines: Line) -> None:
        """Record what is about to be done; raises ``NotRecordedError`` where it must not be done then."""
        problem = await self._problem(lines)
        if problem and self._strict:
            raise NotRecordedError(f"not done, as it cannot be recorded: {problem}")

    async def after(self, *lines: Line) -> None:
        """Record what was done: it stays done, whatever becomes of the line."""
        await self._problem(lines)

    async def _problem(self, lines: Sequence[Line]) -> str:
        """Write; return why that may have failed, or ""."""
        if not lines:
            return ""
        written = self._write(lines)
        await asyncio.wait({written}, timeout=PATIENCE_SECONDS)
        error = written.exception() if written.done() else TimeoutError("the record takes nothing")
        if error is None:
            self.lines += len(lines)
            return ""
        self.unrecorded += len(lines)
        logger.error("enforcement record: %d lines may be missing, from %s on: %s", len(lines), lines[0].step, error)
        return str(error)
