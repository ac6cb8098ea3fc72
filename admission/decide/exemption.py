"""Which ways past a request are let pass, by which Exemption: approved by a second person, in time, and of this pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from admission.api.exemption import Exemption
    from admission.api.override import KYCOverride
    from admission.demand.access import Access
    from admission.demand.carrier import Carrier


NEVER = frozenset({"resize"})
"""Ways that no exemption lets pass: devices that are asked for must be counted."""


def exempted(
    access: Iterable[Access], carrier: Carrier | None, exemptions: Iterable[Exemption], namespace: str, now: datetime
) -> Mapping[Access, str]:
    """Return each access that is let pass, and the name of the exemption that does; none where no pod carries it."""
    if carrier is None:
        return {}
    at_hand = sorted(
        (each for each in exemptions if each.spec.namespace == namespace and in_force(each, now)),
        key=lambda each: each.name,
    )
    found = {each: _first(at_hand, each, carrier) for each in access} if at_hand else {}
    return {each: name for each, name in found.items() if name}


def in_force(asked: Exemption | KYCOverride, now: datetime) -> bool:
    """Whether somebody else than who asked has approved it, and it has not ended."""
    approval = asked.status.approval
    return approval is not None and approval.counts(asked.spec.requested_by, now) and now < asked.spec.valid_until


def _first(exemptions: Iterable[Exemption], access: Access, carrier: Carrier) -> str:
    return next((each.name for each in exemptions if _covers(each, access, carrier)), "")


def _covers(exemption: Exemption, access: Access, carrier: Carrier) -> bool:
    spec = exemption.spec
    named = {access.way, f"{access.way}={_value(access.field)}"}
    if access.way in NEVER or named.isdisjoint(spec.ways):
        return False
    if spec.service_account_name not in {None, carrier.account}:
        return False
    return not spec.images or carrier.images_behind(access) <= set(spec.images)


def _value(field: str) -> str:
    """What stands in the field: in the round brackets at its end (a path, a class), or in the square ones (a name).

    No name before the round ones can hold any: it is one of a volume or of a container.
    """
    _, opened, rest = field.partition(" (")
    if opened:
        return rest.removesuffix(")")
    return field.removesuffix("]").rpartition("[")[2] if field.endswith("]") else ""
