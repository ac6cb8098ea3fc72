"""Whoever computes, and gets no new pods, as pods of it that run would be denied, and a step says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from admission.review import messages
from admission.review.finding import Finding

if TYPE_CHECKING:
    from admission.decide.question import Question, Requester, Verdict
    from admission.decide.registry import Registry
    from admission.review.reasons import Reason


def added(question: Question, verdict: Verdict, registry: Registry) -> Verdict:
    """Return the verdict with what is found of the same party's running pods: the ledger is not asked any more then."""
    asks = question.requester
    stops = _stops(asks, registry) if question.is_controlled or question.demand.access else ()
    if not stops:
        return verdict
    name = asks.customer_name or asks.tenant_name
    others = tuple(finding for finding in verdict.findings if finding.reason not in stops)
    details = {finding.reason: finding.detail for finding in verdict.findings}
    # Also of what denies it anyway: that sentence says that running pods are unaffected.
    said = messages.stopped(name)
    found = tuple(Finding(reason, said, details.get(reason, "its running pods"), name) for reason in stops)
    return msgspec.structs.replace(verdict, findings=(*others, *found), scopes=())


def _stops(asks: Requester, registry: Registry) -> tuple[Reason, ...]:
    """Return why nothing new is admitted: of a reseller's customers each is stopped for its own pods.

    A namespace that is another tenant's by now stops the one whose Allowance says so, whoever computes for it.
    """
    found: set[Reason] = set()
    for tenant in asks.party.split("/"):
        for namespace, reasons in registry.stops.of(tenant).items():
            there = registry.requester(namespace)
            if there.party == asks.party or there.tenant_name != tenant == asks.tenant_name:
                found |= reasons
    return tuple(sorted(found))
