"""Classes that nodes had once: they count until the operator says that they are gone for good.

Which nodes happen to be up decides neither what a pending pod is charged for nor what its tenant must be cleared for.
Nodes with the same taints are remembered together, by the values of their labels: a selector that no mix of these
values meets excludes them, and what is not kept apart (node names, labels with many values) is taken to be possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from admission.api.accelerator import Taint as DeclaredTaint
from admission.api.presence import (
    MOST_GROUPS,
    MOST_LABELS,
    MOST_RESOURCES,
    MOST_TAINTS,
    MOST_VALUES,
    SeenLabel,
    SeenNodes,
    SeenSlices,
)
from admission.demand.partition import counted_as

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from admission.catalogue.catalogue import Catalogue
    from admission.demand.inventory import Inventory, Target

HOSTNAME = "kubernetes.io/hostname"
_OPEN = ("feature.node.kubernetes.io/",)
"""Beginnings of labels of which nodes have dozens."""

_Key = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """The labels of nodes that are remembered together.

    ``live`` are the names of the nodes that are there now: these are judged by what they are.
    """

    labels: Mapping[str, frozenset[str | None]]
    more: bool
    live: frozenset[str]

    def values(self, key: str) -> frozenset[str | None] | None:
        """Return the values that a label had, None among them for nodes without it; None where it may be any."""
        if key == HOSTNAME or key.startswith(_OPEN):
            return None
        known = self.labels.get(key)
        if known is None:
            return None if self.more else frozenset({None})
        return known or None

    def may_be_named(self, operator: str, names: Iterable[str]) -> bool:
        """Whether a requirement on a node's name can be met by one that is not there now."""
        return operator != "In" or not self.live.issuperset(names)


def seen_of(nodes: SeenNodes, live: frozenset[str]) -> Seen:
    """Return remembered nodes in the form that selectors are held against."""
    labels = {
        label.key: frozenset[str | None](label.values) | ({None} if label.absent and label.values else frozenset())
        for label in nodes.labels
    }
    return Seen(labels, nodes.more, live)


def sighted(inventory: Inventory, known: Mapping[str, Iterable[SeenNodes]]) -> Mapping[str, tuple[SeenNodes, ...]]:
    """Return, for each class of which the nodes show something new, all that should be remembered of it."""
    found: dict[str, dict[_Key, SeenNodes]] = {}
    for target in inventory.targets:
        shown = target.is_node and (target.resources or target.awaited is not None)
        for name in target.classes & inventory.catalogue.chips.keys() if shown else ():
            groups = found.setdefault(name, {_key(each): each for each in known.get(name, ())})
            key = _key_of(target)
            if key not in groups and (len(groups) >= MOST_GROUPS - 1 or len(key) > MOST_TAINTS):
                key = ()  # of what is too much to keep apart, no taint keeps a pod away
            groups[key] = _joined(groups.get(key), key, name, target, inventory.catalogue)
    return {
        name: tuple(groups.values())
        for name, groups in found.items()
        if tuple(groups.values()) != tuple(known.get(name, ()))
    }


def _key(nodes: SeenNodes) -> _Key:
    return tuple(sorted((taint.key, taint.value, taint.effect) for taint in nodes.taints))


def _key_of(target: Target) -> _Key:
    lasting = {(taint.key, taint.value, taint.effect) for taint in target.taints if not taint.is_transient}
    return tuple(sorted(lasting))


def _joined(nodes: SeenNodes | None, taints: _Key, name: str, target: Target, catalogue: Catalogue) -> SeenNodes:
    """Return the remembered nodes of a class with one more; equal to what they were where it adds nothing."""
    before = nodes or SeenNodes(taints=[DeclaredTaint(key=k, value=v, effect=e) for k, v, e in taints])
    labels = {key: value for key, value in target.labels.items() if key != HOSTNAME and not key.startswith(_OPEN)}
    known = {label.key: label for label in before.labels}
    kept = set(known) if before.more else _chosen(known.keys() | labels.keys(), labels, catalogue)
    more = before.more or len(kept) < len(known.keys() | labels.keys())
    return before.model_copy(
        update={
            "resources": sorted({*before.resources, *target.resources})[:MOST_RESOURCES],
            "slices": _slices(before, name, target)[:MOST_RESOURCES],
            "awaited": before.awaited if target.awaited is None else _vendor(before.awaited, target.awaited),
            "labels": [_label(key, known.get(key), labels.get(key), first=nodes is None) for key in sorted(kept)],
            "more": more,
        }
    )


def _slices(before: SeenNodes, name: str, target: Target) -> list[SeenSlices]:
    """What devices of the class are counted as, by resource, where some are slices: over all nodes that offered it."""
    known = {each.resource: set(each.counted_as) for each in before.slices}
    for resource in target.resources:
        found = counted_as((name,), target.slices.get(resource, ()))
        if resource in known or found != {name}:
            whole = {name} if resource in before.resources and resource not in known else set[str]()
            known[resource] = known.get(resource, whole) | found
    return [SeenSlices(resource=each, counted_as=sorted(known[each])) for each in sorted(known)]


def _chosen(keys: Iterable[str], labels: Mapping[str, str], catalogue: Catalogue) -> set[str]:
    """So many labels as are kept, those that name a class first."""

    def rank(key: str) -> tuple[bool, str]:
        return not (key in labels and catalogue.by_node_labels({key: labels[key]})), key

    return set(sorted(keys, key=rank)[:MOST_LABELS])


def _vendor(known: str | None, other: str) -> str:
    return other if known in {None, other} else ""


def _label(key: str, known: SeenLabel | None, value: str | None, *, first: bool) -> SeenLabel:
    if known is not None and not known.values:
        return known
    values = sorted({*(known.values if known else ()), *([] if value is None else [value])})
    absent = value is None or (known.absent if known else not first)
    return SeenLabel(key=key, values=values if len(values) <= MOST_VALUES else [], absent=absent)
