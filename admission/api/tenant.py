"""Tenant: the contracting party behind namespaces, what is known of it, and whether it is cleared."""

from __future__ import annotations

import enum
from typing import Annotated, Literal, Self

import pydantic

from admission.api.object import CRD, Condition, Country, Model, Name, Object, Text, distinct, rules

TENANT_ITSELF = "tenant"
"""The party id by which ownership statements refer to the tenant itself."""

PartyID = Annotated[str, pydantic.Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=63)]


# Each of these is said by the CRD's own rule in a cluster, and by the model where objects come from files.
_EXACT_OR_RANGE = "give either exact, or minimum and maximum"
_MINIMUM_ABOVE = "minimum is above maximum"
_OWNS_ITSELF = "a party cannot own itself; correct owner or owned"
_OWN_PARENT = "a tenant cannot be its own parent; leave ultimateParent out and set independent: true"
_INDEPENDENT = "independent: true says that there is no parent; leave ultimateParent out"
_PARENT_MISSING = "ultimateParent is not among parties; add the party, with its headquarters"
_NOT_ITSELF = f"the id '{TENANT_ITSELF}' stands for the tenant itself; choose another"
_OWNER_MISSING = "an owner in ownership is not among parties; add the party"
_SUPPLIES_ITSELF = "a tenant cannot supply itself; name the reseller's Tenant in suppliedBy"


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


class KYCState(enum.StrEnum):
    """The states of know-your-customer verification."""

    Unverified = "Unverified"
    Pending = "Pending"
    Verified = "Verified"
    NeedsReview = "NeedsReview"
    Rejected = "Rejected"
    Expired = "Expired"
    Suspended = "Suspended"
    Revoked = "Revoked"


TRANSITIONS: dict[KYCState, tuple[KYCState, ...]] = {
    KYCState.Unverified: (KYCState.Pending,),
    KYCState.Pending: (KYCState.Verified, KYCState.NeedsReview, KYCState.Rejected),
    KYCState.Verified: (KYCState.NeedsReview, KYCState.Expired, KYCState.Suspended, KYCState.Revoked, KYCState.Pending),
    KYCState.NeedsReview: (KYCState.Verified, KYCState.Rejected, KYCState.Suspended, KYCState.Revoked),
    KYCState.Rejected: (KYCState.Pending,),
    KYCState.Expired: (KYCState.Pending, KYCState.Revoked),
    KYCState.Suspended: (KYCState.Pending, KYCState.Verified, KYCState.Revoked),
    KYCState.Revoked: (KYCState.Pending,),
}
"""From each state, the states that may follow it; enforced by the CRD on every write."""

_CEL_TRANSITIONS = (
    "{" + ", ".join(f"'{a}': [{', '.join(repr(str(b)) for b in after)}]" for a, after in TRANSITIONS.items()) + "}"
)


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
    """Registered name, in the original script."""
    type: Literal["Entity", "NaturalPerson", "State"] = "Entity"
    """What the party is. Nobody stands above a natural person or a state; a natural person's country is not tested."""
    headquarters: Country | None = None
    """Country of the principal place of business (ISO 3166-1 alpha-2). Absent means unknown, and unknown is not cleared."""
    incorporation: Country | None = None
    """Country of formation (ISO 3166-1 alpha-2); recorded, rules test headquarters of parties."""
    identifiers: Annotated[list[Identifier], pydantic.Field(max_length=16)] = []
    """Registered identifiers, for the screening integration; not tested by rules."""

    @pydantic.model_validator(mode="after")
    def _is_another(self) -> Self:
        if self.id == TENANT_ITSELF:
            raise ValueError(_NOT_ITSELF)
        return self


