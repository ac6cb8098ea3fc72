"""The tables of docs/scenarios.md: every word of a verdict, a rule or a line in them is what check printed.

What check cannot know stands in scenario.toml: how a row is told and, where a pod is admitted, which fact was believed
and what would catch it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from tests.scenarios.runs import ALL, NOW, REGULATED, SHARED, outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from admission.cli.basis import Basis, Found
    from tests.scenarios.runs import Outcome, Run, Scenario

HEADER = (
    "told",
    "what",
    "verdict",
    "reasons",
    "rule, by basis",
    "fact that decides: fed by, how fresh",
    "the tenant reads",
    "as regulated alone",
)
_CLEARANCE = "the KYC provider (`status.kyc`)"
_DECLARED = "the tenant, verified by the KYC provider, or a register"
FED_BY = {
    "Headquarters": _DECLARED,
    "UltimateParentHeadquarters": _DECLARED,
    "Incorporation": _DECLARED,
    "UltimateParentIncorporation": _DECLARED,
    "OwnerHeadquarters": _DECLARED,
    "Owners": _DECLARED,
    "TenantKind": "the tenant, verified by the KYC provider",
    "Payment": "billing, as the operator's attestation",
    "AccessCountry": "the identity provider (`status.access`)",
    "DeclaredUse": "the tenant",
    "Screening": "screening (`status.screening`)",
    "Place": "the operator (AcceleratorPool)",
    "Jurisdiction": _DECLARED,
    "KYC state": _CLEARANCE,
    "KYC level": _CLEARANCE,
    "Digest of identity facts": f"{_CLEARANCE} and the Tenant as it is",
    "Age of facts": "who attests them",
    "End customer": "the operator (label of the namespace) and the customer's Tenant",
    "Attestation": "the tenant",
    "Authorization": "the operator",
    "End of the pod": "the tenant (`activeDeadlineSeconds`)",
    "What is held": "the ledger",
    "Class of the chip": "the node's driver, and the catalogue of the day",
}
"""Who feeds what can decide."""
_ALWAYS = {
    "KYC state": "to `expiresAt`",
    "KYC level": "to `expiresAt`",
    "Digest of identity facts": "at the request",
    "Age of facts": "at the request",
    "Attestation": "to `validUntil`",
    "Authorization": "to `validUntil`",
    "End of the pod": "at the request",
    "What is held": "at the request",
    "Class of the chip": "at the request",
    "Place": "while declared",
    "End customer": "while declared",
}
_OF_REASON = {
    "KYCStale": "Digest of identity facts",
    "KYCPending": "KYC state",
    "KYCLevelTooLow": "KYC level",
    "FactStale": "Age of facts",
    "OwnerUnknown": "Owners",
    "ClassUnknown": "Class of the chip",
    "JurisdictionNotAllowed": "Jurisdiction",
    "EndCustomerMissing": "End customer",
    "EndCustomerNotCleared": "End customer",
    "AttestationLapsed": "Attestation",
    "AuthorizationRequired": "Authorization",
    "HoldUnbounded": "End of the pod",
    "HoldTooLong": "End of the pod",
    "QuotaExceeded": "What is held",
    "HoursExhausted": "What is held",
}
"""What decides where a rule tests no fact, or asks for something besides."""
_LIMITS = frozenset({"HoldUnbounded", "HoldTooLong", "QuotaExceeded", "HoursExhausted"})
_BESIDE_FACTS = frozenset({"KYCLevelTooLow", "AuthorizationRequired"})


class Page:
    """Collects the tables of all routes and the bases that they name."""

    def __init__(self) -> None:
        self._ages = _ages()
        self._bases: dict[str, Basis] = {}

    def of(self, found: Mapping[str, Scenario]) -> str:
        """Return the page's part that is written from the runs."""
        routes = "\n".join(self._route(folder, scenario) for folder, scenario in found.items())
        return f"{routes}\n{self._legend()}"

    def _route(self, folder: str, scenario: Scenario) -> str:
        sources = "; ".join(f"[{each.name}]({each.url})" for each in scenario.sources)
        lines = [f"### {scenario.route} {scenario.title}", ""]
        lines += [f"As reported ({sources or 'no source at hand'}): {scenario.reported}", ""]
        lines += [f"**Not seen by a scheduler.** {scenario.unseen}", ""] if scenario.unseen else []
        lines += [scenario.note, ""] if scenario.note else []
        lines += [*_table(HEADER, (self._row(folder, run) for run in scenario.run)), ""]
        lines += [f"What only time shows: {', '.join(f'`{each}`' for each in scenario.ledger)}.", ""] * bool(
            scenario.ledger
        )
        return "\n".join(lines)

    def _row(self, folder: str, run: Run) -> tuple[str, ...]:
        found, regulated = outcome(ALL, folder, run), outcome(REGULATED, folder, run)
        facts = tuple(_facts(found.row.findings)) or run.facts
        remarked = "".join(f"; `check` remarks: {each}" for each in found.remarks) if run.remarked else ""
        fed = (f"**{fact}**: {FED_BY[fact]}, {self._fresh(fact)}" for fact in facts)
        day = "" if run.at == NOW else f" ({run.at[:10]})"
        return (
            run.told,
            f"[{run.how}](../examples/scenarios/{folder}/{run.file}){day}{remarked}",
            _verdict(found, run),
            ", ".join(found.row.reasons),
            self._rules(found),
            "; ".join(fed),
            found.line,
            "ADMITTED" if regulated.is_admitted else f"DENIED: {', '.join(regulated.row.reasons)}",
        )

    def _rules(self, found: Outcome) -> str:
        """The rules that denied, or those that let in, each kind of basis once."""
        denied = {each.rule: each.basis for each in found.row.findings if each.basis}
        self._bases |= denied
        kinds: dict[str, list[str]] = {}
        for rule, basis in denied.items():
            mark = "" if basis.certainty == "High" else f" ({basis.certainty})"
            kinds.setdefault(basis.type, []).append(f"`{rule}`{mark}")
        if found.is_admitted:
            allowing = [rule.partition(" ")[0] for rule in found.row.rules if rule.endswith(" Allow")]
            return f"let in by {', '.join(f'`{rule}`' for rule in allowing)}" if allowing else "no rule concerns it"
        beside = dict.fromkeys(_beside_rules(each.reason) for each in found.row.findings if not each.rule)
        return "; ".join([*(f"{kind}: {', '.join(rules)}" for kind, rules in kinds.items()), *beside])

    def _fresh(self, fact: str) -> str:
        return self._ages.get(fact) or _ALWAYS.get(fact, "of any age")

    def _legend(self) -> str:
        header = ("rule", "basis", "title", "citation", "checked on", "status", "certainty")
        rows = (
            (f"`{rule}`", each.type, each.title, each.citation, each.as_of, each.status, each.certainty)
            for rule, each in sorted(self._bases.items())
        )
        return "\n".join(["### What the rules rest on", "", *_table(header, rows), ""])


