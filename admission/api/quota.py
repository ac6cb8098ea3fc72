"""ComputeQuota and Authorization: how much a jurisdiction, or one approved tenant, may hold at once."""

from __future__ import annotations

import functools
from typing import Annotated, Literal, Self

import pydantic

from admission.api.object import CRD, ClassRef, Condition, Jurisdiction, Model, Name, Object, Text, rules

_NEVER_VALID = "validFrom is not before validUntil"

Amount = Annotated[int, pydantic.Field(ge=0, le=2**53)]


Duration = Annotated[str, pydantic.Field(pattern=r"^([0-9]+d)?([0-9]+h)?$", min_length=2, max_length=12)]
"""Days and hours, such as 30d, 12h or 1d12h."""


class Limits(Model):
    """What may be held at once; a limit that is absent does not bind."""

    devices: Amount | None = None
    """Accelerators at once, each counted as one."""
    tpp: Amount | None = None
    """Total processing performance at once: the sum of the devices' TPP."""
    device_hours: Annotated[int, pydantic.Field(ge=0, le=2**31)] | None = None
    """Accelerators times the hours for which they are held, within the window. A pod pays for its activeDeadlineSeconds when it is admitted and gets back what it did not use; for one without a deadline see withoutEnd."""
    longest_hold: Duration | None = None
    """The longest that an ownership group may hold devices of one class without a break longer than holdGap, such as 30d or 12h: from pod to pod, and over all its tenants. For a pod without activeDeadlineSeconds see withoutEnd."""


class ComputeQuotaSpec(Model):
    """Limits on what the tenants of some jurisdictions may hold at once, in this cluster."""

    jurisdictions: Annotated[list[Jurisdiction], pydantic.Field(min_length=1, max_length=250)]
    """Country codes or groups. A request counts here when its governing jurisdiction is among them."""
    classes: Annotated[list[ClassRef], pydantic.Field(min_length=1, max_length=64)] = ["Controlled"]
    """Classes that count: names, control entries, sides of lines of bandwidth, Controlled, Uncontrolled or *."""
    limits: Limits
    """Limits of all tenants of these jurisdictions together."""
    slices: Literal["Whole", "Weighed"] = "Whole"
    """How a slice of a chip (MIG) counts in limits of TPP: as the whole chip, or by its part of the chip, rounded up, where its node names its profile and the part is known. As a device, and in device-hours, each slice counts as one."""
    per_tenant: Limits | None = None
    """Limits of each tenant by itself."""
    per_reseller: Limits | None = None
    """Limits of each reseller over all its end customers."""
    per_group: Limits | None = None
    """Limits of each ownership group: of all tenants under the same party at the top (`status.standing.group` of a Tenant) together."""
    without_end: Literal["Refused", "Renewed"] = "Refused"
    """Pods without activeDeadlineSeconds, where device-hours or holds are limited. Refused; or Renewed: such a pod prepays an hour and the time that its ending would take, and the next hour before that begins. Renewed asks for an Enforcement that evicts for HoursExhausted (and HoldTooLong, with longestHold): without one they are refused."""
    window: Duration = "30d"
    """How far back device-hours count."""
    hold_gap: Duration = "1h"
    """The longest break that does not end a hold."""

    def every(self) -> tuple[Limits, ...]:
        """Return the limits that are set: of all, of each tenant, of each reseller."""
        return tuple(limits for limits in (self.limits, self.per_tenant, self.per_reseller, self.per_group) if limits)

    @functools.cached_property
    def limits_hours(self) -> bool:
        """Whether device-hours are limited, for all or for each."""
        return any(limits.device_hours is not None for limits in self.every())

    @functools.cached_property
    def limits_holds(self) -> bool:
        """Whether the length of holds is limited, for all or for each."""
        return any(limits.longest_hold for limits in self.every())


class Use(Model):
    """Use against one limit."""

    used: int = 0
    """Held by pods that exist."""
    reserved: int = 0
    """Promised to pods that were admitted and not yet seen."""
    limit: int | None = None
    """The limit; absent where there is none."""


