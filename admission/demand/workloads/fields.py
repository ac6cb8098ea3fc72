"""Fields of an object of which nothing is certain: each reader returns something empty where the shape is another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

from admission.demand.workloads.count import Count, CountError, count_of

Others = Callable[[str, str], dict[str, Any] | None]
"""Finds another object among those at hand, by kind and name."""


def at(value: Any, *path: str) -> Any:
    """Return what stands at the path, None where it does not lead anywhere."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def mapped(value: Any, *path: str) -> dict[str, Any]:
    """Return the map at the path; an empty one where there is none."""
    found = at(value, *path)
    return found if isinstance(found, dict) else {}


def listed(value: Any) -> list[Any]:
    """Return the value if it is a list, without what is none of an object's parts."""
    return [each for each in value if each is not None] if isinstance(value, list) else []


def text(value: Any, name: str) -> str:
    """Return a field that is text; empty where it is not."""
    found = at(value, name)
    return found if isinstance(found, str) else ""


@overload
def number(value: Any, name: str, default: Count) -> Count: ...
@overload
def number(value: Any, name: str, default: None) -> Count | None: ...
def number(value: Any, name: str, default: Count | None) -> Count | None:
    """Return a field that is a count; the default where it is absent.  Raises ``CountError`` naming the field."""
    found = at(value, name)
    if found is None:
        return default
    try:
        return count_of(found)
    except CountError as error:
        raise CountError(f"{name}: {error}") from None
