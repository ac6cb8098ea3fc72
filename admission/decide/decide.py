"""From a question to a verdict: every check runs, in no order that matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.decide.attested import check_attestation
from admission.decide.compute import (
    charge_of,
    check_access,
    check_claims,
    check_class,
    check_grants,
    check_hold,
    exempted_of,
)
from admission.decide.kept import basis_of, keep_verdict, kept_for
from admission.decide.levels import check_levels, scopes_of
from admission.decide.party import check_clearance, check_owners, check_rules, check_supply, check_tenant
from admission.decide.question import Question, Verdict
from admission.decide.screening import as_known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from admission.decide.party import Result

CHECKS: tuple[Callable[[Question, str], Iterator[Result]], ...] = (
    check_access,
    check_claims,
    check_class,
    check_tenant,
    check_supply,
    check_clearance,
    check_attestation,
    check_owners,
    check_rules,
    check_levels,
    check_grants,
    check_hold,
)


def decide(question: Question) -> Verdict:
    """Return the verdict: what the checks found, and what the ledger must still be asked.

    When a finding denies, the ledger is not asked: ``scopes`` is empty.
    """
    question = as_known(question)
    basis = basis_of(question)
    if basis is None:
        return _decide(question)
    return kept_for(question, basis) or keep_verdict(question, basis, _decide(question))


def _decide(question: Question) -> Verdict:
    governing = governing_of(question)
    results: list[Result] = []
    for check in CHECKS:
        results += check(question, governing)
    checks, found = zip(*results, strict=True) if results else ((), ())
    findings = tuple(dict.fromkeys(filter(None, found)))
    charge = charge_of(question, governing)
    counted = not findings and (charge.counts or question.demand.refers)
    return Verdict(
        findings,
        checks,
        governing,
        charge,
        scopes_of(question, governing) if counted else (),
        tuple([(name, access.field) for access, name in exempted_of(question).items()]),
        tuple(check.inputs["by"] for check in checks if "overridden" in check.inputs) if question.overrides else (),
    )


def governing_of(question: Question) -> str:
    """The strictest jurisdiction of everyone behind the request; "" when none is known."""
    return question.rules.strictest(question.requester.jurisdictions)
