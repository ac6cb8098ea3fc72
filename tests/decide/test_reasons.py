"""Each reason, from the smallest question that has it; and what no tenant may read in any of them."""

from __future__ import annotations

from typing import Any

import pytest

from admission.decide.decide import decide
from admission.enforce.shown import allowance_status, obstacle
from admission.review import fitting, messages
from admission.review.reasons import PublicCode, Reason
from tests.decide.questions import (
    ALLOW,
    CHIP,
    COUNT,
    EITHER,
    H100,
    NODES,
    NOW,
    UNCONTROLLED,
    World,
    grant,
    party,
    policy,
    quota,
    rule,
    tenant,
    world,
)
from tests.demand.cluster import pod

LEVEL = rule("level", "Level", level=3)
AUTHORIZE = rule("licence", "Authorization")
OF_STATES = rule("state", "Level", ("TenantKind", "In", "StateBody", "Government"), level=3)
RESELLER = tenant("kumo", kind="Reseller")
CUSTOMER = tenant("tanuki", suppliedBy="kumo")
SOLD = {"computegate.io/tenant": "kumo", "computegate.io/end-customer": "tanuki"}


def _deny(*test: Any, **fields: Any) -> Any:
    return policy(ALLOW, rule("deny", "Deny", test, **fields))


def _kyc(**changed: Any) -> World:
    return world(tenant(status={"kyc": changed}))


def _owned(share: float | None, **spec: Any) -> Any:
    held = {} if share is None else {"exact": share}
    return tenant(parties=[party("redgate", "CN")], ownership=[{"owner": "redgate", "share": held}], **spec)


def _owned_by(**said: Any) -> Any:
    """A company of whom one party holds all."""
    owner = {"id": "redgate", "headquarters": "SG", **said}
    return tenant(parties=[owner], ultimateParent="redgate", ownership=[{"owner": "redgate", "share": {"exact": 100}}])


def _due(when: str, **reverification: str) -> World:
    return world(policy(ALLOW, reverification=reverification), tenant(status={"kyc": {"reverifyBy": when}}))


def _attests(
    fact: str, by: str, until: str = "2027-01-01T00:00:00Z", at: str = "2026-01-01T00:00:00Z"
) -> dict[str, Any]:
    return {"facts": [fact], "by": by, "at": at, "validUntil": until}


def _attesting(
    kind: str, until: str = "2027-01-01T00:00:00Z", name: str = "acme", at: str = "2026-01-01T00:00:00Z"
) -> Any:
    return tenant(name, kind=kind, attestations=[_attests("TenantKind", "Tenant", until, at)])


NAMED = policy(ALLOW, beneficialOwnerThreshold=25)

PERSON: dict[str, Any] = {"kind": "Individual", "independent": False}
NONE_ABOVE = [
    rule(fact.lower(), "Deny", (fact, "In", "CN")) for fact in ("UltimateParentHeadquarters", "OwnerHeadquarters")
]

