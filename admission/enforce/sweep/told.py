"""Tells tenants: writes what was found into the Allowances of their namespaces, and an Event at each transition.

What an Allowance says is also all that is remembered: nothing is done but by what was read back of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.api import API_VERSION
from admission.api.enforcement import Action
from admission.cluster.client import ApiError
from admission.cluster.events import Regarding
from admission.enforce.sweep.changes import lists_too_old
from admission.enforce.sweep.found import Found, entries_of, is_late, known, reason_of
from admission.enforce.sweep.record import Step
from admission.review import notices

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping
    from datetime import datetime

    from admission.api.allowance import Allowance, OwnFinding
    from admission.api.policy import Mode
    from admission.cluster.client import Client
    from admission.cluster.events import Events
    from admission.decide.registry import Registry
    from admission.enforce.sweep.found import Refer
    from admission.enforce.sweep.record import Line, Steps
    from admission.enforce.sweep.steps import Policy
    from admission.review.reasons import Reason

NAME = "compute"
"""The one Allowance of a namespace."""

REFUSED_SECONDS = 5.0
"""Until a namespace is tried again of which the API server refused what was to be written."""

UNSEEN_SECONDS = 1.0
"""Until an Allowance is made again that is there, and was not heard of, or cannot be read."""

_BATCH = 20  # namespaces between two turns of the loop
_OVERTAKEN = {404, 409}
"""Somebody else wrote, or it is not there yet: once more, later."""

_STEPS = {Action.Warn: Step.Warned, Action.StopAdmitting: Step.StoppedAdmitting, Action.Evict: Step.GraceBegun}

logger = logging.getLogger(__name__)


class _Basis(NamedTuple):
    """What decided what an Allowance says; compared by identity."""

    found: Found
    allowance: Allowance | None
    policy: Policy
    mode: Mode


class Told:
    """What each namespace was told; ``entries`` is what stands in its Allowance, by reason."""

    def __init__(
        self,
        client: Client,
        registry: Registry,
        events: Events,
        allowances: Mapping[str, Allowance],
        refer: Callable[[str], Refer],
        *,
        steps: Steps,
        contact: str,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._registry, self._events = client, registry, events
        self._allowances, self._refer, self._contact, self._now = allowances, refer, contact, now
        self._steps, self._clock = steps, clock
        self._refused: dict[str, float] = {}
        self._overtaken: dict[str, Allowance] = {}
        """Copies that are known to be older than what stands: what came of it is waited for."""
        self._settled: dict[str, _Basis] = {}
        self._found: dict[str, frozenset[Reason]] = {}
        self.entries: dict[str, dict[Reason, OwnFinding]] = {}
        self.writes = 0

    def heard_of(self) -> set[str]:
        """Return the namespaces whose Allowance says something."""
        return {key.partition("/")[0] for key, each in tuple(self._allowances.items()) if each.status.findings}

    def says(self, namespace: str) -> bool:
        """Say whether the Allowance of a namespace says something."""
        allowance = self._allowance(namespace)
        return allowance is not None and bool(allowance.status.findings)

    def due_elsewhere(self, judged: Container[str]) -> int:
        """Return how many pods are due by what stands in the Allowances of namespaces that were not judged."""
        now = self._now()
        others = ((key.partition("/")[0], each) for key, each in tuple(self._allowances.items()))
        said = (each.status.findings for name, each in others if name not in judged)
        late = ([entry.pods for entry in entries if is_late(entry, now)] for entries in said)
        return sum(max(pods, default=0) for pods in late)

    async def tell(self, found: Mapping[str, Found], policy: Policy) -> None:
        """Write every Allowance that does not say what was found; raises ``Unreachable``."""
        for count, (namespace, these) in enumerate(tuple(found.items()), 1):
            basis = _Basis(these, self._allowance(namespace), policy, self._registry.mode(namespace))
            if not _same(self._settled.get(namespace), basis) and not self.holds(namespace):
                await self._try(namespace, basis)
            if count % _BATCH == 0:
                await asyncio.sleep(0)

    def holds(self, namespace: str) -> bool:
        """Say whether nothing advances in a namespace, as our own lists are too old to tell."""
        return lists_too_old(self._registry, namespace, self._now())

    def forget(self, namespace: str) -> None:
        """Forget a namespace that is gone."""
        self._settled.pop(namespace, None)
        self._found.pop(namespace, None)
        self._refused.pop(namespace, None)
        self._overtaken.pop(namespace, None)
        self.entries.pop(namespace, None)

    def _allowance(self, namespace: str) -> Allowance | None:
        return self._allowances.get(f"{namespace}/{NAME}")

    async def _try(self, namespace: str, basis: _Basis) -> None:
        """A namespace of which the API server refuses it, as one that is on its way out, holds up no other."""
        is_old = basis.allowance is not None and self._overtaken.get(namespace) is basis.allowance
        if is_old or self._refused.get(namespace, 0) > self._clock():
            return
        self._refused.pop(namespace, None)
        try:
            await self._tell(namespace, basis)
        except ApiError as error:
            self._refused[namespace] = self._clock() + REFUSED_SECONDS
            logger.debug("namespace %s is not told: %s", namespace, error)

    async def _tell(self, namespace: str, basis: _Basis) -> None:
        await self._note(namespace, basis.found)
        refer = self._refer(namespace)
        said = basis.allowance.status.findings if basis.allowance else []
        before = known(said, refer)
        after = entries_of(basis.found, before, basis.policy, basis.mode, now=self._now(), refer=refer)
        # What stands and goes on standing is acted on while the rest is written: else a new leader, for a moment, knows
        # of nothing that is due, and would take what somebody has confirmed for done.
        lasting = {_step_of(each) for each in after}
        self.entries[namespace] = {reason: each for reason, each in before.items() if _step_of(each) in lasting}
        if after == said:
            self._settled[namespace] = basis
        elif basis.allowance is None:
            await self._create(namespace)
        else:
            changes = tuple(self._changes(namespace, basis.found, said, after))
            await self._steps.before(*self._lines(namespace, changes))
            if await self._write(namespace, basis.allowance, after):
                self._record(namespace, basis.allowance, changes, {each.code for each in after})

    async def _note(self, namespace: str, found: Found) -> None:
        """Record, once in a term, what is found in a namespace."""
        counts, before = found.by_reason(), self._found.get(namespace, frozenset())
        self._found[namespace] = frozenset(counts)
        line, new = self._steps.line, sorted(counts.keys() - before)
        named = ((reason, found.names(reason)) for reason in new)
        await self._steps.after(
            *(line(Step.Found, namespace=namespace, reasons=[r], pods=counts[r], such_as=names) for r, names in named)
        )

    def _changes(
        self, namespace: str, found: Found, before: list[OwnFinding], after: list[OwnFinding]
    ) -> Iterator[tuple[Step, OwnFinding]]:
        """Yield what is another action than before, and what is over; not that there are more pods or fewer."""
        was, refer, left = {each.reference: each for each in before}, self._refer(namespace), found.by_reason()
        for entry in after:
            old = was.pop(entry.reference, None)
            if old is None or _step_of(old) != _step_of(entry):
                yield _STEPS[entry.action], entry
        for entry in was.values():
            reason = reason_of(entry, refer)
            # What cannot be told apart was of another tenant: whatever is found now may be it.
            is_left = reason in left if reason else bool(left)
            yield Step.Withdrawn if is_left else Step.Resolved, entry

    def _lines(self, namespace: str, changes: Iterable[tuple[Step, OwnFinding]]) -> Iterator[Line]:
        """Yield a line for each step that an Allowance is about to tell of."""
        refer, line = self._refer(namespace), self._steps.line
        for step, entry in changes:
            reason = reason_of(entry, refer)
            yield line(
                step,
                namespace=namespace,
                reasons=[reason] if reason else (),
                reference=entry.reference,
                pods=entry.pods,
                deadline=entry.deadline,
            )

    async def _create(self, namespace: str) -> None:
        """Of a namespace that names no tenant nobody else makes one."""
        metadata = {"name": NAME, "namespace": namespace}
        body = {"apiVersion": API_VERSION, "kind": "Allowance", "metadata": metadata}
        try:
            await self._client.create(_collection(namespace), msgspec.json.encode(body))
        except ApiError as error:
            if error.status not in _OVERTAKEN:
                raise
            self._refused[namespace] = self._clock() + UNSEEN_SECONDS

    async def _write(self, namespace: str, allowance: Allowance, after: list[OwnFinding]) -> bool:
        """Write by compare-and-swap; what comes of it is read back by the watch."""
        body = {
            "metadata": {"resourceVersion": allowance.metadata.resource_version},
            "status": {"findings": [each.model_dump(mode="json", by_alias=True) for each in after]},
        }
        try:
            await self._client.merge_patch(f"{_collection(namespace)}/{NAME}/status", msgspec.json.encode(body))
        except ApiError as error:
            if error.status not in _OVERTAKEN:
                raise
            self._overtaken[namespace] = allowance
            return False
        self._overtaken[namespace] = allowance
        self.writes += 1
        return True

    def _record(
        self, namespace: str, allowance: Allowance, changes: Iterable[tuple[Step, OwnFinding]], standing: Container[str]
    ) -> None:
        """Tell of each step by an Event; not that something is over of which the same code stands."""
        about = Regarding(API_VERSION, "Allowance", NAME, allowance.metadata.uid, namespace)
        for step, entry in changes:
            what = f"{entry.reference} {entry.since}"
            if step is Step.Resolved:
                if entry.code not in standing:
                    note = notices.finding_over(entry.code)
                    self._events.record(about, step, note, action="Resolve", transition=what)
            elif step is Step.Withdrawn:
                note = notices.finding_withdrawn(entry.code, entry.reference, self._contact)
                self._events.record(about, step, note, action="Withdraw", transition=what)
            else:
                note = _note(entry, self._contact)
                what = f"{entry.reference} {entry.action} {entry.deadline}"
                self._events.record(about, entry.code, note, action=entry.action, warning=True, transition=what)


def _step_of(entry: OwnFinding) -> tuple[str, Action, datetime | None]:
    return entry.reference, entry.action, entry.deadline


def _note(entry: OwnFinding, contact: str) -> str:
    if entry.deadline is not None:
        return notices.evicted_at(entry.code, entry.pods, entry.deadline, entry.reference, contact)
    stops = entry.action is Action.StopAdmitting
    return notices.finding_told(entry.code, entry.pods, entry.reference, contact, stops=stops)


def _same(before: _Basis | None, now: _Basis) -> bool:
    return before is not None and all(one is other for one, other in zip(before, now, strict=True))


def _collection(namespace: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/allowances"
