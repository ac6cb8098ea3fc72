"""What a table cannot say of serving kinds: KServe, NIM, Dynamo, Knative."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from admission.demand.workloads.count import UNKNOWN, Count, count_of, less, times
from admission.demand.workloads.expand import Role, template_of_resources, template_of_spec
from admission.demand.workloads.fields import at, listed, mapped, number, text
from admission.demand.workloads.training import GPU

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.demand.workloads.expand import Workload
    from admission.demand.workloads.fields import Others

DRA_CLASS = "serving.kserve.io/exp-dra-device-class"
DRA_COUNT = "serving.kserve.io/exp-dra-device-count"
NIM_CLASS = "gpu.nvidia.com"
"""The device class of a NIMService's claim that names none."""


def _split(amount: Count, by: Count) -> Count:
    """Return how many parts of size ``by`` the amount needs."""
    if isinstance(amount, int) and isinstance(by, int):
        return -(-amount // max(by, 1))
    return UNKNOWN


def kserve_nodes(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """InferenceService over several nodes: tensor × pipeline parallel devices, shared out over the nodes."""
    workers = mapped(document, "spec", "predictor", "workerSpec")
    if not workers:
        return workload
    tensor, pipeline = number(workers, "tensorParallelSize", 1), number(workers, "pipelineParallelSize", 1)
    replicas = next((role.pods for role in workload.roles if role.name == "predictor"), 1)
    roles = []
    for role in workload.roles:
        changed = role
        if role.name in {"predictor", "worker"}:
            own = _largest_request(role.template)
            devices = tensor if own is None else own
            nodes = _split(times(tensor, pipeline), devices) if own is not None else pipeline
            changed = role if own is not None else replace(role, template=_with_device(role.template, devices))
            if role.name == "worker":
                changed = replace(changed, pods=times(replicas, less(nodes, 1)))
        roles.append(changed)
    return replace(workload, roles=tuple(roles))


def _largest_request(template: dict[str, Any]) -> Count | None:
    """Return the largest count of an extended resource that a container of the template states."""
    found = [
        count_of(amount)
        for container in listed(mapped(template, "spec").get("containers"))
        for where in ("limits", "requests")
        for name, amount in mapped(container, "resources", where).items()
        if "/" in str(name) and isinstance(amount, str | int)
    ]
    return max((each for each in found if isinstance(each, int)), default=None)


def _with_device(template: dict[str, Any], devices: Count) -> dict[str, Any]:
    added = {"name": "parallel", "resources": {"limits": {GPU: devices}}}
    return {**template, **template_of_spec(mapped(template, "spec"), [added])}


def llm_inference_service(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """LLMInferenceService: decode and prefill parts, each one pod or a leader with workers; claims by annotation."""
    spec = mapped(document, "spec")
    claims = _claims_by_annotation(document)
    roles = [*_llm_part("", spec, claims), *_llm_part("prefill/", mapped(spec, "prefill"), claims)]
    scheduler = mapped(spec, "router", "scheduler")
    if mapped(scheduler, "template"):
        roles.append(Role("scheduler", {"spec": scheduler["template"]}, pods=number(scheduler, "replicas", 1)))
    return workload.with_roles(*roles)


def _claims_by_annotation(document: dict[str, Any]) -> tuple[tuple[str, Count], ...]:
    annotations = mapped(document, "metadata", "annotations")
    name = text(annotations, DRA_CLASS)
    return ((name, number(annotations, DRA_COUNT, 1)),) if name else ()


def _llm_part(prefix: str, part: dict[str, Any], claims: tuple[tuple[str, Count], ...]) -> Iterator[Role]:
    template, worker = part.get("template"), part.get("worker")
    scaling = mapped(part, "scaling")
    replicas, ceiling = number(part, "replicas", None), number(scaling, "maxReplicas", None)
    if replicas is None:
        replicas = number(scaling, "minReplicas", 1) or 1
    if not isinstance(worker, dict):
        if isinstance(template, dict) or (claims and (part.get("replicas") is not None or not prefix)):
            spec = template if isinstance(template, dict) else {}
            yield Role(f"{prefix}template", {"spec": spec}, pods=replicas, most=ceiling, claims=claims)
        return
    size = _llm_size(mapped(part, "parallelism"))
    leader = template if isinstance(template, dict) else worker
    yield Role(f"{prefix}leader", {"spec": leader}, pods=replicas, most=ceiling, claims=claims)
    most = None if ceiling is None else times(ceiling, less(size, 1))
    yield Role(f"{prefix}worker", {"spec": worker}, pods=times(replicas, less(size, 1)), most=most, claims=claims)


def _llm_size(parallelism: dict[str, Any]) -> Count:
    """Return how many pods one replica is: the data-parallel groups over nodes, or the pipeline's stages."""
    data = number(parallelism, "data", None)
    if data is not None:
        return _split(data, number(parallelism, "dataLocal", 1))
    return number(parallelism, "pipeline", 1)


def nim_service(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """NIMService: devices by resources or claims; without either, by the model's profile."""
    spec = mapped(document, "spec")
    return _with_nim(workload, "nim", spec)


def nim_pipeline(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """NIMPipeline: the NIMServices in it that are not switched off."""
    for service in listed(mapped(document, "spec").get("services")):
        if at(service, "enabled") is not False:
            workload = _with_nim(workload, text(service, "name"), mapped(service, "spec"))
    return workload


def _with_nim(workload: Workload, name: str, spec: dict[str, Any]) -> Workload:
    nodes, tensor = mapped(spec, "multiNode"), mapped(spec, "multiNode", "parallelism")
    stages = number(tensor, "pipeline", 1) if tensor else number(nodes, "size", 1)
    hpa = mapped(spec, "scale", "hpa")
    replicas = number(spec, "replicas", None)
    if replicas is None:
        replicas = number(hpa, "minReplicas", 1)
    ceiling = number(hpa, "maxReplicas", None) if at(spec, "scale", "enabled") is True else None
    resources = mapped(spec, "resources")
    if nodes and _largest_request(template_of_resources(resources)) is None:
        devices = nodes.get("gpusPerPod") or tensor.get("tensor") or 1
        resources = {**resources, "limits": {**mapped(resources, "limits"), GPU: devices}}
    claims, named = _nim_claims(listed(spec.get("draResources")))
    pod = {**template_of_resources(resources)["spec"], "resourceClaims": named}
    for key in ("nodeSelector", "tolerations", "affinity", "runtimeClassName"):
        if spec.get(key) is not None:
            pod[key] = spec[key]
    pod["containers"][0]["env"] = listed(spec.get("env"))
    role = Role(
        name,
        {"metadata": {"annotations": mapped(spec, "annotations")}, "spec": pod},
        pods=times(replicas, stages),
        most=None if ceiling is None else times(ceiling, stages),
        claims=claims,
    )
    cache = text(mapped(spec, "storage", "nimCache"), "name")
    profile = [f"spec.storage.nimCache.name={cache}"] if cache else []
    return workload.with_roles(role).referring(*profile)


def _nim_claims(requests: list[Any]) -> tuple[tuple[tuple[str, Count], ...], list[dict[str, Any]]]:
    """Return the devices of claims that the operator makes, and the claims that it refers to."""
    made: list[tuple[str, Count]] = []
    named: list[dict[str, Any]] = []
    for place, request in enumerate(requests):
        devices = listed(at(request, "claimCreationSpec", "devices"))
        made += ((text(each, "deviceClassName") or NIM_CLASS, number(each, "count", 1)) for each in devices)
        fields = [field for field in ("resourceClaimName", "resourceClaimTemplateName") if text(request, field)]
        named += ({"name": f"claim-{place}", field: text(request, field)} for field in fields)
    return tuple(made), named


def dynamo(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """DynamoGraphDeployment: services with private names of resources, or components with pod templates."""
    spec = mapped(document, "spec")
    services: dict[str, Any] = mapped(spec, "services")
    parts = [(str(name), service) for name, service in services.items() if isinstance(service, dict)]
    parts += [(text(each, "name"), each) for each in listed(spec.get("components")) if isinstance(each, dict)]
    if text(document, "kind") == "DynamoComponentDeployment":
        parts = [(text(spec, "serviceName") or "component", spec)]
    return workload.with_roles(*(_dynamo_role(name, part) for name, part in parts))


def _dynamo_role(name: str, part: dict[str, Any]) -> Role:
    nodes = number(mapped(part, "multinode"), "nodeCount", 1)
    scaling = mapped(part, "autoscaling")
    ceiling = number(scaling, "maxReplicas", None) if scaling.get("enabled") is not False else None
    return Role(
        name,
        _dynamo_pod(part),
        pods=times(number(part, "replicas", 1), nodes),
        most=None if ceiling is None else times(ceiling, nodes),
    )


def _dynamo_pod(part: dict[str, Any]) -> dict[str, Any]:
    extra = mapped(part, "extraPodSpec")
    main = mapped(extra, "mainContainer")
    given = mapped(part, "resources")
    resources = {}
    for where in ("limits", "requests"):
        stated = mapped(given, where)
        gpu = {} if stated.get("gpu") is None else {text(stated, "gpuType") or GPU: stated["gpu"]}
        named = {key: value for key, value in stated.items() if "/" in str(key)}
        resources[where] = {**mapped(main, "resources", where), **mapped(stated, "custom"), **named, **gpu}
    template = mapped(part, "podTemplate")
    own = {key: value for key, value in {**mapped(template, "spec"), **extra}.items() if key != "mainContainer"}
    needed = main or any(resources.values())
    containers = [{"name": "main", **main, "resources": resources}] if needed else []
    metadata = mapped(part, "extraPodMetadata") or mapped(template, "metadata")
    return {"metadata": metadata, **template_of_spec(own, containers)}


def knative_scale(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """Knative: the scale that annotations of the revision declare."""
    annotations = mapped(document, "spec", "template", "metadata", "annotations")
    bounds: dict[str, Count] = {}
    for end, names in (("min", ("min-scale", "minScale")), ("max", ("max-scale", "maxScale"))):
        for name in names:
            found = number(annotations, f"autoscaling.knative.dev/{name}", None)
            if found is not None:
                bounds[end] = found
    roles = (replace(role, pods=bounds.get("min") or 1, most=bounds.get("max") or None) for role in workload.roles)
    return replace(workload, roles=tuple(roles))
