"""Devices of the clouds' instance types, for kinds that name no resource but an instance type."""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@functools.cache
def devices_of_instances() -> Mapping[str, tuple[str, int]]:
    """Return the resource and the count of devices that an instance type of a cloud has."""
    text = resources.files("admission.demand.workloads").joinpath("instances.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: (resource, int(count)) for name, resource, count in rows}


def devices_of_instance(name: Any) -> tuple[str, int]:
    """Return the resource and the count of an instance type; none of one that is not known.  SageMaker says ``ml.``."""
    known = name.removeprefix("ml.") if isinstance(name, str) else ""
    return devices_of_instances().get(known, ("", 0))