class Share(Model):
    """How much of a party another one owns, in percent; an empty share means unknown."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.exact) || (!has(self.minimum) && !has(self.maximum))",
                _EXACT_OR_RANGE,
            ),
            ("!has(self.minimum) || !has(self.maximum) || self.minimum <= self.maximum", _MINIMUM_ABOVE),
        )
    )

    exact: Annotated[float, pydantic.Field(ge=0, le=100)] | None = None
    """The share in percent, where it is known exactly."""
    minimum: Annotated[float, pydantic.Field(ge=0, le=100)] | None = None
    """Lower bound in percent; 0 where only a maximum is known."""
    maximum: Annotated[float, pydantic.Field(ge=0, le=100)] | None = None
    """Upper bound in percent; 100 where only a minimum is known."""

    @pydantic.model_validator(mode="after")
    def _is_one_share(self) -> Self:
        if self.exact is not None and (self.minimum is not None or self.maximum is not None):
            raise ValueError(_EXACT_OR_RANGE)
        if (self.minimum or 0) > (100 if self.maximum is None else self.maximum):
            raise ValueError(_MINIMUM_ABOVE)
        return self


class Ownership(Model):
    """One statement: an owner holds a share of, or controls, an owned party (Beneficial Ownership Data Standard)."""

    model_config = pydantic.ConfigDict(json_schema_extra=rules(("self.owner != self.owned", _OWNS_ITSELF)))

    owner: PartyID
    """Party id of the owner."""
    owned: PartyID = TENANT_ITSELF
    """Party id of what is owned; `tenant` for the tenant itself."""
    interest: Literal["Shareholding", "VotingRights", "Control"] = "Shareholding"
    """What is held. Control is recorded, and never adds to a share."""
    share: Share = Share()
    """How much is held; an empty share is unknown, and unknown is not cleared."""

    @pydantic.model_validator(mode="after")
    def _is_of_another(self) -> Self:
        if self.owner == self.owned:
            raise ValueError(_OWNS_ITSELF)
        return self


class TenantSpec(Model):
    """What the operator and the tenant declare. Every fact here except `declaredUse` is covered by the KYC digest."""

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
                "!has(self.ownership) || self.ownership.all(o, has(self.parties) && self.parties.exists(p, p.id == o.owner))",
                _OWNER_MISSING,
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
    """True declares that no party stands above this one. False without ultimateParent means that the parent is unknown."""
    ultimate_parent: PartyID | None = None
    """Id, among parties, of the party at the top of the chain of control."""
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
    """Means of payment in use; rules may ask for a higher KYC level on some."""
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
    """Declared end use; rules may test it."""

    @pydantic.model_validator(mode="after")
    def _is_connected(self) -> Self:
        known = {party.id for party in self.parties}
        if self.ultimate_parent == TENANT_ITSELF:
            raise ValueError(_OWN_PARENT)
        if self.independent and self.ultimate_parent is not None:
            raise ValueError(_INDEPENDENT)
        if self.ultimate_parent is not None and self.ultimate_parent not in known:
            raise ValueError(_PARENT_MISSING)
        if any(statement.owner not in known for statement in self.ownership):
            raise ValueError(_OWNER_MISSING)
        return self


class KYC(Model):
    """The clearance, written by the KYC integration alone, through the status subresource."""

    state: Annotated[
        KYCState,
        pydantic.Field(
            json_schema_extra=rules(
                (
                    f"self == oldSelf || self in {_CEL_TRANSITIONS}[oldSelf]",
                    "this transition is not allowed: Unverified > Pending > Verified or Rejected; a lapsed clearance starts again at Pending",
                )
            )
        ),
    ]
    """Where verification stands. Expiry is judged at decision time from expiresAt, whatever this says."""
    level: Annotated[int, pydantic.Field(ge=0, le=4)] = 0
    """How deep the verification went: 1 identity, 2 ownership, 3 enhanced, 4 in person; rules ask for a least level."""
    verified_at: pydantic.AwareDatetime | None = None
    """When the verification was completed."""
    expires_at: pydantic.AwareDatetime | None = None
    """From this instant the clearance is expired. Absent on a Verified tenant counts as expired."""
    reverify_by: pydantic.AwareDatetime | None = None
    """When the next verification is due; shown, not yet acted on."""
    provider: Annotated[str, pydantic.Field(max_length=128)] = ""
    """The KYC provider that verified."""
    reference: Annotated[str, pydantic.Field(max_length=256)] = ""
    """The provider's reference to the evidence; never the evidence itself."""
    verifier: Annotated[str, pydantic.Field(max_length=128)] = ""
    """Who or what wrote this status."""
    covers: Annotated[str, pydantic.Field(max_length=71)] = ""
    """Digest of the identity facts that were verified (`computegate digest`). A fact changed since makes the clearance stale."""
    reason: Text = ""
    """Why the state is what it is, for operators."""


