"""What ``computegate check`` says behind a verdict: the reasons, the rules that gave them, and what these rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from admission.decide.rules import ResolvedRule, RulesInForce
    from admission.review.finding import Finding
    from admission.server.judge import Judgement


class Basis(msgspec.Struct, frozen=True):
    """What a rule rests on, as its AccessPolicy says; ``as_of`` is a day (RFC 3339), "" where none is stated."""

    type: str
    title: str
    citation: str
    as_of: str
    status: str
    certainty: str


class Found(msgspec.Struct, frozen=True):
    """One reason of a denial; ``advisory`` is one that would deny besides, if every policy enforced.

    ``rule`` (policy/rule), the ``facts`` that it tests and its ``basis`` are empty where no rule decided.
    """

    reason: str
    code: str
    party: str
    detail: str
    rule: str = ""
    facts: tuple[str, ...] = ()
    basis: Basis | None = None
    advisory: bool = False


def found_of(judgement: Judgement, rules: RulesInForce) -> tuple[Found, ...]:
    """Return the reasons of a judgement with what they rest on, in the order in which they were found."""
    by_name = {rule.name: rule for each in (rules.proposed, rules) if each for rule in each.rules}
    found = [(each, False) for each in judgement.findings] + [(each, True) for each in judgement.advisory]
    return tuple(_found(finding, by_name.get(finding.rule), advisory=advisory) for finding, advisory in found)


def applied_of(judgement: Judgement) -> tuple[str, ...]:
    """Return the rules that apply to the request, or may, as ``policy/rule Effect``: also those that let it in."""
    checks = (check.name for check in judgement.verdict.checks if "applies" in check.inputs)
    return tuple(sorted({name.removeprefix("rule ") for name in checks}))


def lines_of(found: Iterable[Found]) -> Iterator[str]:
    """Yield a line for each rule that denied, or would: its name and what it rests on."""
    for rule, basis, advisory in dict.fromkeys((each.rule, each.basis, each.advisory) for each in found if each.basis):
        assert basis is not None
        rests = "; ".join(part for part in (basis.type, basis.citation, basis.as_of and f"as of {basis.as_of}") if part)
        yield f"{rule}{' (advisory)' if advisory else ''}: {basis.title} ({rests})"


def _found(finding: Finding, resolved: ResolvedRule | None, *, advisory: bool) -> Found:
    reason = finding.reason
    found = Found(str(reason), str(reason.code), finding.party, finding.detail, finding.rule, advisory=advisory)
    if resolved is None:
        return found
    facts = dict.fromkeys(str(test.fact) for test in resolved.tests)
    return msgspec.structs.replace(found, facts=tuple(facts), basis=_basis(resolved))


def _basis(resolved: ResolvedRule) -> Basis:
    rule = resolved.rule
    day = rule.basis.as_of.date().isoformat() if rule.basis.as_of else ""
    return Basis(rule.basis.type, rule.basis.title, rule.basis.citation, day, rule.status, rule.certainty)
