"""Workloads by kind, and the reviews of them."""

from __future__ import annotations

import json
from typing import Any

from tests.gate.reviews import GPU

Object = dict[str, Any]


def deployment(pod: Object = GPU, replicas: int = 1, **spec: Any) -> Object:
    return _of("apps/v1", "Deployment", {"replicas": replicas, "template": {"spec": pod}, **spec})


def job(pod: Object = GPU, parallelism: int = 1, **spec: Any) -> Object:
    return _of("batch/v1", "Job", {"parallelism": parallelism, "template": {"spec": pod}, **spec})


def cron_job(pod: Object = GPU) -> Object:
    return _of("batch/v1", "CronJob", {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}})


def job_set(*roles: tuple[str, Object, int], **spec: Any) -> Object:
    """Return a JobSet of jobs, each with its name, its pod and so many replicas."""
    jobs = [
        {"name": name, "replicas": replicas, "template": {"spec": {"template": {"spec": pod}}}}
        for name, pod, replicas in roles
    ]
    return _of("jobset.x-k8s.io/v1alpha2", "JobSet", {"replicatedJobs": jobs, **spec})


def unheard_of(**spec: Any) -> Object:
    """Return an object of a kind that is in no table."""
    return _of("example.com/v1", "Fleet", spec)


def _of(api_version: str, kind: str, spec: Object) -> Object:
    metadata = {"name": "train", "namespace": "lab", "uid": "workload-1"}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def with_metadata(workload: Object, **fields: Any) -> Object:
    return {**workload, "metadata": {**workload.get("metadata", {}), **fields}}


def review_of(workload: Object, old: Object | None = None, **fields: Any) -> bytes:
    """Return the review of a workload's creation, or of its update where it was there before."""
    group, _, version = workload["apiVersion"].rpartition("/")
    request = {
        "uid": "review",
        "operation": "UPDATE" if old else "CREATE",
        "kind": {"group": group, "version": version, "kind": workload["kind"]},
        "resource": {"group": group, "version": version, "resource": f"{workload['kind'].lower()}s"},
        "namespace": "lab",
        "name": workload["metadata"]["name"],
        "userInfo": {"username": "alice"},
        "object": workload,
        "oldObject": old,
        **fields,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()
