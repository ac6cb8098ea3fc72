"""A cluster as the source: watches into the registry, the ledger in QuotaLedgers, one leader for the upkeep."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import uuid
from typing import TYPE_CHECKING, Self

import msgspec

from admission.cli.certificates import Certificates
from admission.cli.denials import Denials
from admission.cli.health import Health
from admission.cli.process import all_kept_alive, ended, own_namespace, start_anew
from admission.cli.reevaluation import Judging, granted_by
from admission.cli.referencekey import reference_keys
from admission.cli.upkeep import Upkeep
from admission.cli.watches import Watches
from admission.cli.weakened import Weakened
from admission.cluster import wire
from admission.cluster.client import Client, ClusterError
from admission.cluster.events import Events, Regarding
from admission.cluster.lease import Lease
from admission.cluster.lookup import ClusterLookup
from admission.decide.lastgood import LastGood
from admission.enforce.sweep.endings import Endings
from admission.ledger.ledger import Ledger
from admission.ledger.objects import ObjectStore
from admission.ledger.uncount import uncount_all
from admission.review import notices
from admission.server.figures import clock_figures, figures_of
from admission.server.judge import Judge
from admission.server.rules import rule_figures

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from prometheus_client.metrics_core import Metric

    from admission.cluster.clock import Clock
    from admission.decide.registry import Registry
    from admission.ledger.objects import LedgerObject
    from admission.review.reference import Keys
    from admission.server.judge import Judgement
    from admission.server.recorder import Recorder
    from admission.server.settings import Settings
    from admission.server.tls import Certificate

_namespaces = msgspec.json.Decoder(wire.Namespace)


class ClusterSource:
    """Keeps a registry equal to a cluster's objects, and the ledgers equal to its pods."""

    releases_on_delete = False

    def __init__(
        self,
        client: Client,
        registry: Registry,
        settings: Settings,
        keys: Keys,
        recorder: Recorder,
        *,
        clock: Clock,
    ) -> None:
        self._client, self._registry, self._settings, self._recorder = client, registry, settings, recorder
        self._keys, self.reference_key, self._clock = keys, keys.own, clock
        self._store = ObjectStore(client, self._went_back)
        self.ledger = Ledger(self._store, wall=lambda: clock().timestamp())
        self.lookup = ClusterLookup(client)
        self.last_good = LastGood(
            registry, dt.timedelta(seconds=settings.last_good_seconds), unread=lambda: self._watches.unsynced() != []
        )
        self.upkeep: Upkeep | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._leading: list[asyncio.Task[None]] = []
        self._until_resigned: list[asyncio.Task[None]] = []
        pod, namespace = os.environ.get("POD_NAME", "computegate"), own_namespace()
        self._events = Events(client, pod, now=clock)
        self._denials = Denials(client, registry, self._events)
        self._weakened = Weakened(registry)
        self._watches = Watches(
            client,
            registry,
            self._store,
            self._weakened,
            keys=keys,
            stale_seconds=settings.stale_seconds,
            now=clock,
            last_good=self.last_good,
            heed=self._heed,
            tell_weaker=self._tell_weaker,
        )
        self.reflectors = self._watches.reflectors
        self.lease = Lease(
            client,
            namespace,
            "computegate",
            f"{pod}_{uuid.uuid4()}",
            now=clock,
            on_change=self._lead,
            fit=lambda: not clock.look(),
        )
        self._certificates = Certificates(client, namespace, settings.tls, now=clock)
        self._health = Health(
            client,
            registry,
            settings,
            pod=pod,
            namespace=namespace,
            keys=keys,
            events=self._events,
            lease=self.lease,
            clock=clock,
            recorder=recorder,
            last_good=self.last_good,
            renewal=self._certificates.shared(),
            unread=self._watches.unready,
            unready=self.unready,
        )

    @classmethod
    async def connect(
        cls,
        kubeconfig: pathlib.Path | None,
        registry: Registry,
        settings: Settings,
        recorder: Recorder,
        *,
        clock: Clock,
        waiting: Callable[[Certificate], AbstractAsyncContextManager[None]],
    ) -> ClusterSource:
        """Reach the cluster and fetch, or make, the keys of references; ``waiting`` while its API server is away."""
        client = await Client.connect(kubeconfig)
        client.on_date = clock.hear

        @contextlib.asynccontextmanager
        async def listening() -> AsyncIterator[None]:
            certificate = await Certificates(client, own_namespace(), settings.tls, now=clock).certificate()
            async with waiting(certificate):
                yield

        try:
            keys = await reference_keys(client, settings, own_namespace(), listening)
        except BaseException:
            await client.close()
            raise
        return cls(client, registry, settings, keys, recorder, clock=clock)

    async def __aenter__(self) -> Self:
        """Start watching; ``unserving`` tells when everything has been read once."""
        watches = (reflector.run for reflector in self.reflectors.values())
        self._tasks += all_kept_alive((*watches, self._denials.run, self._events.run))
        self._until_resigned = all_kept_alive((self.lease.run, *self._health.everywhere()))
        self._tasks += self._until_resigned
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything, give the lease back, close the connections."""
        await ended((*self._leading, *self._tasks))
        await self._client.close()

    def resign(self) -> None:
        """Give the lease back, so that another replica leads while this one drains; what is under way ends.

        The gate is no longer watched either: it may be on its way out, too.
        """
        for task in self._until_resigned:
            task.cancel()

    # -- what the server asks --------------------------------------------------------------------

    def now(self) -> dt.datetime:
        """Return the instant, by a clock that the API server agrees with."""
        return self._clock()

    async def certificate(self) -> Certificate:
        """Return the serving certificate, which is followed from now on."""
        found = await self._certificates.certificate()
        self._health.follow(found)
        self._tasks += all_kept_alive(self._certificates.everywhere())
        return found

    def unserving(self) -> list[str]:
        """Return the collections that were not read yet, or have long been silent, and that nobody knows the time."""
        return [*self._watches.unserving(), *filter(None, [self._clock.problem()])]

    def unready(self) -> str:
        """Return why no request for accelerators can be decided: not read yet, too old, or nobody knows the time."""
        return "; ".join(filter(None, [self._watches.unready(), self._clock.problem()]))

    async def find_namespace(self, name: str) -> bool:
        """Ask the API server for a namespace that the watch has not shown yet."""
        try:
            namespace = _namespaces.decode(await self._client.get(f"/api/v1/namespaces/{name}"))
        except (ClusterError, msgspec.DecodeError):
            return False
        if name not in self._registry.namespaces:
            self._registry.put_namespace(name, namespace.metadata.labels or {})
        return True

    def note_denial(self, namespace: str, judgement: Judgement, now: dt.datetime) -> None:
        """Take note of a denial, for the tenant to read."""
        self._denials.note(namespace, judgement, now)

    def figures(self, dropped: int) -> Iterable[Metric]:
        """Return what is read at each scrape."""
        return (
            *figures_of(self, self._registry, self._clock(), dropped),
            *clock_figures(self._clock.ahead()),
            *self._weakened.figures(),
            *self._certificates.figures(leads=self.lease.held),
            *rule_figures(self.last_good, self._clock()),
            *self._health.figures(),
            *(self.upkeep.reevaluation.figures() if self.upkeep is not None else ()),
        )

    # -- what the watches and the store tell ------------------------------------------------------

    def _heed(self, ledger: LedgerObject) -> None:
        if self.upkeep is not None:
            self.upkeep.heed(ledger)

    def _tell_weaker(self, name: str, uid: str) -> None:
        """Tell, where this replica leads, of a namespace that is less enforced than before, on the namespace."""
        if self.lease.held:
            about = Regarding("v1", "Namespace", name, uid)
            self._events.record(about, "Weakened", notices.weakened(), action="Mode", warning=True)

    def _went_back(self) -> None:
        """The cluster is a restored backup: have the ledgers counted anew, then start anew.

        Whoever finds out first does so: once a ledger was written, nobody else sees that it was older.
        """
        if self.upkeep is not None:
            self.upkeep.distrust()
        else:
            self._tasks.append(asyncio.create_task(self._begin_again(tuple(self._store.scopes()))))

    async def _begin_again(self, scopes: tuple[str, ...]) -> None:
        await uncount_all(self._store, scopes, timeout=2.0)
        start_anew()

    # -- leadership ------------------------------------------------------------------------------

    def _lead(self, held: bool) -> None:
        for task in self._leading:
            task.cancel()
        self._tasks = [task for task in (*self._tasks, *self._leading) if not task.done()]
        runs = (self._term, *self._certificates.leading(), *self._health.leading()) if held else ()
        self._leading = all_kept_alive(runs)

    async def _term(self) -> None:
        """Do the upkeep until the lease is lost."""
        for reflector in self.reflectors.values():
            await reflector.wait_synced()
        self.upkeep = Upkeep(
            self._client,
            self._registry,
            self.ledger,
            self._store,
            allowances=self._watches.allowances,
            settings=self._settings,
            events=self._events,
            now=self._clock,
            record=lambda lines: asyncio.wrap_future(self._recorder.durably(lines)),
            judging=self._judging(),
        )
        try:
            await self.upkeep.run()
        finally:
            self.upkeep = None

    def _judging(self) -> Judging:
        """What pods that run are judged with: the same as those that are created."""
        key, contact = self.reference_key, self._settings.contact
        endings = Endings(self._registry, granted_by(self._settings))
        judge = Judge(
            self._registry, self.ledger, reference_key=key, contact=contact, unready=self.unready, endings=endings
        )
        return Judging(judge, self.lookup, self._keys, lambda: self.unready() or self._unrecorded())

    def _unrecorded(self) -> str:
        """Return why nothing that must be recorded is done, or ""."""
        return self._recorder.problem if self._settings.record.on_failure == "Deny" else ""
