"""What is told of a party that is not cleared: in the words of the public code, to who may read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.decide.question import Check, Question
from admission.review import messages
from admission.review.finding import Finding
from admission.review.reasons import PublicCode, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.decide.rules import ResolvedRule

_SAID = {
    Reason.EndUseMissing: messages.end_use_missing,
    Reason.FactStale: messages.fact_stale,
    Reason.OwnerUnknown: messages.owner_unknown,
    Reason.PaymentUnknown: messages.payment_unknown,
}
"""What is told of whom it is about, who can mend it, and of nobody else."""
_OF_SUPPLIER = {
    Reason.EndUseMissing: Reason.EndUseNotCleared,
    Reason.OwnerUnknown: Reason.OwnershipNotCleared,
    Reason.PaymentUnknown: Reason.NeedsReview,
}
"""What a supplier lacks, as its customers are told of it: they cannot mend it."""


def what(question: Question) -> str:
    """Name the classes asked for, as a tenant reads them."""
    names = sorted({name for devices in question.demand.devices for name in devices.classes})
    return f"class {' or '.join(names)}" if names else "accelerators"


def named(question: Question, party: str) -> str:
    """Whom a sentence about a party may name: the tenant of the namespace, or its end customer."""
    requester = question.requester
    return requester.tenant_name if party == requester.supplier_name else party


def _sentence(reason: Reason, *, of_supplier: bool) -> Callable[[str, str], str]:
    if reason in _SAID and not of_supplier:
        return _SAID[reason]
    return messages.under_review if reason.code is PublicCode.UnderReview else messages.not_cleared


def not_cleared(
    question: Question, party: str, reason: Reason, detail: str, rule: ResolvedRule | None = None
) -> tuple[Check, Finding]:
    """Put a reason about a party into the words of its public code; an end customer's are all one reason.

    The sentence names the tenant of the namespace, or its end customer: how a supplier stands is not theirs to read.
    """
    requester = question.requester
    of_supplier = party == requester.supplier_name
    if party == requester.customer_name:
        reason, detail = Reason.EndCustomerNotCleared, f"{reason}: {detail}"
    elif reason is Reason.TenantUnknown:
        reason = Reason.EndCustomerNotCleared
    elif of_supplier:
        reason = _OF_SUPPLIER.get(reason, reason)
    say = _sentence(reason, of_supplier=of_supplier)
    sentence = say(named(question, party), what(question))
    finding = Finding(reason, sentence, detail, party, rule.name if rule else "")
    return Check("party", party, "fail", {"detail": detail}), finding