CASES: dict[str, tuple[World, set[Reason]]] = {
    "a cleared tenant with an open policy": (world(), set()),
    "a privileged pod": (
        world(pod=pod({"securityContext": {"privileged": True}})),
        {Reason.DeviceBypass},
    ),
    "a resource that nobody knows": (world(pod=pod({"example.com/chip": 1})), {Reason.ClassUnknown}),
    "a claim that is not there": (
        world(pod=pod({}, resourceClaims=[{"name": "a", "resourceClaimName": "b"}])),
        {Reason.ClaimMissing},
    ),
    "no node to land on": (
        world(pod=pod({"nvidia.com/gpu": 1}, nodeSelector={"a": "b"})),
        {Reason.ClassUnknown},
    ),
    "two classes where a choice is asked for": (
        world(policy(ALLOW, ambiguousClass="Deny"), pod=EITHER),
        {Reason.ClassAmbiguous},
    ),
    "two classes where none is": (world(pod=EITHER), set()),
    "no tenant label": (World(labels={}), {Reason.TenantUnknown}),
    "a tenant that is not there": (World(labels={"computegate.io/tenant": "ghost"}), {Reason.TenantUnknown}),
    "no tenant and an uncontrolled chip": (World(labels={}, pod=UNCONTROLLED), set()),
    "no tenant and an uncontrolled chip where tenants must be known": (
        World(objects=(policy(unidentifiedTenant="Deny"),), labels={}, pod=UNCONTROLLED),
        {Reason.TenantUnknown},
    ),
    "no tenant and an uncontrolled chip that is denied to all": (
        World(objects=(policy(rule("no", "Deny", classes=["t4"])),), labels={}, pod=UNCONTROLLED),
        {Reason.TenantUnknown},
    ),
    "no tenant and an uncontrolled chip at a place that is denied to all": (
        World(objects=(policy(rule("no", "Deny", ("Place", "In", "DE"), classes=["*"])),), labels={}, pod=UNCONTROLLED),
        {Reason.TenantUnknown},
    ),
    "no tenant and an uncontrolled chip denied elsewhere": (
        World(objects=(policy(rule("no", "Deny", ("Place", "In", "CN"), classes=["*"])),), labels={}, pod=UNCONTROLLED),
        set(),
    ),
    "no KYC": (world(tenant(status={"kyc": None})), {Reason.KYCMissing}),
    "KYC verified at a level that verifies nothing": (_kyc(level=0), {Reason.KYCMissing}),
    "KYC verified at a level that verifies an identity": (_kyc(level=1), set()),
    "KYC unverified": (_kyc(state="Unverified"), {Reason.KYCMissing}),
    "KYC pending": (_kyc(state="Pending"), {Reason.KYCPending}),
    "KYC to be reviewed": (_kyc(state="NeedsReview"), {Reason.NeedsReview}),
    "KYC rejected": (_kyc(state="Rejected"), {Reason.KYCRejected}),
    "KYC suspended": (_kyc(state="Suspended"), {Reason.KYCSuspended}),
    "KYC revoked": (_kyc(state="Revoked"), {Reason.KYCSuspended}),
    "KYC expired": (_kyc(expiresAt="2026-11-22T12:00:00Z"), {Reason.KYCExpired}),
    "KYC of other facts": (_kyc(covers="sha256:other"), {Reason.KYCStale}),
    "KYC that was to be verified again by now": (
        _kyc(reverifyBy="2026-11-22T12:00:00Z"),
        {Reason.NeedsReview},
    ),
    "KYC that is to be verified again in a second": (_kyc(reverifyBy="2026-11-22T12:00:01Z"), set()),
    "KYC that was to be verified again, within the days of grace": (
        _due("2026-11-21T12:00:01Z", grace="1d"),
        set(),
    ),
    "KYC that was to be verified again, at their end": (
        _due("2026-11-21T12:00:00Z", grace="1d"),
        {Reason.NeedsReview},
    ),
    "KYC that was to be verified again, where that only warns": (
        _due("2026-01-02T00:00:00Z", overdue="Warn"),
        set(),
    ),
    "KYC that was to be verified again, where one policy warns and another does not": (
        world(
            policy(ALLOW, reverification={"overdue": "Warn"}),
            policy(name="strict", reverification={"grace": "1d"}),
            tenant(status={"kyc": {"reverifyBy": "2026-11-21T12:00:00Z"}}),
        ),
        {Reason.NeedsReview},
    ),
    "a fact that nobody attests any more": (
        world(
            _deny("Headquarters", "In", "FR"),
            tenant(attestations=[_attests("Headquarters", "Operator", "2026-11-22T12:00:00Z")]),
        ),
        {Reason.FactStale},
    ),
    "an inference provider that attests nothing": (world(tenant(kind="InferenceProvider")), {Reason.AttestationLapsed}),
    "an inference provider whose attestation has ended": (
        world(_attesting("InferenceProvider", "2026-11-22T12:00:00Z")),
        {Reason.AttestationLapsed},
    ),
    "an inference provider whose attestation ends in a second": (
        world(_attesting("InferenceProvider", "2026-11-22T12:00:01Z")),
        set(),
    ),
    "an inference provider that attested for a hundred years": (
        world(_attesting("InferenceProvider", "2126-01-01T00:00:00Z", at="2025-11-21T12:00:00Z")),
        {Reason.AttestationLapsed},
    ),
    "an inference provider of which only others speak": (
        world(tenant(kind="InferenceProvider", attestations=[_attests("TenantKind", "Operator")])),
        {Reason.AttestationLapsed},
    ),
    "an inference provider that attests nothing, an uncontrolled chip": (
        world(tenant(kind="InferenceProvider"), pod=UNCONTROLLED),
        set(),
    ),
    "a reseller of clusters that attests nothing": (
        world(tenant("kumo", kind="ClusterReseller"), CUSTOMER, labels=SOLD),
        {Reason.AttestationLapsed},
    ),
    "a reseller of clusters that does": (
        world(_attesting("ClusterReseller", name="kumo"), CUSTOMER, labels=SOLD),
        set(),
    ),
    "an end customer whose supplier attests nothing": (
        world(tenant("kumo", kind="ClusterReseller"), CUSTOMER, labels={"computegate.io/tenant": "tanuki"}),
        {Reason.AttestationLapsed},
    ),
    "an end customer that attests nothing": (
        world(RESELLER, tenant("tanuki", kind="InferenceProvider", suppliedBy="kumo"), labels=SOLD),
        {Reason.EndCustomerNotCleared},
    ),
    "a state body, where these need a deeper verification": (
        world(policy(ALLOW, OF_STATES), tenant(kind="StateBody")),
        {Reason.KYCLevelTooLow},
    ),
    "no KYC and an uncontrolled chip": (world(tenant(status={"kyc": None}), pod=UNCONTROLLED), set()),
    "a level too low": (world(policy(ALLOW, LEVEL)), {Reason.KYCLevelTooLow}),
    "a level high enough": (world(policy(ALLOW, LEVEL), tenant(status={"kyc": {"level": 3}})), set()),
    "a level asked for an uncontrolled chip of a clearance that has lapsed": (
        world(
            policy(rule("level", "Level", classes=["*"])),
            tenant(status={"kyc": {"state": "Rejected"}}),
            pod=UNCONTROLLED,
        ),
        {Reason.KYCRejected},
    ),
    "no rule": (world(policy()), {Reason.JurisdictionNotAllowed}),
    "no policy at all": (World(objects=(tenant(),)), {Reason.JurisdictionNotAllowed}),
    "no rule and an uncontrolled chip": (world(policy(), pod=UNCONTROLLED), set()),
    "a rule for another country": (
        world(policy(rule("fr", "Allow", ("Headquarters", "In", "FR")))),
        {Reason.JurisdictionNotAllowed},
    ),
    "a rule for another class": (world(policy(rule("t4", "Allow", classes=["t4"]))), {Reason.JurisdictionNotAllowed}),
    "a rule that may cover, of unknown owners": (
        world(
            policy(rule("own", "Allow", ("OwnerHeadquarters", "NotIn", "CN"))),
            tenant(parties=[party("x", None)], ownership=[{"owner": "x", "share": {"exact": 60}}]),
        ),
        {Reason.OwnerUnknown},
    ),
    "no owner named where owners must be": (world(NAMED), {Reason.OwnerUnknown}),
    "no owner named, of an uncontrolled chip": (world(NAMED, pod=UNCONTROLLED), set()),
    "no owner named where another policy that enforces asks for it": (
        world(policy(ALLOW), policy(name="owners", beneficialOwnerThreshold=25)),
        {Reason.OwnerUnknown},
    ),
    "no owner named where a policy that observes would ask for it": (
        world(policy(ALLOW), policy(name="owners", beneficialOwnerThreshold=25, mode="observe")),
        set(),
    ),
    "a quarter unnamed": (world(NAMED, _owned(75)), {Reason.OwnerUnknown}),
    "less than a quarter unnamed": (world(NAMED, _owned(75.1)), set()),
    "nobody else holds a quarter": (world(NAMED, _owned(10, othersBelow=25)), set()),
    "an unnamed reseller above": (
        world(NAMED, RESELLER, tenant("tanuki", suppliedBy="kumo", othersBelow=25), labels=SOLD),
        {Reason.OwnerUnknown},
    ),
    "a rule that may cover, of an unknown place": (
        world(policy(rule("place", "Allow", ("Place", "In", "DE"))), country=""),
        {Reason.JurisdictionNotAllowed},
    ),
    "no jurisdiction known": (world(tenant(headquarters="absent")), {Reason.JurisdictionNotAllowed}),
    "no jurisdiction known and an uncontrolled chip": (world(tenant(headquarters="absent"), pod=UNCONTROLLED), set()),
    "headquarters denied": (world(_deny("Headquarters", "In", "DE")), {Reason.JurisdictionNotAllowed}),
    "a group denied": (
        world(_deny("Headquarters", "In", "ear-d5"), tenant(headquarters="CN")),
        {Reason.JurisdictionNotAllowed},
    ),
    "a parent denied": (
        world(
            _deny("UltimateParentHeadquarters", "In", "CN"),
            tenant(parties=[party("top", "CN")], ultimateParent="top"),
        ),
        {Reason.JurisdictionNotAllowed},
    ),
    "a parent unknown": (
        world(_deny("UltimateParentHeadquarters", "In", "CN"), tenant(independent=False)),
        {Reason.OwnerUnknown},
    ),
    **{
        f"{kind} that states nobody above it": (
            world(
                policy(ALLOW, *NONE_ABOVE, beneficialOwnerThreshold=25),
                tenant(kind=kind, independent=False),
            ),
            reasons,
        )
        for kind, reasons in (
            *(("Individual", set()), ("Government", {Reason.OwnerUnknown})),
            *(("StateBody", {Reason.OwnerUnknown}), ("Company", {Reason.OwnerUnknown})),
        )
    },
    **{
        f"a company that declares itself {kind} by {what}": (
            world(policy(ALLOW, *NONE_ABOVE, beneficialOwnerThreshold=25), tenant(**PERSON | {"kind": kind} | said)),
            {Reason.OwnerUnknown},
        )
        for kind, what, said in (
            ("Individual", "its name", {"legalName": "Brise Holdings Pte. Ltd."}),
            ("Government", "its name", {"legalName": "ООО Бризвелм"}),
            ("Individual", "where it was formed", {"incorporation": "DE"}),
        )
    },
    **{
        f"a company of a {declared} by {what}": (
            world(policy(ALLOW, *NONE_ABOVE, beneficialOwnerThreshold=25), _owned_by(type=declared, **said)),
            {Reason.OwnerUnknown} if belied else set(),
        )
        for declared, what, said, belied in (
            ("State", "its name", {"name": "The Province"}, False),
            ("State", "a word that a company's name has", {"name": "Redgate Holding Co Ltd"}, True),
            ("NaturalPerson", "its name", {"name": "Vera Beispiel"}, False),
            ("NaturalPerson", "a word that a company's name has", {"name": "Redgate AG"}, True),
            ("NaturalPerson", "a word in Chinese", {"name": "\u6f9c\u5cab\u79d1\u6280"}, True),
            ("NaturalPerson", "where it was formed", {"name": "Vera Beispiel", "incorporation": "SG"}, True),
        )
    },
    "a person whose name ends like a company's, and who says that nobody stands above": (
        world(policy(ALLOW, *NONE_ABOVE), tenant(kind="Individual", legalName="Wen Pao", independent=True)),
        set(),
    ),
    "a person above whom somebody stands": (
        world(_deny("UltimateParentHeadquarters", "In", "CN"), tenant(parties=[party("top")], **PERSON)),
        {Reason.OwnerUnknown},
    ),
    "a place denied": (world(_deny("Place", "In", "DE")), {Reason.JurisdictionNotAllowed}),
    "a place unknown": (world(_deny("Place", "In", "CN"), country=""), {Reason.JurisdictionNotAllowed}),
    "a place that is no country": (world(_deny("Place", "In", "CN"), country="ZZ"), {Reason.JurisdictionNotAllowed}),
    "a place that is no country, where only known ones are let in": (
        world(policy(rule("place", "Allow", ("Place", "NotIn", "CN"))), country="ZZ"),
        {Reason.JurisdictionNotAllowed},
    ),
    "owners denied": (world(_deny("OwnerHeadquarters", "In", "CN"), _owned(50)), {Reason.OwnershipNotCleared}),
    "owners of less than half": (world(_deny("OwnerHeadquarters", "In", "CN"), _owned(49)), set()),
    "owners of nobody knows how much": (
        world(_deny("OwnerHeadquarters", "In", "CN"), _owned(None)),
        {Reason.OwnerUnknown},
    ),
    "owners unknown, where that is denied": (
        world(_deny("OwnerHeadquarters", "Unknown"), tenant(independent=False)),
        {Reason.OwnershipNotCleared},
    ),
    "owners known, where not to know them is denied": (world(_deny("OwnerHeadquarters", "Unknown"), _owned(60)), set()),
    "a listed tenant": (
        world(_deny("Screening", "In", "Match"), tenant(status={"screening": {"matchedParties": ["tenant"]}})),
        {Reason.ListedParty},
    ),
    "a listed owner of half": (
        world(
            _deny("Screening", "In", "Match"),
            _owned(50, status={"screening": {"state": "Match", "matchedParties": ["redgate"]}}),
        ),
        {Reason.ListedParty},
    ),
    "a name hit not yet judged": (
        world(_deny("Screening", "In", "Match", "Candidate"), tenant(status={"screening": {"state": "Candidate"}})),
        {Reason.NeedsReview},
    ),
    "never screened": (
        world(_deny("Screening", "In", "Match"), tenant(status={"screening": None})),
        {Reason.NeedsReview},
    ),
    "an end use denied": (world(_deny("DeclaredUse", "In", "Training")), {Reason.EndUseNotCleared}),
    "no end use declared": (
        world(_deny("DeclaredUse", "In", "WeaponsOfMassDestruction"), tenant(declaredUse=[])),
        {Reason.EndUseMissing},
    ),
    "no end use declared by an end customer": (
        world(
            _deny("DeclaredUse", "In", "WeaponsOfMassDestruction"),
            RESELLER,
            tenant("tanuki", suppliedBy="kumo", declaredUse=[]),
            labels=SOLD,
        ),
        {Reason.EndCustomerNotCleared},
    ),
    "no end use declared by a supplier": (
        world(
            _deny("DeclaredUse", "In", "WeaponsOfMassDestruction"),
            tenant("kumo", kind="Reseller", declaredUse=[]),
            CUSTOMER,
            labels={"computegate.io/tenant": "tanuki"},
        ),
        {Reason.EndUseNotCleared},
    ),
    "a means of payment that billing does not know": (
        world(_deny("Payment", "In", "Cash"), tenant(payment=["BankTransfer", "Unknown"])),
        {Reason.PaymentUnknown},
    ),
    "an unknown means of payment beside one that is denied": (
        world(_deny("Payment", "In", "Cash"), tenant(payment=["Cash", "Unknown"])),
        {Reason.JurisdictionNotAllowed},
    ),
    "an unknown means of payment, where it must be known": (
        world(_deny("Payment", "Unknown"), tenant(payment=["Unknown"])),
        {Reason.JurisdictionNotAllowed},
    ),
    "an unknown means of payment, where any lets in": (
        world(policy(rule("paid", "Allow", ("Payment", "Exists"))), tenant(payment=["Unknown"])),
        {Reason.PaymentUnknown},
    ),
    "access from nobody knows where": (world(_deny("AccessCountry", "In", "CN")), {Reason.NeedsReview}),
    "access from a denied country": (
        world(_deny("AccessCountry", "In", "CN"), tenant(status={"access": {"countries": ["DE", "CN"]}})),
        {Reason.JurisdictionNotAllowed},
    ),
    "access from a country that is none": (
        world(_deny("AccessCountry", "In", "CN"), tenant(status={"access": {"countries": ["DE", "ZZ"]}})),
        {Reason.NeedsReview},
    ),
    "access from a country that is none, where there is evidence": (
        world(
            policy(ALLOW, rule("seen", "Deny", ("AccessCountry", "Exists"), ("AccessCountry", "In", "CN"))),
            tenant(status={"access": {"countries": ["ZZ"]}}),
        ),
        {Reason.NeedsReview},
    ),
    "access from a denied country and from one that is none": (
        world(_deny("AccessCountry", "In", "CN"), tenant(status={"access": {"countries": ["CN", "ZZ"]}})),
        {Reason.JurisdictionNotAllowed},
    ),
    "access from a country that is none, where it must be known": (
        world(_deny("AccessCountry", "Unknown"), tenant(status={"access": {"countries": ["ZZ"]}})),
        {Reason.JurisdictionNotAllowed},
    ),
    "an authorization that only an unknown owner may need": (
        world(policy(ALLOW, rule("licence", "Authorization", ("OwnerHeadquarters", "In", "CN"))), _owned(None)),
        {Reason.OwnerUnknown},
    ),
    "an authorization that only a stale fact may need": (
        world(
            policy(ALLOW, rule("licence", "Authorization", ("Headquarters", "In", "CN"))),
            tenant(attestations=[_attests("Headquarters", "Operator", "2026-02-01T00:00:00Z")]),
        ),
        {Reason.FactStale},
    ),
    "an authorization that an unknown owner may need, which there is": (
        world(
            policy(ALLOW, rule("licence", "Authorization", ("OwnerHeadquarters", "In", "CN"))), _owned(None), grant()
        ),
        set(),
    ),
    "an authorization that one place needs for certain and another may": (
        world(
            policy(ALLOW, rule("licence", "Authorization", ("Headquarters", "In", "DE"), ("Place", "NotIn", "CN"))),
            country="",
        ),
        {Reason.JurisdictionNotAllowed},
    ),
    "a level that only an unknown means of payment may need": (
        world(policy(ALLOW, rule("cash", "Level", ("Payment", "In", "Cash"), level=3)), tenant(payment=[])),
        {Reason.PaymentUnknown},
    ),
    "a level that an unknown means of payment may need, which is reached": (
        world(policy(ALLOW, rule("cash", "Level", ("Payment", "In", "Cash"), level=2)), tenant(payment=[])),
        set(),
    ),
    "an unknown means of payment of a supplier": (
        world(
            policy(ALLOW, rule("cash", "Level", ("Payment", "In", "Cash"), level=3)),
            tenant("kumo", kind="Reseller", payment=[]),
            CUSTOMER,
            labels={"computegate.io/tenant": "tanuki"},
        ),
        {Reason.NeedsReview},
    ),
    "unknown owners of a supplier": (
        world(
            _deny("OwnerHeadquarters", "In", "CN"),
            tenant("kumo", kind="Reseller", independent=False),
            CUSTOMER,
            labels={"computegate.io/tenant": "tanuki"},
        ),
        {Reason.OwnershipNotCleared},
    ),
    "no authorization": (world(policy(ALLOW, AUTHORIZE)), {Reason.AuthorizationRequired}),
    "an authorization": (world(policy(ALLOW, AUTHORIZE), grant()), set()),
    "another tenant's authorization": (
        world(policy(ALLOW, AUTHORIZE), grant(holder="other")),
        {Reason.AuthorizationRequired},
    ),
    "an authorization of another class": (
        world(policy(ALLOW, AUTHORIZE), grant(classes=["t4"])),
        {Reason.AuthorizationRequired},
    ),
    "an authorization that has ended": (
        world(policy(ALLOW, AUTHORIZE), grant(validUntil="2026-11-22T12:00:00Z")),
        {Reason.AuthorizationRequired},
    ),
    "an authorization that ends in a second": (
        world(policy(ALLOW, AUTHORIZE), grant(validUntil="2026-11-22T12:00:01Z")),
        set(),
    ),
    "an authorization that begins now": (
        world(policy(ALLOW, AUTHORIZE), grant(validFrom="2026-11-22T12:00:00Z")),
        set(),
    ),
    "an authorization that begins in a second": (
        world(policy(ALLOW, AUTHORIZE), grant(validFrom="2026-11-22T12:00:01Z")),
        {Reason.AuthorizationRequired},
    ),
    "no quota where one is asked": (world(policy(ALLOW, COUNT)), {Reason.QuotaExceeded}),
    "a quota where one is asked": (world(policy(ALLOW, COUNT), quota()), set()),
    "a quota of a group where one is asked": (
        world(policy(ALLOW, COUNT, groups=[{"name": "home", "countries": ["DE"]}]), quota("home", "home")),
        set(),
    ),
    "another country's quota": (world(policy(ALLOW, COUNT), quota("fr", "FR")), {Reason.QuotaExceeded}),
    "another class's quota": (world(policy(ALLOW, COUNT), quota(classes=["t4"])), {Reason.QuotaExceeded}),
    "no end to the hold": (world(quota(limits={"longestHold": "1d"})), {Reason.HoldUnbounded}),
    "a hold too long": (
        world(quota(limits={"longestHold": "1d"}), pod=pod({"nvidia.com/h100": 1}, activeDeadlineSeconds=86401)),
        {Reason.HoldTooLong},
    ),
    "a hold as long as may be": (
        world(quota(limits={"longestHold": "1d"}), pod=pod({"nvidia.com/h100": 1}, activeDeadlineSeconds=86400)),
        set(),
    ),
    "a hold too long for one tenant": (
        world(quota(perTenant={"longestHold": "1h"}), pod=pod({"nvidia.com/h100": 1}, activeDeadlineSeconds=3601)),
        {Reason.HoldTooLong},
    ),
    "a hold too long for a reseller": (
        world(RESELLER, CUSTOMER, quota(perReseller={"longestHold": "1h"}), labels=SOLD),
        {Reason.HoldUnbounded},
    ),
    "an ownership group's longest hold": (world(quota(perGroup={"longestHold": "1h"})), {Reason.HoldUnbounded}),
    "a reseller's longest hold, no reseller": (world(quota(perReseller={"longestHold": "1h"})), set()),
    "a reseller's namespace without an end customer": (
        world(RESELLER, labels={"computegate.io/tenant": "kumo"}),
        {Reason.EndCustomerMissing},
    ),
    "a reseller's namespace without an end customer, an uncontrolled chip": (
        world(RESELLER, labels={"computegate.io/tenant": "kumo"}, pod=UNCONTROLLED),
        set(),
    ),
    "a reseller and its end customer": (world(RESELLER, CUSTOMER, labels=SOLD), set()),
    "a reseller and a stranger": (world(RESELLER, tenant("tanuki"), labels=SOLD), {Reason.EndCustomerMissing}),
    "a reseller and another's customer": (
        world(RESELLER, tenant("tanuki", suppliedBy="other"), labels=SOLD),
        {Reason.EndCustomerMissing},
    ),
    "a reseller and nobody": (world(RESELLER, labels=SOLD), {Reason.EndCustomerMissing}),
    "a reseller and an end customer that is not cleared": (
        world(RESELLER, tenant("tanuki", {"kyc": {"state": "Pending"}}, suppliedBy="kumo"), labels=SOLD),
        {Reason.EndCustomerNotCleared},
    ),
    "a reseller that is not cleared": (
        world(tenant("kumo", {"kyc": {"state": "Suspended"}}, kind="Reseller"), CUSTOMER, labels=SOLD),
        {Reason.KYCSuspended},
    ),
    "an end customer in its own namespace": (
        world(RESELLER, CUSTOMER, labels={"computegate.io/tenant": "tanuki"}),
        set(),
    ),
    "an end customer whose supplier is not there": (
        world(CUSTOMER, labels={"computegate.io/tenant": "tanuki"}),
        {Reason.EndCustomerNotCleared},
    ),
    "an end customer whose supplier is not cleared": (
        world(tenant("kumo", {"kyc": None}, kind="Reseller"), CUSTOMER, labels={"computegate.io/tenant": "tanuki"}),
        {Reason.KYCMissing},
    ),
    "an end customer that a rule denies": (
        world(
            _deny("Headquarters", "In", "JP"),
            RESELLER,
            tenant("tanuki", suppliedBy="kumo", headquarters="JP"),
            labels=SOLD,
        ),
        {Reason.EndCustomerNotCleared},
    ),
    "two classes of which one is denied": (
        world(policy(ALLOW, rule("no", "Deny", classes=["a100-80gb"])), pod=EITHER),
        {Reason.JurisdictionNotAllowed},
    ),
    "two classes of which one is covered": (
        world(policy(rule("h", "Allow", classes=["h100-sxm"])), pod=EITHER),
        {Reason.JurisdictionNotAllowed},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "reasons"), CASES.values(), ids=CASES)
