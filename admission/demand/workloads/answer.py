"""The demand of one object: of its largest pod, of all pods at once, and at the declared ceiling."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from admission.catalogue.resources import ResourceRole, role
from admission.demand.access import Access, find_access
from admission.demand.fraction import fraction_devices
from admission.demand.request import effective_request, implied_devices
from admission.demand.workloads import claims, count, particular
from admission.demand.workloads.count import UNKNOWN, Count, CountError
from admission.demand.workloads.embedded import asked_in_strings, is_harmless_class
from admission.demand.workloads.expand import MOST_ROLES, Role, Workload, expand
from admission.demand.workloads.exposure import further_access, reaches_devices, told_apart
from admission.demand.workloads.fields import mapped, text
from admission.demand.workloads.shape import containers_of, fields_of_devices, roles_by_shape
from admission.demand.workloads.template import read_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from admission.demand.workloads.claims import Devices
    from admission.demand.workloads.fields import Others
    from admission.demand.workloads.table import Kind, Table

DEEPEST = 4
"""Objects inside objects that are followed; one with more is refused."""

Amounts = dict[str, int | str]
"""Resource or device class to how many; text where it cannot be counted (``4x?``, ``16xper-node``, ``?:$GPUS``)."""

_COUNTED = frozenset(
    {ResourceRole.COUNT, ResourceRole.SHARE, ResourceRole.QUALIFIER, ResourceRole.UNKNOWN, ResourceRole.ALL}
)
_PERCENT = 100


@dataclass(frozen=True, slots=True)
class RoleDemand:
    """What the pods of one role can obtain, each of them."""

    name: str
    per_pod: Amounts
    pods: Count
    most: Count | None
    claims: Devices
    shared: dict[str, Devices]
    access: tuple[Access, ...]
    notes: tuple[str, ...] = ()
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The demand of one object, and the category it falls in."""

    expected: str
    roles: tuple[RoleDemand, ...] = ()
    per_pod: Amounts = field(default_factory=dict)
    pods: Count | None = None
    total: Amounts = field(default_factory=dict)
    max_pods: Count | None = None
    max_total: Amounts | None = None
    dra_total: Amounts = field(default_factory=dict)
    access: tuple[Access, ...] = ()
    notes: tuple[str, ...] = ()


def answer(document: dict[str, Any], table: Table, others: Others) -> Answer:
    """Return what the object can obtain; raises ``CountError`` or ``DemandError`` where it cannot be read."""
    group = text(document, "apiVersion").rpartition("/")[0]
    name = text(document, "kind")
    if group == claims.GROUP and name in {"ResourceClaim", "ResourceClaimTemplate"}:
        return Answer("dra-claim", notes=(*_told(claims.devices_of_claim(document)), *claims.refusals(document)))
    if group == claims.GROUP and name == "DeviceClass":
        return Answer("dra-class", notes=tuple(_class_notes(document)))
    if group == claims.DOMAIN_GROUP and name == "ComputeDomain":
        return Answer("dra-compute-domain", notes=tuple(_told(claims.devices_of_claim(document))))
    kind = table.kind(document.get("apiVersion"), name)
    workload = workload_of(document, table, others)
    demands = tuple(_role_demand(each, others) for each in workload.roles)
    embedded = asked_in_strings(document, workload.embedded)
    notes = [*workload.notes, *(note for each in demands for note in each.notes)]
    notes += [f"also decided by {each}" for each in workload.refers]
    notes += [f"a manifest inside a string asks for {each}" for each in embedded]
    expected = _category(kind, workload, demands, table, embedded=bool(embedded))
    return _summed(expected, demands, tuple(dict.fromkeys(notes)))


def workload_of(document: dict[str, Any], table: Table, others: Others, depth: int = 0) -> Workload:
    """Return the roles of an object, of the objects inside it, and of what its shape shows besides."""
    kind = table.kind(document.get("apiVersion"), document.get("kind"))
    if kind is not None and kind.other:
        return Workload()
    workload = expand(document, kind) if kind is not None else Workload()
    if kind is not None and kind.particular:
        workload = particular.CODE[kind.particular](document, workload, others)
    if workload.wrapped and depth >= DEEPEST:
        raise CountError(f"more than {DEEPEST} objects inside one another; take them apart")
    for wrapped in workload.wrapped:
        inner = workload_of(wrapped, table, others, depth + 1)
        prefix = text(wrapped, "kind")
        named = (replace(each, name=f"{prefix}:{each.name}") for each in inner.roles)
        workload = workload.with_roles(*named).referring(*inner.refers).with_notes(*inner.notes)
    if len(workload.roles) > MOST_ROLES:
        raise CountError(f"more than {MOST_ROLES} roles; split the object")
    found = _with_shapes(document, kind, workload)
    if kind is not None and kind.template:
        found = replace(found, roles=tuple(replace(each, pods=0, most=None, idle=True) for each in found.roles))
    return found