class ComputeQuotaStatus(Model):
    """Use as the ledger has it."""

    devices: Use | None = None
    """Accelerators at once."""
    tpp: Use | None = None
    """Total processing performance at once."""
    device_hours: Use | None = None
    """Device-hours within the window, rounded up: used by what has ended, reserved for what runs or was promised."""
    longest_hold: str = ""
    """The longest continuous hold that goes on now, in full hours."""
    paid_until: pydantic.AwareDatetime | None = None
    """The first instant up to which a pod without an end has paid for its hours; absent where none runs."""
    observed: int = 0
    """Accelerators held beside, in namespaces that are not enforced; never counted against the limit."""
    summary: str = ""
    """used+reserved/limit, for printing."""
    tenants: int = 0
    """Tenants that hold something."""
    conditions: Annotated[
        list[Condition],
        pydantic.Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    ] = []
    """Conditions; `Ready` says whether the ledger has been counted."""


class ComputeQuota(Object):
    """How much compute the tenants of some jurisdictions may hold at once. Limits are per cluster."""

    crd = CRD(
        plural="computequotas",
        short_names=("cquota",),
        columns=(
            ("Jurisdictions", "string", ".spec.jurisdictions", "whose tenants count here"),
            ("Classes", "string", ".spec.classes", "classes that count"),
            ("Devices", "string", ".status.summary", "used+reserved/limit"),
            ("Observed", "integer", ".status.observed", "held in namespaces that are not enforced"),
            ("Hours", "integer", ".status.deviceHours.used", "device-hours used within the window"),
            ("TPP", "integer", ".status.tpp.used", "TPP held"),
            ("TPP-Limit", "integer", ".spec.limits.tpp", "limit of TPP"),
            ("Tenants", "integer", ".status.tenants", "tenants that hold something"),
        ),
    )
    kind: Literal["ComputeQuota"] = "ComputeQuota"
    spec: ComputeQuotaSpec
    """The limits."""
    status: ComputeQuotaStatus = ComputeQuotaStatus()
    """Use against them."""


class AuthorizationSpec(Model):
    """A licence or an approved exception, and what it is good for."""

    model_config = pydantic.ConfigDict(json_schema_extra=rules(("self.validFrom < self.validUntil", _NEVER_VALID)))

    number: Annotated[str, pydantic.Field(min_length=1, max_length=128)]
    """Number of the licence or of the approval."""
    tenant: Name
    """The Tenant it was granted to."""
    end_customers: Annotated[list[Name], pydantic.Field(max_length=250)] = []
    """Of a reseller's: the end customers for whom it was granted, whom it covers, and itself for what they ask. Without any it covers the tenant itself, and no customer of its."""
    classes: Annotated[list[ClassRef], pydantic.Field(min_length=1, max_length=64)]
    """Classes it covers."""
    devices: Annotated[int, pydantic.Field(ge=1, le=2**31)]
    """Accelerators at once that it covers."""
    valid_from: pydantic.AwareDatetime
    """It counts from this instant."""
    valid_until: pydantic.AwareDatetime
    """It ends at this instant."""
    issued_by: Text = ""
    """The authority or the approver."""

    @pydantic.model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.valid_from >= self.valid_until:
            raise ValueError(_NEVER_VALID)
        return self


class AuthorizationStatus(Model):
    """Use of the authorization."""

    used: int = 0
    """Accelerators held under it."""


class Authorization(Object):
    """A licence or an approved exception that lets a tenant, or end customers of one, use classes for which a rule asks it.

    It covers the party whom the rule is about.  All of one holder's that are valid count together.
    """

    crd = CRD(
        plural="authorizations",
        short_names=("cgauth",),
        columns=(
            ("Tenant", "string", ".spec.tenant", "granted to"),
            ("Number", "string", ".spec.number", "number of the licence"),
            ("Devices", "integer", ".spec.devices", "accelerators at once"),
            ("Used", "integer", ".status.used", "accelerators held under it"),
            ("Until", "string", ".spec.validUntil", "end of validity"),
        ),
    )
    kind: Literal["Authorization"] = "Authorization"
    spec: AuthorizationSpec
    """The grant."""
    status: AuthorizationStatus = AuthorizationStatus()
    """Use of it."""
