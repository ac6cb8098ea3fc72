"""What the creation or the update of a workload asks for: its roles with new pods, and all of their devices together.

Of an update only the roles count whose template changed or whose pods became more; and of the devices, what is more
than before: pods that replace others hold nothing besides them.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import structs

from admission.demand.devices import MOST_DEVICES, Devices
from admission.demand.pod import Demand, demand_of
from admission.demand.request import DemandError
from admission.demand.workloads.count import CountError
from admission.demand.workloads.pods import pod_of, roles_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.demand.claims import PodClaim
    from admission.demand.inventory import Inventory
    from admission.demand.workloads.expand import Role
    from admission.demand.workloads.fields import Others
    from admission.demand.workloads.table import Table
    from admission.review.pod import Pod

MOST_ASKING = 128
"""Roles of one workload that ask for devices; for each one's constraints the nodes are walked."""

MOST_RESOURCES = 64
"""Resources of one pod: a real one asks for two or three, and each is weighed against every rule."""

MOST_TOGETHER = 256
"""Different devices of all pods; beyond, whether they fit together is left to the reviews of the pods."""


class RolePod(NamedTuple):
    """A role with one of its pods, and the claims that the pod refers to, once they were looked up."""

    role: Role
    pod: Pod
    claims: Mapping[str, PodClaim] = MappingProxyType({})


Place = tuple[str, int]
"""The name of a role, and its number where several have the same."""

Roles = Mapping[Place, RolePod]


@dataclass(frozen=True, slots=True)
class Draft:
    """The roles with pods that are not as they were: now, and before; what they obtain is still to be found.

    ``was`` is None for a new object, and for one that could not be read before.
    """

    now: Roles
    was: Roles | None
    created: bool


@dataclass(frozen=True, slots=True)
class Part:
    """Roles whose pods obtain the same: the roles' names, one of the pods, and what it obtains."""

    names: tuple[str, ...]
    pod: Pod
    demand: Demand
    raised: bool
    """Whether these roles are new, have more pods than before, or pods that reach further."""


@dataclass(frozen=True, slots=True)
class Change:
    """The parts that are asked for anew, and the devices of all pods that the workload did not have before."""

    parts: tuple[Part, ...] = ()
    added: tuple[Devices, ...] = ()


class _Known(NamedTuple):
    """A role with what its pods obtain."""

    role: Role
    pod: Pod
    demand: Demand

    @property
    def pods(self) -> int:
        """How many pods there are at least."""
        return self.role.pods if isinstance(self.role.pods, int) else 1


def draft_of(document: dict[str, Any], before: dict[str, Any] | None, table: Table, others: Others) -> Draft:
    """Return the roles of the object that are to be judged; raises ``CountError`` or ``DemandError``."""
    roles = _placed(roles_of(document, table, others))
    if before is None:
        return Draft(_with_pods(roles, {}), None, created=True)
    try:
        old = _placed(roles_of(before, table, others))
        was = _with_pods(old, roles)
    except (CountError, DemandError):
        return Draft(_with_pods(roles, {}), None, created=False)
    return Draft(_with_pods(roles, old), was, created=False)


def change_of(draft: Draft, inventory: Inventory) -> Change:
    """Return what the object asks for, or what its update adds; raises ``DemandError``.

    What could not be read before is raised by nothing: nobody can tell.
    """
    now, was = _known(draft.now, inventory), None
    if draft.created:
        return Change(_parts((each, True) for each in now.values()), _added(now, {}))
    with contextlib.suppress(DemandError):
        was = None if draft.was is None else _known(draft.was, inventory)
    if was is None:
        return Change(_parts((each, False) for each in now.values()))
    old = {place: each.role for place, each in was.items()}
    asked = {place: each for place, each in now.items() if _has_new_pods(each.role, old.get(place))}
    return Change(_parts((each, _is_raised(each, was.get(place))) for place, each in asked.items()), _added(now, was))


