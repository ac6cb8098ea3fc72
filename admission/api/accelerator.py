"""AcceleratorClass and AcceleratorPool: which chips there are, how they are recognised, and where they stand."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from admission.api.object import CRD, Country, Model, Name, Object, Text


class Throughput(Model):
    """Dense peak throughput at one bit length, as the manufacturer claims it."""

    bits: Annotated[int, pydantic.Field(ge=1, le=64)]
    """Largest bit length of the inputs of the multiplication."""
    tera_ops: Annotated[float, pydantic.Field(gt=0, le=10_000_000)]
    """Dense tera-operations per second (a multiply-accumulate counts as two)."""


class NodeLabelMatch(Model):
    """A node label by which devices of a class are recognised."""

    key: Annotated[str, pydantic.Field(max_length=317)]
    """Label key, such as nvidia.com/gpu.product."""
    values: Annotated[list[Annotated[str, pydantic.Field(max_length=63)]], pydantic.Field(min_length=1, max_length=64)]
    """Values of that label; a trailing * matches any ending."""


class AcceleratorClassSpec(Model):
    """A chip: how it is recognised, and the numbers that put it under a control entry."""

    display_name: Text = ""
    """The chip's name for people."""
    resources: Annotated[list[Annotated[str, pydantic.Field(max_length=317)]], pydantic.Field(max_length=64)] = []
    """Extended resource names that mean this chip alone, such as nvidia.com/h100."""
    node_labels: Annotated[list[NodeLabelMatch], pydantic.Field(max_length=64)] = []
    """Node labels that mean this chip."""
    throughput: Annotated[list[Throughput], pydantic.Field(max_length=16)] = []
    """Dense throughput by bit length; TPP is the largest product of the two."""
    die_area_mm2: Annotated[float, pydantic.Field(gt=0, le=1_000_000)] | None = None
    """Area of all logic dies on a non-planar process, in mm2; absent means unknown."""
    memory_bandwidth_gb_per_second: Annotated[float, pydantic.Field(gt=0, le=10_000_000)] | None = None
    """Memory bandwidth in GB/s; lines of bandwidth test it, no control entry does. Absent means unknown."""
    interconnect_gb_per_second: Annotated[float, pydantic.Field(gt=0, le=10_000_000)] | None = None
    """Bandwidth to everything but memory in GB/s, both directions together: the rule of 2022 and the lines of letters test it. Absent means unknown."""
    data_center: bool = True
    """Designed or marketed for data centres."""
    source: Text = ""
    """Where the numbers come from."""


class AcceleratorClass(Object):
    """Adds a chip to the built-in catalogue, or overrides the chip of the same name.

    The control entry (3A090.a.1 and so on) is computed from the numbers and the rule set in force on the day.
    """

    crd = CRD(
        plural="acceleratorclasses",
        short_names=("accel",),
        columns=(
            ("Chip", "string", ".spec.displayName", "the chip's name"),
            ("Source", "string", ".spec.source", "where the numbers come from"),
        ),
    )
    kind: Literal["AcceleratorClass"] = "AcceleratorClass"
    spec: AcceleratorClassSpec
    """The chip."""


class Taint(Model):
    """A taint that the pool's nodes carry."""

    key: Annotated[str, pydantic.Field(max_length=317)]
    """Taint key."""
    value: Annotated[str, pydantic.Field(max_length=63)] = ""
    """Taint value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
    """Taint effect."""


class Place(Model):
    """Where a group of nodes stands."""

    country: Country
    """Country of the data centre (ISO 3166-1 alpha-2)."""
    site: Annotated[str, pydantic.Field(max_length=128)] = ""
    """The site, for people."""


class AcceleratorPoolSpec(Model):
    """A group of nodes, whether or not any of them exists now."""

    node_labels: Annotated[
        dict[str, Annotated[str, pydantic.Field(max_length=63)]], pydantic.Field(min_length=1, max_length=32)
    ]
    """Labels that every node of the pool carries; a node with all of them belongs to the pool."""
    taints: Annotated[list[Taint], pydantic.Field(max_length=16)] = []
    """Taints that every node of the pool carries."""
    accelerator_class: Name
    """Name of the accelerator class of the pool's devices: a built-in chip or an AcceleratorClass."""
    resources: Annotated[
        list[Annotated[str, pydantic.Field(max_length=317)]], pydantic.Field(min_length=1, max_length=16)
    ]
    """Extended resource names that the pool's nodes offer, such as nvidia.com/gpu."""
    place: Place | None = None
    """Where the pool stands; absent means the chart's default place, or unknown."""
    max_nodes: Annotated[int, pydantic.Field(ge=0, le=100_000)] | None = None
    """The most nodes the pool may grow to; for the operator's overview, not yet acted on."""


class AcceleratorPool(Object):
    """Declares a group of accelerator nodes: their labels, taints, class and place.

    It answers for pools that are scaled to zero, and says in which country a node stands.
    """

    crd = CRD(
        plural="acceleratorpools",
        short_names=("accelpool",),
        columns=(
            ("Class", "string", ".spec.acceleratorClass", "class of the pool's devices"),
            ("Country", "string", ".spec.place.country", "where the pool stands"),
            ("Site", "string", ".spec.place.site", "the site"),
        ),
    )
    kind: Literal["AcceleratorPool"] = "AcceleratorPool"
    spec: AcceleratorPoolSpec
    """The pool."""
