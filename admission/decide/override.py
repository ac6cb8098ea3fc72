"""Whether a clearance holds, or which KYCOverride lets it stand: of two people, in time, for the facts as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.decide.exemption import in_force

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from admission.api.override import KYCOverride
    from admission.decide.question import Question
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


def clearance_of(question: Question, party: Standing) -> tuple[Reason | None, KYCOverride | None]:
    """Return why a party's clearance does not hold, and the override that lets it stand nevertheless."""
    reason = party.at(question.now, question.rules.timing).lapsed
    override = overriding(question.overrides, party, reason, question.now) if reason and question.overrides else None
    return reason, override


def overridden(reason: Reason | None, override: KYCOverride | None) -> dict[str, str]:
    """Return what is overridden, by what and until when; empty where nothing is."""
    if override is None:
        return {}
    return {"overridden": str(reason), "by": override.name, "until": override.spec.valid_until.isoformat()}
