"""What asking for a resource name means: devices, shares of them, or nothing of our business.

Resource names are no closed set: plugins and device classes can give any name to any device.  So the harmless ones are
listed, and a name that nobody listed is an accelerator of unknown class.
"""

from __future__ import annotations

import enum
import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from admission.catalogue import tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class ResourceRole(enum.StrEnum):
    """What one unit of a resource obtains."""

    COUNT = "count"
    """One device, a partition of one, or a replica of one."""
    SHARE = "share"
    """``Role.per_device`` units are one device, rounded up."""
    QUALIFIER = "qualifier"
    """Memory, cores or priority of devices; alone it still obtains one device."""
    ALL = "all"
    """Every device of the node, whatever the amount."""
    HARMLESS = "harmless"
    """Not an accelerator."""
    UNKNOWN = "unknown"
    """An extended resource that nobody listed: an accelerator of unknown class."""
    NATIVE = "native"
    """Not an extended resource: cpu, memory, hugepages-*, storage, and names of kubernetes.io."""


@dataclass(frozen=True, slots=True)
class Role:
    """A resource name's meaning; shares of one vendor in one pod are of the same devices, so the largest counts."""

    kind: ResourceRole
    vendor: str
    per_device: int = 1
    per_device_by_class: Mapping[str, int] = field(default_factory=dict, hash=False)

    def devices(self, units: int, name: str | None = None) -> int:
        """Return how many devices ``units`` of a count or a share are, on chips of class ``name`` if it is known."""
        return -(-units // self.per_device_by_class.get(name or "", self.per_device))

    def most_devices(self, units: int, names: Iterable[str]) -> int:
        """Return how many devices ``units`` are at most, on chips of any of the classes."""
        if not self.per_device_by_class:
            return -(-units // self.per_device)
        return max(self.devices(units, name) for name in names)


DEVICE_CLASS_PREFIX = "deviceclass.resource.kubernetes.io/"
"""The implicit resource name of every DRA device class (KEP-5004)."""

_NATIVE = Role(ResourceRole.NATIVE, "kubernetes")
_UNKNOWN = Role(ResourceRole.UNKNOWN, "")
_KINDS = tuple(ResourceRole(kind) for kind in ("count", "share", "qualifier", "all", "harmless"))


# Tenants choose the names, so the caches are bounded.
@functools.lru_cache(maxsize=4096)
def is_extended(resource: str) -> bool:
    """Tell whether the scheduler treats the name as an extended resource, device classes of DRA included.

    As in k8s.io/component-helpers: a native name has no domain, or one that ends in kubernetes.io.
    """
    if "/" not in resource:
        return False
    return "kubernetes.io/" not in resource or resource.startswith(DEVICE_CLASS_PREFIX)


@functools.lru_cache(maxsize=4096)
def role(resource: str) -> Role:
    """Return what asking for ``resource`` means; ``NATIVE`` if it is no extended one, ``UNKNOWN`` if not listed."""
    if not is_extended(resource):
        return _NATIVE
    exact, patterns = _table()
    if resource in exact:
        return exact[resource]
    domain = resource.partition("/")[0]
    return next((found for pattern, found in patterns.get(domain, ()) if pattern.fullmatch(resource)), _UNKNOWN)


def harmless() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names that are harmless, and the beginnings of names that all are.

    A beginning that a name of another meaning shares, or that a pattern before it may claim, is left out: the names
    that have it are looked up one by one.
    """
    entries = list(_entries())
    names = tuple(name for name, found in entries if found.kind is ResourceRole.HARMLESS and "*" not in name)
    beginnings = (
        name.removesuffix("*")
        for place, (name, found) in enumerate(entries)
        if found.kind is ResourceRole.HARMLESS and name.endswith("*") and not _claimed(name, entries, place)
    )
    return tuple(sorted(names)), tuple(sorted(beginnings))


def _claimed(pattern: str, entries: list[tuple[str, Role]], place: int) -> bool:
    """Whether a name that fits the pattern can mean something else."""
    beginning = pattern.removesuffix("*")
    others = ((at, name) for at, (name, found) in enumerate(entries) if found.kind is not ResourceRole.HARMLESS)
    return "*" in beginning or any(
        name.startswith(beginning)
        or (at < place and "*" in name and (head := name.partition("*")[0]).startswith(beginning[: len(head)]))
        for at, name in others
        if at < place or "*" not in name
    )


_Table = tuple[dict[str, Role], dict[str, list[tuple[re.Pattern[str], Role]]]]


@functools.cache
def _table() -> _Table:
    """Return the roles by exact name, and the patterns by domain: a lookup tries its own domain's few only."""
    exact: dict[str, Role] = {}
    patterns: dict[str, list[tuple[re.Pattern[str], Role]]] = {}
    for name, found in _entries():
        if "*" in name:
            pattern = re.compile(".*".join(re.escape(part) for part in name.split("*")))
            patterns.setdefault(name.partition("/")[0], []).append((pattern, found))
        else:
            exact[name] = found
    return exact, patterns


def _entries() -> Iterator[tuple[str, Role]]:
    """Yield each name or pattern of the file in its order: within one section too, the first that fits is meant."""
    for section in tables.document("resources.toml")["resource"]:
        for key, names in section.items():
            if key in _KINDS:
                yield from ((name, _role(ResourceRole(key), section)) for name in names)


def _role(kind: ResourceRole, section: dict[str, Any]) -> Role:
    return Role(kind, section["vendor"], section.get("per_device", 1), section.get("per_device_by_class", {}))
