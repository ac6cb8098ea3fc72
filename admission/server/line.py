"""From a judgement to its line in the decision record, and to its annotations in the API server's audit log."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from admission.server.record import CheckOf, DemandOf, ExemptedOf, FindingOf, ObjectOf, QuotaOf, Record, Versions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from admission.decide.question import Check
    from admission.review.wire import Request
    from admission.server.case import Ask
    from admission.server.judge import Judgement
    from admission.tenants.standing import Standing

MOST_FIELDS = 32
"""Fields of a pod that one line names, and inputs of one check: a pod can have as many as fit its 3 MiB."""

_MOST_KEPT = 256
"""Verdicts whose checks are kept as lines have them."""

LONGEST_FIELD = 512
LONGEST_DETAIL = 2000
"""Characters; what a tenant wrote fills no log."""


def line_of(
    origin: str,
    request: Request,
    ask: Ask,
    judgement: Judgement,
    *,
    standings: Iterable[Standing],
    now: datetime,
    seconds: float,
    decision: str = "",
) -> Record:
    """Return the record of one decision; ``origin`` is the webhook entry, or ``check`` for the command.

    ``decision`` is what was decided where the judgement's own does not hold, as of a workload that is only warned of.
    """
    verdict = judgement.verdict
    return Record(
        at=now.isoformat(timespec="milliseconds"),
        reference=judgement.reference,
        decision=decision or judgement.decision,
        mode=str(judgement.mode),
        origin=origin,
        operation=request.operation,
        dry_run=ask.dry_run,
        caller=request.user_info.username,
        tenant=judgement.tenant,
        party=judgement.party,
        governing=verdict.governing,
        object=ObjectOf(request.resource.resource, ask.namespace, ask.name, ask.uid, ask.role[:LONGEST_FIELD]),
        demand=tuple(
            DemandOf(each.resource, each.count, each.classes, each.places, each.targets)
            for each in judgement.demand.devices
        ),
        access=tuple(access.field[:LONGEST_FIELD] for access in judgement.demand.access[:MOST_FIELDS]),
        exempted=tuple(ExemptedOf(name, field[:LONGEST_FIELD]) for name, field in verdict.exempted[:MOST_FIELDS]),
        overrides=judgement.overrides,
        reasons=tuple(dict.fromkeys(str(finding.reason) for finding in judgement.findings or judgement.advisory)),
        message=judgement.message,
        rules=tuple(sorted({finding.rule for finding in judgement.findings if finding.rule})),
        findings=_findings(judgement),
        checks=_checks.of(verdict.checks),
        quota=_quota(judgement),
        versions=_versions(judgement, standings),
        duration_ms=round(seconds * 1000, 3),
    )


def _findings(judgement: Judgement) -> tuple[FindingOf, ...]:
    found = [(each, False) for each in judgement.findings] + [(each, True) for each in judgement.advisory]
    return tuple(
        FindingOf(
            str(each.reason), str(each.reason.code), each.party, each.rule, each.detail[:LONGEST_DETAIL], advisory
        )
        for each, advisory in found
    )


class _Checks:
    """Checks as lines have them: pods alike share one verdict for a second, and so its checks."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[tuple[Check, ...], tuple[CheckOf, ...]]] = {}

    def of(self, checks: tuple[Check, ...]) -> tuple[CheckOf, ...]:
        """Return them as one line has them; what is kept keeps the others' ids from being given anew."""
        found = self._kept.get(id(checks))
        if found is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept = {}
            found = self._kept[id(checks)] = checks, tuple(map(_check, checks))
        return found[1]


_checks = _Checks()


def _check(check: Check) -> CheckOf:
    inputs = itertools.islice(check.inputs.items(), MOST_FIELDS)
    bounded = {name[:LONGEST_FIELD]: value[:LONGEST_DETAIL] for name, value in inputs}
    return CheckOf(check.name, check.party, check.outcome, bounded)


def _quota(judgement: Judgement) -> tuple[QuotaOf, ...]:
    granted = not judgement.findings
    return tuple(
        QuotaOf(
            level.limit.key,
            level.limit.unit,
            level.limit.amount,
            level.used_all,
            level.used_all + (level.requested if granted else 0),
        )
        for level in judgement.levels
    )


def _versions(judgement: Judgement, standings: Iterable[Standing]) -> Versions:
    kyc, lists = {}, {}
    for standing in standings:
        status = standing.tenant.status
        kyc[standing.name] = status.kyc.covers if status.kyc else ""
        as_of = status.screening.lists_as_of if status.screening else None
        lists[standing.name] = as_of.isoformat() if as_of else ""
    return Versions(judgement.rules_version, kyc, lists)


def annotations_of(judgement: Judgement, decision: str = "") -> dict[str, str]:
    """What the API server's audit log keeps, for operators: short keys, it adds the webhook's name itself."""
    if judgement.demand.is_empty and not judgement.findings:
        return {}
    found = {
        "decision": decision or judgement.decision,
        "reason": ",".join(dict.fromkeys(str(finding.reason) for finding in judgement.findings)),
        "tenant": judgement.tenant,
        "exemption": ",".join(judgement.exemptions),
        "override": ",".join(judgement.overrides),
        "quota": ",".join(dict.fromkeys(level.limit.key for level in judgement.levels)),
        "ref": judgement.reference,
    }
    return {key: value for key, value in found.items() if value}
