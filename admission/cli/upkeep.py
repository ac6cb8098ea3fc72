"""What one replica does for all, while it holds the lease: follow the pods, fold the ledgers, write statuses.

Safety never rests on there being one: two at once only cost more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING, Any

from admission.api import API_VERSION
from admission.api.quota import Authorization, ComputeQuota
from admission.cli.reevaluation import Reevaluation
from admission.cluster.events import Regarding
from admission.cluster.reflector import Added, Deleted, Event, Malformed, Modified, Reflector
from admission.decide.compute import scope_of
from admission.decide.shards import account_of, shard_of
from admission.enforce.charged import ChargedWriter
from admission.enforce.present import PresenceWriter
from admission.enforce.writer import StatusWriter
from admission.ledger.homes import TENANTS, ChargedTenant
from admission.ledger.membership import KeptTerms, limited_in, scopes_of
from admission.ledger.pods import ENDED, PodCensus
from admission.ledger.reconciler import Reconciler
from admission.ledger.store import StoreError
from admission.ledger.usage.journal import Journal
from admission.ledger.usage.keeper import Keeper
from admission.ledger.witness import ClusterWitness
from admission.ledger.work import Waits
from admission.review import notices
from admission.review.claim import ResourceClaim
from admission.review.pod import Pod

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    import msgspec

    from admission.api.allowance import Allowance
    from admission.cli.reevaluation import Judging
    from admission.cluster.client import Client
    from admission.cluster.events import Events
    from admission.decide.registry import Registry
    from admission.ledger.ledger import Ledger
    from admission.ledger.objects import LedgerObject, ObjectStore
    from admission.ledger.work import Work
    from admission.server.settings import Settings

ENSURE_SECONDS = 1.0
WATCH_SECONDS = (20.0, 40.0)
"""A watch that is ended is told how far it has come: within 44 s and these, an entry whose pod never came is gone."""

logger = logging.getLogger(__name__)


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
        self._registry, self._ledger, self._store, self._events = registry, ledger, store, events
        self._census = PodCensus(registry, now)
        self._unreadable: dict[tuple[str, str], str] = {}
        self._versions: list[LedgerObject] = []
        self._basis: object = None
        self._named: frozenset[str] = frozenset()
        self._pods = Reflector(client, "/api/v1/pods", Pod, on_change=self._on_pod, server_timeout=WATCH_SECONDS)
        self._claims = Reflector(
            client,
            "/apis/resource.k8s.io/v1/resourceclaims",
            ResourceClaim,
            on_change=self._on_claim,
            optional=True,
            server_timeout=WATCH_SECONDS,
        )
        self.usage = Keeper(
            client,
            Journal(client),
            registry,
            self._census,
            pods=self._pods,
            claims=self._claims,
            emit=record,
            now=now,
        )
        self._tenants = Reflector(client, TENANTS, ChargedTenant, on_change=self._on_tenant)
        self._reconciler = Reconciler(
            store,
            self._up_to,
            ClusterWitness(client, self._census),
            clock=asyncio.get_running_loop().time,
            waits=Waits(absent=settings.ledger.expire_seconds, rebuild=settings.ledger.rebuild_seconds),
            restored=start_anew,
            terms=KeptTerms(registry).of,
            limited=lambda scope: limited_in(registry, scope, now()),
            named=self._is_named,
            now=lambda: now().timestamp(),
            turn=ledger.turn,
            drifted=self._tell_of_drift,
            shards=registry.shards,
        )
        self._writer = StatusWriter(
            client, registry, ledger, self._census, allowances=allowances, contact=settings.contact, now=now
        )
        self.reevaluation = Reevaluation(
            client,
            registry,
            judging,
            events,
            allowances=allowances,
            settings=settings,
            occupied=self._census.occupied,
            behind=lambda: not self._is_settled(),
            since=lambda: self.usage.since,
            record=record,
            now=now,
        )
        self._present = PresenceWriter(client, registry)
        self._charged = ChargedWriter(
            client, self._up_to, store, asyncio.get_running_loop().time, followed=self._reconciler.is_followed
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
        return self._census.unattributed()

    def unread(self) -> int:
        """Return how many pods and claims exist of which nobody knows what they hold."""
        return self._census.unread()

    async def run(self) -> None:
        """Go on until cancelled."""
        async with asyncio.TaskGroup() as group:
            watches = (self._pods.run, self._claims.run, self._tenants.run)
            writers = (
                self._charged.run,
                self._present.run,
                self._writer.run,
                self.usage.run,
                self.reevaluation.sweep.run,
                self.reevaluation.reports.run,
            )
            for run in (*watches, self._reconciler.run, *writers, self._ensure):
                group.create_task(kept_alive(run))

    def heed(self, ledger: LedgerObject) -> None:
        """Take note of a newer version of a ledger: pods are attributed as its entries say, from the next pass on."""
        self._versions.append(ledger)
        self._wake()

    def _is_named(self, scope: str) -> bool:
        """Whether some quota or authorization has a limit in a scope."""
        basis = self._registry.every(ComputeQuota), self._registry.every(Authorization)
        if basis != self._basis:
            self._basis, self._named = basis, scopes_of(self._registry)
        return scope in self._named

    def _wake(self) -> None:
        self._reconciler.wake()
        self._charged.wake()

    def _on_tenant(self, event: Event[ChargedTenant]) -> None:
        match event:
            case Added(item=item) | Modified(item=item):
                self._census.charging.homes.take(item)
            case Deleted(key=key):
                self._census.charging.homes.lose(key)
            case Malformed(key=key, error=error):
                logger.error("where tenant %s is charged cannot be read; the last that was known holds: %s", key, error)
        self._wake()

    def _on_pod(self, event: Event[Pod]) -> None:
        match event:
            case Added(key=key, item=item) | Modified(key=key, item=item):
                self._read("pods", key)
                self._take(item)
            case _:
                self._lose("pods", event)
        self.reevaluation.sweep.touch(event.key.partition("/")[0])
        self._wake()

    def _take(self, pod: Pod) -> None:
        """An end is told before the census forgets what was held until then."""
        ended = pod.status.phase in ENDED
        for take in (self.usage.take, self._census.take) if ended else (self._census.take, self.usage.take):
            take(pod)

    def _on_claim(self, event: Event[ResourceClaim]) -> None:
        match event:
            case Added(key=key, item=item) | Modified(key=key, item=item):
                self._read("resourceclaims", key)
                self._census.take_claim(item)
                self.usage.take_claim(item)
                self.reevaluation.unadmitted.take(key, item)
            case _:
                self._lose("resourceclaims", event)
                if isinstance(event, Deleted):
                    self.reevaluation.unadmitted.lose(event.key)
        self._wake()

    def _read(self, resource: str, key: str) -> None:
        self._unreadable.pop((resource, key), None)
        self._census.clear(resource, key)

    def _lose(self, resource: str, event: Event[Pod] | Event[ResourceClaim]) -> None:
        match event:
            case Malformed(key=key, error=error, old=old):
                logger.error("%s %s exists and cannot be read: %s", resource, key, error)
                if old is not None:
                    self._unreadable[resource, key] = old.metadata.uid  # it goes on holding what it held
                elif (resource, key) not in self._unreadable:
                    self._census.doubt(resource, key)
            case Deleted(key=key, old=old, version=version):
                self._census.clear(resource, key)
                uid = old.metadata.uid if old is not None else self._unreadable.pop((resource, key), "")
                (self.usage.lose if resource == "pods" else self.usage.lose_claim)(uid)
                self._census.lose(uid, version, claim=resource == "resourceclaims")

    def _up_to(self) -> PodCensus | None:
        """The census as far as the watch has come; None while a list runs, when old and new stand together."""
        self._learn()
        if not self._is_settled():
            return None
        for scope in self._store.scopes():
            snapshot = self._store.cached(scope)
            if snapshot is not None:
                self._census.learn(scope, snapshot.state.inflight)
        self._census.resource_version = self._pods.resource_version
        self._census.claims_version = self._claims.resource_version
        self._census.lists = self._pods.relists + self._claims.relists
        self._census.charging.homes.version = self._tenants.resource_version
        return self._census

    def _is_settled(self) -> bool:
        return self._pods.settled and self._claims.settled and self._tenants.settled

    def _learn(self) -> None:
        """Note the entries of every version that somebody else wrote: some leave again before the next pass.

        Those of versions that this process wrote are noted from the cache, before they are folded.  Which these are is
        known only now: the watch is often ahead of the answer to a write.
        """
        for ledger in self._versions:
            if not self._store.wrote(ledger):
                self._census.learn(ledger.spec.scope, ledger.snapshot.state.inflight)
        self._versions.clear()

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


def start_anew() -> None:
    """The cluster went back to a backup, so that every copy of it is newer than it is.

    The process ends and its supervisor starts it again: that drops every copy at once.  As on an interrupt, not as on
    SIGTERM: nobody shall be answered out of them for as long as connections are kept.
    """
    logger.critical("the cluster's store is older than what was read of it: a backup was restored; starting anew")
    signal.raise_signal(signal.SIGINT)


async def kept_alive(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run for as long as the program; what fails unexpectedly is said and begun again."""
    while True:
        try:
            await run()
        except Exception:
            logger.exception("%s failed; beginning again", getattr(run, "__qualname__", run))
        await asyncio.sleep(1)
