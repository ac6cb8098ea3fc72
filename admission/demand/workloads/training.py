"""What a table cannot say of training and batch kinds: elastic jobs, runtimes by reference, Ray, kaito, Grove."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from admission.demand.workloads.count import UNKNOWN, Count, times
from admission.demand.workloads.expand import Role, template_of_resources, template_of_spec
from admission.demand.workloads.fields import at, listed, mapped, number, text
from admission.demand.workloads.instances import devices_of_instance

if TYPE_CHECKING:
    from admission.demand.workloads.expand import Workload
    from admission.demand.workloads.fields import Others

GPU = "nvidia.com/gpu"
"""What kinds with a private field for devices mean where they name no resource."""


def elastic_worker(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """PyTorchJob and its like: the elastic policy bounds the workers alone."""
    spec = mapped(document, "spec")
    ceiling = number(mapped(spec, "elasticPolicy"), "maxReplicas", None)
    if ceiling is None:
        ceiling = number(spec, "maxReplicas", None)
    if ceiling is None:
        return workload
    roles = (replace(role, most=ceiling) if role.name == "Worker" else role for role in workload.roles)
    return replace(workload, roles=tuple(roles)).with_notes("elastic")


def train_job(document: dict[str, Any], workload: Workload, others: Others) -> Workload:
    """TrainJob: so many nodes, with the resources it states, or else those of its runtime."""
    spec = mapped(document, "spec")
    reference, trainer = mapped(spec, "runtimeRef"), mapped(spec, "trainer")
    runtime = others(text(reference, "kind") or "ClusterTrainingRuntime", text(reference, "name"))
    jobs = at(runtime, "spec", "template", "spec", "replicatedJobs") if runtime else None
    nodes = number(trainer, "numNodes", None)
    if nodes is None:
        nodes = number(at(runtime, "spec", "mlPolicy"), "numNodes", 1) if runtime else UNKNOWN
    own = mapped(trainer, "resourcesPerNode")
    roles = [Role("node", template_of_resources(own), pods=nodes)] if trainer and not jobs else []
    roles += [_node_of_runtime(job, own, nodes) for job in listed(jobs)]
    notes = [] if runtime else ["its runtime is not among the files, and may add devices"]
    if trainer and "numNodes" not in trainer:
        notes.append("the number of nodes is the runtime's")
    return workload.with_roles(*roles).with_notes(*notes)


def _node_of_runtime(job: dict[str, Any], own: dict[str, Any], nodes: Count) -> Role:
    """One job of a runtime; the one named ``node`` trains, with the TrainJob's resources in place of its own."""
    name, template = text(job, "name"), mapped(job, "template", "spec", "template")
    if name != "node":
        return Role(name, template)
    if own:
        spec = mapped(template, "spec")
        first, *rest = listed(spec.get("containers")) or [{}]
        template = {**template, "spec": {**spec, "containers": [{**first, "resources": own}, *rest]}}
    return Role(name, template, pods=nodes)


def ray_autoscaling(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """Ray: groups grow to their ceiling only where the cluster scales itself."""
    spec = mapped(document, "spec")
    clusters = (
        spec,
        mapped(spec, "rayClusterSpec"),
        mapped(spec, "rayClusterConfig"),
        mapped(spec, "jobTemplate", "rayClusterSpec"),
        mapped(spec, "template", "spec"),
    )
    if any(cluster.get("enableInTreeAutoscaling") not in (None, False) for cluster in clusters):
        return workload
    return replace(workload, roles=tuple(replace(role, most=None) for role in workload.roles))


def kaito(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """Kaito: the instance type decides the devices of each node, at most all of them for the model's pod."""
    spec = mapped(document, "spec")
    places = (document, "resource"), (spec, "resource"), (spec, "compute"), (spec, "template", "resource")
    wanted: dict[str, Any] = next((found for place in places if (found := mapped(*place))), {})
    inference = mapped(document, "inference") or mapped(spec, "template", "inference") or mapped(spec, "inference")
    preset = text(mapped(inference, "preset"), "name") or text(mapped(document, "tuning", "preset"), "name")
    own = mapped(inference, "template") or mapped(document, "tuning", "template")
    nodes = times(number(wanted, "count", 1) or 1, number(spec, "replicas", 1))
    roles = [_kaito_role("workspace", wanted, own, nodes, number(spec, "nodeCountLimit", None))]
    if "roles" in spec:  # a MultiRoleInference
        parts = [part for part in listed(spec["roles"]) if isinstance(part, dict)]
        roles = [_kaito_role(text(each, "type"), each, {}, number(each, "replicas", 1), None) for each in parts]
        wanted = next((part for part in parts if part.get("instanceType")), {})
    instance = text(wanted, "instanceType")
    refers = [f"instanceType={instance}"] if instance else []
    refers += [f"preset={preset}"] if preset else []
    refers += (
        [f"partition={mapped(wanted, 'partition').get('count', 1)} devices"] if mapped(wanted, "partition") else []
    )
    note = f"by instance type {instance or 'unset'}: the controller sets the devices"
    return workload.with_roles(*roles).referring(*refers).with_notes(note)


def _kaito_role(name: str, wanted: dict[str, Any], own: dict[str, Any], nodes: Count, most: Count | None) -> Role:
    """Return the pods on nodes of an instance type; of a type that is not known, without devices."""
    resource, devices = _kaito_devices(wanted)
    template = own or template_of_spec({}, [])
    if devices:
        template = _at_least(own, resource, devices) if own else template_of_resources({"limits": {resource: devices}})
    return Role(name, template, pods=nodes, most=most)


def _kaito_devices(wanted: dict[str, Any]) -> tuple[str, Count]:
    """Return what each node gives to the model's pod: slices of a profile, or all devices of an instance type."""
    slices = mapped(wanted, "mig")
    if text(slices, "profile"):
        return f"nvidia.com/mig-{text(slices, 'profile')}", number(slices, "count", 1)
    return devices_of_instance(text(wanted, "instanceType"))


def _at_least(template: dict[str, Any], resource: str, devices: Count) -> dict[str, Any]:
    """Return the template, with an own request where its containers state none of the resource."""
    spec = mapped(template, "spec")
    asked = [mapped(each, "resources", "limits").get(resource) for each in listed(spec.get("containers"))]
    if any(each is not None for each in asked):
        return template
    return {**template, **template_of_spec(spec, [{"name": "devices", "resources": {"limits": {resource: devices}}}])}


def grove_cliques(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """Grove: cliques in each copy of the set, multiplied by the scaling group they are in."""
    spec = mapped(document, "spec")
    groups = listed(mapped(spec, "template").get("podCliqueScalingGroups"))
    roles = []
    for clique in listed(mapped(spec, "template").get("cliques")):
        own, name = mapped(clique, "spec"), text(clique, "name")
        group: dict[str, Any] = next((each for each in groups if name in listed(at(each, "cliqueNames"))), {})
        copies, pods = (number(part, "replicas", 1) or 1 for part in (group, own))
        highest = [
            number(mapped(group, "scaleConfig"), "maxReplicas", None),
            number(mapped(own, "autoScalingConfig"), "maxReplicas", None),
        ]
        sets = number(spec, "replicas", 1)
        sets = 1 if sets is None else sets
        most_pods = times(sets, highest[0] or copies, highest[1] or pods) if any(highest) else None
        roles.append(Role(name, {"spec": mapped(own, "podSpec")}, pods=times(sets, copies, pods), most=most_pods))
    return workload.with_roles(*roles)
