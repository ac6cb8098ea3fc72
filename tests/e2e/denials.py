"""For each reason of a denial: who asks for what, so that a running cluster denies for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from admission.review.reasons import Reason
from tests.e2e.objects import gpu_pod, namespace, of, quota, tenant
from tools.installation import pod

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.objects import Object

HOME = "JP"
ABROAD = "CN"
"""A headquarters country of the examples' rules."""

ELSEWHERE: Mapping[Reason, str] = {
    Reason.HoursExhausted: "hours over a window are not counted yet: ComputeQuota has no field for them",
    Reason.RecordUnwritten: "said while the decision record cannot be written (tests/record/test_answers_recorded)",
    Reason.RulesUnusable: "said while objects do not fit together (test_refused_objects)",
    Reason.BeforeInstall: "found of pods that run, and denies none (tests/gate/test_running_pods)",
    Reason.StaticPod: "likewise",
    Reason.Draining: "said when a replica that shuts down has no room: only its own port shows it (test_denials)",
}
"""Reasons that kubectl cannot be shown, and why."""


class Case(NamedTuple):
    """One reason: objects beside the common ones, the pod, and everything that stands in the record for it."""

    reason: Reason
    objects: tuple[Object, ...]
    pod: Object
    others: tuple[Reason, ...] = ()
    before: str = ""
    """What the test does first: see test_denials."""


def _party(share: float, country: str) -> dict[str, Any]:
    """Return facts: a party of this country owns so much, a founder the rest."""
    return {
        "parties": [
            {"id": "redgate", "name": "Redgate Holding", "headquarters": country},
            {"id": "founder", "name": "A. Founder", "type": "NaturalPerson", "headquarters": HOME},
        ],
        "ownership": [
            {"owner": "redgate", "owned": "tenant", "share": {"exact": share}},
            {"owner": "founder", "owned": "tenant", "share": {"exact": 100 - share}},
        ],
    }


def _two_parties(share: int, country: str) -> Object:
    """Two owners of one country, who have half or more only together: neither is a parent."""
    one = _party(share, country)
    other = {"id": "redmill", "name": "Redmill Holding", "headquarters": country}
    held = [(each["id"], share) for each in (one["parties"][0], other)] + [("founder", 100 - 2 * share)]
    stated = [{"owner": owner, "owned": "tenant", "share": {"exact": exact}} for owner, exact in held]
    return {"parties": [*one["parties"], other], "ownership": stated}


def _attested(fact: str, until: str) -> Object:
    return {"facts": [fact], "by": "Operator", "at": "2026-01-01T00:00:00Z", "validUntil": until}


def _asks(reason: Reason, *, others: tuple[Reason, ...] = (), before: str = "", **changed: Any) -> Case:
    """Return a case in which a tenant, cleared but for what is changed, asks for one device."""
    name = reason.lower()
    tenants = (tenant(name, changed.pop("country", HOME), **changed), namespace(name, name))
    return Case(reason, tenants, gpu_pod("trainer", name), others, before)


def _pod(reason: Reason, make: Callable[[str], Object], *objects: Object, country: str = HOME) -> Case:
    """Return a case in which a cleared tenant creates another pod."""
    name = reason.lower()
    return Case(reason, (tenant(name, country), namespace(name, name), *objects), make(name))


def _bypass(where: str) -> Object:
    return pod("trainer", where, {}, env=[{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}])


def _mystery(where: str) -> Object:
    return pod("trainer", where, {"example.com/mystery": "1"})


def _claiming(where: str) -> Object:
    claims = [{"name": "gpus", "resourceClaimTemplateName": "gpus"}]
    return pod("trainer", where, {}, {"resourceClaims": claims})


def _anything(where: str) -> Object:
    products = ["NVIDIA-A100-SXM4-80GB", "NVIDIA-H100-80GB-HBM3"]
    expression = {"key": "nvidia.com/gpu.product", "operator": "In", "values": products}
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    return pod("trainer", where, {"nvidia.com/gpu": "1"}, {"affinity": affinity})


