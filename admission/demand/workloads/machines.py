"""What a table cannot say of virtual machines and pipelines: KubeVirt, Argo, Tekton."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from admission.demand.workloads.count import UNKNOWN
from admission.demand.workloads.expand import Role, template_of_resources, template_of_spec
from admission.demand.workloads.fields import listed, mapped, number, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.demand.workloads.expand import Workload
    from admission.demand.workloads.fields import Others


def virtual_machine(document: dict[str, Any], workload: Workload, others: Others) -> Workload:
    """KubeVirt: each passed-through device is one; a machine that is stopped can be started at any time."""
    spec = mapped(document, "spec")
    machine = mapped(spec, "virtualMachineTemplate", "spec") or spec
    inner = mapped(machine, "template", "spec") or machine
    flavor = mapped(machine, "instancetype")
    typed = others(text(flavor, "kind") or "VirtualMachineClusterInstancetype", text(flavor, "name"))
    sources = (mapped(inner, "domain", "devices"), mapped(typed, "spec"))
    if text(document, "kind").endswith("nstancetype"):
        sources = (spec, {})
    limits: dict[str, int] = {}
    for source in sources:
        for device in (*listed(source.get("gpus")), *listed(source.get("hostDevices"))):
            name = text(device, "deviceName")
            if name:
                limits[name] = limits.get(name, 0) + 1
    resources = mapped(inner, "domain", "resources")
    stated = {**mapped(resources, "limits"), **limits}
    pod = template_of_resources({"limits": stated, "requests": mapped(resources, "requests")})["spec"]
    for key in ("resourceClaims", "nodeSelector", "tolerations", "affinity"):
        if inner.get(key) is not None:
            pod[key] = inner[key]
    template = {"metadata": mapped(machine, "template", "metadata"), "spec": pod}
    pods = number(spec, "replicas", 1)
    stopped = machine.get("running") is False or text(machine, "runStrategy") in {"Halted", "Manual"}
    notes = ["the machine is declared stopped; it asks for devices when it is started"] if stopped else []
    return workload.with_roles(Role("vm", template, pods=pods)).with_notes(*notes)


def argo_templates(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """Argo: each template that runs a pod; how often, the steps decide.  Manifests in it make other objects."""
    spec = mapped(document, "spec", "workflowSpec") or mapped(document, "spec")
    defaults = mapped(spec, "templateDefaults")
    roles, manifests, references = [], [], [text(mapped(spec, "workflowTemplateRef"), "name")]
    for template in _argo_templates(spec):
        containers = _argo_containers(template, defaults)
        if containers:
            pod = {**mapped(spec), **defaults, **template}
            own: dict[str, Any] = {
                key: pod[key] for key in ("volumes", "initContainers", "tolerations", "nodeSelector") if key in pod
            }
            sidecars = listed(template.get("sidecars"))
            roles.append(
                Role(
                    text(template, "name"),
                    _with_metadata(template, template_of_spec(own, [*containers, *sidecars])),
                    pods=UNKNOWN,
                )
            )
        manifests += [text(mapped(template, "resource"), "manifest"), text(template, "podSpecPatch")]
        references += (text(mapped(step, "templateRef"), "name") for step in _argo_steps(template))
    manifests.append(text(spec, "podSpecPatch"))
    found = tuple(each for each in manifests if each)
    names = dict.fromkeys(f"templateRef={name}" for name in references if name)
    return _embedding(workload.with_roles(*roles).referring(*names), found)


def _argo_templates(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the templates of a workflow, and those that stand in the steps of one."""
    for template in listed(spec.get("templates")):
        if isinstance(template, dict):
            yield template
            inline = (mapped(step, "inline") for step in _argo_steps(template))
            yield from (each for each in inline if each)


def _argo_steps(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    groups = (group if isinstance(group, list) else [group] for group in listed(template.get("steps")))
    steps = [step for group in groups for step in group]
    yield from (step for step in [*steps, *listed(mapped(template, "dag").get("tasks"))] if isinstance(step, dict))


def _argo_containers(template: dict[str, Any], defaults: dict[str, Any]) -> list[dict[str, Any]]:
    names = [name for name in ("container", "script") if mapped(template, name)]
    main = [{**mapped(defaults, name), **mapped(template, name)} for name in names]
    return [*main, *listed(mapped(template, "containerSet").get("containers"))]


def _embedding(workload: Workload, manifests: tuple[str, ...]) -> Workload:
    return replace(workload, embedded=(*workload.embedded, *manifests))


def _with_metadata(template: dict[str, Any], pod: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": mapped(template, "metadata"), **pod}


def tekton_steps(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """Tekton: a task is a pod, each step a container of it."""
    spec = mapped(document, "spec")
    volumes = listed(mapped(spec, "podTemplate").get("volumes")) or listed(spec.get("volumes"))
    roles = [Role(name, _task_pod(task, volumes)) for name, task in _tasks(spec)]
    roles += (
        Role(f"taskRunSpec:{text(each, 'pipelineTaskName')}", _task_run_pod(each))
        for each in listed(spec.get("taskRunSpecs"))
        if isinstance(each, dict)
    )
    references = [field for field in ("pipelineRef", "taskRef") if mapped(spec, field) and not roles]
    return workload.with_roles(*roles).referring(*(f"{each}={text(spec[each], 'name') or '?'}" for each in references))


def _tasks(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for own in (spec, mapped(spec, "taskSpec")):
        if listed(own.get("steps")):
            yield "task", own
    for around in (spec, mapped(spec, "pipelineSpec")):
        for where in ("tasks", "finally"):
            for task in listed(around.get(where)):
                inner = mapped(task, "taskSpec")
                if listed(inner.get("steps")):
                    yield text(task, "name"), inner


def _task_pod(task: dict[str, Any], volumes: list[Any]) -> dict[str, Any]:
    steps = [*listed(task.get("steps")), *listed(task.get("sidecars"))]
    containers = [
        {**step, "resources": mapped(step, "computeResources") or mapped(step, "resources")}
        for step in steps
        if isinstance(step, dict)
    ]
    return {"spec": {"containers": containers, "volumes": [*volumes, *listed(task.get("volumes"))]}}


def _task_run_pod(task: dict[str, Any]) -> dict[str, Any]:
    parts = [task, *listed(task.get("stepSpecs"))]
    containers = [{"name": "step", "resources": mapped(part, "computeResources")} for part in parts]
    return {"spec": {"containers": containers}}