def test_a_question_has_these_reasons_and_no_other(asked: World, reasons: set[Reason]) -> None:
    verdict = asked.verdict()
    assert set(verdict.reasons()) == reasons
    assert verdict.checks or not verdict.findings
    if reasons:
        assert verdict.scopes == ()


BY_LEDGER = {
    Reason.AuthorizationExhausted,
    Reason.NotSynced,
    Reason.LedgerBusy,
    Reason.Draining,
    Reason.RecordUnwritten,
    Reason.RulesUnusable,
}
"""Reasons that are not found by checks."""

UNUSED = {Reason.HoursExhausted, Reason.BeforeInstall, Reason.StaticPod}
"""Device-hours are the ledger's; the others are of pods that run already."""


def test_every_reason_that_checks_can_find_is_found_above() -> None:
    found = {reason for _, reasons in CASES.values() for reason in reasons}
    assert found == set(Reason) - BY_LEDGER - UNUSED


@pytest.mark.parametrize("asked", [case for case, _ in CASES.values()], ids=CASES)
def test_no_sentence_names_a_list_an_owner_a_rule_a_country_or_an_operators_reason(asked: World) -> None:
    secrets = {"secret", "redgate", "list", "owner", "parent", "headquarters", "screening", "match", "sanction"}
    secrets |= {"kyc", "cn", "de", "jp", "ear-d5", "access/"}
    operators = {str(reason).lower() for reason in Reason} - {str(code).lower() for code in PublicCode}
    for finding in asked.verdict().findings:
        words = fitting.denial([finding], "ref", "").lower()
        assert not {word for word in secrets if word in words.replace(";", " ").split()}
        assert not {word for word in operators | {"secret", "redgate", "ear-"} if word in words}


