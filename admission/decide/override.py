"""Which KYCOverride lets a clearance stand: approved by a second person, in time, and for the facts as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.decide.exemption import in_force

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from admission.api.override import KYCOverride
    from admission.review.reasons import Reason
    from admission.tenants.standing import Standing


def overriding(overrides: Iterable[KYCOverride], party: Standing, reason: Reason, now: datetime) -> KYCOverride | None:
    """Return the override under which a party's clearance holds in spite of a reason, the first by name; or None."""
    good = (
        each
        for each in overrides
        if each.spec.tenant == party.name
        and each.spec.covers == party.digest
        and str(reason) in each.spec.reasons
        and in_force(each, now)
    )
    return min(good, key=lambda each: each.name, default=None)
