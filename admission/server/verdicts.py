"""Verdicts kept for a moment: pods of one workload ask the same question hundreds of times a second.

What decides is a namespace with its labels, a demand, the registry's objects and the instant.  A verdict is used again
while the first three are the same and the second on the clock is: whatever begins or ends does so at a whole second.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from admission.api.exemption import Exemption
from admission.api.override import KYCOverride
from admission.api.quota import Authorization, ComputeQuota
from admission.decide.decide import decide
from admission.decide.question import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from admission.decide.question import Verdict
    from admission.decide.registry import Registry
    from admission.demand.pod import Demand
    from admission.review.finding import Finding
    from admission.review.reasons import Reason
    from admission.server.case import Case

_MOST = 1024
"""Verdicts of one second that are kept; the others are found anew."""


class Decided(NamedTuple):
    """A question and what was decided; ``advisory`` is what would deny besides, if every policy enforced."""

    question: Question
    verdict: Verdict
    advisory: tuple[Finding, ...]


class Verdicts:
    """What ``decide`` says of cases, against a registry."""

    def __init__(self, registry: Registry, endings: Callable[[], Mapping[Reason, int]] = dict) -> None:
        self._registry, self._endings = registry, endings
        self._kept: dict[tuple[str, Demand], tuple[Mapping[str, str] | None, Decided]] = {}
        self._basis: tuple[object, int] | None = None

    def of(self, case: Case) -> Decided:
        """Decide, or say what was decided a moment ago."""
        if case.demand.access:  # what exempts it is a long story, and rare
            return self._decide(case)
        self._forget_older(case)
        key, labels = (case.ask.namespace, case.demand), self._registry.namespaces.get(case.ask.namespace)
        found = self._kept.get(key)
        if found is not None and found[0] is labels:
            return found[1]
        decided = self._decide(case)
        if len(self._kept) < _MOST:
            self._kept[key] = labels, decided
        return decided

    def question(self, case: Case) -> Question:
        """Return what is asked, with everything that decides it."""
        registry = self._registry
        return Question(
            demand=case.demand,
            requester=registry.requester(case.ask.namespace),
            rules=registry.rules(case.now),
            quotas=registry.every(ComputeQuota),
            authorizations=registry.every(Authorization),
            now=case.now,
            group=registry.group,
            exemptions=registry.every(Exemption),
            overrides=registry.every(KYCOverride),
            shards=registry.shards,
            endings=self._endings(),
        )

    def _forget_older(self, case: Case) -> None:
        basis = self._registry.generation, int(case.now.timestamp())
        if basis != self._basis:
            self._basis = basis
            self._kept.clear()

    def _decide(self, case: Case) -> Decided:
        question = self.question(case)
        verdict = decide(question)
        return Decided(question, verdict, _advisory(question, verdict))


def _advisory(question: Question, verdict: Verdict) -> tuple[Finding, ...]:
    if question.rules.proposed is None:
        return ()
    proposed = decide(dataclasses.replace(question, rules=question.rules.proposed))
    return tuple(finding for finding in proposed.findings if finding not in verdict.findings)
