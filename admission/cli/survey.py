"""The pods, nodes and namespaces of a cluster as the webhook would see them, page by page and counted by controller."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from admission.api import API_VERSION
from admission.api.accelerator import AcceleratorClass, AcceleratorPool
from admission.api.exemption import Exemption
from admission.api.tenant import Tenant
from admission.catalogue.catalogue import Catalogue
from admission.cli.files import node_of
from admission.cluster import wire
from admission.cluster.client import ApiError
from admission.cluster.lists import pages
from admission.cluster.lookup import ClusterLookup
from admission.decide.exemption import exempted
from admission.decide.registry import Registry
from admission.demand.access import Access
from admission.demand.pod import demand_of
from admission.demand.request import DemandError
from admission.ledger.seen import ENDED
from admission.review.pod import MIRROR, Pod
from admission.server.claims import claims_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.api.object import Object
    from admission.cluster.client import Client

MOST_GROUPS = 10_000
"""Controllers that are counted one by one."""

MOST_FIELDS = 4
"""Fields that are named for one controller."""

_KINDS: tuple[type[Object], ...] = (Tenant, AcceleratorClass, AcceleratorPool, Exemption)
_ABOVE = {"ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets/{}", "Job": "/apis/batch/v1/namespaces/{}/jobs/{}"}
"""Controllers that another one made, and where they are read."""


class _Owner(msgspec.Struct, frozen=True):
    kind: str
    name: str
    controller: bool | None = None


class _Owned(msgspec.Struct, frozen=True, rename="camel"):
    owner_references: tuple[_Owner, ...] | None = None


class _Object(msgspec.Struct, frozen=True):
    metadata: _Owned


class Denied(msgspec.Struct, frozen=True):
    """A controller, or a pod of nobody's, whose pods would be denied for what they reach unasked."""

    namespace: str
    kind: str
    name: str
    ways: tuple[str, ...]
    fields: tuple[str, ...]
    pods: int


class Unowned(msgspec.Struct, frozen=True):
    """A namespace without a Tenant whose pods hold accelerators."""

    namespace: str
    pods: int


class UndeclaredNode(msgspec.Struct, frozen=True, rename="camel"):
    """A node with accelerators that no AcceleratorPool declares; the class empty where its labels name none."""

    name: str
    accelerator_class: str


class Survey(msgspec.Struct, frozen=True):
    """What was found; ``more`` pods belong to controllers beyond those that are counted one by one."""

    pods: int
    denied: tuple[Denied, ...]
    more: int
    unowned: tuple[Unowned, ...]
    nodes: tuple[UndeclaredNode, ...]
    problems: tuple[str, ...]

    @property
    def breaks(self) -> bool:
        """Whether pods that run now would be denied if they were created in an enforced namespace."""
        return bool(self.denied or self.more or self.unowned or any(not node.accelerator_class for node in self.nodes))


@dataclass(slots=True)
class _Group:
    ways: dict[str, None] = field(default_factory=dict)
    fields: dict[str, None] = field(default_factory=dict)
    pods: int = 0

    def add(self, found: Iterable[Access]) -> None:
        for access in found:
            self.ways[access.way] = None
            if len(self.fields) < MOST_FIELDS:
                self.fields[access.field] = None
        self.pods += 1


class _Surveyor:
    """Looks at one pod after the other and keeps the counts."""

    def __init__(self, registry: Registry, exempt: frozenset[str], lookup: ClusterLookup) -> None:
        self.registry, self._exempt, self._lookup = registry, exempt, lookup
        self._now = dt.datetime.now(dt.UTC)
        self.groups: dict[tuple[str, str, str], _Group] = {}
        self.unowned: dict[str, int] = {}
        self.pods = self.more = 0

    async def look(self, raw: bytes) -> None:
        """Count a pod; one that ended, or that a kubelet runs by itself, asks nobody."""
        pod = _pods.decode(raw)
        namespace = pod.metadata.namespace
        if pod.status.phase in ENDED or MIRROR in (pod.metadata.annotations or {}):
            return
        if namespace in self._exempt:
            return
        self.pods += 1
        found = await self._found(pod)
        if found:
            self._add((namespace, *_controller(raw, pod)), found)

    async def _found(self, pod: Pod) -> list[Access]:
        namespace = pod.metadata.namespace
        try:
            demand = demand_of(pod, self.registry.inventory, await claims_of(pod, namespace, self._lookup))
        except DemandError as error:
            return [Access("unreadable", str(error))]
        if (demand.devices or demand.missing) and self.registry.requester(namespace).tenant is None:
            self.unowned[namespace] = self.unowned.get(namespace, 0) + 1
        exemptions = self.registry.every(Exemption)
        exempt = exempted(demand.access, demand.carrier, exemptions, namespace, self._now)
        return [access for access in demand.access if access not in exempt]

    def _add(self, key: tuple[str, str, str], found: list[Access]) -> None:
        if key not in self.groups and len(self.groups) >= MOST_GROUPS:
            self.more += 1
        else:
            self.groups.setdefault(key, _Group()).add(found)


