"""The pods that a workload makes, in the form in which pods are judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from admission.demand.claims import PodClaim
from admission.demand.request import DemandError
from admission.demand.workloads.answer import workload_of
from admission.demand.workloads.fields import listed, mapped
from admission.demand.workloads.template import read_template
from admission.review.claim import ClaimSpec, DeviceClaim, DeviceRequest, ExactRequest

if TYPE_CHECKING:
    from admission.demand.workloads.count import Count
    from admission.demand.workloads.expand import Role
    from admission.demand.workloads.fields import Others
    from admission.demand.workloads.table import Table
    from admission.review.pod import Pod

ONLY = frozenset({"claim", "pod", "replica", "daemon", "job", "template"})
"""Names of the only role of a kind, which a line need not name."""


def roles_of(document: dict[str, Any], table: Table, others: Others) -> tuple[Role, ...]:
    """Return the roles of the object, without pods where another object makes them; raises ``CountError``."""
    return workload_of(document, table, others).roles


def pod_of(role: Role) -> Pod:
    """Return a pod of the role, with the claims that its controller adds; raises ``DemandError``."""
    spec = mapped(role.template, "spec")
    claims = [*listed(spec.get("resourceClaims")), *({"name": name} for name, _ in role.claims)]
    template = read_template({**role.template, "spec": {**spec, "resourceClaims": claims}} if claims else role.template)
    if template.unread:
        raise DemandError(template.unread[0])
    return template.pod


def made_claims(role: Role) -> dict[str, PodClaim]:
    """Return the claims that the workload's controller makes for each pod, named after their device class."""
    return {name: PodClaim(name, _claim_of(name, number)) for name, number in role.claims}


def _claim_of(device_class: str, number: Count) -> ClaimSpec:
    exactly = ExactRequest(device_class, count=number if isinstance(number, int) else 1)
    return ClaimSpec(DeviceClaim((DeviceRequest(name="devices", exactly=exactly),)))
