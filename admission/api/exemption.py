"""Exemption: one workload that must reach devices without asking, such as a monitoring agent, let through by two people."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import pydantic

from admission.api.approval import Approval, check_end
from admission.api.object import CRD, Justification, Model, Name, Object, UserName, rules

_COVERS_NOTHING = "give serviceAccountName or images: what of the namespace is covered"
_FIXED = "an exemption is never changed; delete it and ask for a new one"

LONGEST_DAYS = 366
"""Days from its creation, in files without one from its approval, after which an exemption must be asked for anew."""


class ExemptionSpec(Model):
    """Which pods are covered, what they may reach, why and until when. Never changed once created."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules(
            ("has(self.serviceAccountName) || (has(self.images) && size(self.images) > 0)", _COVERS_NOTHING),
            ("self == oldSelf", _FIXED),
        )
    )

    namespace: Name
    """Namespace of the pods."""
    service_account_name: (
        Annotated[str, pydantic.Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253)] | None
    ) = None
    """ServiceAccount under which the pods run. Whoever may create pods in the namespace can name it, so it is good where that is few; else give images too."""
    images: Annotated[
        list[Annotated[str, pydantic.Field(min_length=1, max_length=512)]], pydantic.Field(max_length=16)
    ] = []
    """Images, each exactly as the pod names it, best with a digest. Every container that has a finding must run one; for what concerns the whole pod (host paths, runtime class, annotations), every container of it."""
    ways: Annotated[
        list[Annotated[str, pydantic.Field(pattern=r"^[a-z][A-Za-z]*(=.+)?$", min_length=1, max_length=512)]],
        pydantic.Field(min_length=1, max_length=32),
    ]
    """What is let pass, by the words of the record: privileged, hostPath, environment and so on. With a value, only that one: hostPath=/dev/kfd, environment=NVIDIA_VISIBLE_DEVICES, capability=SYS_ADMIN."""
    reason: Justification
    """Why the workload needs it, for the approver and the auditor."""
    requested_by: UserName
    """User name of who creates the exemption; the API server's own word for it is required to match."""
    valid_until: pydantic.AwareDatetime
    """It ends at this instant, 366 days from its creation at most."""

    @pydantic.model_validator(mode="after")
    def _covers_something(self) -> Self:
        if self.service_account_name is None and not self.images:
            raise ValueError(_COVERS_NOTHING)
        return self


class ExemptionStatus(Model):
    """Written by the approver, through the status subresource."""

    approval: Approval | None = None
    """The approval; without one the exemption exempts nothing."""


class Exemption(Object):
    """Lets single workloads reach devices that they do not ask for: monitoring agents, drivers in a tenant's namespace.

    It lifts the finding DeviceBypass for the ways that it names and nothing else: what the pods ask for is counted and
    judged as ever. Not approved by a second person, expired, or unreadable, it exempts nothing.
    """

    crd = CRD(
        plural="exemptions",
        short_names=("cgexempt",),
        columns=(
            ("Namespace", "string", ".spec.namespace", "namespace of the pods"),
            ("Ways", "string", ".spec.ways", "what is let pass"),
            ("Until", "string", ".spec.validUntil", "end of validity"),
            ("Requested-By", "string", ".spec.requestedBy", "who asked for it"),
            ("Approved-By", "string", ".status.approval.by", "who approved it; empty: it exempts nothing"),
        ),
    )
    kind: Literal["Exemption"] = "Exemption"
    spec: ExemptionSpec
    """What is exempt."""
    status: ExemptionStatus = ExemptionStatus()
    """Whether it was approved."""

    @pydantic.model_validator(mode="after")
    def _ends_in_time(self) -> Self:
        check_end(self.metadata, self.status.approval, self.spec.valid_until, LONGEST_DAYS)
        return self
