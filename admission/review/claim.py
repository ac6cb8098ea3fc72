"""The parts of dynamic resource allocation's objects that decide which devices they obtain, as msgspec structs.

Shapes and meanings are those of resource.k8s.io/v1; a request of v1beta1 has the fields of ``exactly`` in itself.
"""

from __future__ import annotations

import msgspec

from admission.review.pod import Meta, _Wire


class CelSelector(_Wire, frozen=True):
    """A CEL expression over ``device``."""

    expression: str = ""


class DeviceSelector(_Wire, frozen=True):
    """One condition that a device must meet; a kind of selector that is not known is not read."""

    cel: CelSelector | None = None


class ExactRequest(_Wire, frozen=True):
    """Devices of one class: so many, or all of a node; named where it is an alternative."""

    name: str = ""
    device_class_name: str = ""
    selectors: tuple[DeviceSelector, ...] | None = None
    allocation_mode: str | None = None
    count: int | None = None
    admin_access: bool | None = None


class DeviceRequest(ExactRequest, frozen=True):
    """One request: exactly one of ``exactly`` and ``first_available``, or (v1beta1) the fields themselves."""

    exactly: ExactRequest | None = None
    first_available: tuple[ExactRequest, ...] | None = None


class DeviceClaim(_Wire, frozen=True):
    """What is asked for, request by request."""

    requests: tuple[DeviceRequest, ...] | None = None


class ClaimSpec(_Wire, frozen=True):
    """``spec`` of a ResourceClaim; ``resource_class_name`` is the shape that Kubernetes 1.31 dropped."""

    devices: DeviceClaim = DeviceClaim()
    resource_class_name: str | None = None


class AllocatedDevice(_Wire, frozen=True):
    """A device that the scheduler gave to a claim, for a request of it."""

    request: str = ""
    driver: str = ""
    pool: str = ""
    device: str = ""
    admin_access: bool | None = None


class AllocatedDevices(_Wire, frozen=True):
    """All devices of an allocation."""

    results: tuple[AllocatedDevice, ...] | None = None


class Allocation(_Wire, frozen=True):
    """What the scheduler gave to a claim, and when."""

    devices: AllocatedDevices = AllocatedDevices()
    allocation_timestamp: str | None = None


class Consumer(_Wire, frozen=True):
    """A pod (``resource`` is "pods"), or a group of pods, for which a claim is reserved."""

    uid: str = ""
    resource: str = ""


class ClaimStatus(_Wire, frozen=True):
    """Whether devices were given already, and which; and to whom.  No role of a tenant's writes it."""

    allocation: Allocation | None = None
    reserved_for: tuple[Consumer, ...] | None = None


class ResourceClaim(_Wire, frozen=True):
    """A claim: what a review carries, and what the ledger's watch keeps."""

    metadata: Meta = Meta()
    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


class TemplateSpec(_Wire, frozen=True):
    """What the claims made from a template are like."""

    spec: ClaimSpec = ClaimSpec()


class ResourceClaimTemplate(_Wire, frozen=True):
    """What a claim is made from, for each pod or each group of pods."""

    metadata: Meta = Meta()
    spec: TemplateSpec = TemplateSpec()


class DeviceClassSpec(_Wire, frozen=True):
    """Which devices are of the class, and the extended resource that stands for them."""

    selectors: tuple[DeviceSelector, ...] | None = None
    extended_resource_name: str | None = None


class DeviceClass(_Wire, frozen=True):
    """A class of devices, as an administrator defines it; it may change at any time."""

    metadata: Meta = Meta()
    spec: DeviceClassSpec = DeviceClassSpec()


class Attribute(_Wire, frozen=True):
    """The value of one attribute of a device; lists and versions are not read."""

    string: str | None = None
    bool_: bool | None = msgspec.field(default=None, name="bool")
    int_: int | None = msgspec.field(default=None, name="int")


class PublishedDevice(_Wire, frozen=True):
    """A device that a driver publishes; its node stands here only where each device has one of its own."""

    name: str = ""
    attributes: dict[str, Attribute] | None = None
    node_name: str | None = None


class SlicePool(_Wire, frozen=True):
    """The pool to which a slice's devices belong."""

    name: str = ""


class ResourceSliceSpec(_Wire, frozen=True):
    """The devices of one driver, on one node or on several."""

    driver: str = ""
    pool: SlicePool = SlicePool()
    node_name: str | None = None
    devices: tuple[PublishedDevice, ...] | None = None


class ResourceSlice(_Wire, frozen=True):
    """What a driver publishes of its devices."""

    metadata: Meta = Meta()
    spec: ResourceSliceSpec = ResourceSliceSpec()


class GroupClaim(_Wire, frozen=True):
    """A claim that the pods of a group share."""

    name: str = ""
    resource_claim_name: str | None = None
    resource_claim_template_name: str | None = None


class PodGroupSpec(_Wire, frozen=True):
    """The claims of a group of pods."""

    resource_claims: tuple[GroupClaim, ...] | None = None


class PodGroup(_Wire, frozen=True):
    """A group of pods that are scheduled together (scheduling.k8s.io)."""

    metadata: Meta = Meta()
    spec: PodGroupSpec = PodGroupSpec()
