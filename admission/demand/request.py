"""The effective device request of a pod, by the scheduler's arithmetic.

k8s.io/component-helpers/resource/helpers.go: the larger of (all containers and sidecars together) and (any
init container with the sidecars started before it), plus the pod's overhead.  Requests default to limits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from admission.catalogue.resources import is_extended
from admission.review.quantity import LARGEST, QuantityError, count

if TYPE_CHECKING:
    from admission.review.pod import Container, PodSpec

Requests = Mapping[str, int]
"""Extended resource name to whole devices (or units) of it."""

MOST_CONTAINERS = 4096
"""A pod with more containers than this is refused; the API server's own size limit allows about ten thousand."""


class DemandError(ValueError):
    """The object's demand cannot be read; the message names the field and what to write."""


def effective_request(spec: PodSpec) -> Requests:
    """Return what the scheduler will reserve for the pod: extended resource name to count, zeros left out.

    Raises ``DemandError`` for a quantity that is not one, and for a pod too large to be read.
    """
    containers, inits = spec.containers or (), spec.init_containers or ()
    if len(containers) + len(inits) > MOST_CONTAINERS:
        raise DemandError(f"spec: more than {MOST_CONTAINERS} containers; split the pod")
    running = _total(_requested(container, "containers") for container in containers)
    sidecars: Counter[str] = Counter()
    starting: Counter[str] = Counter()
    for init in inits:
        wanted = _requested(init, "initContainers")
        if init.restart_policy == "Always":
            sidecars.update(wanted)
            starting |= sidecars
        else:
            starting |= _total((wanted, sidecars))
    effective = (running + sidecars) | starting
    effective.update(_extended(spec.overhead or {}, "spec.overhead"))
    return {name: min(amount, LARGEST) for name, amount in sorted(effective.items()) if amount > 0}


def _requested(container: Container, where: str) -> Mapping[str, int]:
    if container.resources is None:
        return {}
    field = f"spec.{where}[{container.name}].resources"
    limits = _extended(container.resources.limits or {}, f"{field}.limits")
    requests = _extended(container.resources.requests or {}, f"{field}.requests")
    return {**limits, **requests} if requests else limits


def _extended(quantities: Mapping[str, str | float], field: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, quantity in quantities.items():
        if "/" in name and is_extended(name):
            try:
                found[name] = count(quantity)
            except QuantityError as error:
                raise DemandError(f"{field}[{name}]: {error}") from None
    return found


def _total(parts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return total
