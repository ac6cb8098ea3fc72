"""Where something stands in an object: ``spec.replicatedJobs[].template``, ``spec.pytorchReplicaSpecs{}``.

``[]`` goes through the elements of a list and ``{}`` through the values of a map.  Counts are written as alternatives
(``replicas | minReplicas | 1``), and the smaller or larger of several as ``min(a | 1, b)`` and ``max(a, b | 0)``; a
number behind ``-`` is taken off.  A path starts at the element of its role; at the object with ``$.``, and at the
element around the role's own with ``^.``.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from admission.demand.workloads.count import PER_NODE, UNKNOWN, Count, CountError, count_of, least, less, most

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_ELEMENTS = 4096
"""Elements of one list or map that are followed; an object with more roles than that is refused."""

_STEP = re.compile(r"(?P<name>[^.\[\]{}]*)(?P<marks>(?:\[\]|\{\})*)")
_PATH = re.compile(r"[$^]?[\w.\[\]{}/-]*")
_COUNT = re.compile(r"(?:(?P<pick>min|max)\((?P<parts>[^()]*)\)|(?P<one>[^()]*?))(?: - (?P<off>\d+))?")
_PICKS = {"min": least, "max": most}


class PathError(ValueError):
    """A path or a count of the table is not written as it must be."""


@dataclass(frozen=True, slots=True)
class Element:
    """What a path leads to: the value, the keys and places on the way, and every element down to it."""

    value: Any
    names: tuple[str, ...] = ()
    around: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """The element's own ``name``, or its key or place."""
        own = self.value.get("name") if isinstance(self.value, dict) else None
        return str(own) if own else self.names[-1] if self.names else ""


@functools.lru_cache(maxsize=4096)
def steps_of(path: str) -> tuple[str, ...]:
    """Return the path's steps: names, ``[]`` and ``{}``; raises ``PathError``."""
    if not _PATH.fullmatch(path):
        raise PathError(f"{path!r} is no path; write for example spec.tasks[].template")
    if path in {".", "$."}:
        return ()
    steps: list[str] = []
    for part in path.removeprefix("$.").removeprefix("^.").split("."):
        match = _STEP.fullmatch(part)
        if match is None:
            raise PathError(f"{path!r} is no path; write for example spec.tasks[].template")
        steps += [match["name"]] if match["name"] else []
        steps += re.findall(r"\[\]|\{\}", match["marks"])
    return tuple(steps)


def elements(element: Element, path: str) -> Iterator[Element]:
    """Yield everything that the path leads to; nothing where a step finds nothing."""
    yield from _walk(element, steps_of(path))


def _walk(element: Element, steps: tuple[str, ...]) -> Iterator[Element]:
    if not steps:
        if element.value is not None:
            yield element
        return
    step, rest, value = steps[0], steps[1:], element.value
    if step in {"[]", "{}"}:
        pairs: Any = ()
        if step == "[]" and isinstance(value, list):
            pairs = enumerate(value)
        elif step == "{}" and isinstance(value, dict):
            pairs = value.items()
        for place, (key, inner) in enumerate(pairs):
            if place >= MOST_ELEMENTS:
                raise CountError(f"more than {MOST_ELEMENTS} elements; split the object")
            yield from _walk(Element(inner, (*element.names, str(key)), (*element.around, inner)), rest)
    elif isinstance(value, dict):
        yield from _walk(Element(value.get(step), element.names, element.around), rest)


def find(root: Any, element: Element, path: str) -> Any:
    """Return the first value that one of the alternatives of the path leads to, or None."""
    for alternative in path.split(" | "):
        for found in elements(_start(root, element, alternative), alternative):
            return found.value
    return None


def _start(root: Any, element: Element, path: str) -> Element:
    if path.startswith("$."):
        return Element(root)
    if path.startswith("^."):
        return Element(element.around[-2] if len(element.around) > 1 else None)
    return element


def check_count(text: str) -> None:
    """Raise ``PathError`` for a text that is no count."""
    match = _COUNT.fullmatch(text)
    if match is None:
        raise PathError(f"{text!r} is no count; write for example replicas | 1")
    for part in (match["parts"] or match["one"]).split(","):
        for alternative in part.strip().split(" | "):
            if alternative not in {PER_NODE, UNKNOWN}:
                steps_of(alternative)


def count_at(root: Any, element: Element, text: str) -> Count:
    """Return the count that the text of the table stands for; raises ``CountError`` naming the field."""
    match = _COUNT.fullmatch(text)
    if match is None:
        raise PathError(f"{text!r} is no count; write for example replicas | 1")
    if match["pick"]:
        found = [_first(root, element, part.strip()) for part in match["parts"].split(",")]
        known = [each for each in found if each is not None]
        count = _PICKS[match["pick"]](known) if known else 1
    else:
        first = _first(root, element, match["one"])
        count = 1 if first is None else first
    return less(count, int(match["off"])) if match["off"] else count


def _first(root: Any, element: Element, text: str) -> Count | None:
    """Return the first alternative that is there; None where none is."""
    for alternative in text.split(" | "):
        if alternative in {PER_NODE, UNKNOWN} or alternative.isdigit():
            return int(alternative) if alternative.isdigit() else alternative
        value = find(root, element, alternative)
        if value is not None:
            try:
                return count_of(value)
            except CountError as error:
                raise CountError(f"{alternative.removeprefix('$.')}: {error}") from None
    return None
