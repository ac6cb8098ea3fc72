"""What is asked of a pod that runs: what it may still use, not what a new one could.

The pod itself stands in the ledger, so that no devices are asked for.  A pod without an end is not found for that: it
may run for as long as its hold may go on, and as its next hour can be paid.  Where its hours are renewed it is asked
when that is due, and for what the renewal asks: what is refused there is found here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec

from admission.decide.compute import charge_of
from admission.decide.duration import HOUR
from admission.decide.levels import scopes_of
from admission.decide.limits import ENDING, Scope
from admission.ledger.given import since_of
from admission.ledger.tranches import Tranche
from admission.review.reasons import Reason
from admission.server.case import request_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from admission.decide.limits import Charge, Unit
    from admission.decide.question import Question, Verdict
    from admission.ledger.limits import Request
    from admission.server.case import Ask, Case

    Paid = Callable[[str, str, str], Tranche | None]

_OF_ADMISSION = frozenset({Reason.HoldUnbounded})
"""Reasons that are about what is created."""

_INSTANT, _TRANCHE = 1, HOUR - ENDING
"""Seconds that are asked for: of a hold that goes on, one; of hours, the next."""


def without_admission(verdict: Verdict) -> Verdict:
    """Return a verdict with what is found of pods that run alone."""
    return msgspec.structs.replace(
        verdict, findings=tuple(f for f in verdict.findings if f.reason not in _OF_ADMISSION)
    )


def requests_of(case: Case, question: Question, verdict: Verdict, tranche: Paid) -> Iterator[Request]:
    """Yield what the ledger is asked: whether the hold may go on, and whether a pod without an end can pay an hour.

    ``tranche`` gives what a pod has paid for, by scope, uid and party.
    """
    ask = case.ask
    if not question.demand.devices:
        return
    charge = charge_of(question, verdict.governing)
    if charge.endless:
        for scope in _scopes(question, verdict):
            yield from _renewing(case, question, charge, scope, tranche)
        return
    yield from _asked(ask, question, verdict, "hold", _INSTANT)
    if question.demand.deadline_seconds is None:
        yield from _asked(ask, question, verdict, "deviceHours", _TRANCHE)


def _renewing(case: Case, question: Question, charge: Charge, scope: Scope, tranche: Paid) -> Iterator[Request]:
    """Yield what a renewal asks for in one scope, once it is due there; of a hold alone, the time of an ending."""
    ask, now = case.ask, int(case.now.timestamp())
    since, ending = since_of(ask.pod, case.now) if ask.pod.spec.node_name else 0, charge.seconds - HOUR
    paid = tranche(scope.name, ask.uid, charge.party) or Tranche(charge.counts, since, 0)
    hours = tuple(limit for limit in scope.limits if limit.unit == "deviceHours")
    holds = tuple(limit for limit in scope.limits if limit.unit == "hold")
    if hours and not paid.is_due(now, ending):
        return
    price = paid.price(now, ending) - ENDING if hours else 0
    for limits, seconds in ((hours, price), (holds, charge.seconds if hours else ending + _INSTANT)):
        if limits and charge.counts:
            asked = dataclasses.replace(charge, seconds=seconds, parts=())
            request = request_of(ask, asked, (Scope(scope.name, limits),), question.shards)
            yield msgspec.structs.replace(request, uid=f"{ask.uid}/{limits[0].unit}")


def _asked(ask: Ask, question: Question, verdict: Verdict, unit: Unit, seconds: int) -> Iterator[Request]:
    charge = charge_of(question, verdict.governing)
    limited = (
        (each.name, tuple(limit for limit in each.limits if limit.unit == unit)) for each in _scopes(question, verdict)
    )
    scopes = tuple(Scope(name, limits) for name, limits in limited if limits)
    if scopes and charge.counts:
        asked = dataclasses.replace(charge, seconds=seconds, parts=())
        # Under its own uid it would be what was granted already.
        yield msgspec.structs.replace(request_of(ask, asked, scopes, question.shards), uid=f"{ask.uid}/{unit}")


def _scopes(question: Question, verdict: Verdict) -> tuple[Scope, ...]:
    """The limits of the request, which a verdict that found something leaves out."""
    return verdict.scopes or scopes_of(question, verdict.governing)
