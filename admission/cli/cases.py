"""Requests that passed although something stood in their way, gathered into cases of one namespace and one obstacle."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from admission.server.judge import Judgement
    from admission.server.record import Record

MOST_CASES = 100_000
"""Cases that are told apart; what comes beyond is only counted."""

_ENDING = re.compile(r"; ref [0-9a-f]{10}.*?(\]?)$")
_NUMBER = re.compile(r"[0-9]+")


class Passed(NamedTuple):
    """One request that passed."""

    at: str
    """RFC 3339, in UTC and of one length, so that texts compare as instants do."""
    tenant: str
    namespace: str
    name: str
    devices: int
    codes: tuple[str, ...]
    reasons: tuple[str, ...]
    line: str
    """The tenant's line, without reference and contact."""
    reference: str = ""
    by: tuple[str, ...] = ()
    """The Exemptions and KYCOverrides that let it pass, where these did."""


class Case(msgspec.Struct, rename="camel"):
    """Requests of one namespace that met the same."""

    tenant: str
    namespace: str
    codes: tuple[str, ...]
    reasons: tuple[str, ...]
    by: tuple[str, ...]
    line: str
    such_as: str
    reference: str
    first: str
    last: str
    requests: int = 0
    devices: int = 0

    def add(self, passed: Passed) -> None:
        """Count one more; the latest one stands for all."""
        self.requests += 1
        self.devices += passed.devices
        self.first = min(self.first, passed.at)
        if passed.at >= self.last:
            self.last, self.such_as, self.line = passed.at, passed.name, passed.line
            self.reference = passed.reference or self.reference


@dataclass(slots=True)
class Cases:
    """All cases; two requests are of one where their lines differ in numbers alone."""

    _found: dict[tuple[object, ...], Case] = field(default_factory=dict)
    more: int = 0

    def add(self, passed: Passed) -> None:
        """Take one in."""
        about = _NUMBER.sub("#", passed.line)
        key = (passed.tenant, passed.namespace, passed.codes, passed.reasons, passed.by, about)
        if key not in self._found:
            if len(self._found) >= MOST_CASES:
                self.more += 1
                return
            self._found[key] = Case(
                tenant=passed.tenant,
                namespace=passed.namespace,
                codes=passed.codes,
                reasons=passed.reasons,
                by=passed.by,
                line=passed.line,
                such_as=passed.name,
                reference=passed.reference,
                first=passed.at,
                last=passed.at,
            )
        self._found[key].add(passed)

    def __iter__(self) -> Iterator[Case]:
        """Yield the cases by tenant and namespace, those with the most requests first."""
        return iter(sorted(self._found.values(), key=lambda each: (each.tenant, each.namespace, -each.requests)))


def of_record(record: Record) -> Passed | None:
    """Return a request that passed and would not have, or None for any other."""
    if record.dry_run or record.decision == "denied":
        return None
    by = (*dict.fromkeys(each.exemption for each in record.exempted), *record.overrides)
    if record.decision != "would_deny" and not by:
        return None
    return Passed(
        at=record.at,
        tenant=record.tenant,
        namespace=record.object.namespace,
        name=f"{record.object.resource} {record.object.name}",
        devices=sum(each.count for each in record.demand),
        codes=tuple(dict.fromkeys(each.code for each in record.findings)),
        reasons=record.reasons,
        line=_ENDING.sub(r"\1", record.message),
        reference=record.reference,
        by=() if record.decision == "would_deny" else by,
    )


def of_judgement(judgement: Judgement, namespace: str, name: str, at: dt.datetime) -> Passed | None:
    """Return a pod that runs and would be denied if it were created now, or None for any other."""
    if not judgement.findings:
        return None
    return Passed(
        at=at.isoformat(timespec="milliseconds"),
        tenant=judgement.tenant,
        namespace=namespace,
        name=f"pods {name}",
        devices=sum(each.count for each in judgement.demand.devices),
        codes=tuple(dict.fromkeys(str(each.reason.code) for each in judgement.findings)),
        reasons=tuple(dict.fromkeys(str(each.reason) for each in judgement.findings)),
        line=_ENDING.sub(r"\1", judgement.message),
    )
