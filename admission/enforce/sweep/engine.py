"""Judges what runs again when what decides has changed, and besides in slow full sweeps; acts on what it finds.

Run by the leader, and safe when two run: what is announced is written by compare-and-swap before it is done, and each
eviction names its pod by uid.  While our own data is stale, nothing advances: what was found, and told, stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from admission.api.enforcement import Enforcement
from admission.cluster.client import ClusterError
from admission.enforce.sweep.changes import Changes
from admission.enforce.sweep.found import Found
from admission.enforce.sweep.reader import Reader
from admission.enforce.sweep.steps import EVERYTHING, Granted, Policy, acting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from admission.cluster.client import Client
    from admission.decide.registry import Registry
    from admission.enforce.sweep.acts import Acts
    from admission.enforce.sweep.reader import Review
    from admission.enforce.sweep.told import Told

STEP_SECONDS = 0.25
"""Between two looks at what decides: with some pods and a write, a change is told within a second or two."""

JUDGE_SECONDS = 1.0
"""For which namespaces are judged in one step, whatever for: then what was found is told, and acted on."""

READ_SECONDS = 0.25
"""For which a full sweep goes on between two looks: so it has half of the time, and a hundred thousand pods minutes."""

MOST_PARTS = 10
"""Parts of pages that it takes then at most."""

LOOK_SHARE = 10
"""A look is taken after so many times the time that the last one took: with thousands of namespaces seldom enough."""

TOUCH_SECONDS = 1.0
"""Between two reads of a namespace for no more than pods that come and go."""

UNTOLD_SECONDS = 5.0
"""Until a namespace is read again of which nobody could tell everything."""

NODES_SECONDS = 60.0
"""Between two full sweeps for no more than nodes that come and go."""

FAILED_SECONDS = 2.0
"""Until it goes on after the API server did not answer, and until a namespace is read again that could not be."""

AGAIN_SECONDS = 10.0
"""Until a full sweep begins anew that failed."""

logger = logging.getLogger(__name__)


class Facts(NamedTuple):
    """What of the rest of the program it asks for."""

    stale: Callable[[], str]
    """Why our own data is not to be acted on, or ""."""
    occupied: Callable[[], Iterable[str]]
    """The namespaces in which something holds devices."""
    now: Callable[[], datetime]
    every: float
    """Seconds between two full sweeps."""
    clock: Callable[[], float] = time.monotonic
    """Monotonic seconds."""
    granted: Granted = EVERYTHING


class Sweep:
    """What was found in each namespace, kept current; run ``run`` as a task."""

    def __init__(
        self,
        client: Client,
        registry: Registry,
        review: Review,
        *,
        told: Told,
        acts: Acts,
        facts: Facts,
        excluded: Collection[str],
    ) -> None:
        self._registry, self._told, self._acts, self._facts = registry, told, acts, facts
        self._changes = Changes(registry, facts.now)
        self._reader = Reader(client, review, excluded, self._changes.note)
        self._excluded = frozenset(excluded)
        self.found: dict[str, Found] = {}
        self._touched: dict[str, float] = {}
        self._left = JUDGE_SECONDS
        self._sweeping: AsyncIterator[dict[str, Found | None]] | None = None
        self._seen: set[str] = set()
        self._since: dict[str, int] = {}
        self._began = self._turns = 0
        self._began_at = float("-inf")
        self._term = facts.clock()
        self._swept_at: float | None = None
        self.untold: set[str] = set()
        """Namespaces of whose pods nobody could tell everything when they were judged last."""
        self.took: float | None = None
        """Seconds that the last full sweep of this term took, page by page; None before the first."""
        self._inventory: object = None
        self._looks_at = float("-inf")
        self._policy = Policy(())
        self._specs: object = None

    @property
    def is_whole(self) -> bool:
        """Whether all pods were judged in this term."""
        return self._swept_at is not None

    @property
    def age(self) -> float:
        """Seconds since the last full sweep of this term was completed; before the first, since the term began."""
        return self._facts.clock() - (self._term if self._swept_at is None else self._swept_at)

    @property
    def judged(self) -> Mapping[str, int]:
        """Pods that were judged, by what came of it."""
        return self._reader.judged

    @property
    def pages(self) -> int:
        """How many pages of pods were asked for."""
        return self._reader.calls

    @property
    def policy(self) -> Policy:
        """What is done now."""
        return self._policy

    def touch(self, namespace: str) -> None:
        """Take note that a pod came or went; it matters where something was found."""
        found = self.found.get(namespace)
        if found is not None and found.pods:
            self._touched.setdefault(namespace, self._facts.clock() + TOUCH_SECONDS)

    def ask(self, namespace: str) -> None:
        """Have a namespace judged soon: something is known of its pods that no object tells."""
        if namespace not in self._excluded:
            now = self._facts.clock()
            self._touched[namespace] = min(now, self._touched.get(namespace, now))

    async def run(self) -> None:
        """Go on until cancelled."""
        failures = 0
        while True:
            try:
                await self.step()
                failures = 0
            except ClusterError as error:
                failures += 1
                logger.log(logging.WARNING if failures == 1 else logging.DEBUG, "judging what runs: %s", error)
            await asyncio.sleep(FAILED_SECONDS if failures else STEP_SECONDS)

    async def step(self) -> None:
        """Look, read, tell and act once; raises ``ClusterError``."""
        waiting, self._left = self._facts.stale(), JUDGE_SECONDS
        if self._swept_at is None and self.age >= self._facts.every:
            await self._acts.unswept(waiting)
        if not waiting:
            self._heed_policy()
            await self._judge_changed()
            if self._swept_at is None:
                await self._judge_told()
            await self._sweep_on()
            await self._told.tell(self.found, self._policy)
        if self._swept_at is not None:  # else nobody knows how many there are
            await self._acts.step(self.found, self._told.entries, waiting)
            await self._judge_some(() if waiting else self._ripe())
        elif not waiting:
            await self._acts.go_on(self.found, self._told.entries, self._told.due_elsewhere(self.found))
        await self._judge_ended(waiting)

    def _heed_policy(self) -> None:
        enforcements = self._registry.every(Enforcement)
        specs = tuple((each.name, each.spec) for each in enforcements)
        if specs != self._specs:
            self._specs, self._policy = specs, Policy(acting(enforcements), self._facts.granted.most)

    # -- judging ---------------------------------------------------------------------------------

    async def _judge_changed(self) -> None:
        """What is not judged now has changed still at the next look.

        Before the first full sweep is through, it judges whatever was not judged yet.
        """
        if self._facts.clock() < self._looks_at:
            return
        known = set(self.found)
        if self._swept_at is not None:
            known.update(self._facts.occupied())
        began = self._facts.clock()
        changed = await self._changes.since(known - self._excluded)
        judging = self._facts.clock()
        self._looks_at = began + LOOK_SHARE * (judging - began)
        await self._judge_some(sorted(changed, key=lambda name: self._since.get(name, 0)))  # not judged lately first

    async def _judge_told(self) -> None:
        """A new leader begins with what tenants were told: what was due goes on before all pods were judged."""
        await self._judge_some(sorted(self._told.heard_of() - self._since.keys() - self._seen - self._excluded))

    async def _judge_ended(self, waiting: str) -> None:
        """What was told to end is due no more."""
        while self._acts.changed and not waiting:
            await self._judge(self._acts.changed.pop())

    def _ripe(self) -> list[str]:
        """Return the namespaces whose turn it is to be judged again, those that wait longest first."""
        now = self._facts.clock()
        return sorted((name for name, at in self._touched.items() if at <= now), key=lambda name: self._touched[name])

    async def _judge_some(self, namespaces: Iterable[str]) -> None:
        """Judge namespaces for as long as is left in this step, and one at least, whatever else there was to judge."""
        began = self._facts.clock()
        for namespace in namespaces:
            await self._judge(namespace)
            if self._facts.clock() - began >= self._left:
                break
        self._left -= self._facts.clock() - began

    async def _judge(self, namespace: str) -> None:
        """Judge a namespace; where its pods cannot be read now, soon again: what changed is not noticed twice."""
        self._turns += 1
        self._since[namespace] = self._turns
        self._touched.pop(namespace, None)
        try:
            found = await self._reader.namespace(namespace)
        except ClusterError:
            del self._since[namespace]
            self._touched[namespace] = self._facts.clock() + FAILED_SECONDS
            raise
        self._take(namespace, found)

    def _take(self, namespace: str, found: Found | None) -> None:
        """Nothing is concluded from what nobody can tell: it is asked again."""
        if found is None:
            self.untold.add(namespace)
            self._touched[namespace] = self._facts.clock() + UNTOLD_SECONDS
            return
        self.untold.discard(namespace)
        if not found.controlled and not found.pods and not self._told.says(namespace):
            self.found.pop(namespace, None)
            self._told.forget(namespace)
        elif found != self.found.get(namespace):
            self.found[namespace] = found
        self._acts.judged(namespace, found)

    async def _sweep_on(self) -> None:
        """Take the full sweep further, or begin one."""
        until = self._facts.clock() + READ_SECONDS
        for _ in range(MOST_PARTS):
            if not await self._is_part_read() or self._facts.clock() >= until:
                return

    async def _is_part_read(self) -> bool:
        """Judge a part of a page; False where there is none."""
        if self._sweeping is None:
            if not self._is_due():
                return False
            self._sweeping, self._seen, self._began = self._reader.every(), set(), self._turns
            self._began_at, self._inventory = self._facts.clock(), self._registry.inventory
        try:
            page = await anext(self._sweeping, None)
            if page is None:
                self._complete()
            else:
                self._take_part(page)
        except BaseException:  # whatever broke it off: what was not read is not known to have ended
            self._sweeping, self._began_at = None, self._facts.clock() - self._facts.every + AGAIN_SECONDS
            raise
        return page is not None

    def _take_part(self, page: dict[str, Found | None]) -> None:
        for namespace, found in page.items():
            self._seen.add(namespace)
            if self._since.get(namespace, 0) <= self._began:  # else it was read since
                self._take(namespace, found)

    def _is_due(self) -> bool:
        passed = self._facts.clock() - self._began_at
        changed = self._registry.inventory is not self._inventory
        return passed >= self._facts.every or (changed and passed >= min(NODES_SECONDS, self._facts.every))

    def _complete(self) -> None:
        for namespace in (set(self.found) | self._told.heard_of()) - self._seen:  # excluded ones too: nothing is theirs
            if self._since.get(namespace, 0) <= self._began:
                self._take(namespace, Found())
        self._changes.keep(self._seen.union(self.found, self._facts.occupied()))
        self._since.clear()
        self._sweeping, self._swept_at = None, self._facts.clock()
        self.took = self._swept_at - self._began_at