_pods = msgspec.json.Decoder(Pod)
_objects = msgspec.json.Decoder(_Object)
_namespaces = msgspec.json.Decoder(wire.Namespace)
_nodes = msgspec.json.Decoder(wire.Node)
_identities = msgspec.json.Decoder(wire.Identified)


async def survey(client: Client, exempt: frozenset[str], only: frozenset[str] = frozenset()) -> Survey:
    """Look at every pod outside the exempt namespaces, or at those of some only; raises ``ClusterError``."""
    registry = await registry_of(client, _KINDS)
    surveyor = _Surveyor(registry, exempt, ClusterLookup(client))
    for path in [f"/api/v1/namespaces/{name}/pods" for name in sorted(only)] or ["/api/v1/pods"]:
        async for page in pages(client, path):
            for raw in page:
                await surveyor.look(bytes(raw))
    return Survey(
        pods=surveyor.pods,
        denied=tuple(await _denied(client, surveyor.groups)),
        more=surveyor.more,
        unowned=tuple(Unowned(name, pods) for name, pods in sorted(surveyor.unowned.items())),
        nodes=tuple(_undeclared(registry)),
        problems=tuple(f"{kind} {name}: {why}" for (kind, name), why in sorted(registry.unreadable.items())),
    )


async def registry_of(client: Client, kinds: Iterable[type[Object]], default_country: str = "") -> Registry:
    """Return namespaces, nodes and the objects of some kinds as they stand; raises ``ClusterError``."""
    registry = Registry(Catalogue.builtin(), default_country=default_country)
    async for page in pages(client, "/api/v1/namespaces"):
        for raw in page:
            metadata = _namespaces.decode(raw).metadata
            registry.put_namespace(metadata.name, metadata.labels or {})
    async for page in pages(client, "/api/v1/nodes"):
        for raw in page:
            registry.put_node(node_of(_nodes.decode(raw)))
    for kind in kinds:
        async for page in pages(client, f"/apis/{API_VERSION}/{kind.crd.plural}"):
            for raw in page:
                _put(registry, kind, bytes(raw))
    return registry


def _put(registry: Registry, kind: type[Object], raw: bytes) -> None:
    try:
        registry.put(kind.model_validate_json(raw))
    except (ValueError, ArithmeticError) as error:
        registry.refuse(kind, _identities.decode(raw).metadata.name, " ".join(str(error).split())[:500])


def _controller(raw: bytes, pod: Pod) -> tuple[str, str]:
    """Return the kind and name of what controls the pod, or the pod itself."""
    owner = _owner(raw)
    return (owner.kind, owner.name) if owner else ("Pod", pod.metadata.name)


def _owner(raw: bytes) -> _Owner | None:
    owners = _objects.decode(raw).metadata.owner_references or ()
    return next((owner for owner in owners if owner.controller), None)


async def _denied(client: Client, groups: dict[tuple[str, str, str], _Group]) -> list[Denied]:
    """Return the groups, those of a Deployment's ReplicaSets and of a CronJob's Jobs as one."""
    merged: dict[tuple[str, str, str], _Group] = {}
    for (namespace, kind, name), group in groups.items():
        above = await _above(client, namespace, kind, name)
        into = merged.setdefault((namespace, *above), _Group())
        into.ways |= group.ways
        into.fields |= group.fields
        into.pods += group.pods
    return [
        Denied(*key, tuple(group.ways), tuple(group.fields)[:MOST_FIELDS], group.pods)
        for key, group in sorted(merged.items())
    ]


async def _above(client: Client, namespace: str, kind: str, name: str) -> tuple[str, str]:
    if kind in _ABOVE:
        try:
            owner = _owner(await client.get(_ABOVE[kind].format(namespace, name)))
        except ApiError:  # gone meanwhile, or not ours to read: its own name tells enough
            return kind, name
        if owner is not None:
            return owner.kind, owner.name
    return kind, name


def _undeclared(registry: Registry) -> Iterable[UndeclaredNode]:
    pools = registry.every(AcceleratorPool)
    for name, target in sorted(registry.inventory.nodes.items()):
        declared = any(pool.spec.node_labels.items() <= target.labels.items() for pool in pools)
        if not declared and (target.resources or target.awaited is not None):
            yield UndeclaredNode(name, "|".join(sorted(target.classes)))