def _placed(roles: Iterable[Role]) -> dict[Place, Role]:
    seen: Counter[str] = Counter()
    found: dict[Place, Role] = {}
    for role in roles:
        found[role.name, seen[role.name]] = role
        seen[role.name] += 1
    return found


def _with_pods(roles: Mapping[Place, Role], others: Mapping[Place, Role]) -> Roles:
    """Return those roles with pods that are not the same among the others; raises ``DemandError``."""
    return {
        place: RolePod(role, pod_of(role))
        for place, role in roles.items()
        if role.pods != 0 and role != others.get(place)
    }


def _known(roles: Roles, inventory: Inventory) -> dict[Place, _Known]:
    found, asking = {}, 0
    for place, each in roles.items():
        demand = demand_of(each.pod, inventory, each.claims)
        if len(demand.devices) > MOST_RESOURCES:
            raise DemandError(
                f"the pods of role {each.role.name[:40]} ask for more than {MOST_RESOURCES} kinds of devices"
            )
        asking += not demand.is_empty
        if asking > MOST_ASKING:
            raise DemandError(f"more than {MOST_ASKING} of its roles ask for devices")
        found[place] = _Known(each.role, each.pod, demand)
    return found


def _has_new_pods(role: Role, old: Role | None) -> bool:
    """Whether the controller will make pods that were not judged: fewer of the same are none."""
    if old is None or (role.template, role.claims) != (old.template, old.claims):
        return True
    return _has_more(role, old)


def _has_more(role: Role, old: Role) -> bool:
    if isinstance(role.pods, int) and isinstance(old.pods, int):
        return role.pods > old.pods
    return role.pods != old.pods


def _is_raised(each: _Known, old: _Known | None) -> bool:
    return old is None or _has_more(each.role, old.role) or not _covers(old.demand, each.demand)


def _covers(old: Demand, new: Demand) -> bool:
    """Whether a pod obtains nothing that the one before could not."""
    return (
        _seconds(new) <= _seconds(old)
        and set(new.access) <= set(old.access)
        and set(new.missing) <= set(old.missing)
        and all(any(_within(each, other) for other in old.devices) for each in new.devices)
    )


def _seconds(demand: Demand) -> float:
    return math.inf if demand.deadline_seconds is None else demand.deadline_seconds


def _within(each: Devices, other: Devices) -> bool:
    return (
        each.resource == other.resource
        and each.count <= other.count
        and set(each.classes) <= set(other.classes)
        and set(each.places) <= set(other.places)
    )


def _parts(known: Iterable[tuple[_Known, bool]]) -> tuple[Part, ...]:
    """Return the parts that ask for anything, each demand once; one that reaches past a request is its role's alone."""
    found: dict[tuple[Demand, str, bool], Part] = {}
    for each, raised in known:
        key = (structs.replace(each.demand, carrier=None), each.role.name if each.demand.access else "", raised)
        if key in found:
            found[key] = replace(found[key], names=(*found[key].names, each.role.name))
        elif not each.demand.is_empty:
            found[key] = Part((each.role.name,), each.pod, each.demand, raised)
    return tuple(found.values())


def _added(now: Mapping[Any, _Known], was: Mapping[Any, _Known]) -> tuple[Devices, ...]:
    """Return what all pods hold more than before; nothing where some devices are given back for others."""
    more, less = _together(now.values()), _together(was.values())
    if less - more or len(more) > MOST_TOGETHER:
        return ()
    return tuple(structs.replace(each, count=min(count, MOST_DEVICES)) for each, count in (more - less).items())


def _together(known: Iterable[_Known]) -> Counter[Devices]:
    total: Counter[Devices] = Counter()
    for each in known:
        for devices in each.demand.devices:
            if devices.charged:
                total[structs.replace(devices, count=0, targets=(), narrowing=(), claim="")] += (
                    devices.count * each.pods
                )
    return total
