"""The end that a cluster gives to pods that ask for accelerators and name none.

The chart's policy sets it when such a pod is created in an enforced namespace, so that a pod's own review shows it.  A
workload's does not: what is said of its pods beforehand is said of pods that will have it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from admission.api import DEADLINE_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from admission.demand.pod import Demand

_SECONDS = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


def ended(demand: Demand, labels: Mapping[str, str], default: int | None) -> Demand:
    """Return what a pod will obtain, with the end that it will get; ``default`` is None where no policy sets one.

    A label that is no count of seconds counts as absent, as it does for the policy.
    """
    if default is None or demand.deadline_seconds is not None or not demand.devices:
        return demand
    own = labels.get(DEADLINE_LABEL, "")
    return msgspec.structs.replace(demand, deadline_seconds=int(own) if _SECONDS.fullmatch(own) else default)
