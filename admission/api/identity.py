"""Who a tenant is: what it declares of itself, of its parties, and of who owns whom."""

from __future__ import annotations

import enum
from typing import Annotated, Literal, Self

import pydantic

from admission.api.attestation import Attestation
from admission.api.object import Country, Model, Name, distinct, rules
from admission.api.share import Percent, Share

TENANT_ITSELF = "tenant"
"""The party id by which ownership statements refer to the tenant itself."""

PartyID = Annotated[str, pydantic.Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=63)]


# Each of these is said by the CRD's own rule in a cluster, and by the model where objects come from files.
_OWNS_ITSELF = "a party cannot own itself; correct owner or owned"
_OWN_PARENT = "a tenant cannot be its own parent; leave ultimateParent out and set independent: true"
_INDEPENDENT = "independent: true says that there is no parent; leave ultimateParent out"
_PARENT_MISSING = "ultimateParent is not among parties; add the party, with its headquarters"
_NOT_ITSELF = f"the id '{TENANT_ITSELF}' stands for the tenant itself; choose another"
_OWNER_MISSING = "an owner in ownership is not among parties; add the party"
_OWNED_MISSING = "what is owned in ownership is neither the tenant nor among parties; add the party"
_OVER_ALL = "the direct shares of the tenant exceed 100 percent together; correct them, or state ranges"
_OVER = 100.000001  # sums of binary fractions


class TenantKind(enum.StrEnum):
    """What sort of customer a tenant is."""

    Company = "Company"
    Government = "Government"
    StateBody = "StateBody"
    Academic = "Academic"
    Individual = "Individual"
    Reseller = "Reseller"
    ClusterReseller = "ClusterReseller"
    Broker = "Broker"
    Marketplace = "Marketplace"
    IaaSProvider = "IaaSProvider"
    InferenceProvider = "InferenceProvider"


class Identifier(Model):
    """A registered identifier of a party."""

    scheme: Annotated[str, pydantic.Field(max_length=63)]
    """The register: ``LEI``, ``DUNS``, a company register's code."""
    id: Annotated[str, pydantic.Field(max_length=128)]
    """The identifier in that register."""


class Party(Model):
    """A legal or natural person in the ownership graph above the tenant."""

    model_config = pydantic.ConfigDict(json_schema_extra=rules((f"self.id != '{TENANT_ITSELF}'", _NOT_ITSELF)))

    id: PartyID
    """The id by which ownership statements refer to this party."""
    name: Annotated[str, pydantic.Field(max_length=256)]
    """Registered name, in the original script; empty for one whom nobody has named yet."""
    type: Literal["Entity", "NaturalPerson", "State"] = "Entity"
    """What the party is. Nobody stands above a natural person or a state; a natural person's country is not tested. Whose name is a company's counts as an Entity."""
    headquarters: Country | None = None
    """Country of the principal place of business (ISO 3166-1 alpha-2). Absent means unknown, and unknown is not cleared."""
    incorporation: Country | None = None
    """Country of formation (ISO 3166-1 alpha-2); rules test that of the ultimate parent, and of other parties the headquarters."""
    others_below: Percent | None = None
    """Declares, in percent, that no owner besides those stated holds so much of this party: 25 for a widely held one."""
    identifiers: Annotated[list[Identifier], pydantic.Field(max_length=16)] = []
    """Registered identifiers, for the screening integration; not tested by rules."""

    @pydantic.model_validator(mode="after")
    def _is_another(self) -> Self:
        if self.id == TENANT_ITSELF:
            raise ValueError(_NOT_ITSELF)
        return self


class Ownership(Model):
    """One statement: an owner holds a share of, or controls, an owned party (Beneficial Ownership Data Standard)."""

    model_config = pydantic.ConfigDict(json_schema_extra=rules(("self.owner != self.owned", _OWNS_ITSELF)))

    owner: PartyID
    """Party id of the owner; `tenant` where the tenant holds some of a party above it."""
    owned: PartyID = TENANT_ITSELF
    """Party id of what is owned; `tenant` for the tenant itself."""
    interest: Literal["Shareholding", "VotingRights", "Control"] = "Shareholding"
    """What is held. Shares and votes each have 100 percent of their own, and half of either counts. Control is recorded, and never adds to a share."""
    directness: Literal["Direct", "Indirect", "Unknown"] = "Direct"
    """Whether the owner holds it itself. What it holds through others, or perhaps so, counts for that owner alone and is never added to the shares of the chain."""
    share: Share = Share()
    """How much is held; an empty share is unknown, and unknown is not cleared."""

    @pydantic.model_validator(mode="after")
    def _is_of_another(self) -> Self:
        if self.owner == self.owned:
            raise ValueError(_OWNS_ITSELF)
        return self


