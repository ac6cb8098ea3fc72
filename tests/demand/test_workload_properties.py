"""What must hold of the demand of any workload, whatever is in it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from admission.demand.workloads.answer import answer
from admission.demand.workloads.table import builtin

if TYPE_CHECKING:
    from admission.demand.access import Access

NAMES = st.sampled_from(
    ("nvidia.com/gpu", "nvidia.com/gpumem", "amd.com/gpu", "tencent.com/vcuda-core", "rdma/hca", "example.com/x", "cpu")
)
QUANTITIES = st.one_of(st.integers(0, 9), st.sampled_from(("2", "1k", "${N}", "")))
CLAIM = {
    "apiVersion": "resource.k8s.io/v1",
    "kind": "ResourceClaimTemplate",
    "spec": {"spec": {"devices": {"requests": [{"name": "g", "exactly": {"deviceClassName": "gpu.example.com"}}]}}},
}


@st.composite
def containers(draw: st.DrawFn, name: str = "c") -> dict[str, Any]:
    resources = draw(st.dictionaries(st.sampled_from(("limits", "requests")), st.dictionaries(NAMES, QUANTITIES)))
    stays = {"restartPolicy": "Always"} if draw(st.booleans()) else {}
    opens = {"securityContext": {"privileged": True}} if draw(st.booleans()) else {}
    return {"name": name, "resources": resources, **stays, **opens}


@st.composite
def templates(draw: st.DrawFn) -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": draw(st.lists(containers(), min_size=1, max_size=3))}
    if draw(st.booleans()):
        spec["initContainers"] = draw(st.lists(containers(), max_size=3))
    if draw(st.booleans()):
        spec["resourceClaims"] = [{"name": "g", "resourceClaimTemplateName": "t"}]
    return {"spec": spec}


@st.composite
def workloads(draw: st.DrawFn) -> dict[str, Any]:
    template = draw(templates())
    count = draw(st.integers(0, 5))
    kind, version, spec = draw(
        st.sampled_from(
            (
                ("Deployment", "apps/v1", {"replicas": count, "template": template}),
                ("Job", "batch/v1", {"parallelism": count, "template": template}),
                ("DaemonSet", "apps/v1", {"template": template}),
                ("Anything", "example.com/v1", {"replicas": count, "some": {"podTemplate": template}}),
                ("JobSet", "jobset.x-k8s.io/v1alpha2", {"replicatedJobs": [_job(template, count)]}),
                (
                    "RoleBasedGroup",
                    "workloads.x-k8s.io/v1alpha2",
                    {
                        "roles": [
                            {"name": "r", "replicas": count, "leaderWorkerPattern": {"size": 2, "template": template}}
                        ]
                    },
                ),
                (
                    "PyTorchJob",
                    "kubeflow.org/v1",
                    {"pytorchReplicaSpecs": {"W": {"replicas": count, "template": template}}},
                ),
            )
        )
    )
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "w"}, "spec": spec}


def _job(template: dict[str, Any], count: int) -> dict[str, Any]:
    return {"name": "w", "replicas": count, "template": {"spec": {"parallelism": 2, "template": template}}}


def _others(_kind: str, _name: str) -> dict[str, Any]:
    return CLAIM


def _demand(document: dict[str, Any]) -> dict[str, int]:
    found = answer(document, builtin(), _others)
    return {name: n for amounts in (found.total, found.dra_total) for name, n in amounts.items() if isinstance(n, int)}


def _unsure(document: dict[str, Any]) -> set[str]:
    found = answer(document, builtin(), _others)
    return {name for name, amount in {**found.total, **found.dra_total}.items() if isinstance(amount, str)}


def _no_less(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether every amount is at least what it was, and every way past a request still seen.

    What is unsure now may be any amount.
    """
    now, unsure = _demand(after), _unsure(after)
    return (
        all(name in unsure or now.get(name, 0) >= n for name, n in _demand(before).items())
        and _unsure(before) <= unsure
        and _access(before) <= _access(after)
    )


def _access(document: dict[str, Any]) -> set[Access]:
    return set(answer(document, builtin(), _others).access)


def _specs(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        own = [value] if "containers" in value else []
        return own + [spec for inner in value.values() for spec in _specs(inner)]
    return [spec for inner in value for spec in _specs(inner)] if isinstance(value, list) else []


@settings(max_examples=300)
@given(workloads(), containers("added"), st.sampled_from(("containers", "initContainers")))
def test_another_container_never_lowers_demand(document: dict[str, Any], added: dict[str, Any], where: str) -> None:
    more = copy.deepcopy(document)
    for spec in _specs(more):
        spec.setdefault(where, []).append(added)
    assert _no_less(document, more)


@given(workloads())
def test_another_claim_never_lowers_demand(document: dict[str, Any]) -> None:
    more = copy.deepcopy(document)
    for spec in _specs(more):
        spec.setdefault("resourceClaims", []).append({"name": "added", "resourceClaimTemplateName": "u"})
    assert _no_less(document, more)


@given(workloads(), st.integers(1, 4))
def test_another_replica_never_lowers_demand(document: dict[str, Any], added: int) -> None:
    def raised(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: inner + added if key in {"replicas", "parallelism"} else raised(inner)
                for key, inner in value.items()
            }
        return [raised(inner) for inner in value] if isinstance(value, list) else value

    assert _no_less(document, raised(document))


@given(workloads(), st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_nothing(document: dict[str, Any], random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            random.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(inner) for inner in value] if isinstance(value, list) else value

    before, after = (answer(each, builtin(), _others) for each in (document, shuffled(document)))
    assert (before.expected, before.per_pod, before.total, before.dra_total, before.pods) == (
        after.expected,
        after.per_pod,
        after.total,
        after.dra_total,
        after.pods,
    )
    assert set(before.access) == set(after.access)
