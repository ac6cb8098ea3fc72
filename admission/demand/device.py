"""Devices that drivers publish, and which of them a device class or a claim may mean.

Selectors are CEL.  Which devices they leave is not proved here but bounded: a device is left out only where a part of
the expression that must hold by itself says so.  Whatever else stands in the expression may be true.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from admission.catalogue.catalogue import Catalogue
    from admission.review.claim import DeviceSelector, PublishedDevice, ResourceSlice

PRODUCT_ATTRIBUTES = ("productName", "model", "gke-accelerator", "instanceType")
"""Names of the attributes in which drivers write the product (NVIDIA and AMD productName, Intel model)."""

LONGEST_EXPRESSION = 1024
MOST_CONDITIONS = 8
"""Of one request: longer selectors, and conditions beyond, leave every device.  Tenants write them, and each is looked
at for every device."""

_DRIVER = re.compile(r"""device\.driver\s*==\s*(?P<quote>["'])(?P<value>[^"']*)(?P=quote)""")
_ATTRIBUTE = re.compile(
    r"""device\.attributes\[(?P<quote>["'])(?P<domain>[^"']*)(?P=quote)\]\.(?P<name>\w+)\s*==\s*"""
    r"""(?:(?P<mark>["'])(?P<text>[^"']*)(?P=mark)|(?P<bare>true|false|\d{1,18}))"""
)
_OPAQUE = re.compile(r"""\\|//|\"\"\"|'''|\b[rRbB]{1,2}["']""")
"""Escapes, comments, long and raw strings: an expression that has any is not taken apart."""

Value = str | bool | int


@dataclass(frozen=True, slots=True)
class Device:
    """One device as its driver publishes it; ``node`` empty means that several nodes can have it."""

    driver: str
    pool: str
    name: str
    node: str
    attributes: Mapping[str, Value]
    """By qualified name: ``domain/name``."""
    accelerator_class: str = ""
    """What its product is in the catalogue; empty where that is not known."""

    def meets(self, conditions: Iterable[Condition]) -> bool:
        """Whether no condition leaves the device out for certain."""
        return all(one.may_hold(self) for one in conditions)


class Condition(NamedTuple):
    """A part of a selector that must hold by itself: the driver (name empty) or an attribute is ``value``."""

    name: str
    value: Value

    def may_hold(self, device: Device) -> bool:
        """Whether the device passes; one without the attribute is not given out (the expression fails on it)."""
        return device.driver == self.value if not self.name else device.attributes.get(self.name) == self.value


@functools.lru_cache(maxsize=4096)  # tenants write selectors, so the cache is bounded
def conditions_of(expression: str) -> tuple[Condition, ...]:
    """Return what is joined by ``and`` at the top of a CEL expression; nothing where it is anything else."""
    if len(expression) > LONGEST_EXPRESSION or _OPAQUE.search(expression):
        return ()
    parts = _conjuncts(expression)
    return tuple(one for part in parts if (one := _condition(part)) is not None)


def _condition(part: str) -> Condition | None:
    driver = _DRIVER.fullmatch(part)
    if driver:
        return Condition("", driver["value"])
    found = _ATTRIBUTE.fullmatch(part)
    if not found:
        return None
    bare = found["bare"]
    value: Value = found["text"] if bare is None else int(bare) if bare.isdigit() else bare == "true"
    return Condition(f"{found['domain']}/{found['name']}", value)


def _conjuncts(expression: str) -> list[str]:
    """Split at every ``&&`` outside quotes and brackets; nothing where alternatives stand at the same level."""
    parts, start, depth, quote = [], 0, 0, ""
    for place, char in enumerate(expression):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif depth == 0 and (char == "?" or expression.startswith("||", place)):
            return []
        elif depth == 0 and expression.startswith("&&", place):
            parts.append(expression[start:place])
            start = place + 2
    return [part.strip() for part in (*parts, expression[start:])]


def conditions_of_all(selectors: Iterable[str]) -> tuple[Condition, ...]:
    """Return what must hold for every one of the expressions, each condition once and sorted."""
    found = {one for expression in selectors for one in conditions_of(expression)}
    return tuple(sorted(found, key=lambda one: (one.name, str(one.value))))


def expressions(selectors: Iterable[DeviceSelector] | None) -> tuple[str, ...]:
    """Return the expressions of selectors; a selector of a kind that is not known leaves every device."""
    return tuple(each.cel.expression for each in selectors or () if each.cel is not None)


def devices_of(published: ResourceSlice, catalogue: Catalogue) -> Iterator[Device]:
    """Yield the devices of a slice."""
    spec = published.spec
    for each in spec.devices or ():
        attributes = dict(_attributes(each, spec.driver))
        yield Device(
            driver=spec.driver,
            pool=spec.pool.name,
            name=each.name,
            node=each.node_name or spec.node_name or "",
            attributes=attributes,
            accelerator_class=_class(attributes, catalogue),
        )


def _attributes(device: PublishedDevice, driver: str) -> Iterator[tuple[str, Value]]:
    """A name without a domain is in the driver's."""
    for name, attribute in (device.attributes or {}).items():
        value = next((each for each in (attribute.string, attribute.bool_, attribute.int_) if each is not None), None)
        if value is not None:
            yield (name if "/" in name else f"{driver}/{name}"), value


def _class(attributes: Mapping[str, Value], catalogue: Catalogue) -> str:
    """The class of the product; of several the one with the highest throughput."""
    products = (value for name, value in attributes.items() if name.rpartition("/")[2] in PRODUCT_ATTRIBUTES)
    found = {catalogue.by_product(str(product)) for product in products} - {None}
    return max((name for name in found if name), key=lambda name: (catalogue.tpp(name), name), default="")