@pytest.mark.parametrize("asked", [case for case, _ in CASES.values()], ids=CASES)
def test_the_same_question_has_the_same_verdict(asked: World) -> None:
    question = asked.question()
    first, again, anew = decide(question), decide(question), asked.verdict()
    assert first.findings == again.findings == anew.findings
    assert first.checks == again.checks == anew.checks
    assert first.charge == again.charge == anew.charge
    assert [scope.name for scope in first.scopes] == [scope.name for scope in anew.scopes]


OF_THE_REQUEST = {Reason.ClassAmbiguous, Reason.HoldUnbounded, Reason.HoldTooLong, Reason.QuotaExceeded}
OF_THE_PARTY = [
    pytest.param(asked, reasons - OF_THE_REQUEST, id=name)
    for name, (asked, reasons) in CASES.items()
    if asked.pod is H100 and asked.labels.get("computegate.io/tenant") in asked.registry().standings
]


@pytest.mark.parametrize(("asked", "reasons"), OF_THE_PARTY)
def test_what_is_shown_of_a_tenant_is_what_a_pod_of_its_would_be_told(asked: World, reasons: set[Reason]) -> None:
    registry = asked._replace(nodes=(NODES[1],)).registry()
    standing = registry.standings[asked.labels["computegate.io/tenant"]]
    found = obstacle(standing, registry, asked.now, "lab")
    assert {found} - {None} <= reasons
    assert bool(found) is bool(reasons)
    shown = allowance_status(standing, found, expires_at=None, use={}, limits=[], denial=None, contact="")
    assert (shown.clearance == "Cleared") is not bool(reasons)