class Screening(Model):
    """What screening against restricted-party lists found, written by the screening integration."""

    state: Literal["Clear", "Candidate", "Match"]
    """Clear; Candidate: a name hit not yet judged (under review); Match: a listed party."""
    lists_as_of: pydantic.AwareDatetime | None = None
    """Date of the lists that were searched."""
    matched_parties: Annotated[list[PartyID], pydantic.Field(max_length=200)] = []
    """Party ids, or `tenant`, that are on a list. Ownership of 50 percent or more by them, in aggregate, counts as listed."""
    reference: Annotated[str, pydantic.Field(max_length=256)] = ""
    """The screening system's reference."""


class AccessEvidence(Model):
    """Where the tenant's users log in from, fed by the identity provider."""

    countries: Annotated[list[Country], pydantic.Field(max_length=250)] = []
    """Countries seen (ISO 3166-1 alpha-2)."""
    as_of: pydantic.AwareDatetime | None = None
    """When this was last refreshed."""


class StandingStatus(Model):
    """Computed by computegate from spec and status: the jurisdictions that govern this tenant."""

    cleared: bool = False
    """Whether the tenant is cleared now for every controlled class that the cluster has."""
    reason: str = ""
    """The first reason when it is not."""
    governing: str = ""
    """The governing jurisdiction: the strictest of all."""
    jurisdictions: list[str] = []
    """Every jurisdiction of the tenant: headquarters, ultimate parent, owners of 50 percent or more."""
    why: str = ""
    """Which fact made the governing jurisdiction."""
    group: str = ""
    """Key of the ownership group, the same for all tenants under the same party at the top: the ultimate parent, else the owner of 50 percent or more that no other owns so, else the tenant itself. Parties are the same when their registered names are, whatever their case, spaces and punctuation."""
    identity_digest: str = ""
    """Digest of the identity facts as they are now; a clearance whose `covers` differs is stale."""


class ChargedTo(Model):
    """Where one account of the tenant is charged."""

    party: Annotated[str, pydantic.Field(max_length=127)]
    """The account: the tenant's name, or reseller/customer."""
    jurisdictions: Annotated[list[Annotated[str, pydantic.Field(max_length=63)]], pydantic.Field(max_length=250)]
    """Jurisdictions in whose ledgers its charges stand. More than one only while they move from one to another."""


class ChargedNamespace(Model):
    """A namespace that holds charges of the tenant."""

    name: Annotated[str, pydantic.Field(max_length=63)]
    """The namespace."""
    parties: Annotated[list[Annotated[str, pydantic.Field(max_length=127)]], pydantic.Field(max_length=16)]
    """The accounts that are charged for what it holds. More than one only while they move from one to another."""


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
    """Conditions; `Cleared` is that of standing, for `kubectl wait`."""


class Tenant(Object):
    """The contracting party behind one or more namespaces: who it is, who owns it, and whether it is cleared.

    A namespace belongs to a tenant by the label computegate.io/tenant; setting the label needs the verb bind on the Tenant.
    """

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.spec.suppliedBy) || self.spec.suppliedBy != self.metadata.name",
                _SUPPLIES_ITSELF,
            )
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
