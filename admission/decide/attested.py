"""The check of kinds that compute for others whom nobody here sees: they attest themselves, and renew it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.decide.question import Check, Question
from admission.decide.told import not_cleared
from admission.review import messages
from admission.review.finding import Finding
from admission.review.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.decide.party import Result
    from admission.tenants.standing import Standing


def check_attestation(question: Question, _governing: str) -> Iterator[Result]:
    """Who computes for others attests by itself what it is, and again before that has ended."""
    if not question.is_controlled:
        return
    for party in question.requester.standings:
        if not party.must_attest:
            continue
        holds = party.sources.attests_itself(question.now)
        inputs = {"kind": str(party.tenant.spec.kind), "attestations": str(len(party.tenant.spec.attestations))}
        detail = f"no attestation of a {party.tenant.spec.kind} by itself holds"
        finding = None if holds else _lapsed(question, party, detail)
        yield Check("attestation", party.name, "pass" if holds else "fail", inputs), finding


def _lapsed(question: Question, party: Standing, detail: str) -> Finding:
    """The finding of a party that can mend it itself; of one above or below, no more than that it is not cleared."""
    reason = Reason.AttestationLapsed
    if party.name in {question.requester.supplier_name, question.requester.customer_name}:
        return not_cleared(question, party.name, reason, detail)[1]
    return Finding(reason, messages.attestation_lapsed(party.name), detail, party.name)
