"""What one replica does for all, while it holds the lease: follow the pods, fold the ledgers, write statuses.

Safety never rests on there being one: two at once only cost more.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from admission.api import API_VERSION
from admission.api.quota import Authorization, ComputeQuota
from admission.cli.podwatch import PodWatch
from admission.cli.process import kept_alive, start_anew
from admission.cli.reevaluation import Reevaluation, granted_by
from admission.cluster.events import Regarding
from admission.decide.compute import scope_of
from admission.decide.shards import account_of, shard_of
from admission.enforce.charged import ChargedWriter
from admission.enforce.present import PresenceWriter
from admission.enforce.sweep.endings import Endings
from admission.enforce.writer import StatusWriter
from admission.ledger.membership import KeptTerms, limited_in, scopes_of
from admission.ledger.reconciler import Reconciler
from admission.ledger.renewals import renewing_in
from admission.ledger.store import StoreError
from admission.ledger.witness import ClusterWitness
from admission.ledger.work import Waits
from admission.review import notices

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Mapping, Sequence

    import msgspec

    from admission.api.allowance import Allowance
    from admission.cli.reevaluation import Judging
    from admission.cluster.client import Client
    from admission.cluster.events import Events
    from admission.decide.registry import Registry
    from admission.ledger.ledger import Ledger
    from admission.ledger.objects import LedgerObject, ObjectStore
    from admission.ledger.renewal import Renewing
    from admission.ledger.work import Work
    from admission.review.claim import ResourceClaim
    from admission.server.settings import LedgerSettings, Settings

ENSURE_SECONDS = 1.0


class Upkeep:
    """One term of leadership; made anew for each, so that no copy of the pods outlives it."""

    def __init__(
        self,
        client: Client,
        registry: Registry,
        ledger: Ledger,
        store: ObjectStore,
        *,
        allowances: Mapping[str, Allowance],
        settings: Settings,
        events: Events,
        now: Callable[[], dt.datetime],
        record: Callable[[Sequence[msgspec.Struct]], asyncio.Future[None]],
        judging: Judging,
    ) -> None:
        self._registry, self._ledger, self._events, self._now = registry, ledger, events, now
        self._basis: object = None
        self._named: frozenset[str] = frozenset()
        self._endings = Endings(registry, granted_by(settings))
        self._watch = PodWatch(
            client, registry, store, record=record, now=now, stir=self._wake, touch=self._touch, claimed=self._claimed
        )
        self.usage, census = self._watch.usage, self._watch.census
        self._reconciler = self._reconciling(client, store, settings.ledger)
        self._charged = self._charging(client, store)
        self._present = PresenceWriter(client, registry)
        self._writer = StatusWriter(
            client, registry, ledger, census, allowances=allowances, contact=settings.contact, now=now
        )
        self.reevaluation = self._reevaluating(client, judging, allowances, settings, record)

    def _reconciling(self, client: Client, store: ObjectStore, settings: LedgerSettings) -> Reconciler:
        """Return what keeps the ledgers as what exists."""
        registry, now = self._registry, self._now
        return Reconciler(
            store,
            self._watch.up_to,
            ClusterWitness(client, self._watch.census),
            clock=asyncio.get_running_loop().time,
            waits=Waits(absent=settings.expire_seconds, rebuild=settings.rebuild_seconds),
            restored=start_anew,
            terms=KeptTerms(registry).of,
            limited=lambda scope: limited_in(registry, scope, now()),
            named=self._is_named,
            renewing=self._renewing,
            refused=self._ask,
            now=lambda: now().timestamp(),
            turn=self._ledger.turn,
            drifted=self._tell_of_drift,
            shards=registry.shards,
        )

    def _charging(self, client: Client, store: ObjectStore) -> ChargedWriter:
        """Return what writes where each tenant is charged, as the ledgers that are followed have it."""
        clock, followed = asyncio.get_running_loop().time, self._reconciler.is_followed
        return ChargedWriter(client, self._watch.up_to, store, clock, followed=followed)

    def _reevaluating(
        self,
        client: Client,
        judging: Judging,
        allowances: Mapping[str, Allowance],
        settings: Settings,
        record: Callable[[Sequence[msgspec.Struct]], asyncio.Future[None]],
    ) -> Reevaluation:
        """Return what judges the pods that run."""
        return Reevaluation(
            client,
            self._registry,
            judging,
            self._events,
            allowances=allowances,
            claims=self._watch.claims,
            settings=settings,
            occupied=self._watch.census.occupied,
            behind=lambda: not self._watch.is_settled(),
            since=lambda: self.usage.since,
            record=record,
            now=self._now,
        )

    @property
    def work(self) -> Work:
        """What was done to the ledgers in this term."""
        return self._reconciler.work

    def distrust(self) -> None:
        """Have all ledgers counted anew, and the process start anew: the cluster went back to a backup."""
        self._reconciler.distrust()

    def unattributed(self) -> int:
        """Return the devices of live pods that no tenant's jurisdiction is found for."""
        return self._watch.census.unattributed()

    def unread(self) -> int:
        """Return how many pods and claims exist of which nobody knows what they hold."""
        return self._watch.census.unread()

    async def run(self) -> None:
        """Go on until cancelled."""
        async with asyncio.TaskGroup() as group:
            writers = (
                self._charged.run,
                self._present.run,
                self._writer.run,
                self.usage.run,
                self.reevaluation.sweep.run,
                self.reevaluation.reports.run,
            )
            for run in (*self._watch.runs(), self._reconciler.run, *writers, self._ensure):
                group.create_task(kept_alive(run))

    def heed(self, ledger: LedgerObject) -> None:
        """Take note of a newer version of a ledger: pods are attributed as its entries say, from the next pass on."""
        self._watch.heed(ledger)

    def _is_named(self, scope: str) -> bool:
        """Whether some quota or authorization has a limit in a scope."""
        basis = self._registry.every(ComputeQuota), self._registry.every(Authorization)
        if basis != self._basis:
            self._basis, self._named = basis, scopes_of(self._registry)
        return scope in self._named

    def _renewing(self, scope: str) -> Renewing | None:
        """Return how what has no end goes on in a scope: not by data that nothing is to be concluded from."""
        if self.reevaluation.stale():
            return None
        return renewing_in(self._registry, scope, self._endings(), self._now())

    def _ask(self, uids: Collection[str]) -> None:
        """Have pods judged whose next hour is refused, or no longer is."""
        for held in map(self._watch.census.of, uids):
            if held is not None:
                self.reevaluation.sweep.ask(held.namespace)

    def _touch(self, namespace: str) -> None:
        self.reevaluation.sweep.touch(namespace)

    def _wake(self) -> None:
        self._reconciler.wake()
        self._charged.wake()

    def _claimed(self, key: str, claim: ResourceClaim | None) -> None:
        if claim is None:
            self.reevaluation.unadmitted.lose(key)
        else:
            self.reevaluation.unadmitted.take(key, claim)

    def _tell_of_drift(self, scope: str, devices: int) -> None:
        """Tell, on each quota of a scope, of devices that came in past it; again within the hour it only counts."""
        shard = shard_of(scope)
        if shard is not None and shard.kind != "tenants":
            return
        if shard is None and not account_of(scope, "somebody", self._registry.shards):
            return  # told of by the tenants' shards, where none of it is hidden by another's promise
        for quota in self._registry.every(ComputeQuota):
            if scope_of(quota) == (shard.total if shard else scope):
                about = Regarding(API_VERSION, "ComputeQuota", quota.name, quota.metadata.uid)
                note = notices.counted_late(devices)
                self._events.record(about, "CountedLate", note, action="Recount", warning=True)

    async def _ensure(self) -> None:
        """Make the ledger of every scope that some limit stands in."""
        while True:
            for scope in scopes_of(self._registry):
                with contextlib.suppress(StoreError):
                    await self._ledger.ensure(scope, timeout=2.0)
            await asyncio.sleep(ENSURE_SECONDS)
