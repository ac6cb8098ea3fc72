"""What of one registered object differs from what was installed, field by field.

The API server adds to what it stores: defaults, and what a certificate manager injects.  A field that nobody rendered
is harmless where it is empty, or has the widest value there is; any other may leave something out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDEST = {"failurePolicy": "Fail", "matchPolicy": "Equivalent", "reinvocationPolicy": "Never", "scope": "*"}
"""Defaults of the API server that leave nothing out."""

_INJECTED = "caBundle"
_BESIDE = frozenset({"apiVersion", "kind", "name"})  # they led to the object
_LONGEST = 60


def differences(expected: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    """Yield one phrase for each difference, beginning with the path of the field; none where there is none."""
    for key, part in expected.items():
        if key not in _BESIDE:
            yield from _compared(part, found.get(key), key)


def _compared(expected: Any, found: Any, path: str) -> Iterator[str]:
    match expected, found:
        case dict(), dict():
            yield from _fields(expected, found, path)
        case list(), list():
            yield from _items(expected, found, path)
        case _:
            if expected != found:
                yield f"{path} is {_shown(found)}, not {_shown(expected)}"


def _fields(expected: dict[str, Any], found: dict[str, Any], path: str) -> Iterator[str]:
    for key, part in expected.items():
        if key in found:
            yield from _compared(part, found[key], f"{path}.{key}")
        elif part:
            yield f"{path}.{key} is gone"
    for key in sorted(found.keys() - expected.keys()):
        if found[key] and key != _INJECTED and _WIDEST.get(key) != found[key]:
            yield f"{path}.{key} was added: {_shown(found[key])}"
    if "service" in expected and not found.get(_INJECTED):
        yield f"{path} has no {_INJECTED}, so that no review reaches the server"


def _items(expected: list[Any], found: list[Any], path: str) -> Iterator[str]:
    if _are_named(expected) and _are_named(found):
        yield from _named({each["name"]: each for each in expected}, {each["name"]: each for each in found}, path)
    elif len(expected) == len(found):
        for place, (each, other) in enumerate(zip(expected, found, strict=True)):
            yield from _compared(each, other, f"{path}[{place}]")
    else:
        yield f"{path} is {_shown(found)}, not {_shown(expected)}"


def _named(expected: dict[str, Any], found: dict[str, Any], path: str) -> Iterator[str]:
    for name, each in expected.items():
        if name in found:
            yield from _compared(each, found[name], f"{path}[{name}]")
        else:
            yield f"{path}[{name}] is gone"
    yield from (f"{path}[{name}] was added" for name in found.keys() - expected.keys())


def _are_named(items: list[Any]) -> bool:
    return all(isinstance(each, dict) and "name" in each for each in items)


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
