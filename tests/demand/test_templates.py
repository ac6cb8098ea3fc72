"""The pods that workloads of Kubernetes itself make."""

from __future__ import annotations

from typing import Any

import pytest

from admission.demand.templates import TemplateError, template_of

POD = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main"}]}}


def _workload(api: str, kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "w"}, "spec": {"template": POD, **spec}}


def _cron(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": POD, **spec}}}}


@pytest.mark.parametrize(
    ("document", "pods"),
    [
        ({"apiVersion": "v1", "kind": "Pod", **POD}, 1),
        (_workload("apps/v1", "Deployment"), 1),
        (_workload("apps/v1", "Deployment", replicas=3), 3),
        (_workload("apps/v1", "Deployment", replicas=0), 0),
        (_workload("apps/v1", "Deployment", replicas=None), 1),
        (_workload("apps/v1", "ReplicaSet", replicas=2), 2),
        (_workload("apps/v1", "StatefulSet", replicas=2), 2),
        (_workload("v1", "ReplicationController", replicas=2), 2),
        (_workload("apps/v1", "DaemonSet"), None),
        (_workload("batch/v1", "Job"), 1),
        (_workload("batch/v1", "Job", parallelism=4), 4),
        (_workload("batch/v1", "Job", parallelism=4, completions=2), 2),
        (_workload("batch/v1", "Job", parallelism=2, completions=9), 2),
        (_cron(parallelism=5), 5),
    ],
    ids=lambda value: str(value)[:90],
)
def test_a_workload_makes_so_many_pods_of_its_template(document: dict[str, Any], pods: int | None) -> None:
    template = template_of(document)
    assert template is not None
    assert template.pods == pods
    assert template.pod.spec.containers is not None
    assert template.pod.spec.containers[0].name == "main"


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"apiVersion": "v1", "kind": "Service", "spec": {}},
        _workload("example.com/v1", "Deployment"),
        _workload("apps", "Deployment") | {"apiVersion": "Deployment"},
        {"apiVersion": None, "kind": None},
        {"apiVersion": ["v1"], "kind": {"Pod": 1}},
    ],
    ids=str,
)
def test_anything_else_is_no_workload(document: dict[str, Any]) -> None:
    assert template_of(document) is None


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"apiVersion": "apps/v1", "kind": "Deployment"}, "spec.template is missing"),
        ({"apiVersion": "apps/v1", "kind": "Deployment", "spec": []}, "spec.template is missing"),
        (_workload("apps/v1", "Deployment", template="x"), "spec.template is missing"),
        (_workload("apps/v1", "Deployment", template={"spec": 1}), r"spec.template: .*`object`.*\$\.spec"),
        (_workload("apps/v1", "Deployment", replicas="3"), "spec.replicas: '3' is no count"),
        (_workload("apps/v1", "Deployment", replicas=-1), "spec.replicas: '-1' is no count"),
        (_workload("apps/v1", "Deployment", replicas=1.5), "spec.replicas: '1.5' is no count"),
        (_workload("apps/v1", "Deployment", replicas=True), "spec.replicas: 'True' is no count"),
        (_cron(parallelism={}), "spec.jobTemplate.spec.parallelism: '{}' is no count"),
        (
            {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": 1}]}},
            r"the pod: .*containers\[0\]\.name",
        ),
    ],
    ids=lambda value: str(value)[:90],
)
def test_a_broken_workload_names_the_field(document: dict[str, Any], says: str) -> None:
    with pytest.raises(TemplateError, match=says):
        template_of(document)
