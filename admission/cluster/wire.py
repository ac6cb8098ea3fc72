"""What the API server puts around objects, and the parts of Namespace and Node that we read, as msgspec structs.

Objects inside a list or a watch event stay raw bytes until their own decoder reads them: one bad object must
not spoil its neighbours, and the official models cost 2-3 ms and 200 KB for each pod.
"""

from __future__ import annotations

import msgspec

from admission.review.pod import Meta


class _Wire(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A wire struct: unknown fields are skipped; collections are never mutated."""


class ListMeta(_Wire, frozen=True):
    """``metadata`` of a list: where a watch goes on from, and how to ask for the next page."""

    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class Page(_Wire, frozen=True):
    """One page of a list.  Items of built-in kinds carry neither ``kind`` nor ``apiVersion``."""

    metadata: ListMeta
    items: tuple[msgspec.Raw, ...] | None = None


class Identity(_Wire, frozen=True):
    """What tells one object, and one version of it, from another."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""

    @property
    def key(self) -> str:
        """``namespace/name``, or ``name`` for a cluster-scoped object."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Identified(_Wire, frozen=True):
    """Any object, of which only the identity is read."""

    metadata: Identity


class WatchLine(_Wire, frozen=True):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK, or ERROR with a Status."""

    type: str
    object: msgspec.Raw


class StatusDetails(_Wire, frozen=True):
    """``details`` of a Status."""

    retry_after_seconds: int | None = None


class Status(_Wire, frozen=True):
    """``metav1.Status``: how the API server says no."""

    code: int | None = None
    reason: str | None = None
    message: str | None = None
    details: StatusDetails | None = None
    metadata: ListMeta = ListMeta()
    """Of a list that is no longer kept: how to ask for the rest of it as it is now."""


class Namespace(_Wire, frozen=True):
    """A namespace: its labels say whose it is and how it is judged."""

    metadata: Meta


class Taint(_Wire, frozen=True):
    """What keeps pods without a matching toleration off a node."""

    key: str = ""
    value: str = ""
    effect: str = ""


class NodeSpec(_Wire, frozen=True):
    """What keeps pods off a node."""

    taints: tuple[Taint, ...] | None = None


class NodeStatus(_Wire, frozen=True):
    """What a node can give: quantities as they came."""

    allocatable: dict[str, str] | None = None


class Node(_Wire, frozen=True):
    """A node: where a pod can land, and on which devices."""

    metadata: Meta
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class LeaseSpec(_Wire, frozen=True, omit_defaults=True):
    """``spec`` of a coordination.k8s.io Lease; times are RFC 3339 with microseconds."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(_Wire, frozen=True):
    """A Lease as the API server gives it."""

    metadata: Identity
    spec: LeaseSpec = LeaseSpec()
