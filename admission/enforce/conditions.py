"""Conditions in statuses, as ``kubectl wait`` and ``kubectl describe`` know them: no I/O."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

from admission.api.object import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from admission.review.reasons import Reason
    from admission.tenants.standing import Standing


def tenant_conditions(standing: Standing, reason: Reason | None, now: datetime) -> list[Condition]:
    """Return whether the tenant is cleared, and whether all that its spec states can be true.

    The second stands by itself: a tenant can be cleared although, say, its declared parent is belied by its owners, as
    long as no rule asks for that.
    """
    tenant, problem = standing.tenant, standing.problem
    of_tenant = functools.partial(
        condition, message=problem, current=tenant.status.conditions, now=now, generation=tenant.metadata.generation
    )
    return [
        of_tenant("Cleared", str(reason or "Cleared"), holds=reason is None),
        of_tenant("Consistent", "FactsContradict" if problem else "Consistent", holds=not problem),
    ]


def condition(
    kind: str,
    reason: str,
    *,
    holds: bool | None,
    current: Iterable[Condition],
    now: datetime,
    generation: int,
    message: str = "",
) -> Condition:
    """Return the condition, with the time of the current one while its status stays the same; None is not known."""
    status: Literal["True", "False", "Unknown"] = "Unknown" if holds is None else "True" if holds else "False"
    since = [each.last_transition_time for each in current if each.type == kind and each.status == status]
    return Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=since[0] if since else now.replace(microsecond=0),
        observed_generation=generation,
    )
