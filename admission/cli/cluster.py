"""A cluster as the source: watches into the registry, the ledger in QuotaLedgers, one leader for the upkeep."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import functools
import logging
import os
import pathlib
import random
import secrets
import uuid
from typing import TYPE_CHECKING, Any, Self

import msgspec

from admission.api import API_VERSION
from admission.api.accelerator import AcceleratorClass, AcceleratorPool
from admission.api.allowance import Allowance, LastDenial
from admission.api.dismissal import ScreeningDismissal
from admission.api.enforcement import Enforcement
from admission.api.exemption import Exemption
from admission.api.override import KYCOverride
from admission.api.policy import AccessPolicy
from admission.api.presence import AcceleratorPresence
from admission.api.quota import Authorization, ComputeQuota
from admission.api.tenant import Tenant
from admission.cli.alarm import GateAlarm
from admission.cli.canary import Proof
from admission.cli.certificates import Certificates
from admission.cli.files import node_of
from admission.cli.reevaluation import Judging, stops_of
from admission.cli.upkeep import Upkeep, kept_alive, start_anew
from admission.cli.weakened import Weakened
from admission.cluster import wire
from admission.cluster.backoff import Backoff
from admission.cluster.client import ApiError, Client, ClusterError
from admission.cluster.clock import steady
from admission.cluster.events import Events, Regarding
from admission.cluster.lease import Lease
from admission.cluster.lookup import ClusterLookup
from admission.cluster.reflector import Added, Deleted, Event, Malformed, Modified, Reflector
from admission.enforce.writer import DenialNotes
from admission.ledger.ledger import Ledger
from admission.ledger.objects import LedgerObject, ObjectStore
from admission.ledger.uncount import uncount_all
from admission.review import fitting, notices
from admission.review.claim import DeviceClass, ResourceSlice
from admission.server.figures import figures_of, gate_figures
from admission.server.judge import Judge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from prometheus_client.metrics_core import Metric

    from admission.api.object import Object
    from admission.decide.registry import Registry
    from admission.review.pod import Meta
    from admission.server.judge import Judgement
    from admission.server.recorder import Recorder
    from admission.server.settings import Settings
    from admission.server.tls import Certificate

DECIDING: tuple[type[Object], ...] = (
    Tenant,
    AcceleratorClass,
    AcceleratorPool,
    AcceleratorPresence,
    AccessPolicy,
    ComputeQuota,
    Authorization,
    Exemption,
    ScreeningDismissal,
    KYCOverride,
    Enforcement,
)
"""Our kinds that decide; each is watched by every replica."""

FRESH = frozenset({"namespaces", "tenants", "exemptions", "kycoverrides", "screeningdismissals"})
"""Collections that say who is behind a request, or lets it pass: too old, they would let in what was revoked."""

_CLASSES, _SLICES = "/apis/resource.k8s.io/v1/deviceclasses", "/apis/resource.k8s.io/v1/resourceslices"

_namespaces = msgspec.json.Decoder(wire.Namespace)
logger = logging.getLogger(__name__)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class ClusterSource:
    """Keeps a registry equal to a cluster's objects, and the ledgers equal to its pods."""

    releases_on_delete = False

    def __init__(
        self, client: Client, registry: Registry, settings: Settings, reference_key: bytes, recorder: Recorder
    ) -> None:
        self._recorder = recorder
        self.client, self._registry, self._settings = client, registry, settings
        self.reference_key = reference_key
        self.store = ObjectStore(client, self._went_back)
        self._steady = steady()
        self.ledger = Ledger(self.store, wall=lambda: self._steady().timestamp())
        self._allowances: dict[str, Allowance] = {}
        self._notes = DenialNotes(client)
        self.lookup = ClusterLookup(client)
        self._events = Events(client, os.environ.get("POD_NAME", "computegate"), now=_now)
        self._tasks: list[asyncio.Task[None]] = []
        self._leading: list[asyncio.Task[None]] = []
        self._until_resigned: list[asyncio.Task[None]] = []
        self.reflectors = self._reflectors()
        self.upkeep: Upkeep | None = None
        self._said = ""
        self._weakened = Weakened(registry)
        self._certificates = Certificates(client, _own_namespace(), settings.tls)
        identity = f"{os.environ.get('POD_NAME', 'computegate')}_{uuid.uuid4()}"
        self.lease = Lease(client, _own_namespace(), "computegate", identity, now=_now, on_change=self._lead)
        self.alarm = GateAlarm(client, _own_namespace(), settings.gate, self._events, lease=self.lease, now=_now)
        self._proof = Proof(client, registry, settings, key=reference_key, namespace=_own_namespace(), alarm=self.alarm)

    @classmethod
    async def connect(
        cls, kubeconfig: pathlib.Path | None, registry: Registry, settings: Settings, recorder: Recorder
    ) -> ClusterSource:
        """Reach the cluster and fetch, or make, the key of references."""
        client = await Client.connect(kubeconfig)
        try:
            key = await _patiently(lambda: _reference_key(client, settings))
        except BaseException:
            await client.close()
            raise
        return cls(client, registry, settings, key, recorder)

    async def __aenter__(self) -> Self:
        """Start watching; ``unsynced`` tells when everything has been read once."""
        for run in (
            *(reflector.run for reflector in self.reflectors.values()),
            self._notes.run,
            self._events.run,
        ):
            self._tasks.append(asyncio.create_task(kept_alive(run)))
        runs = (self.lease.run, self.alarm.watch.run, self.alarm.releases.run, *self._proof.everywhere())
        self._until_resigned = [asyncio.create_task(kept_alive(run)) for run in runs]
        self._tasks += self._until_resigned
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything, give the lease back, close the connections."""
        await _ended([*self._leading, *self._tasks])
        await self.client.close()

    def resign(self) -> None:
        """Give the lease back, so that another replica leads while this one drains; what is under way ends.

        The gate is no longer watched either: it may be on its way out, too.
        """
        for task in self._until_resigned:
            task.cancel()

    # -- what the server asks --------------------------------------------------------------------

    async def certificate(self) -> Certificate:
        """Return the serving certificate, which is followed from now on."""
        found = self._proof.certificate = await self._certificates.certificate()
        self._tasks += [asyncio.create_task(kept_alive(run)) for run in self._certificates.everywhere()]
        return found

    def unsynced(self) -> list[str]:
        """Return the collections that have not been read once yet."""
        return [f"{name} not read yet" for name, reflector in self.reflectors.items() if not reflector.synced]

    def unready(self) -> str:
        """Return why nothing controlled can be decided: not read yet, or too old."""
        missing = self.unsynced()
        if missing:
            return "; ".join(missing)
        stale = [name for name in FRESH if self.reflectors[name].silence() > self._settings.stale_seconds]
        return f"nothing heard of {' and '.join(sorted(stale))}" if stale else ""

    async def find_namespace(self, name: str) -> bool:
        """Ask the API server for a namespace that the watch has not shown yet."""
        try:
            namespace = _namespaces.decode(await self.client.get(f"/api/v1/namespaces/{name}"))
        except (ClusterError, msgspec.DecodeError):
            return False
        if name not in self._registry.namespaces:
            self._registry.put_namespace(name, namespace.metadata.labels or {})
        return True

    def note_denial(self, namespace: str, judgement: Judgement, now: dt.datetime) -> None:
        """Keep the denial for the namespace's Allowance."""
        if judgement.tenant and judgement.reference:
            self._event(judgement)
            code = str(fitting.leading(judgement.findings))
            self._notes.note(
                namespace, LastDenial(code=code, reference=judgement.reference, at=now.replace(microsecond=0))
            )

    def _event(self, judgement: Judgement) -> None:
        """Tell, on the Tenant, of the first denial for each public code within an hour.

        Events of cluster-scoped objects stand in the namespace ``default``, where others than operators may read.
        """
        tenant = self._registry.get(Tenant, judgement.tenant)
        if tenant is None:
            return
        about = Regarding(API_VERSION, "Tenant", tenant.name, tenant.metadata.uid)
        note = f"a request was denied; computegate explain {judgement.reference} tells why"
        for code in dict.fromkeys(finding.reason.code for finding in judgement.findings):
            self._events.record(about, str(code), note, action="Admission", warning=True)

    def figures(self, dropped: int) -> Iterable[Metric]:
        """Return what is read at each scrape."""
        return (
            *figures_of(self, self._registry, _now(), dropped),
            *self._weakened.figures(),
            *self._certificates.figures(leads=self.lease.held),
            *gate_figures(self.alarm.watch.problems, self.alarm.watch.breaks, self.alarm.releases.weakened),
            *self._proof.figures(leads=self.lease.held),
            *(self.upkeep.reevaluation.figures() if self.upkeep is not None else ()),
        )

    # -- watches ---------------------------------------------------------------------------------

    def _reflectors(self) -> dict[str, Reflector[Any]]:
        found: dict[str, Reflector[Any]] = {
            "namespaces": self._reflector("/api/v1/namespaces", wire.Namespace, self._on_namespace),
            "nodes": self._reflector("/api/v1/nodes", wire.Node, self._on_node),
            "deviceclasses": self._reflector(_CLASSES, DeviceClass, self._on_device_class, optional=True),
            "resourceslices": self._reflector(_SLICES, ResourceSlice, self._on_slice, optional=True),
            "quotaledgers": Reflector(
                self.client,
                f"/apis/{API_VERSION}/quotaledgers",
                LedgerObject,
                on_change=self._on_ledger,
                on_cut=self.store.doubt,
            ),
            "allowances": self._reflector(
                f"/apis/{API_VERSION}/allowances", Allowance.model_validate_json, self._on_allowance
            ),
        }
        for kind in DECIDING:
            path = f"/apis/{API_VERSION}/{kind.crd.plural}"
            handler = functools.partial(self._on_object, kind)
            found[kind.crd.plural] = self._reflector(path, kind.model_validate_json, handler)
        return found

    def _reflector(
        self, path: str, decoder: Any, handler: Callable[[Event[Any]], None], *, optional: bool = False
    ) -> Reflector[Any]:
        return Reflector(self.client, path, decoder, on_change=handler, optional=optional)

    def _on_object(self, kind: type[Object], event: Event[Any]) -> None:
        if kind is AccessPolicy and isinstance(event, Modified):
            self._weakened.policy(event.key, event.old.spec.mode, event.item.spec.mode, event.item.metadata.annotations)
        match event:
            case Added(key=key, item=item) | Modified(key=key, item=item):
                try:
                    self._registry.put(item)
                except (ValueError, ArithmeticError) as error:
                    self._registry.refuse(kind, key, str(error))
            case Deleted(key=key):
                self._registry.drop(kind, key)
            case Malformed(key=key, error=error):
                self._registry.refuse(kind, key, error)
        if self.reflectors[kind.crd.plural].synced and self._registry.held_back != self._said:
            self._said = self._registry.held_back
            logger.warning("controlled requests wait: %s", self._said or "no longer")

    def _on_namespace(self, event: Event[wire.Namespace]) -> None:
        if isinstance(event, Modified):
            self._heed(event.key, event.old.metadata, event.item.metadata)
        match event:
            case Added(key=key, item=item) | Modified(key=key, item=item):
                self._registry.put_namespace(key, item.metadata.labels or {})
            case Deleted(key=key) | Malformed(key=key):
                self._registry.namespaces.pop(key, None)

    def _heed(self, name: str, old: Meta, new: Meta) -> None:
        """Note a namespace that is less enforced than before; the leader tells of it, on the namespace."""
        weaker = self._weakened.namespace(name, old.labels or {}, new.labels or {}, new.annotations or {})
        if weaker and self.lease.held:
            about = Regarding("v1", "Namespace", name, new.uid)
            self._events.record(about, "Weakened", notices.weakened(), action="Mode", warning=True)

    def _on_node(self, event: Event[wire.Node]) -> None:
        match event:
            case Added(item=item) | Modified(item=item):
                self._registry.put_node(node_of(item))
            case Deleted(key=key) | Malformed(key=key):
                self._registry.drop_node(key)

    def _on_device_class(self, event: Event[DeviceClass]) -> None:
        match event:
            case Added(item=item) | Modified(item=item):
                self._registry.put_device_class(item)
            case Deleted(key=key) | Malformed(key=key):
                self._registry.drop_device_class(key)

    def _on_slice(self, event: Event[ResourceSlice]) -> None:
        match event:
            case Added(item=item) | Modified(item=item):
                self._registry.put_slice(item)
            case Deleted(key=key) | Malformed(key=key):
                self._registry.drop_slice(key)

    def _on_ledger(self, event: Event[LedgerObject]) -> None:
        match event:
            case Added(item=item) | Modified(item=item):
                self.store.observe(item)
                if self.upkeep is not None:
                    self.upkeep.heed(item)
            case Deleted() | Malformed():
                self.store.forget()

    def _went_back(self) -> None:
        """The cluster is a restored backup: have the ledgers counted anew, then start anew.

        Whoever finds out first does so: once a ledger was written, nobody else sees that it was older.
        """
        if self.upkeep is not None:
            self.upkeep.distrust()
        else:
            self._tasks.append(asyncio.create_task(self._begin_again(tuple(self.store.scopes()))))

    async def _begin_again(self, scopes: tuple[str, ...]) -> None:
        await uncount_all(self.store, scopes, timeout=2.0)
        start_anew()

    def _on_allowance(self, event: Event[Allowance]) -> None:
        namespace = event.key.partition("/")[0]
        match event:
            case Added(key=key, item=item) | Modified(key=key, item=item):
                self._allowances[key] = item
                self._registry.stops.say(namespace, *stops_of(item, namespace, self.reference_key))
            case Deleted(key=key):
                self._allowances.pop(key, None)
                self._registry.stops.say(namespace, "", ())
            case Malformed(key=key):
                self._allowances.pop(key, None)  # what it stopped stays stopped

    # -- leadership ------------------------------------------------------------------------------

    def _lead(self, held: bool) -> None:
        for task in self._leading:
            task.cancel()
        self._tasks = [task for task in (*self._tasks, *self._leading) if not task.done()]
        runs = (self._term, *self._certificates.leading(), *self._proof.leading()) if held else ()
        self._leading = [asyncio.create_task(kept_alive(run)) for run in runs]

    async def _term(self) -> None:
        """Do the upkeep until the lease is lost."""
        for reflector in self.reflectors.values():
            await reflector.wait_synced()
        self.upkeep = Upkeep(
            self.client,
            self._registry,
            self.ledger,
            self.store,
            allowances=self._allowances,
            settings=self._settings,
            events=self._events,
            now=self._steady,
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
        judge = Judge(self._registry, self.ledger, reference_key=key, contact=contact, unready=self.unready)
        return Judging(judge, self.lookup, key, lambda: self.unready() or self._unrecorded())

    def _unrecorded(self) -> str:
        """Return why nothing that must be recorded is done, or ""."""
        return self._recorder.problem if self._settings.record.on_failure == "Deny" else ""


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _own_namespace() -> str:
    if "POD_NAMESPACE" in os.environ:
        return os.environ["POD_NAMESPACE"]
    inside = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    return inside.read_text().strip() if inside.exists() else "computegate-system"


async def _patiently(ask: Callable[[], Awaitable[bytes]]) -> bytes:
    """Ask until the API server answers: one that is away comes back.  Raises ``ApiError`` for a no that stays one."""
    backoff = Backoff(random.uniform)  # (spreads replicas, guards nothing)
    while True:
        try:
            return await ask()
        except ClusterError as error:
            if isinstance(error, ApiError) and not (error.outcome_unknown or error.retry_after):
                raise
            if not backoff.failures:
                logger.warning("the API server does not answer; this replica starts once it does: %s", error)
            await asyncio.sleep(backoff.delay(error.retry_after if isinstance(error, ApiError) else None))


async def _reference_key(client: Client, settings: Settings) -> bytes:
    """Return the key of references: from the file, or from the Secret, which the first replica makes."""
    if settings.reference_key_file is not None:
        return settings.reference_key_file.read_bytes()
    collection, name = f"/api/v1/namespaces/{_own_namespace()}/secrets", settings.reference_secret
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "data": {"key": base64.b64encode(secrets.token_bytes(32)).decode()},
    }
    try:
        found = await client.create(collection, msgspec.json.encode(secret))
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        found = await client.get(f"{collection}/{name}")
    return base64.b64decode(msgspec.json.decode(found)["data"]["key"])
