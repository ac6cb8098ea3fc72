"""The line of the usage record: one interval, as docs/usage-record.md documents it.

``schema`` changes when a field changes its meaning; fields are only added.  A reader counts a key once: of several
lines with one key, the one whose ``last`` is earliest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from admission.catalogue.slices import SEPARATOR
from admission.demand.devices import classes_in
from admission.ledger.usage.interval import written

if TYPE_CHECKING:
    from admission.catalogue.catalogue import Catalogue
    from admission.ledger.usage.interval import Interval

SCHEMA = "computegate.io/usage/v1"
GAP_SCHEMA = "computegate.io/usage-gap/v1"

_HOUR = 3_600_000
_DIGITS = 6


class _Line(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One level of a line."""


class HolderOf(_Line, frozen=True, kw_only=True):
    """The object that held the devices: a pod, or the claim of a group of pods."""

    resource: str
    namespace: str
    name: str
    uid: str


class HeldOf(_Line, frozen=True, kw_only=True, rename={"accelerator_class": "class"}):
    """Devices of one class.  ``tpp`` is of one device, the highest of the catalogue where its own is not known.

    ``slice`` has the profile where these are slices of a chip (MIG); ``tpp`` is the whole chip's.
    """

    accelerator_class: str
    chip: str
    count: int
    tpp: int
    slice: str = ""


class UsageLine(_Line, frozen=True, kw_only=True):
    """One interval of use."""

    schema: str = SCHEMA
    key: str
    at: str
    tenant: str
    end_customer: str
    group: str
    holder: HolderOf
    node: str
    country: str
    site: str
    held: tuple[HeldOf, ...]
    devices: tuple[str, ...]
    bound: str
    first: str
    last: str
    known_until: str
    finished: str
    device_hours: float
    tpp_hours: float
    how: str


class GapLine(_Line, frozen=True, kw_only=True):
    """A time in which nobody watched: what came and went in it is in no line."""

    schema: str = GAP_SCHEMA
    at: str
    first: str
    last: str


def line_of(interval: Interval, catalogue: Catalogue, now: int) -> UsageLine:
    """Return the line of an interval that ended."""
    holding = interval.holding
    tenant, _, customer = holding.party.partition("/")
    held = tuple(_held(key, count, catalogue) for key, count in holding.counts)
    hours = (interval.last - interval.first) / _HOUR
    return UsageLine(
        key=f"{interval.uid}/{written(interval.first)}",
        at=written(now),
        tenant=tenant,
        end_customer=customer,
        group=holding.group,
        holder=HolderOf(resource=holding.resource, namespace=holding.namespace, name=holding.name, uid=interval.uid),
        node=holding.node,
        country=holding.country,
        site=holding.site,
        held=held,
        devices=holding.devices,
        bound=written(interval.first if holding.bound is None else holding.bound),
        first=written(interval.first),
        last=written(interval.last),
        known_until=written(interval.known),
        finished=interval.finished,
        device_hours=round(sum(each.count for each in held) * hours, _DIGITS),
        tpp_hours=round(sum(each.count * each.tpp for each in held) * hours, _DIGITS),
        how=interval.how or "",
    )


def gap_of(first: int, last: int, now: int) -> GapLine:
    """Return the line of a time in which nobody watched."""
    return GapLine(at=written(now), first=written(first), last=written(last))


def _held(key: str, count: int, catalogue: Catalogue) -> HeldOf:
    """Of a device that can be of several classes, the heaviest counts, as in a limit."""
    names = classes_in(key)
    chips = (catalogue.chip(name) for name in names)
    return HeldOf(
        accelerator_class="|".join(names),
        chip="|".join(chip.display_name if chip else name for chip, name in zip(chips, names, strict=True)),
        count=count,
        tpp=max(catalogue.tpp(name) for name in names),
        slice="|".join(profile for _, _, profile in (each.partition(SEPARATOR) for each in key.split("|")) if profile),
    )
