"""The code behind ``particular`` in the table of kinds, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from admission.demand.workloads import groups, machines, serving, spark, training

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from admission.demand.workloads.expand import Workload
    from admission.demand.workloads.fields import Others

CODE: Final[Mapping[str, Callable[[dict[str, Any], Workload, Others], Workload]]] = {
    "apache_spark": spark.apache_spark,
    "argo_templates": machines.argo_templates,
    "dynamo": serving.dynamo,
    "elastic_worker": training.elastic_worker,
    "grove_cliques": training.grove_cliques,
    "kaito": training.kaito,
    "knative_scale": serving.knative_scale,
    "kserve_nodes": serving.kserve_nodes,
    "llm_inference_service": serving.llm_inference_service,
    "nim_pipeline": serving.nim_pipeline,
    "nim_service": serving.nim_service,
    "ray_autoscaling": training.ray_autoscaling,
    "role_based_group": groups.role_based_group,
    "spark": spark.spark,
    "tekton_steps": machines.tekton_steps,
    "train_job": training.train_job,
    "virtual_machine": machines.virtual_machine,
}
"""What a table cannot say: takes the object and what the table says of it, and returns the whole."""
