"""What is asked of a pod that runs: what it may still use, not what a new one could.

The pod itself stands in the ledger, so that no devices are asked for.  A pod without an end is not found for that: it
may run for as long as its hold may go on, and as its next hour can be paid.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from admission.decide.compute import charge_of
from admission.decide.duration import HOUR
from admission.decide.levels import scopes_of
from admission.decide.limits import ENDING, Scope
from admission.review.reasons import Reason
from admission.server.case import request_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.decide.limits import Unit
    from admission.decide.question import Question, Verdict
    from admission.ledger.limits import Request
    from admission.server.case import Ask

_OF_ADMISSION = frozenset({Reason.HoldUnbounded, Reason.ClaimMissing})
"""Reasons that are about what is created: a claim that was given stays given when its template is gone."""

_INSTANT, _TRANCHE = 1, HOUR - ENDING
"""Seconds that are asked for: of a hold that goes on, one; of hours, the next."""


def without_admission(verdict: Verdict) -> Verdict:
    """Return a verdict with what is found of pods that run alone."""
    return dataclasses.replace(verdict, findings=tuple(f for f in verdict.findings if f.reason not in _OF_ADMISSION))


def requests_of(ask: Ask, question: Question, verdict: Verdict) -> Iterator[Request]:
    """Yield what the ledger is asked: whether the hold may go on, and whether a pod without an end can pay an hour."""
    if not question.demand.devices:
        return
    yield from _asked(ask, question, verdict, "hold", _INSTANT)
    if question.demand.deadline_seconds is None:
        yield from _asked(ask, question, verdict, "deviceHours", _TRANCHE)


def _asked(ask: Ask, question: Question, verdict: Verdict, unit: Unit, seconds: int) -> Iterator[Request]:
    charge = charge_of(question, verdict.governing)
    limited = (
        (each.name, tuple(limit for limit in each.limits if limit.unit == unit)) for each in _scopes(question, verdict)
    )
    scopes = tuple(Scope(name, limits) for name, limits in limited if limits)
    if scopes and charge.counts:
        asked = dataclasses.replace(charge, seconds=seconds, parts=())
        # Under its own uid it would be what was granted already.
        yield dataclasses.replace(request_of(ask, asked, scopes, question.shards), uid=f"{ask.uid}/{unit}")


def _scopes(question: Question, verdict: Verdict) -> tuple[Scope, ...]:
    """The limits of the request, which a verdict that found something leaves out."""
    return verdict.scopes or scopes_of(question, verdict.governing)
