"""Which built-in chips an operator's objects stand in the place of: by name, by what they are recognised by, on a node.

Each is applied, and told: a class with milder figures takes chips out of control.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from admission.api.accelerator import AcceleratorClass, AcceleratorPool
from admission.catalogue.control import Entry
from admission.catalogue.lines import lines
from admission.decide.remarks import Remark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from admission.catalogue.catalogue import Catalogue
    from admission.decide.registry import Registry
    from admission.decide.remarks import Path

MOST_NAMED = 5
"""Built-in chips that one remark names; the strictest come first."""

_STRICTEST_FIRST = (Entry.A1, Entry.A2, Entry.B1, Entry.B2, Entry.NONE)


class _Catalogues(NamedTuple):
    """What chips are without the operator's objects and with them, at an instant."""

    builtin: Catalogue
    current: Catalogue
    now: datetime

    def is_weaker(self, before: str, after: str) -> bool:
        """Whether restrictions take a chip for less: by its entry, or, where that is the same, by a line."""
        strict = {line.beyond or line.within for line in lines()}
        lost = self.builtin.sides(before, self.now).possible - self.current.sides(after, self.now).possible
        was, is_now = self._rank(self.builtin, before), self._rank(self.current, after)
        return is_now > was or (is_now == was and not strict.isdisjoint(lost))

    def _rank(self, catalogue: Catalogue, name: str) -> int:
        return _STRICTEST_FIRST.index(catalogue.assumed(name, self.now))

    def told(self, before: Iterable[str], after: str) -> tuple[str, str, str]:
        """Return the chips, with their figures, what stands in their place, and that it is weaker where it is."""
        chips = sorted(before, key=lambda name: (self._rank(self.builtin, name), name))
        named = ", ".join(f"{name} ({self._figures(self.builtin, name)})" for name in chips[:MOST_NAMED])
        named += f" and {len(chips) - MOST_NAMED} more" if len(chips) > MOST_NAMED else ""
        weaker = "; that is WEAKER" if any(self.is_weaker(name, after) for name in chips) else ""
        return named, self._figures(self.current, after), weaker

    def _figures(self, catalogue: Catalogue, name: str) -> str:
        chip = catalogue.chip(name)
        tpp = "unknown" if chip is None or chip.tpp is None else f"{chip.tpp:.0f}"
        return f"entry {catalogue.assumed(name, self.now).short}, TPP {tpp}"


def find_overridden(registry: Registry, builtin: Catalogue, now: datetime) -> Iterator[Remark]:
    """Yield a remark for each object, or node, by which a built-in chip counts as something else."""
    catalogues = _Catalogues(builtin, registry.catalogue, now)
    for each in sorted(registry.every(AcceleratorClass), key=lambda each: each.name):
        yield from _of_class(each, catalogues)
    for pool in sorted(registry.every(AcceleratorPool), key=lambda pool: pool.name):
        name, labels = pool.spec.accelerator_class, pool.spec.node_labels
        yield from _of_labels(labels, name, catalogues, AcceleratorPool.__name__, pool.name, "spec", "acceleratorClass")
    seen = set[tuple[str | None, frozenset[str]]]()
    for node in sorted(registry.nodes.values(), key=lambda node: node.name):
        found = registry.inventory.nodes.get(node.name)
        one = builtin.by_node_labels(node.labels), found.classes if found else frozenset()
        for name in sorted(one[1]) if one not in seen and one[0] not in one[1] else ():
            yield from _of_labels(node.labels, name, catalogues, "Node", node.name, "metadata", "labels")
        seen.add(one)


def _of_class(each: AcceleratorClass, catalogues: _Catalogues) -> Iterator[Remark]:
    builtin, kind = catalogues.builtin, AcceleratorClass.__name__
    if builtin.chip(each.name):
        before, after, weaker = catalogues.told([each.name], each.name)
        said = f"in place of the built-in chip {before} stands this one ({after}){weaker}"
        yield Remark(kind, each.name, ("metadata", "name"), said)
    for path, text, names in _recognised(each, builtin):
        taken = {name for name in names if name != each.name}
        if taken:
            before, after, weaker = catalogues.told(taken, each.name)
            said = f"{text} is what the built-in {before} is recognised by; it counts as this one ({after}){weaker}"
            yield Remark(kind, each.name, ("spec", *path), said)


def _recognised(each: AcceleratorClass, builtin: Catalogue) -> Iterator[tuple[Path, str, frozenset[str]]]:
    """What a class is recognised by, and the built-in chips that are recognised by the same."""
    for place, resource in enumerate(each.spec.resources):
        name = builtin.by_resource(resource)
        yield ("resources", place), resource, frozenset({name} if name else ())
    for number, match in enumerate(each.spec.node_labels):
        for place, value in enumerate(match.values):
            path = "nodeLabels", number, "values", place
            yield path, f"{match.key}={value}", builtin.named_by(match.key, value)


def _of_labels(
    labels: Mapping[str, str], name: str, catalogues: _Catalogues, kind: str, of: str, *path: str
) -> Iterator[Remark]:
    """A remark where the built-in catalogue reads another chip from labels than what is declared."""
    read = catalogues.builtin.by_node_labels(labels)
    if read is not None and read != name:
        before, after, weaker = catalogues.told([read], name)
        yield Remark(kind, of, path, f"by its labels the chip is {before}; it counts as {name} ({after}){weaker}")
