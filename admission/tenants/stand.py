"""How a tenant stands at an instant, and through the spell around it, by what the operator sets of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from admission.review.reasons import Reason
    from admission.tenants.age import Age
    from admission.tenants.screening import Terms
    from admission.tenants.spell import Spell


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """How old facts may be, what time does to a screening, and when an overdue verification counts.

    ``review_after`` is in seconds from its due date; None where that is not acted on.  Told apart by identity, as
    every set of rules has one: so it is found fast.
    """

    ages: tuple[Age, ...]
    screening: Terms
    review_after: int | None


class Stand(NamedTuple):
    """What holds of a tenant throughout a spell."""

    spell: Spell
    as_computed: bool
    """Whether nothing of it is too old, and it was screened and is clear still, or was never screened."""
    lapsed: Reason | None
    """Why it is not cleared, or None."""
