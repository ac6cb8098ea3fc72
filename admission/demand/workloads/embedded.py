"""What manifests inside strings ask for: of ConfigMaps, arguments, patches, workflows that make other objects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from admission.catalogue.resources import DEVICE_CLASS_PREFIX, ResourceRole, role

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = r"(?:[\w-]{1,63}\.){1,8}[\w-]{1,63}/[\w.-]{1,63}"
_QUANTITY = re.compile(rf"""["']?(?<![\w.-])({_NAME})["']?\s{{0,9}}[:=]\s{{0,9}}["']?(?:[1-9$<%@]|__|\{{\{{)""")
"""A resource and a quantity in the text of a manifest; bounded, as tenants write the text."""

_CLASS = re.compile(r"""deviceClassName["']?\s{0,9}:\s{0,9}["']?([\w.-]{1,253})""")
_MANIFEST = re.compile(r"""apiVersion["']?\s{0,9}:""")
_KIND = re.compile(r"""kind["']?\s{0,9}:""")


def asked_in_strings(document: dict[str, Any], manifests: tuple[str, ...]) -> list[str]:
    """Return the resources and device classes that manifests ask for, and strings of the object that look like some."""
    strings = [*manifests, *_strings(document)]
    names = {name for each in strings for name in _QUANTITY.findall(each)}
    classes = {name for each in strings for name in _CLASS.findall(each) if not is_harmless_class(name)}
    return sorted(classes | {name for name in names if role(name).kind in {ResourceRole.COUNT, ResourceRole.SHARE}})


def is_harmless_class(device_class: str) -> bool:
    """Whether devices of the class are no accelerators."""
    return role(DEVICE_CLASS_PREFIX + device_class).kind is ResourceRole.HARMLESS


def _strings(document: dict[str, Any]) -> Iterator[str]:
    stack: list[Any] = [value for key, value in document.items() if key != "metadata"]  # there are copies and examples
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, str) and _MANIFEST.search(value) and _KIND.search(value):
            yield value
