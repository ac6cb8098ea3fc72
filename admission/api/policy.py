"""AccessPolicy: dated rules that say which party may use which class under which conditions."""

from __future__ import annotations

import enum
from typing import Annotated, Literal, Self

import pydantic

from admission.api.attestation import FactAge, Reverification
from admission.api.object import CRD, ClassRef, Country, Jurisdiction, Model, Object, Text, distinct, rules
from admission.api.quota import Amount
from admission.api.screening import ScreeningTerms

# Each of these is said by the CRD's own rule in a cluster, and by the model where objects come from files.
_LEVEL_MISSING = "effect Level needs level"
_LEVELS_RAISE = "levels are of effect Level, and each is above level: more compute only raises it"
_ONE_AMOUNT = "give either devices or tpp"
_NEVER_EFFECTIVE = "effective is not before expires"
_VALUES = "In and NotIn need values; Exists and Unknown take none"


class Mode(enum.StrEnum):
    """What a denial does: nothing but a record, a warning, or a refusal."""

    Observe = "observe"
    Warn = "warn"
    Enforce = "enforce"


class Effect(enum.StrEnum):
    """What an applicable rule asks for, strictest first."""

    Deny = "Deny"
    Authorization = "Authorization"
    Level = "Level"
    Quota = "Quota"
    Allow = "Allow"


class Fact(enum.StrEnum):
    """What a rule can test of a request."""

    Headquarters = "Headquarters"
    Incorporation = "Incorporation"
    UltimateParentHeadquarters = "UltimateParentHeadquarters"
    UltimateParentIncorporation = "UltimateParentIncorporation"
    OwnerHeadquarters = "OwnerHeadquarters"
    GoverningJurisdiction = "GoverningJurisdiction"
    Place = "Place"
    AccessCountry = "AccessCountry"
    TenantKind = "TenantKind"
    Payment = "Payment"
    DeclaredUse = "DeclaredUse"
    Screening = "Screening"


class Test(Model):
    """One test of a fact; all tests of a rule must hold."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules(
            (
                "self.operator in ['Exists', 'Unknown'] ? !has(self.values) || size(self.values) == 0 : has(self.values) && size(self.values) > 0",
                _VALUES,
            ),
        )
    )

    fact: Fact
    """What is tested. OwnerHeadquarters are those of all owners of 50 percent or more, cascaded. Screening has the values Clear, Candidate, Match, and with Match those that say of whom: MatchItself, MatchOwners (of 50 percent or more, in aggregate), or both; or MatchMinority, of owners who together have less for certain, and with it MatchSignificantMinority where they may have `screening.significantFrom` or more."""
    operator: Literal["In", "NotIn", "Exists", "Unknown"]
    """Where a fact has several values, any of them decides for a rule that restricts, and all do for one that allows: In holds when one is among values, to allow when all are; NotIn when one is not, to allow when none is. An unknown fact never lets a restricting rule pass: Deny denies, the other effects apply."""
    values: Annotated[list[Annotated[str, pydantic.Field(max_length=63)]], pydantic.Field(max_length=250)] = []
    """Country codes, jurisdiction groups or words, as the fact has them."""

    @pydantic.model_validator(mode="after")
    def _has_values(self) -> Self:
        if (self.operator in {"In", "NotIn"}) != bool(self.values):
            raise ValueError(_VALUES)
        return self


class Basis(Model):
    """Why a rule exists: what it rests on, and since when that stands."""

    type: Literal["Law", "Letter", "ProviderPolicy"]
    """A published rule, a letter to a company, or the operator's own policy."""
    title: Annotated[str, pydantic.Field(min_length=1, max_length=256)]
    """Name of the rule as its readers know it."""
    citation: Text = ""
    """Where it is published."""
    as_of: pydantic.AwareDatetime | None = None
    """The date on which this was last checked."""


class LevelStep(Model):
    """The level that is needed from an amount on."""

    model_config = pydantic.ConfigDict(json_schema_extra=rules(("has(self.devices) != has(self.tpp)", _ONE_AMOUNT)))

    devices: Annotated[Amount, pydantic.Field(ge=1)] | None = None
    """From so many accelerators on."""
    tpp: Annotated[Amount, pydantic.Field(ge=1)] | None = None
    """From so much total processing performance on."""
    level: Annotated[int, pydantic.Field(ge=1, le=4)]
    """The least KYC level from there on."""

    @property
    def unit(self) -> Literal["devices", "tpp"]:
        """What is counted."""
        return "devices" if self.devices is not None else "tpp"

    @property
    def amount(self) -> int:
        """From how much on the level is needed."""
        return self.devices or self.tpp or 0

    @pydantic.model_validator(mode="after")
    def _is_one_amount(self) -> Self:
        if (self.devices is None) is (self.tpp is None):
            raise ValueError(_ONE_AMOUNT)
        return self


