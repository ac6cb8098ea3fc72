"""Everyone behind a request with their screening as it counts at the instant of the question."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from admission.api.policy import Fact
from admission.decide.duration import seconds_of
from admission.tenants.holdings import SIGNIFICANT, amount
from admission.tenants.screening import Terms

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from admission.api.screening import ScreeningTerms
    from admission.decide.question import Question
    from admission.decide.rules import RulesInForce
    from admission.tenants.standing import Standing


def terms_of(every: Iterable[ScreeningTerms]) -> Terms:
    """Return the strictest of the terms that policies give: the least time to wait, age of a list, and share."""
    given = tuple(every)
    reviews = [seconds_of(each.review_period) for each in given if each.review_period is not None]
    ages = [seconds_of(each.max_age) for each in given if each.max_age is not None]
    shares = [each.significant_from for each in given if each.significant_from is not None]
    return Terms(min(reviews, default=0), min(ages, default=None), amount(min(shares, default=SIGNIFICANT)))


def screened_by(rules: RulesInForce, party: Standing, now: datetime) -> Standing:
    """Return a party with its screening as it counts at ``now`` by the terms and the due dates of these rules."""
    return party.screened(now, rules.screening, rules.due.review_after)


def as_known(question: Question) -> Question:
    """Return the same question about parties as they stand at its instant: facts too old unknown, and screened."""
    now, timing = question.now, question.rules.timing
    for party in question.requester.standings:
        if not party.at(now, timing).as_computed:
            return _screened(question.now_known())
    return question


def _screened(question: Question) -> Question:
    now, rules, asks = question.now, question.rules, question.requester
    if all(screened_by(rules, party, now) is party for party in asks.standings):
        return question

    def at(party: Standing | None) -> Standing | None:
        return screened_by(rules, party, now) if party else None

    judged = dataclasses.replace(asks, tenant=at(asks.tenant), supplier=at(asks.supplier), customer=at(asks.customer))
    return dataclasses.replace(question, requester=judged)


def too_old(party: Standing, now: datetime, terms: Terms) -> bool:
    """Say whether a party's screening is unknown for the age of the list alone."""
    if terms.oldest is None or party.screened(now, terms).facts[Fact.Screening] is not None:
        return False
    return party.screened(now, dataclasses.replace(terms, oldest=None)).facts[Fact.Screening] is not None
