"""AcceleratorPresence: internal, what the nodes of one class looked like, so that it stays when they leave."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from admission.api.accelerator import Taint
from admission.api.object import CRD, Model, Object

MOST_VALUES = 8
"""Values of one label that are kept apart; with more, any is taken to be possible."""

MOST_LABELS = 64
MOST_GROUPS = 32
MOST_TAINTS = 64
MOST_RESOURCES = 1024


class SeenLabel(Model):
    """A label of the nodes of a group."""

    key: Annotated[str, pydantic.Field(max_length=317)]
    """Label key."""
    values: Annotated[list[Annotated[str, pydantic.Field(max_length=63)]], pydantic.Field(max_length=MOST_VALUES)] = []
    """Its values; none means that there were too many to keep apart."""
    absent: bool = False
    """Whether some of the nodes had no such label."""


class SeenSlices(Model):
    """A resource whose devices were slices of a chip on some of the nodes."""

    resource: Annotated[str, pydantic.Field(max_length=317)]
    """Extended resource name."""
    counted_as: Annotated[list[Annotated[str, pydantic.Field(max_length=127)]], pydantic.Field(max_length=64)]
    """What its devices were counted as on the nodes that offered it: slices, and the class where some were whole chips."""


class SeenNodes(Model):
    """Nodes with the same taints."""

    taints: Annotated[list[Taint], pydantic.Field(max_length=MOST_TAINTS)] = []
    """Taints that stay on a node for as long as it is up."""
    resources: Annotated[
        list[Annotated[str, pydantic.Field(max_length=317)]], pydantic.Field(max_length=MOST_RESOURCES)
    ] = []
    """Extended resource names that they offered."""
    slices: Annotated[list[SeenSlices], pydantic.Field(max_length=MOST_RESOURCES)] = []
    """Those of them that were slices of a chip; the others were whole chips."""
    awaited: Annotated[str, pydantic.Field(max_length=63)] | None = None
    """Vendor of the class where some of them had not announced it yet; empty is any vendor."""
    labels: Annotated[list[SeenLabel], pydantic.Field(max_length=MOST_LABELS)] = []
    """Their labels."""
    more: bool = False
    """Whether they had further labels, which are taken to have any value."""


class AcceleratorPresenceSpec(Model):
    """What was seen of a class. Written by computegate alone."""

    nodes: Annotated[list[SeenNodes], pydantic.Field(max_length=MOST_GROUPS)] = []
    """The nodes that had it, by their taints."""


class AcceleratorPresence(Object):
    """Internal: a class of accelerators that nodes of this cluster had, by the name of the class.

    Pods go on being judged for it while no node has it. Delete the object when it is gone for good.
    """

    crd = CRD(
        plural="acceleratorpresences",
        short_names=("accelseen",),
    )
    kind: Literal["AcceleratorPresence"] = "AcceleratorPresence"
    spec: AcceleratorPresenceSpec
    """What was seen."""
