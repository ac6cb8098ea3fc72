"""A small world in which a cleared tenant may use an H100 under a quota, and the ways to change one thing of it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from admission.api.accelerator import AcceleratorPool
from admission.api.exemption import Exemption
from admission.api.override import KYCOverride, OverridableReason
from admission.api.policy import AccessPolicy
from admission.api.quota import Authorization, ComputeQuota
from admission.api.tenant import Tenant
from admission.catalogue.catalogue import Catalogue
from admission.decide.decide import decide
from admission.decide.question import Question, Verdict
from admission.decide.registry import Registry
from admission.demand.pod import demand_of
from admission.tenants.identity import identity_digest
from tests.demand.cluster import node, pod

if TYPE_CHECKING:
    from admission.api.object import Object
    from admission.demand.inventory import Node
    from admission.review.pod import Pod

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
H100 = pod({"nvidia.com/h100": 1})
"""A pod whose resource names the chip."""

CHIP = "h100-sxm"
UNCONTROLLED = pod({"nvidia.com/gpu": 1}, nodeSelector={"kubernetes.io/hostname": "t4"})
EITHER = pod({"nvidia.com/gpu": 1}, nodeSelector={"pool": "mixed"})
NODES = (
    node("t4", "Tesla-T4"),
    node("mixed-h", "NVIDIA-H100-80GB-HBM3", pool="mixed"),
    node("mixed-a", "NVIDIA-A100-SXM4-80GB", pool="mixed"),
    node("h", resources=("nvidia.com/h100",)),
)
OVERRIDABLE = get_args(OverridableReason)
STATE = {"id": "state", "name": "A State", "type": "State"}


def party(name: str, country: str | None = "DE") -> dict[str, Any]:
    """Return a party whose owners nobody needs to ask for."""
    known = {"headquarters": country} if country else {}
    return {"id": name, "name": f"{name} secret name", "type": "State", **known}


def tenant(name: str = "acme", /, status: dict[str, Any] | None = None, **spec: Any) -> Tenant:
    """Return a cleared, independent German company, with facts of its spec, or parts of its status, replaced."""
    facts = {
        "legalName": f"{name} secret name",
        "kind": "Company",
        "headquarters": "DE",
        "incorporation": "absent" if spec.get("kind") == "Individual" else "DE",
        "independent": "ultimateParent" not in spec,
        "payment": ["Invoice"],
        "declaredUse": ["Training"],
        **spec,
    }
    made = Tenant.model_validate(
        {"metadata": {"name": name}, "spec": {k: v for k, v in facts.items() if v != "absent"}}
    )
    parts: dict[str, Any] = {
        "kyc": {
            "state": "Verified",
            "level": 2,
            "verifiedAt": "2026-01-01T00:00:00Z",
            "expiresAt": "2027-01-01T00:00:00Z",
            "covers": identity_digest(made.spec),
        },
        "screening": {"state": "Clear"},
    }
    for part, value in (status or {}).items():
        parts[part] = {**parts.get(part, {}), **value} if isinstance(value, dict) else value
    return Tenant.model_validate({**made.model_dump(by_alias=True), "status": parts})


def rule(name: str, effect: str, *when: tuple[Any, ...], **fields: Any) -> dict[str, Any]:
    """Return a rule; tests are (fact, operator, values...)."""
    return {
        "name": name,
        "basis": {"type": "ProviderPolicy", "title": "Secret List"},
        "effect": effect,
        "when": [{"fact": fact, "operator": operator, "values": list(values)} for fact, operator, *values in when],
        **({"level": 2} if effect == "Level" else {}),
        **fields,
    }


def policy(*rules: dict[str, Any], name: str = "access", **spec: Any) -> AccessPolicy:
    return AccessPolicy.model_validate({"metadata": {"name": name}, "spec": {"rules": copy.deepcopy(rules), **spec}})


def quota(name: str = "home", *jurisdictions: str, **spec: Any) -> ComputeQuota:
    known = {"jurisdictions": list(jurisdictions) or ["DE"], "limits": {"devices": 8}, **spec}
    return ComputeQuota.model_validate({"metadata": {"name": name}, "spec": known})


def grant(name: str = "licence", holder: str = "acme", **spec: Any) -> Authorization:
    known = {
        "number": "D-1",
        "tenant": holder,
        "classes": ["Controlled"],
        "devices": 4,
        "validFrom": "2026-01-01T00:00:00Z",
        "validUntil": "2027-01-01T00:00:00Z",
    }
    return Authorization.model_validate({"metadata": {"name": name}, "spec": {**known, **spec}})


def exemption(name: str = "agents", by: str | None = "bob", at: str = "2026-11-01T00:00:00Z", **spec: Any) -> Exemption:
    """Return an exemption in the namespace of every world, asked for by alice and approved unless ``by`` is None."""
    known = {
        "namespace": "lab",
        "ways": ["privileged"],
        "reason": "a monitoring agent",
        "requestedBy": "alice",
        "validUntil": "2027-01-01T00:00:00Z",
        **spec,
    }
    status = {"approval": {"by": by, "at": at}} if by else {}
    return Exemption.model_validate({"metadata": {"name": name}, "spec": known, "status": status})


def override(*reasons: str, by: str | None = "bob", at: str = "2026-11-20T00:00:00Z", **spec: Any) -> KYCOverride:
    """Return an override for acme as it is, asked for by alice and approved unless ``by`` is None."""
    known = {
        "tenant": "acme",
        "reasons": list(reasons or OVERRIDABLE),
        "covers": identity_digest(tenant().spec),
        "reason": "the provider is down",
        "requestedBy": "alice",
        "validUntil": "2026-12-01T00:00:00Z",
        **spec,
    }
    status = {"approval": {"by": by, "at": at}} if by else {}
    return KYCOverride.model_validate({"metadata": {"name": "bridge"}, "spec": known, "status": status})


ALLOW = rule("allow", "Allow")
COUNT = rule("count", "Quota")
OPEN = policy(ALLOW)


def question_of(registry: Registry, pod: Pod, now: datetime, namespace: str = "lab") -> Question:
    """Return what is asked of a registry about a pod in a namespace: the one of every world."""
    return Question(
        demand=demand_of(pod, registry.inventory),
        requester=registry.requester(namespace),
        rules=registry.rules(now),
        quotas=registry.every(ComputeQuota),
        authorizations=registry.every(Authorization),
        now=now,
        group=registry.group,
        exemptions=registry.every(Exemption),
        overrides=registry.every(KYCOverride),
    )


class World(NamedTuple):
    """Everything that decides one request."""

    pod: Pod = H100
    objects: tuple[Object, ...] = (tenant(), OPEN, quota())
    labels: dict[str, str] = {"computegate.io/tenant": "acme"}  # noqa: RUF012 (never changed)
    now: datetime = NOW
    country: str = "DE"
    nodes: tuple[Node, ...] = NODES

    def registry(self) -> Registry:
        registry = Registry(Catalogue.builtin(), default_country=self.country)
        for each in self.nodes:
            registry.put_node(each)
        for obj in self.objects:
            registry.put(obj)
        registry.put_namespace("lab", self.labels)
        return registry

    def question(self) -> Question:
        return question_of(self.registry(), self.pod, self.now)

    def verdict(self) -> Verdict:
        return decide(self.question())

    def reasons(self) -> list[str]:
        return sorted(str(reason) for reason in self.verdict().reasons())


def world(*objects: Object, **fields: Any) -> World:
    """Return a world of these objects; a cleared tenant and an open policy stand in where none is given."""
    kinds = {type(obj) for obj in objects}
    defaults = tuple(obj for obj in (tenant(), OPEN) if type(obj) not in kinds)
    return World(objects=(*objects, *defaults), **fields)


def pool(name: str, chip: str, country: str) -> AcceleratorPool:
    spec = {
        "nodeLabels": {"pool": name},
        "acceleratorClass": chip,
        "resources": ["nvidia.com/gpu"],
        "place": {"country": country},
    }
    return AcceleratorPool.model_validate({"metadata": {"name": name}, "spec": spec})