def test_a_reseller_is_shown_as_cleared_where_it_names_its_customer_and_its_tenant_wherever_it_does() -> None:
    for labels, expected in ((SOLD, None), ({"computegate.io/tenant": "kumo"}, Reason.EndCustomerMissing)):
        registry = world(RESELLER, CUSTOMER, policy(ALLOW), labels=labels).registry()
        standing = registry.standings["kumo"]
        assert obstacle(standing, registry, NOW, "lab") is expected
        assert obstacle(standing, registry, NOW) is None


_IN_FR = ("Headquarters", "In", "FR")
LETS_IN_ONE = rule("allow", "Allow", _IN_FR)


@pytest.mark.parametrize(
    "added",
    [
        (),
        (rule("met", "Level", ("Payment", "In", "Invoice"), level=1),),
        (rule("met", "Quota"), quota()),
        (rule("met", "Authorization"), grant()),
        (rule("other", "Deny", _IN_FR),),
        (rule("unknown", "Allow", ("AccessCountry", "In", "DE")),),
    ],
    ids=["none", "a level", "a quota", "an authorization", "a denial", "an allowance that may not apply"],
)
def test_only_a_rule_that_allows_lets_in_and_one_that_asks_for_more_never_does(added: tuple[Any, ...]) -> None:
    rules = [each for each in added if isinstance(each, dict)]
    asked = world(policy(LETS_IN_ONE, *rules), *(each for each in added if not isinstance(each, dict)))
    assert [check.party for check in asked.verdict().checks if check.name == "rules cover the class"] == ["acme"]
    assert asked.reasons() != []


def test_of_several_levels_the_highest_is_said_once() -> None:
    rules = policy(ALLOW, rule("a", "Level", level=3), rule("b", "Level", level=4), rule("c", "Level", level=2))
    found = world(rules).verdict().findings
    assert [(each.rule, each.detail) for each in found] == [
        ("access/a", "level 2, 3 needed"),
        ("access/b", "level 2, 4 needed"),
    ]
    assert {each.sentence for each in found} == {messages.level_too_low("acme", f"class {CHIP}", 4)}


def test_everybodys_reasons_stand_in_one_verdict() -> None:
    bad = tenant(status={"kyc": {"state": "Rejected"}}, headquarters="CN", declaredUse=[])
    rules = policy(
        rule("a", "Deny", ("Headquarters", "In", "CN")),
        rule("b", "Deny", ("DeclaredUse", "In", "Training")),
        LEVEL,
        AUTHORIZE,
        COUNT,
    )
    assert set(world(bad, rules, pod=H100).verdict().reasons()) == {
        Reason.KYCRejected,
        Reason.JurisdictionNotAllowed,
        Reason.EndUseMissing,
        Reason.KYCLevelTooLow,
        Reason.AuthorizationRequired,
        Reason.QuotaExceeded,
    }
