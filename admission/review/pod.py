"""The parts of a Pod that decide which devices it can obtain, as msgspec structs.

A subset on purpose: msgspec skips every field that is not named here without building an object for it,
so managedFields, probes and volumes of no interest cost almost nothing.  Shapes and meanings are those of
the core/v1 API.
"""

from __future__ import annotations

import msgspec

MIRROR = "kubernetes.io/config.mirror"
"""Annotation of the pods that stand for static ones, which a kubelet runs by itself and no admission keeps away."""


class _Wire(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A wire struct: unknown fields are skipped; collections are never mutated."""


class OwnerReference(_Wire, frozen=True):
    """An object that this one belongs to; anybody who creates an object can claim any owner."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Meta(_Wire, frozen=True):
    """The parts of ``metadata`` that we read."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generate_name: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None


class Resources(_Wire, frozen=True):
    """``resources`` of a container: quantities as they came, text or number."""

    limits: dict[str, str | int | float] | None = None
    requests: dict[str, str | int | float] | None = None


class Elsewhere(_Wire, frozen=True):
    """Where a value comes from; kept only to know that it is not in the pod."""


class EnvVar(_Wire, frozen=True):
    """One variable: its value, or that it comes from elsewhere."""

    name: str = ""
    value: str | None = None
    value_from: Elsewhere | None = None


class Capabilities(_Wire, frozen=True):
    """Linux capabilities added to a container."""

    add: tuple[str, ...] | None = None


class WindowsOptions(_Wire, frozen=True):
    """Whether the containers run as processes of a Windows node."""

    host_process: bool | None = None


class SecurityContext(_Wire, frozen=True):
    """What lets a container reach devices past its requests; a pod's own has only the options of Windows."""

    privileged: bool | None = None
    capabilities: Capabilities | None = None
    windows_options: WindowsOptions | None = None


class VolumeMount(_Wire, frozen=True):
    """Where a volume is mounted, and whether it can be written to."""

    name: str = ""
    mount_path: str = ""
    read_only: bool | None = None


class Container(_Wire, frozen=True):
    """A container, an init container (a sidecar when ``restart_policy`` is Always) or an ephemeral one."""

    name: str = ""
    image: str = ""
    resources: Resources | None = None
    restart_policy: str | None = None
    env: tuple[EnvVar, ...] | None = None
    security_context: SecurityContext | None = None
    volume_mounts: tuple[VolumeMount, ...] | None = None


class HostPath(_Wire, frozen=True):
    """A path on the node."""

    path: str = ""


class Volume(_Wire, frozen=True):
    """A volume; only those of the node matter here."""

    name: str = ""
    host_path: HostPath | None = None


class PodResourceClaim(_Wire, frozen=True):
    """A reference to a ResourceClaim or to its template (dynamic resource allocation)."""

    name: str = ""
    resource_claim_name: str | None = None
    resource_claim_template_name: str | None = None


class SchedulingGroup(_Wire, frozen=True):
    """The group with which a pod is scheduled."""

    pod_group_name: str | None = None


class Requirement(_Wire, frozen=True):
    """One match expression of a node selector term."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] | None = None


class NodeSelectorTerm(_Wire, frozen=True):
    """Expressions that must all hold; terms are alternatives."""

    match_expressions: tuple[Requirement, ...] | None = None
    match_fields: tuple[Requirement, ...] | None = None


class NodeSelector(_Wire, frozen=True):
    """``requiredDuringSchedulingIgnoredDuringExecution`` of a node affinity."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] | None = None


class NodeAffinity(_Wire, frozen=True):
    """Only the required terms bind; preferred ones are wishes."""

    required: NodeSelector | None = msgspec.field(default=None, name="requiredDuringSchedulingIgnoredDuringExecution")


class Affinity(_Wire, frozen=True):
    """Node affinity alone decides where a pod can land."""

    node_affinity: NodeAffinity | None = None


class Toleration(_Wire, frozen=True):
    """What lets a pod onto a tainted node."""

    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None


class PodSpec(_Wire, frozen=True):
    """The parts of a pod's spec that decide what it can obtain and for how long."""

    containers: tuple[Container, ...] | None = None
    init_containers: tuple[Container, ...] | None = None
    ephemeral_containers: tuple[Container, ...] | None = None
    overhead: dict[str, str | int | float] | None = None
    volumes: tuple[Volume, ...] | None = None
    security_context: SecurityContext | None = None
    host_pid: bool | None = msgspec.field(default=None, name="hostPID")
    resource_claims: tuple[PodResourceClaim, ...] | None = None
    runtime_class_name: str | None = None
    node_name: str | None = None
    node_selector: dict[str, str] | None = None
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] | None = None
    active_deadline_seconds: int | None = None
    termination_grace_period_seconds: int | None = None
    service_account_name: str = ""
    scheduling_group: SchedulingGroup | None = None


class ExtendedResourceClaim(_Wire, frozen=True):
    """The claim that the scheduler made for a pod's extended resources."""

    resource_claim_name: str = ""


class ClaimGiven(_Wire, frozen=True):
    """The claim that was made for a pod's reference to a template; without a name none was needed."""

    name: str = ""
    resource_claim_name: str | None = None


class Target(_Wire, frozen=True):
    """The node of a binding."""

    name: str = ""


class Binding(_Wire, frozen=True):
    """A scheduler's choice of a node for the pod of this name and uid."""

    metadata: Meta = Meta()
    target: Target = Target()


class PodCondition(_Wire, frozen=True):
    """Something that holds for the pod, or not, and since when (RFC 3339)."""

    type: str = ""
    status: str = ""
    last_transition_time: str | None = None


class DeviceStatus(_Wire, frozen=True):
    """One device that the kubelet gave to a container (KEP-4680)."""

    resource_id: str = msgspec.field(default="", name="resourceID")


class DevicesStatus(_Wire, frozen=True):
    """The devices of one resource; ``name`` begins with ``claim:`` where they come from a claim."""

    name: str = ""
    resources: tuple[DeviceStatus, ...] | None = None


class Terminated(_Wire, frozen=True):
    """How a container ended, as its node says."""

    finished_at: str | None = None


class ContainerState(_Wire, frozen=True):
    """What a container does; only its end is read."""

    terminated: Terminated | None = None


class ContainerStatus(_Wire, frozen=True):
    """What the node tells of a container."""

    state: ContainerState = ContainerState()
    allocated_resources_status: tuple[DevicesStatus, ...] | None = None


class PodStatus(_Wire, frozen=True):
    """Whether the pod is bound or has ended, its devices, and the claims that were made for it or its resources."""

    phase: str = ""
    resource_claim_statuses: tuple[ClaimGiven, ...] | None = None
    extended_resource_claim_status: ExtendedResourceClaim | None = None
    conditions: tuple[PodCondition, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None
    init_container_statuses: tuple[ContainerStatus, ...] | None = None


class Pod(_Wire, frozen=True):
    """A pod: what a review carries, and what the ledger's watch keeps."""

    metadata: Meta = Meta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()
