"""What a table cannot say of Spark: both operators' applications, and clusters that stand by themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from admission.demand.workloads.count import Count, most
from admission.demand.workloads.expand import Role
from admission.demand.workloads.fields import listed, mapped, number, text
from admission.demand.workloads.training import GPU

if TYPE_CHECKING:
    from admission.demand.workloads.expand import Workload
    from admission.demand.workloads.fields import Others


def spark(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """Spark: a driver, and executors by count or dynamic allocation, devices by ``gpu`` or by Spark's own settings."""
    spec = mapped(document, "spec", "template") or mapped(document, "spec")
    settings, dynamic = mapped(spec, "sparkConf"), mapped(spec, "dynamicAllocation")
    enabled = dynamic.get("enabled") is True or str(settings.get("spark.dynamicAllocation.enabled")).lower() == "true"
    instances = _first(
        number(mapped(spec, "executor"), "instances", None), number(settings, "spark.executor.instances", None)
    )
    if enabled:  # Spark starts with the largest of the three (Utils.getDynamicAllocationInitialExecutors)
        bounds = (number(dynamic, name, None) for name in ("initialExecutors", "minExecutors"))
        given = [each for each in (instances, *bounds) if each is not None]
        instances = most(given) if given else None
    ceiling = _first(
        number(dynamic, "maxExecutors", None), number(settings, "spark.dynamicAllocation.maxExecutors", None)
    )
    volumes, driver = listed(spec.get("volumes")), mapped(spec, "driver") or mapped(spec, "server")
    return workload.with_roles(
        Role("driver", _spark_pod(driver, settings, "driver", volumes), parts=(mapped(driver, "template"),)),
        Role(
            "executor",
            _spark_pod(mapped(spec, "executor"), settings, "executor", volumes),
            pods=1 if instances is None else instances,
            most=ceiling if enabled else None,
            parts=(mapped(spec, "executor", "template"),),
        ),
    )


def _first(*found: Count | None) -> Count | None:
    return next((each for each in found if each is not None), None)


def _spark_pod(part: dict[str, Any], settings: dict[str, Any], role: str, volumes: list[Any]) -> dict[str, Any]:
    """Return the pod of the driver or an executor: its template, its sidecars, its main container's devices."""
    limits: dict[str, Any] = {}
    gpu = mapped(part, "gpu")
    if gpu.get("quantity") is not None:
        limits[text(gpu, "name") or GPU] = gpu["quantity"]
    for key, amount in settings.items():
        kind = str(key).removeprefix(f"spark.{role}.resource.").removesuffix(".amount")
        if str(key) == f"spark.{role}.resource.{kind}.amount":
            vendor = text(settings, f"spark.{role}.resource.{kind}.vendor") or GPU.partition("/")[0]
            limits.setdefault(f"{vendor}/{kind}", amount)
    own = mapped(part, "template", "spec")
    first, *containers = listed(own.get("containers")) or [{}]
    stated = {"volumeMounts": listed(part.get("volumeMounts")), "securityContext": mapped(part, "securityContext")}
    main = {
        "name": f"spark-{role}",
        **mapped(first),
        **{field: value for field, value in stated.items() if value},
        "env": [*listed(mapped(first).get("env")), *listed(part.get("env"))],
        "resources": {**mapped(first, "resources"), "limits": {**mapped(first, "resources", "limits"), **limits}},
    }
    spec = {
        "nodeSelector": part.get("nodeSelector"),
        "tolerations": part.get("tolerations"),
        "affinity": part.get("affinity"),
        **own,
        "volumes": [*volumes, *listed(own.get("volumes"))],
        "initContainers": [*listed(part.get("initContainers")), *listed(own.get("initContainers"))],
        "containers": [main, *containers, *listed(part.get("sidecars"))],
    }
    metadata = {"annotations": part.get("annotations"), "labels": part.get("labels")}
    return {"metadata": metadata, "spec": spec}


def apache_spark(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """Spark by Apache's operator: pod templates, counts in the tolerations, devices in the templates or settings."""
    spec = mapped(document, "spec")
    settings, cluster = mapped(spec, "sparkConf"), mapped(spec, "clusterTolerations", "instanceConfig")
    if text(document, "kind") == "SparkCluster":
        workers = number(cluster, "initWorkers", None)
        least = number(cluster, "minWorkers", 1) if workers is None else workers
        return workload.with_roles(
            _apache_role(mapped(spec, "masterSpec", "statefulSetSpec", "template"), settings, "master"),
            replace(
                _apache_role(mapped(spec, "workerSpec", "statefulSetSpec", "template"), settings, "worker"),
                pods=least,
                most=number(cluster, "maxWorkers", None),
            ),
        )
    bounds = mapped(spec, "applicationTolerations", "instanceConfig")
    counts = (
        number(bounds, "initExecutors", None),
        number(bounds, "minExecutors", None),
        number(settings, "spark.executor.instances", None),
        number(settings, "spark.dynamicAllocation.minExecutors", None),
    )
    given = [each for each in counts if each is not None]
    ceiling = number(bounds, "maxExecutors", None)
    dynamic = str(settings.get("spark.dynamicAllocation.enabled")).lower() == "true"
    return workload.with_roles(
        _apache_role(mapped(spec, "driverSpec", "podTemplateSpec"), settings, "driver"),
        replace(
            _apache_role(mapped(spec, "executorSpec", "podTemplateSpec"), settings, "executor"),
            pods=most(given) if given else 1,
            most=ceiling if dynamic else None,
        ),
    )


def _apache_role(template: dict[str, Any], settings: dict[str, Any], name: str) -> Role:
    """Return the role of a template, with the devices that Spark's own settings give to the main container."""
    spec = _spark_pod({"template": template}, settings, name, [])["spec"]
    return Role(name, {**template, "spec": spec}, parts=(template,))
