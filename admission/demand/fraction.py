"""Shares of a device that annotations ask for, as the KAI scheduler grants them.

A pod with ``gpu-fraction`` or ``gpu-memory`` requests no resource; a pod of the scheduler's own, in another namespace,
holds the device (KAI-Scheduler, docs/gpu-sharing).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.demand import ways
from admission.demand.request import DemandError
from admission.review.quantity import QuantityError, count

if TYPE_CHECKING:
    from admission.demand.request import Requests
    from admission.review.pod import Pod

FRACTION = "gpu-fraction"
FRACTION_RESOURCE = "nvidia.com/gpu"
"""The resource that the scheduler's own pod requests on the pod's behalf."""

_NUMBER = "gpu-fraction-num-devices"


def fraction_devices(pod: Pod, requests: Requests) -> int:
    """Return of how many devices the annotations ask a share, besides those that the pod requests as a whole.

    The scheduler refuses both in one pod, and any other scheduler gives the whole devices alone.  Raises
    ``DemandError`` for a number that is none.
    """
    annotations = pod.metadata.annotations or {}
    if not annotations or annotations.keys().isdisjoint(ways.FRACTION_ANNOTATIONS):
        return 0
    try:
        return max(0, max(1, count(annotations.get(_NUMBER, "1"))) - requests.get(FRACTION_RESOURCE, 0))
    except QuantityError as error:
        raise DemandError(f"metadata.annotations[{_NUMBER}]: {error}") from None
