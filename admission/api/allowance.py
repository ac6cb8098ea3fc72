"""Allowance: what a tenant may see of itself, kept current in each of its namespaces."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from admission.api.enforcement import Action
from admission.api.object import CRD, Model, Object


class ClassUse(Model):
    """The tenant's own use of one class."""

    accelerator_class: str
    """Accelerator class."""
    used: int = 0
    """Accelerators of this class that the tenant holds, over all its namespaces."""


class OwnHours(Model):
    """The tenant's own device-hours under one quota."""

    window: str
    """How far back they count, such as 30d."""
    used: int = 0
    """Used within the window by what has ended, rounded up."""
    prepaid: int = 0
    """Set aside for what runs or was admitted, to its end, rounded up; what is not used is given back."""
    left: int = 0
    """What the tenant could still use, rounded down."""
    paid_until: pydantic.AwareDatetime | None = None
    """The first instant up to which a pod of the tenant's without an end has paid; absent where none runs. It pays for the next hour before that, or is told to end."""


class OwnLimit(Model):
    """What one quota leaves the tenant."""

    quota: str
    """Name of the quota."""
    used: int = 0
    """Accelerators that the tenant holds under it."""
    limit: int | None = None
    """Accelerators that the tenant could hold now: what it holds, and what is left for it. Absent where the quota limits none."""
    hours: OwnHours | None = None
    """Own device-hours; absent where the quota limits none, or they are not counted yet."""
    hold_left: str = ""
    """For how long the class that is held longest can still be held without a break, in full hours: by the tenant and the others of its ownership group. Empty where the quota limits no hold."""


class LastDenial(Model):
    """The latest denial in this namespace."""

    code: str
    """Public code."""
    reference: str
    """Reference to give to the operator."""
    at: pydantic.AwareDatetime
    """When."""


class OwnFinding(Model):
    """Pods that run in this namespace and would be denied now, for one reason of the operator's."""

    reference: str
    """Reference to give to the operator."""
    code: str
    """Public code."""
    action: Action
    """What is done about it: Warn, StopAdmitting (of new pods), Evict; each includes those before it."""
    since: pydantic.AwareDatetime
    """When it was first told of."""
    deadline: pydantic.AwareDatetime | None = None
    """When these pods are evicted; absent where they are not."""
    pods: int = 0
    """Pods in this namespace that it is about."""

    @property
    def stops(self) -> bool:
        """Whether no new pods are admitted meanwhile."""
        return self.action in {Action.StopAdmitting, Action.Evict}


class AllowanceStatus(Model):
    """The tenant's own figures, and no one else's."""

    tenant: str = ""
    """The tenant this namespace belongs to."""
    clearance: str = ""
    """Cleared, or the public code of what stands in the way of any controlled class that the cluster has, as a pod of this namespace would be told; how much fits is told by limits."""
    expires_at: pydantic.AwareDatetime | None = None
    """Until when the clearance that holds now does, or, of one that has expired, since when it does not. Absent where none holds for another reason."""
    use: list[ClassUse] = []
    """Own use, class by class."""
    limits: list[OwnLimit] = []
    """Own use and what is left, quota by quota."""
    summary: str = ""
    """quota used/limit, and the device-hours that are left, for printing."""
    last_denial: LastDenial | None = None
    """The latest denial in this namespace."""
    contact: str = ""
    """Whom to ask."""
    findings: Annotated[list[OwnFinding], pydantic.Field(max_length=64)] = []
    """Pods of this namespace that would be denied now, and what happens to them when."""


class Allowance(Object):
    """Read-only: what this namespace's tenant holds, and whether it is cleared. Kept by computegate."""

    crd = CRD(
        plural="allowances",
        short_names=("allow",),
        namespaced=True,
        columns=(
            ("Tenant", "string", ".status.tenant", "the tenant"),
            ("Clearance", "string", ".status.clearance", "Cleared, or what stands in the way"),
            ("Use", "string", ".status.summary", "own use and what the tenant could hold, by quota"),
            ("Expires", "string", ".status.expiresAt", "when the clearance that holds lapses, or when it expired"),
            ("Last-Denial", "string", ".status.lastDenial.code", "code of the latest denial"),
            ("Reference", "string", ".status.lastDenial.reference", "reference to give to the operator"),
        ),
    )
    kind: Literal["Allowance"] = "Allowance"
    status: AllowanceStatus = AllowanceStatus()
    """The tenant's own figures."""
