"""Verdicts that are given again: who was admitted with some devices is admitted with the same, while nothing changed.

A tenant's pods are mostly alike.  What admits one rests on who is behind it, what it obtains, the rules of the instant
and the quotas; these are told apart by identity, as each is made anew when anything of it changes.  What rests on the
clock besides is not kept: an overridden clearance, an attestation, an authorization, an exemption.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from admission.api.policy import Effect
from admission.decide.asking import asked_of
from admission.decide.keeping import keep

if TYPE_CHECKING:
    from admission.api.quota import ComputeQuota
    from admission.decide.question import Question, Verdict
    from admission.demand.pod import Demand
    from admission.review.reasons import Reason
    from admission.tenants.standing import Standing

MOST_KEPT = 10_000
"""So many verdicts, of about 3 KB, are kept for one set of rules; past that the oldest goes."""


class Basis(NamedTuple):
    """What a verdict rests on, beside the rules that keep it; ``parties`` and ``quotas`` by identity."""

    demand: Demand
    parties: tuple[int, ...]
    names: tuple[str, str, str]
    quotas: int
    group: frozenset[str]
    shards: int
    endings: tuple[tuple[Reason, int], ...]


class Kept(NamedTuple):
    """A verdict, with that of its basis which is told by identity: held, so that nothing else gets its id meanwhile."""

    verdict: Verdict
    parties: tuple[Standing, ...]
    quotas: tuple[ComputeQuota, ...]


def basis_of(question: Question) -> Basis | None:
    """Return what the verdict on a question rests on; None where something rests on the clock that is not kept.

    The parties must stand as at the instant of the question (``screening.as_known``).
    """
    if question.demand.access:
        return None
    asks, now, timing = question.requester, question.now, question.rules.timing
    for party in asks.standings:
        if party.must_attest or party.at(now, timing).lapsed:
            return None
    return Basis(
        question.demand,
        (id(asks.tenant), id(asks.supplier), id(asks.customer)),
        (asks.tenant_name, asks.supplier_name, asks.customer_name),
        id(question.quotas),
        question.group(asks.party),
        question.shards,
        tuple(question.endings.items()),
    )


def kept_for(question: Question, basis: Basis) -> Verdict | None:
    """Return the verdict that was kept for the same basis."""
    found = question.rules.verdicts.get(basis)
    return found.verdict if found else None


def keep_verdict(question: Question, basis: Basis, verdict: Verdict) -> Verdict:
    """Return a verdict; it is kept where it admits, and no authorization mattered to it."""
    granted = any(each.rule.effect is Effect.Authorization for each in asked_of(question, verdict.governing))
    if not verdict.findings and not granted:
        kept = Kept(verdict, question.requester.standings, question.quotas)
        keep(question.rules.verdicts, basis, kept, MOST_KEPT)
    return verdict