def _verdict(found: Outcome, run: Run) -> str:
    if not found.is_admitted:
        return "DENIED" + (f", after {found.before} admitted" if found.before else "")
    return f"**NOT CAUGHT**: {run.catch}" if run.is_concealed else "ADMITTED"


def _beside_rules(reason: str) -> str:
    """What denied where no rule did."""
    if reason in _LIMITS:
        return "ProviderPolicy: the ComputeQuota"
    if reason == "OwnerUnknown":
        return "ProviderPolicy: `beneficialOwnerThreshold`"
    return "ProviderPolicy: what every controlled request must meet"


def _facts(findings: Iterable[Found]) -> Iterator[str]:
    """Yield what decided, each once: the facts that rules test, and what else a reason is about."""
    found: dict[str, None] = {}
    for each in findings:
        found |= dict.fromkeys(each.facts)
        if not each.facts or each.reason in _BESIDE_FACTS:
            found[_OF_REASON[each.reason]] = None
    yield from found


def _ages() -> dict[str, str]:
    """How fresh facts must be, as the scenarios' own policy says."""
    policy = yaml.safe_load((SHARED / "evidence.yaml").read_text())
    ages = {each["fact"]: (each["maxAge"], each["attestedBy"]) for each in policy["spec"]["factAges"]}
    found = {fact: f"at most {age} old by {' or '.join(by)}" for fact, (age, by) in ages.items()}
    return found | {"Screening": f"of lists at most {policy['spec']['screening']['maxAge']} old"}


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    titles = tuple(header)
    cells = [titles, ("---",) * len(titles), *rows]
    escaped = ([cell.replace("|", "\\|") or "-" for cell in row] for row in cells)
    return [f"| {' | '.join(row)} |" for row in escaped]