def _reselling() -> Case:
    """A reseller names an end customer whose clearance has expired."""
    reason = Reason.EndCustomerNotCleared
    customer = tenant("customer", HOME, {"expiresAt": "2026-10-01T00:00:00Z"}, suppliedBy="reseller")
    reseller = tenant("reseller", HOME, kind="Reseller")
    where = namespace("resold", "reseller", customer="customer")
    return Case(reason, (reseller, customer, where), gpu_pod("trainer", "resold"))


def _grant(party: str) -> Object:
    spec = {"number": "L-2026-17", "tenant": party, "classes": ["Controlled"], "devices": 1}
    return of(
        "Authorization",
        party,
        {**spec, "validFrom": "2026-01-01T00:00:00Z", "validUntil": "2099-01-01T00:00:00Z"},
    )


def _exhausted() -> Case:
    case = _asks(Reason.AuthorizationExhausted, country=ABROAD, incorporation=HOME)
    name = case.reason.lower()
    return case._replace(objects=(*case.objects, _grant(name)), pod=gpu_pod("trainer", name, 2))


QUOTAS = (
    quota("compute-jp", HOME, 4),
    quota("compute-cn", ABROAD, 100),
    quota("short-holds", "TW", None, limits={"longestHold": "2d"}),
    quota("uncounted", "IN", 4),
    quota("crowded", "KR", 1000),
)

CASES = (
    _pod(Reason.DeviceBypass, _bypass),
    _pod(Reason.ClassUnknown, _mystery),
    Case(Reason.TenantUnknown, (namespace("tenantunknown"),), gpu_pod("trainer", "tenantunknown")),
    _asks(Reason.KYCLevelTooLow, kyc={"level": 1}),
    _asks(Reason.AttestationLapsed, kind="InferenceProvider"),
    _asks(Reason.EndCustomerMissing, kind="Reseller"),
    _asks(Reason.EndUseMissing, declaredUse=[]),
    _pod(Reason.ClassAmbiguous, _anything),
    _pod(Reason.ClaimMissing, _claiming),
    _pod(Reason.HoldUnbounded, lambda where: gpu_pod("trainer", where), country="TW"),
    _pod(Reason.HoldTooLong, lambda where: gpu_pod("trainer", where, activeDeadlineSeconds=259_200), country="TW"),
    _asks(Reason.KYCMissing, kyc={}, others=(Reason.KYCLevelTooLow,)),
    _asks(Reason.KYCExpired, kyc={"expiresAt": "2026-10-01T00:00:00Z"}),
    _asks(Reason.KYCRejected, kyc={"state": "Rejected"}),
    _asks(Reason.KYCSuspended, kyc={"state": "Suspended"}),
    _asks(Reason.KYCStale, kyc={"covers": "sha256:" + "0" * 64}),
    _asks(Reason.FactStale, attestations=[_attested("DeclaredUse", until="2026-11-01T00:00:00Z")]),
    _asks(Reason.JurisdictionNotAllowed, ultimateParent="redgate", **_party(30, ABROAD)),
    _asks(Reason.OwnershipNotCleared, **_two_parties(30, ABROAD)),
    _asks(Reason.ListedParty, screening={"state": "Match", "matchedParties": ["tenant"], "reference": "hit-77"}),
    _asks(Reason.EndUseNotCleared, declaredUse=["MilitaryOrIntelligence"]),
    _reselling(),
    _asks(Reason.KYCPending, kyc={"state": "Pending"}),
    _asks(Reason.NeedsReview, kyc={"state": "NeedsReview"}),
    _asks(Reason.OwnerUnknown, independent=False),
    _asks(Reason.PaymentUnknown, payment=[]),
    _pod(Reason.QuotaExceeded, lambda where: gpu_pod("trainer", where, 5)),
    _asks(Reason.AuthorizationRequired, country=ABROAD, incorporation=HOME),
    _exhausted(),
    _asks(Reason.NotSynced, country="IN", before="uncounted"),
    _asks(Reason.LedgerBusy, country="KR", before="crowded"),
)