class TenantSpec(Model):
    """What the operator and the tenant declare. Every fact here except `declaredUse` is covered by the KYC digest; `attestations` are about facts and are not."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules(
            (
                f"!has(self.ultimateParent) || self.ultimateParent != '{TENANT_ITSELF}'",
                _OWN_PARENT,
            ),
            (
                "!(has(self.independent) && self.independent && has(self.ultimateParent))",
                _INDEPENDENT,
            ),
            (
                (
                    f"!has(self.ultimateParent) || self.ultimateParent == '{TENANT_ITSELF}' || "
                    "(has(self.parties) && self.parties.exists(p, p.id == self.ultimateParent))"
                ),
                _PARENT_MISSING,
            ),
            (
                f"!has(self.ownership) || sets.contains(['{TENANT_ITSELF}'] + (has(self.parties) ? self.parties.map(p, p.id) : []), self.ownership.map(o, o.owner))",
                _OWNER_MISSING,
            ),
            (
                f"!has(self.ownership) || sets.contains(['{TENANT_ITSELF}'] + (has(self.parties) ? self.parties.map(p, p.id) : []), self.ownership.map(o, has(o.owned) ? o.owned : '{TENANT_ITSELF}'))",
                _OWNED_MISSING,
            ),
            (
                f"!has(self.ownership) || self.ownership.filter(o, (!has(o.owned) || o.owned == '{TENANT_ITSELF}') && (!has(o.interest) || o.interest == 'Shareholding') && (!has(o.directness) || o.directness == 'Direct') && has(o.share)).map(o, has(o.share.exact) ? o.share.exact : has(o.share.minimum) ? o.share.minimum : has(o.share.exclusiveMinimum) ? o.share.exclusiveMinimum : 0.0).sum() <= {_OVER}",
                _OVER_ALL,
            ),
        )
    )

    legal_name: Annotated[str, pydantic.Field(min_length=1, max_length=256)]
    """Registered name of the contracting party, in the original script."""
    kind: TenantKind
    """What sort of customer this is. A Reseller's namespaces must name the end customer."""
    incorporation: Country | None = None
    """Country of formation (ISO 3166-1 alpha-2). Absent means unknown."""
    headquarters: Country | None = None
    """Country of the principal place of business (ISO 3166-1 alpha-2). Absent means unknown, and unknown is not cleared."""
    independent: bool = False
    """True declares that no party, and no several together, stand above this one. False without ultimateParent means that the parent is unknown, but for an Individual without parties: nobody stands above it."""
    ultimate_parent: PartyID | None = None
    """Id, among parties, of the party at the top of the chain of control."""
    others_below: Percent | None = None
    """Declares, in percent, that no owner besides those stated holds so much of the tenant: 25 for a widely held company. Several of them may still hold half together."""
    identifiers: Annotated[list[Identifier], pydantic.Field(max_length=16)] = []
    """Registered identifiers of the contracting party, for the screening integration; not tested by rules."""
    parties: Annotated[
        list[Party],
        pydantic.Field(
            max_length=200, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]}
        ),
        distinct("id"),
    ] = []
    """Everyone known to stand above the tenant: owners, parents, controllers."""
    ownership: Annotated[list[Ownership], pydantic.Field(max_length=400)] = []
    """Who owns whom among tenant and parties. Shares add up over several owners, level by level."""
    supplied_by: Name | None = None
    """Name of the reseller's Tenant through which this end customer is supplied."""
    payment: Annotated[
        list[Literal["BankTransfer", "Card", "Invoice", "Cash", "VirtualCurrency", "Unknown"]],
        pydantic.Field(max_length=6),
    ] = []
    """Means of payment in use; rules may ask for a higher KYC level on some. With Unknown among them, it is not known whether others are."""
    declared_use: Annotated[
        list[
            Literal[
                "Training",
                "Inference",
                "Research",
                "Simulation",
                "Graphics",
                "Resale",
                "MilitaryOrIntelligence",
                "WeaponsOfMassDestruction",
                "Other",
            ]
        ],
        pydantic.Field(max_length=9),
    ] = []
    """Declared end use; rules may test it. With Other among them, it is not known whether others are."""
    attestations: Annotated[list[Attestation], pydantic.Field(max_length=32)] = []
    """Who says that facts above are so, when, and until when that holds. A fact that none names is attested by the clearance that covers it."""

    @pydantic.model_validator(mode="after")
    def _is_connected(self) -> Self:
        known = {party.id for party in self.parties}
        meant = {TENANT_ITSELF, *known}
        if self.ultimate_parent == TENANT_ITSELF:
            raise ValueError(_OWN_PARENT)
        if self.independent and self.ultimate_parent is not None:
            raise ValueError(_INDEPENDENT)
        if self.ultimate_parent is not None and self.ultimate_parent not in known:
            raise ValueError(_PARENT_MISSING)
        if any(statement.owner not in meant for statement in self.ownership):
            raise ValueError(_OWNER_MISSING)
        if any(statement.owned not in meant for statement in self.ownership):
            raise ValueError(_OWNED_MISSING)
        return self
