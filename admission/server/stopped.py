"""Tenants of which no new pods are admitted, as pods of theirs that run would be denied, and a step says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from admission.review import messages
from admission.review.finding import Finding

if TYPE_CHECKING:
    from admission.decide.question import Question, Verdict
    from admission.decide.registry import Registry


def added(question: Question, verdict: Verdict, registry: Registry) -> Verdict:
    """Return the verdict with what is found of the tenant's running pods: the ledger is not asked any more then."""
    tenant = question.requester.tenant_name
    stops = registry.stops.of(tenant) if tenant else ()
    if not stops or not (question.is_controlled or question.demand.access):
        return verdict
    others = tuple(finding for finding in verdict.findings if finding.reason not in stops)
    details = {finding.reason: finding.detail for finding in verdict.findings}
    # Also of what denies it anyway: that sentence says that running pods are unaffected.
    said = messages.stopped(tenant)
    found = tuple(Finding(reason, said, details.get(reason, "its running pods"), tenant) for reason in stops)
    return msgspec.structs.replace(verdict, findings=(*others, *found), scopes=())