def _with_shapes(document: dict[str, Any], kind: Kind | None, workload: Workload) -> Workload:
    """Return the workload with the pod templates that neither table nor code found; in a known kind, if they matter."""
    if kind is not None and kind.wraps:
        return workload  # the objects inside were searched themselves
    templates = [template for each in workload.roles for template in (each.template, *each.parts)]
    seen = {container for template in templates for container in containers_of(template)}
    found = [
        each
        for each in roles_by_shape(document, resources_too=kind is None)
        if not seen.intersection(containers_of(each.template))
    ]
    if kind is None:
        return workload.with_roles(*found).with_notes(*_doubts(document, found=bool(found)))
    matters = [replace(each, pods=UNKNOWN) for each in found if _matters(each)]
    notes = (f"{each.name} is in no table; its pods were found by their shape" for each in matters)
    return workload.with_roles(*matters).with_notes(*notes)


def _doubts(document: dict[str, Any], *, found: bool) -> Iterable[str]:
    """Yield what makes the answer for a kind doubtful that is in no table."""
    if found:
        yield "the kind is in no table; its pods were found by their shape"
    for field_name in () if found else fields_of_devices(document):
        yield f"{field_name} may stand for devices; the kind is in no table"


def _matters(each: Role) -> bool:
    demand = _role_demand(each, lambda _kind, _name: None)
    return bool(demand.per_pod or demand.claims or demand.shared or any(map(reaches_devices, demand.access)))


def _role_demand(each: Role, others: Others) -> RoleDemand:
    template = read_template(each.template)
    pod, spec = template.pod, mapped(each.template, "spec")
    requests = effective_request(pod.spec)
    per_pod: Amounts = {name: amount for name, amount in requests.items() if role(name).kind in _COUNTED}
    per_pod.update(_implied(requests, implied_devices(pod.spec), fraction_devices(pod, requests)))
    for name, quantity in template.unresolved:
        if role(name).kind in _COUNTED:
            per_pod[name] = f"?:{quantity}"
    own, shared, notes = claims.claims_of_pod(spec, others)
    for name, devices in each.claims:
        claims.add(own, name, devices)
    granted = bool(per_pod or own or shared)
    every = tuple(
        Access("allDevices", f"the resource {name}, which opens every device of the node")
        for name in requests
        if role(name).kind is ResourceRole.ALL
    )
    access = (*every, *find_access(pod, granted=granted, fractions_counted=True), *further_access(pod, spec))
    unread = (f"{each.name}: {note}" for note in template.unread)
    return RoleDemand(
        each.name,
        per_pod,
        each.pods,
        each.most,
        own,
        shared,
        tuple(dict.fromkeys(map(told_apart, access))),
        (*notes, *unread),
        each.idle,
    )


def _implied(requests: Mapping[str, int], qualified: Mapping[str, int], fractions: int) -> Amounts:
    """Return devices that no count states: by shares in percent or memory, by qualifiers alone, by annotations."""
    found: Amounts = {}
    for name, amount in requests.items():
        meaning = role(name)
        if meaning.kind is ResourceRole.SHARE and meaning.per_device >= _PERCENT:
            key = f"implied:{meaning.vendor}-shared-gpu"
            found[key] = max(int(found.get(key, 0)), meaning.devices(amount))
    for vendor, devices in qualified.items():
        found[f"implied:{vendor}-shared-gpu"] = devices
    if fractions:
        found["implied:kai-shared-gpu"] = fractions
    return found


