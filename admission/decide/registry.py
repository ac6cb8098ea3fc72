"""Everything the installation knows, kept current object by object: tenants, rules, limits, nodes.

Fed by a cluster's watches or by files; reads neither.  What is derived is computed when first asked for after
a change, never for each request.
"""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING, TypeVar, cast

from admission.api import END_CUSTOMER_LABEL, MODE_LABEL, TENANT_LABEL
from admission.api.accelerator import AcceleratorClass, AcceleratorPool
from admission.api.dismissal import ScreeningDismissal
from admission.api.object import Object
from admission.api.policy import AccessPolicy, Mode
from admission.api.presence import AcceleratorPresence
from admission.api.quota import Authorization, ComputeQuota
from admission.api.tenant import Tenant
from admission.catalogue.chip import Chip
from admission.decide.dangling import Dangling, find_claimed_twice, find_dangling
from admission.decide.question import Requester
from admission.decide.rulebook import Rulebook
from admission.decide.rules import NEVER
from admission.decide.stops import Stops
from admission.demand.taking import take_inventory
from admission.tenants.group import Groups
from admission.tenants.standing import Standing, standing_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from admission.catalogue.catalogue import Catalogue
    from admission.decide.rules import RulesInForce
    from admission.demand.inventory import Inventory, Node, Target
    from admission.review.claim import DeviceClass, ResourceSlice
    from admission.tenants.group import Top

DECISIVE = frozenset(
    {"AccessPolicy", "ComputeQuota", "AcceleratorClass", "AcceleratorPool", "AcceleratorPresence", "Authorization"}
)
"""Kinds of which one that cannot be read makes every request for accelerators wait: it may be the one that forbids."""


T = TypeVar("T", bound=Object)

_NAMES_DEVICES = frozenset({"AcceleratorPool", "AcceleratorClass"})


