"""Rules that ask for a grant: an authorization about a party, or a quota; and whether for certain."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from admission.api.policy import Effect
from admission.decide.facts import At, applied
from admission.tenants.ternary import Ternary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.decide.question import Question
    from admission.decide.rules import ResolvedRule


class Asked(NamedTuple):
    """A rule that asks for a grant for a class: ``doubt`` is where it only may apply, None where it does.

    ``party`` is whom it asks an authorization about; "" where it asks for a quota, which counts all of them.
    """

    rule: ResolvedRule
    class_name: str
    party: str
    doubt: At | None


def asked_of(question: Question, governing: str) -> tuple[Asked, ...]:
    """Rules that apply, or may, and ask for a grant: each once for each class and whom it is about; found once."""
    if governing not in question.asking:
        question.asking[governing] = tuple(_asked_of(question, governing))
    return question.asking[governing]


def _asked_of(question: Question, governing: str) -> Iterable[Asked]:
    found: dict[tuple[str, str, str], Asked] = {}
    for devices in question.demand.devices:
        reached = itertools.product(devices.classes, question.requester.standings, devices.places)
        for class_name, party, place in reached:
            for rule, outcome, *_ in applied(question.rules, party, class_name, place, governing).asking:
                doubt = At(party, class_name, place, governing) if outcome is Ternary.UNKNOWN else None
                about = party.name if rule.effect is Effect.Authorization else ""
                if doubt is None or (rule.name, class_name, about) not in found:
                    found[rule.name, class_name, about] = Asked(rule, class_name, about, doubt)
    return found.values()
