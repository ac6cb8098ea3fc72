"""One reason why a request is not allowed: what the tenant may read, and what the operator must know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from admission.review.reasons import Reason


@dataclass(frozen=True, slots=True)
class Finding:
    """A failed check."""

    reason: Reason
    sentence: str
    """What a tenant reads: from ``admission.review.messages``, free of lists, owners, matches and other tenants."""
    detail: str = ""
    """What an operator reads in the record: the inputs that decided."""
    party: str = ""
    """The tenant it is about."""
    rule: str = ""
    """``policy/rule`` where a rule decided."""
