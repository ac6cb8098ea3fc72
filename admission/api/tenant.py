"""Tenant: the contracting party behind namespaces, what is known of it, and whether it is cleared."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import pydantic

from admission.api.clearance import KYC, AccessEvidence, Screening
from admission.api.identity import TenantSpec
from admission.api.object import CRD, Condition, Model, Object, rules
from admission.api.standing import ChargedNamespace, ChargedTo, StandingStatus

_SUPPLIES_ITSELF = "a tenant cannot supply itself; name the reseller's Tenant in suppliedBy"


class TenantStatus(Model):
    """What was found out, by the parties who are entitled to write it."""

    kyc: KYC | None = None
    """Verification of identity and ownership; absent means unverified."""
    screening: Screening | None = None
    """Restricted-party screening; absent means never screened, which rules may refuse."""
    access: AccessEvidence | None = None
    """Evidence of where access comes from; absent means unknown."""
    standing: StandingStatus | None = None
    """Computed by computegate."""
    charged_to: Annotated[
        list[ChargedTo],
        pydantic.Field(
            max_length=10_000,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["party"]},
        ),
    ] = []
    """Whose ledgers carry the tenant's live charges. Written by computegate ahead of each move, and kept whatever the tenant's facts say since."""
    namespaces: Annotated[
        list[ChargedNamespace],
        pydantic.Field(
            max_length=10_000,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = []
    """The namespaces that hold live charges of the tenant. One leaves only when none is left in it, whatever its label says."""
    conditions: Annotated[
        list[Condition],
        pydantic.Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    ] = []
    """Conditions; `Cleared` is that of standing, for `kubectl wait`; `Consistent` is False while something that the spec states cannot be true, and says what."""


class Tenant(Object):
    """The contracting party behind one or more namespaces: who it is, who owns it, and whether it is cleared.

    A namespace belongs to a tenant by the label computegate.io/tenant; setting the label needs the verb bind on the Tenant.
    """

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.spec.suppliedBy) || self.spec.suppliedBy != self.metadata.name",
                _SUPPLIES_ITSELF,
            ),
            # Its transitions are those of a state that stands: what is taken away could begin anew as anything.
            (
                "!has(oldSelf.status) || !has(oldSelf.status.kyc) || (has(self.status) && has(self.status.kyc))",
                "status.kyc is never taken away, only written: a clearance that ends is Revoked, and begins anew at Pending",
            ),
        )
    )

    crd = CRD(
        plural="tenants",
        short_names=("cgten",),
        columns=(
            ("Kind", "string", ".spec.kind", "what sort of customer this is"),
            ("KYC", "string", ".status.kyc.state", "state of verification"),
            ("Level", "integer", ".status.kyc.level", "KYC level"),
            ("Expires", "string", ".status.kyc.expiresAt", "when the clearance lapses"),
            ("Jurisdiction", "string", ".status.standing.governing", "the governing jurisdiction"),
            ("Cleared", "boolean", ".status.standing.cleared", "whether the party is cleared now"),
            ("Reason", "string", ".status.standing.reason", "the first reason when it is not"),
        ),
    )

    kind: Literal["Tenant"] = "Tenant"
    spec: TenantSpec
    """What is declared of the tenant."""
    status: TenantStatus = TenantStatus()
    """What was verified and computed."""

    @pydantic.model_validator(mode="after")
    def _is_supplied_by_another(self) -> Self:
        if self.spec.supplied_by is not None and self.spec.supplied_by == self.metadata.name:
            raise ValueError(_SUPPLIES_ITSELF)
        return self