def _category(
    kind: Kind | None, workload: Workload, demands: tuple[RoleDemand, ...], table: Table, *, embedded: bool
) -> str:
    """Return the category: demand before what is embedded, referred to, or reached without asking."""
    asking = [each for each in demands if each.per_pod or _accelerates(each, table)]
    if asking:
        if all(each.idle for each in asking):
            return "template-demand"
        return "demand" if any(each.pods != 0 for each in asking) else "demand-at-zero-replicas"
    if embedded:
        return "embedded-manifest"
    if workload.refers:
        return "by-reference"
    if not demands:
        return _without_pods(kind, workload)
    reached = any(reaches_devices(found) for each in demands for found in each.access)
    return "no-request-but-access" if reached else "none"


def _without_pods(kind: Kind | None, workload: Workload) -> str:
    """Return the category of an object in which no pod was found."""
    if workload.embedded:
        return "none"
    return "unknown-shape" if kind is not None and not kind.other and not kind.wraps else "not-a-workload"


def _accelerates(each: RoleDemand, table: Table) -> bool:
    """Whether a claim is for more than network cards and channels."""
    classes = {*each.claims, *(name for devices in each.shared.values() for name in devices)}
    return any(name not in table.network_classes and not is_harmless_class(name) for name in classes)


def _summed(expected: str, demands: tuple[RoleDemand, ...], notes: tuple[str, ...]) -> Answer:
    if not demands:
        has_pods = expected not in {"not-a-workload", "embedded-manifest"}
        return Answer(expected, pods=0 if has_pods else None, notes=notes)
    elastic = any(each.most is not None for each in demands)
    ceilings = tuple(replace(each, pods=each.pods if each.most is None else each.most) for each in demands)
    return Answer(
        expected=expected,
        roles=demands,
        per_pod=max(demands, key=_size).per_pod,
        pods=count.total(each.pods for each in demands),
        total=_total(demands),
        max_pods=count.total(each.pods for each in ceilings) if elastic else None,
        max_total=_total(ceilings) if elastic else None,
        dra_total=_claimed(demands),
        access=tuple(dict.fromkeys(found for each in demands for found in each.access)),
        notes=notes,
    )


def _size(each: RoleDemand) -> tuple[bool, int, int, str]:
    """By what one pod is larger than another: what cannot be counted, then devices, then everything."""
    numbers = {name: amount for name, amount in each.per_pod.items() if isinstance(amount, int)}
    devices = sum(n for name, n in numbers.items() if role(name).kind is not ResourceRole.QUALIFIER)
    return len(numbers) < len(each.per_pod), devices, sum(numbers.values()), str(sorted(each.per_pod.items()))


def _total(demands: Iterable[RoleDemand]) -> Amounts:
    parts: dict[str, list[int | str]] = {}
    for each in demands:
        for name, amount in each.per_pod.items():
            parts.setdefault(name, []).append(_multiplied(amount, each.pods))
    return {name: amount for name, found in sorted(parts.items()) if (amount := _sum(found)) != 0}


def _claimed(demands: Iterable[RoleDemand]) -> Amounts:
    parts: dict[str, list[int | str]] = {}
    shared: dict[str, Devices] = {}
    for each in demands:
        for name, amount in each.claims.items():
            parts.setdefault(name, []).append(_multiplied(amount, each.pods))
        if each.pods != 0:
            shared.update(each.shared)
    for devices in shared.values():
        for name, amount in devices.items():
            parts.setdefault(f"shared:{name}", []).append(amount)
    return {name: amount for name, found in sorted(parts.items()) if (amount := _sum(found)) != 0}


def _multiplied(amount: int | str, pods: Count) -> int | str:
    """Return so many for each pod; as text where one of both is no number."""
    if amount == 0 or pods == 0:
        return 0
    if isinstance(amount, int) and isinstance(pods, int):
        return count.times(amount, pods)
    if pods == 1 or str(amount).startswith("?:"):
        return amount
    return f"{amount}x{pods}"


def _sum(parts: list[int | str]) -> int | str:
    number = count.total(part for part in parts if isinstance(part, int))
    texts = sorted({part for part in parts if isinstance(part, str)})
    unresolved = [part for part in texts if part.startswith("?:")]
    if unresolved:
        return unresolved[0]
    return "+".join([*([str(number)] if number else []), *texts]) if texts else number


def _told(devices: Devices) -> Iterable[str]:
    return (f"{amount} of {name}" for name, amount in devices.items())


def _class_notes(document: dict[str, Any]) -> Iterable[str]:
    name = text(mapped(document, "spec"), "extendedResourceName")
    return [f"also asked for as the resource {name}"] if name else []