class Rule(Model):
    """One dated rule. Rules have no order: the strictest effect of all applicable rules wins."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules(
            ("self.effect != 'Level' || has(self.level)", _LEVEL_MISSING),
            (
                "!has(self.levels) || size(self.levels) == 0 || (self.effect == 'Level' && has(self.level) && self.levels.all(l, l.level > self.level))",
                _LEVELS_RAISE,
            ),
            (
                "!has(self.effective) || !has(self.expires) || self.effective < self.expires",
                _NEVER_EFFECTIVE,
            ),
        )
    )

    name: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=63)]
    """Name of the rule, unique in the policy; it appears in the decision record."""
    replaces: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9.-]+/[a-z0-9-]+$", max_length=317)] | None = None
    """Rule of another policy, as policy/rule, in whose place this one stands within its own dates, whatever its status but Proposed: one that is Stayed or NotEnforced switches the other off. Each decision's record names what was replaced."""
    basis: Basis
    """What the rule rests on."""
    status: Literal["InForce", "Stayed", "NotEnforced", "Proposed", "ByLetter"] = "InForce"
    """Only rules InForce or ByLetter are applied; the others are kept to be read, and to be compared. A rule in force ByLetter makes the classes that it names controlled, whatever their figures."""
    certainty: Literal["High", "Medium", "Low", "Unconfirmed"] = "High"
    """How sure the operator is of the status; shown, never decisive."""
    effective: pydantic.AwareDatetime | None = None
    """The rule applies from this instant; absent means always."""
    expires: pydantic.AwareDatetime | None = None
    """The rule ends at this instant; absent means never."""
    classes: Annotated[list[ClassRef], pydantic.Field(min_length=1, max_length=64)] = ["Controlled"]
    """Classes the rule is about: names, control entries (3A090.a.1), sides of lines of bandwidth (LetterBandwidth, CaseByCase, PresumptionOfDenial), Controlled, Uncontrolled or *. A class of unknown entry has, for every effect but Allow, also the strictest entry it can have; one of unknown bandwidth is on each side."""
    when: Annotated[list[Test], pydantic.Field(max_length=16)] = []
    """Tests that must all hold; none means always."""
    effect: Effect
    """Deny; Authorization (one must exist and have room); Level (a least KYC level); Quota (a ComputeQuota must cover it); Allow. Allow alone lets a controlled class in, where it applies for certain; the others ask for more and let nothing in."""
    level: Annotated[int, pydantic.Field(ge=1, le=4)] | None = None
    """The least KYC level, for effect Level: from the first device on."""
    levels: Annotated[list[LevelStep], pydantic.Field(max_length=8)] = []
    """Higher levels by how much a party holds and asks for of the rule's classes, in its governing jurisdiction. The highest of those reached counts. What it holds is known by a ComputeQuota that counts the class, which may be one without limits; where none does, the request is denied."""

    @pydantic.model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.effect is Effect.Level and self.level is None:
            raise ValueError(_LEVEL_MISSING)
        if self.levels and (
            self.effect is not Effect.Level or any(each.level <= (self.level or 0) for each in self.levels)
        ):
            raise ValueError(_LEVELS_RAISE)
        if self.effective is not None and self.expires is not None and self.effective >= self.expires:
            raise ValueError(_NEVER_EFFECTIVE)
        return self


class Group(Model):
    """A named group of jurisdictions."""

    name: Annotated[str, pydantic.Field(pattern=r"^[a-z][a-z0-9-]{1,62}$", max_length=63)]
    """Lower-case name by which rules and quotas refer to the group."""
    countries: Annotated[list[Country], pydantic.Field(min_length=1, max_length=250)]
    """Members (ISO 3166-1 alpha-2)."""
    source: Text = ""
    """Where the membership comes from, and of which date."""


class AccessPolicySpec(Model):
    """Rules, the groups they refer to, and how strictly they act."""

    mode: Mode = Mode.Enforce
    """The most that this policy's rules may do; a namespace or the installation may be milder still."""
    rules: Annotated[
        list[Rule],
        pydantic.Field(
            max_length=256, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
        distinct("name"),
    ] = []
    """The rules, in any order."""
    groups: Annotated[
        list[Group],
        pydantic.Field(
            max_length=64, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
        distinct("name"),
    ] = []
    """Groups of jurisdictions, added to the built-in ones (`ear-a1`, `ear-a5`, `ear-a6`, `ear-d1`, `ear-d4`, `ear-d5`, `ear-headquarters`, `ear-destinations`, `ear-destinations-b`)."""
    jurisdiction_order: Annotated[list[Jurisdiction], pydantic.Field(max_length=250)] = []
    """Strictest first: which of a tenant's jurisdictions governs. Those not named come last, in alphabetical order."""
    fact_ages: Annotated[
        list[FactAge],
        pydantic.Field(
            max_length=16, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["fact"]}
        ),
        distinct("fact"),
    ] = []
    """How old facts may grow before they are unknown. Of several policies each must be met."""
    reverification: Reverification | None = None
    """What follows from a due date of verification. Of several policies the strictest counts; of none, the defaults of these fields."""
    screening: ScreeningTerms = ScreeningTerms()
    """How long a candidate may wait for judgement, and how old a list may grow."""
    ambiguous_class: Literal["CountAll", "Deny"] = "CountAll"
    """A pod that may land on several classes is counted in each of them, or denied until it chooses (ClassAmbiguous)."""
    beneficial_owner_threshold: Annotated[float, pydantic.Field(gt=0, le=100)] | None = None
    """Percent from which owners must be named, such as 25: of the tenant, and of each party that may hold so much of it. Who may hold so much and is not named makes controlled classes wait until it is stated (OwnerUnknown). Of several policies the lowest holds."""
    unidentified_tenant: Literal["Deny", "AllowUncontrolled"] = "AllowUncontrolled"
    """Whether a namespace without a Tenant may use classes that no control entry covers."""


class AccessPolicy(Object):
    """Dated rules of access. All policies of a cluster are read as one: the strictest effect wins.

    A controlled class that no rule with effect Allow covers is denied; an uncontrolled one is allowed and counted.
    """

    crd = CRD(
        plural="accesspolicies",
        short_names=("accpol",),
        columns=(("Mode", "string", ".spec.mode", "the most that its rules may do"),),
    )
    kind: Literal["AccessPolicy"] = "AccessPolicy"
    spec: AccessPolicySpec
    """The policy."""
