"""Pods without an end, under limits over time: whether they go on hour by hour, and for how long they pay at first.

They do where every quota that limits how long they hold their devices lets them, and where something ends them in
time that are refused their next hour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from admission.decide.duration import HOUR, seconds_of
from admission.decide.limits import ENDING
from admission.review.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from admission.api.quota import ComputeQuota
    from admission.decide.question import Question


class Renewal(NamedTuple):
    """The seconds that a pod without an end pays for at first, 0 where it does not go on; and then why, for people."""

    seconds: int = 0
    obstacle: str = ""
    unended: bool = False
    """Whether all that is missing is that something ends it in time."""


def ending_of(quotas: Iterable[ComputeQuota], endings: Mapping[Reason, int]) -> int | None:
    """Return the seconds that ending a pod takes under some quotas that limit time; None where it must name its end.

    ``endings`` are the seconds from a tenant's being told to the end of its pod, by the reasons that are acted on so.
    """
    needed = {
        reason
        for quota in quotas
        for reason, limited in (
            (Reason.HoursExhausted, quota.spec.limits_hours),
            (Reason.HoldTooLong, quota.spec.limits_holds),
        )
        if limited
    }
    refused = any(quota.spec.without_end == "Refused" for quota in quotas)
    if refused or not needed or not needed <= endings.keys():
        return None
    return max(endings[reason] for reason in needed)


def renewal_of(question: Question, quotas: Iterable[ComputeQuota]) -> Renewal:
    """Say how a pod without an end goes on under the quotas that count it."""
    limiting = tuple(quota for quota in quotas if quota.spec.limits_hours or quota.spec.limits_holds)
    demand = question.demand
    if not limiting or any(quota.spec.without_end == "Refused" for quota in limiting):
        return Renewal()
    if demand.subject != "pod" or demand.refers or demand.made:
        return Renewal(obstacle="what claims hold is not renewed")
    ending = ending_of(limiting, question.endings)
    if ending is None:
        return Renewal(obstacle="no Enforcement evicts for it", unended=True)
    reseller = "/" in question.requester.party
    if any(HOUR + ending > _most(quota, of_reseller=reseller) for quota in limiting):
        return Renewal(obstacle=f"an hour and an ending of {ending} s are more than the quota allows")
    return Renewal(HOUR + ending)


def _most(quota: ComputeQuota, *, of_reseller: bool) -> int:
    """Return for how many seconds a pod may hold its devices under a quota at all."""
    longest = longest_hold(quota, of_reseller=of_reseller)
    bounds = [seconds_of(longest)] if longest else []
    if quota.spec.limits_hours:
        bounds.append(seconds_of(quota.spec.window) - ENDING)
    return min(bounds, default=HOUR)


def longest_hold(quota: ComputeQuota, *, of_reseller: bool) -> str | None:
    """The shortest of the quota's longest holds: its own, each tenant's, each reseller's, each ownership group's."""
    spec = quota.spec
    parts = (spec.limits, spec.per_tenant, spec.per_reseller if of_reseller else None, spec.per_group)
    return min((part.longest_hold for part in parts if part and part.longest_hold), key=seconds_of, default=None)