class Registry:
    """The objects, by kind and name, and what follows from them."""

    def __init__(
        self, catalogue: Catalogue, *, default_mode: Mode = Mode.Observe, default_country: str = "", shards: int = 0
    ) -> None:
        self.standings: dict[str, Standing] = {}
        self.namespaces: dict[str, Mapping[str, str]] = {}
        self.nodes: dict[str, Node] = {}
        self.device_classes: dict[str, DeviceClass] = {}
        self.slices: dict[str, ResourceSlice] = {}
        self.unreadable: dict[tuple[str, str], str] = {}
        self.default_mode = default_mode
        self.shards = shards
        self.stops = Stops()
        self._objects: dict[type[Object], dict[str, Object]] = {}
        self._listed: dict[type[Object], tuple[Object, ...]] = {}
        self._groups = Groups()
        self._default_country = default_country
        self._builtin = catalogue
        self._catalogue: Catalogue | None = None
        self._inventory: Inventory | None = None
        self._targets: dict[str, tuple[Node, Target]] = {}
        self._rulebook: Rulebook | None = None
        self._grants: dict[str, tuple[Authorization, ...]] | None = None
        self._held_back: tuple[datetime, datetime, str] | None = None
        self._requesters: dict[str, tuple[Mapping[str, str], Requester]] = {}
        self._requesters_of: object = None
        self.generation = object()
        """Another one after each change of an object; namespaces and nodes are not among them."""

    def put(self, obj: Object) -> None:
        """Take in an object, new or changed."""
        replaced = self.get(type(obj), obj.name)
        self._objects.setdefault(type(obj), {})[obj.name] = obj
        self._listed.pop(type(obj), None)
        self.unreadable.pop((obj.kind, obj.name), None)
        if isinstance(obj, Tenant):
            self._stand(obj)
        elif isinstance(obj, ScreeningDismissal):
            self._heed(obj)
            if isinstance(replaced, ScreeningDismissal):
                self._heed(replaced)
        self._invalidate(obj.kind)

    def drop(self, kind: type[Object], name: str) -> None:
        """Forget an object."""
        dropped = self._objects.get(kind, {}).pop(name, None)
        self._listed.pop(kind, None)
        self.unreadable.pop((kind.__name__, name), None)
        if isinstance(dropped, ScreeningDismissal):
            self._heed(dropped)
        if kind is Tenant:
            self.standings.pop(name, None)
            self._regroup(name, None)
        self._invalidate(kind.__name__)

    def _stand(self, tenant: Tenant) -> None:
        standing = standing_of(tenant, self.every(ScreeningDismissal))
        self.standings[tenant.name] = standing
        self._regroup(tenant.name, standing.top)

    def _regroup(self, tenant: str, top: Top | None) -> None:
        """Put the tenants into their groups that a tenant's coming, change or going puts into others."""
        for name, group in self._groups.put(tenant, top).items():
            self.standings[name] = self.standings[name].in_group(group)

    def _heed(self, dismissal: ScreeningDismissal) -> None:
        """Compute the standing anew of whom a dismissal is about, that came, changed or went."""
        tenant = self.get(Tenant, dismissal.spec.tenant)
        if tenant is not None:
            self._stand(tenant)

    def refuse(self, kind: type[Object], name: str, problem: str) -> None:
        """Note an object that cannot be read: it is absent, and for a decisive one requests for accelerators wait."""
        self.drop(kind, name)
        self.unreadable[kind.__name__, name] = problem

    def every(self, kind: type[T]) -> tuple[T, ...]:
        """Return all objects of a kind: the same tuple until one of them changes."""
        listed = self._listed.get(kind)
        if listed is None:
            listed = self._listed[kind] = tuple(self._objects.get(kind, {}).values())
        return cast("tuple[T, ...]", listed)

    def get(self, kind: type[T], name: str) -> T | None:
        """Return an object by kind and name."""
        return cast("dict[str, T]", self._objects.get(kind, {})).get(name)

    def emptied(self, catalogue: Catalogue) -> Registry:
        """Return a registry with nothing in it, for the same installation."""
        return Registry(
            catalogue, default_mode=self.default_mode, default_country=self._default_country, shards=self.shards
        )

    def become(self, other: Registry) -> None:
        """Take over everything of another registry, in one step."""
        self.__dict__.update(other.__dict__)

    def beside(self, changes: Mapping[tuple[type[Object], str], Object | None]) -> Registry:
        """Return one that shares everything with this one but some objects, None being one that is not there.

        For questions of the moment: what is put here later reaches it in part.  Not for Tenants and dismissals, whose
        standings are shared.
        """
        other = copy.copy(self)
        other.differ(changes)
        return other

    def differ(self, changes: Mapping[tuple[type[Object], str], Object | None]) -> None:
        """Have some objects otherwise from now on, in collections that no other registry shares."""
        self._objects, self._listed = dict(self._objects), {}
        self.unreadable = {key: why for key, why in self.unreadable.items() if key not in _named(changes)}
        for (kind, name), obj in changes.items():
            others = {key: each for key, each in self._objects.get(kind, {}).items() if key != name}
            self._objects[kind] = others if obj is None else {**others, name: obj}
        for each in DECISIVE:
            self._invalidate(each)

    def _invalidate(self, kind: str) -> None:
        self.generation = object()
        if kind in DECISIVE:
            self._held_back = None
        if kind in _NAMES_DEVICES:
            self._catalogue = self._rulebook = None
            self._take_anew()
        if kind == "AcceleratorPresence":
            self._inventory = None
        if kind == "AccessPolicy":
            self._rulebook = None
        if kind == "Authorization":
            self._grants = None

    def put_namespace(self, name: str, labels: Mapping[str, str]) -> None:
        """Take in a namespace by its labels."""
        self.namespaces[name] = labels

    def put_node(self, node: Node) -> None:
        """Take in a node; a heartbeat that changes nothing costs nothing."""
        if self.nodes.get(node.name) != node:
            self.nodes[node.name] = node
            self._inventory = None

    def drop_node(self, name: str) -> None:
        """Forget a node."""
        if self.nodes.pop(name, None) is not None:
            self._inventory = None

    def _take_anew(self) -> None:
        """What every node offers may be another."""
        self._inventory = None
        self._targets = {}

    def put_device_class(self, found: DeviceClass) -> None:
        """Take in a class of devices: what stands for which devices may have changed."""
        self.device_classes[found.metadata.name] = found
        self._take_anew()

    def drop_device_class(self, name: str) -> None:
        """Forget a class of devices."""
        self.device_classes.pop(name, None)
        self._take_anew()

    def put_slice(self, found: ResourceSlice) -> None:
        """Take in what a driver publishes."""
        self.slices[found.metadata.name] = found
        self._take_anew()

    def drop_slice(self, name: str) -> None:
        """Forget what a driver published."""
        self.slices.pop(name, None)
        self._take_anew()

    def grants_of(self, tenant: str) -> tuple[Authorization, ...]:
        """The authorizations of one tenant, those that do not hold now too."""
        if self._grants is None:
            self._grants = {}
            for grant in self.every(Authorization):
                self._grants[grant.spec.tenant] = (*self._grants.get(grant.spec.tenant, ()), grant)
        return self._grants.get(tenant, ())

    def held_back_at(self, now: datetime) -> str:
        """Why requests for accelerators wait, or "": decisive objects that cannot be read or do not fit together."""
        if self._held_back is None or not self._held_back[0] <= now < self._held_back[1]:
            unreadable = [f"{kind} {name}: {why}" for (kind, name), why in self.unreadable.items() if kind in DECISIVE]
            said = "; ".join((*unreadable, *(each.sentence for each in self.dangling(now))))
            self._held_back = now, self._rules().next_change(now) or NEVER, said
        return self._held_back[2]

    def is_decisive_unreadable(self) -> bool:
        """Whether an object of a decisive kind cannot be read."""
        return any(kind in DECISIVE for kind, _ in self.unreadable)

    def dangling(self, now: datetime | None = None) -> tuple[Dangling, ...]:
        """What in decisive objects does not fit together, each with its field; found anew each time.

        With None also in policies that do not enforce, and in rules that are not followed or are over.
        """
        found = find_dangling(self.every(AccessPolicy), self.every(ComputeQuota), self.catalogue.chips, now)
        return (*found, *find_claimed_twice(self.every(AcceleratorClass)))

    @property
    def catalogue(self) -> Catalogue:
        """The built-in catalogue with the operator's classes."""
        if self._catalogue is None:
            chips = self.every(AcceleratorClass)
            self._catalogue = self._builtin.adding(
                [_chip(chip) for chip in chips],
                {resource: chip.name for chip in chips for resource in chip.spec.resources},
                [
                    (match.key, value, chip.name)
                    for chip in chips
                    for match in chip.spec.node_labels
                    for value in match.values
                ],
            )
        return self._catalogue

    @property
    def inventory(self) -> Inventory:
        """Nodes and pools with devices."""
        if self._inventory is None:
            nodes, pools = self.nodes.values(), self.every(AcceleratorPool)
            self._inventory = take_inventory(
                nodes,
                pools,
                self.catalogue,
                self._default_country,
                device_classes=self.device_classes.values(),
                slices=self.slices.values(),
                presences=self.every(AcceleratorPresence),
                known=self._targets,
            )
        return self._inventory

    def rules(self, now: datetime) -> RulesInForce:
        """The rules in force at ``now``."""
        return self._rules().at(now)

    def next_change(self, now: datetime) -> datetime | None:
        """The first instant after ``now`` at which a verdict may change though no object does; None for never.

        Rules, country groups, control entries and authorizations begin and end, dismissals end; a clearance has its own
        expiry.
        """
        grants = self.every(Authorization)
        dated = {self._rules().next_change(now)} | {each.spec.valid_from for each in grants}
        dated |= {each.spec.valid_until for each in grants}
        dated |= {each.spec.valid_until for each in self.every(ScreeningDismissal)}
        return min((moment for moment in dated if moment is not None and moment > now), default=None)

    def _rules(self) -> Rulebook:
        if self._rulebook is None:
            policies = self.every(AccessPolicy)
            self._rulebook = Rulebook(policies, self.catalogue, _version(policies))
        return self._rulebook

    def mode(self, namespace: str) -> Mode:
        """The mode of a namespace: its guarded label, or the default; a word that is no mode enforces."""
        word = self.namespaces.get(namespace, {}).get(MODE_LABEL)
        if word is None:
            return self.default_mode
        return Mode(word) if word in set(Mode) else Mode.Enforce

    def requester(self, namespace: str) -> Requester:
        """Who is behind a namespace."""
        labels = self.namespaces.get(namespace)
        if labels is None:
            return self._behind(namespace, "", "")
        if self._requesters_of is not self.generation:
            self._requesters, self._requesters_of = {}, self.generation
        known = self._requesters.get(namespace)
        if known is None or known[0] is not labels:
            found = self._behind(namespace, labels.get(TENANT_LABEL, ""), labels.get(END_CUSTOMER_LABEL, ""))
            known = self._requesters[namespace] = labels, found
        return known[1]

    def requester_of(self, name: str) -> Requester:
        """Who is behind whatever a tenant asks for, in no namespace and for no end customer."""
        return self._behind("", name, "")

    def _behind(self, namespace: str, name: str, customer: str) -> Requester:
        tenant = self._active(name)
        supplier = (tenant.tenant.spec.supplied_by or "") if tenant else ""
        return Requester(
            namespace=namespace,
            tenant_name=name,
            tenant=tenant,
            supplier_name=supplier,
            supplier=self._active(supplier),
            customer_name=customer,
            customer=self._active(customer),
        )

    def _active(self, name: str) -> Standing | None:
        """The standing of a Tenant; none of one that is being deleted, which is there for what it still holds."""
        standing = self.standings.get(name)
        return None if standing and standing.tenant.metadata.deletion_timestamp else standing

    def group_of(self, account: str) -> str:
        """The ownership group of an account, ``tenant`` or ``reseller/customer``: that of who computes."""
        name = account.rpartition("/")[2]
        standing = self.standings.get(name)
        return standing.group if standing else name

    def group(self, account: str) -> frozenset[str]:
        """The tenants of the ownership group of an account, who computes among them."""
        name = account.rpartition("/")[2]
        return self._groups.of(name) | {name}


def _named(changes: Iterable[tuple[type[Object], str]]) -> frozenset[tuple[str, str]]:
    return frozenset((kind.__name__, name) for kind, name in changes)


def _version(policies: Iterable[AccessPolicy]) -> str:
    """A short name of this set of rules, for the record: equal texts have equal versions."""
    texts = sorted(policy.model_dump_json(include={"spec"}) + policy.name for policy in policies)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


def _chip(declared: AcceleratorClass) -> Chip:
    spec = declared.spec
    return Chip(
        name=declared.name,
        display_name=spec.display_name or declared.name,
        aliases=(),
        vendor="",
        throughput=tuple((each.bits, each.tera_ops) for each in spec.throughput),
        die_mm2=spec.die_area_mm2,
        bandwidth_gb_s=spec.memory_bandwidth_gb_per_second,
        data_center=spec.data_center,
        certainty="M",
        source=spec.source,
        interconnect_gb_s=spec.interconnect_gb_per_second,
    )
