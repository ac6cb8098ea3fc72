"""The effective device request of a pod, by the scheduler's arithmetic.

k8s.io/component-helpers/resource/helpers.go: the larger of (all containers and sidecars together) and (any
init container with the sidecars started before it), plus the pod's overhead.  Requests default to limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from admission.catalogue.resources import ResourceRole, is_extended, role
from admission.review.quantity import LARGEST, QuantityError, count

if TYPE_CHECKING:
    from admission.review.pod import Container, PodSpec

Requests = Mapping[str, int]
"""Extended resource name to whole devices (or units) of it."""

_NOTHING: Requests = {}
MOST_CONTAINERS = 4096
"""A pod with more containers than this is refused; the API server's own size limit allows about ten thousand."""

MOST_RESOURCES = 128
"""Different extended resources, or claims, of one pod.  No node offers a tenth of that many."""


class DemandError(ValueError):
    """The object's demand cannot be read; the message names the field and what to write."""


def effective_request(spec: PodSpec) -> Requests:
    """Return what the scheduler will reserve for the pod: extended resource name to count, zeros left out.

    Raises ``DemandError`` for a quantity that is not one, and for a pod too large to be read.
    """
    effective = _effective(spec, _requested)
    if spec.overhead:
        _add(effective, _extended(spec.overhead, "overhead"))
    if not effective:
        return effective
    found = {name: min(amount, LARGEST) for name, amount in sorted(effective.items()) if amount > 0}
    if len(found) > MOST_RESOURCES:
        raise DemandError(f"spec: more than {MOST_RESOURCES} extended resources; split the pod")
    return found


def implied_devices(spec: PodSpec) -> Mapping[str, int]:
    """Return the devices that qualifiers alone obtain, by vendor: one for each container that states no count.

    HAMi's webhook, for one, gives a device to every container that asks for device memory or cores only.  The
    arithmetic is that of the pod's request.  Raises ``DemandError``.
    """
    return {vendor: devices for vendor, devices in sorted(_effective(spec, _implied).items()) if devices}


def _implied(container: Container, where: str) -> Mapping[str, int]:
    roles = [role(name) for name, amount in _requested(container, where).items() if amount]
    stated = {each.vendor for each in roles if each.kind in {ResourceRole.COUNT, ResourceRole.SHARE}}
    return {each.vendor: 1 for each in roles if each.kind is ResourceRole.QUALIFIER and each.vendor not in stated}


def _effective(spec: PodSpec, asked: Callable[[Container, str], Mapping[str, int]]) -> dict[str, int]:
    """Return the larger of what runs and what starts, of whatever ``asked`` says of a container.

    What an init container does not ask for itself is no more while it starts than what runs in the end.
    """
    containers, inits = spec.containers or (), spec.init_containers or ()
    if len(containers) + len(inits) > MOST_CONTAINERS:
        raise DemandError(f"spec: more than {MOST_CONTAINERS} containers; split the pod")
    total: dict[str, int] = {}
    for container in containers:
        _add(total, asked(container, "containers"))
    if not inits:
        return total
    sidecars: dict[str, int] = {}
    starting: dict[str, int] = {}
    for init in inits:
        wanted = asked(init, "initContainers")
        if init.restart_policy == "Always":
            _add(sidecars, wanted)
        else:
            for name, amount in wanted.items():
                starting[name] = max(starting.get(name, 0), amount + sidecars.get(name, 0))
    _add(total, sidecars)
    for name, amount in starting.items():
        total[name] = max(total.get(name, 0), amount)
    return total


def _add(total: dict[str, int], part: Mapping[str, int]) -> None:
    for name, amount in part.items():
        total[name] = total.get(name, 0) + amount


def _requested(container: Container, where: str) -> Mapping[str, int]:
    resources = container.resources
    if resources is None:
        return _NOTHING
    limits, requests = resources.limits, resources.requests
    found = _extended(limits, where, container.name, "limits") if limits else {}
    if requests and requests != limits:
        found.update(_extended(requests, where, container.name, "requests"))
    return found


def _extended(quantities: Mapping[str, str | float], where: str, container: str = "", kind: str = "") -> dict[str, int]:
    found: dict[str, int] = {}
    for name in quantities:
        if is_extended(name):
            try:
                found[name] = count(quantities[name])
            except QuantityError as error:
                field = f"spec.{where}[{container}].resources.{kind}" if kind else f"spec.{where}"
                raise DemandError(f"{field}[{name}]: {error}") from None
    return found
