"""One relationship record of GLEIF's level 2 data (RR-CDF), as far as it is in force."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from admission.tenants.imports.entities import required_lei
from admission.tenants.imports.fragment import ImportProblem

if TYPE_CHECKING:
    from collections.abc import Collection

    from admission.tenants.imports.elements import Element

ULTIMATE = "IS_ULTIMATELY_CONSOLIDATED_BY"
_DIRECTNESS = {
    "IS_DIRECTLY_CONSOLIDATED_BY": "Direct",
    ULTIMATE: "Indirect",
    "IS_INTERNATIONAL_BRANCH_OF": "Direct",
    "IS_FUND-MANAGED_BY": "Unknown",
    "IS_SUBFUND_OF": "Unknown",
    "IS_FEEDER_TO": "Unknown",
}
_IN_FORCE = frozenset({"PUBLISHED", "LAPSED"})
_REGISTRATIONS = _IN_FORCE | {
    *("DUPLICATE", "ANNULLED", "RETIRED", "TRANSFERRED", "MERGED"),
    *("PENDING_VALIDATION", "PENDING_TRANSFER", "PENDING_ARCHIVAL", "CANCELLED"),
}
_STATUSES = frozenset({"ACTIVE", "INACTIVE", "NULL"})


class Relation(NamedTuple):
    """Who is under whom, how, and where it is said."""

    child: str
    parent: str
    type: str
    where: str
    lapsed: str = ""

    @property
    def directness(self) -> str:
        """Whether others stand between."""
        return _DIRECTNESS[self.type]

    @property
    def consolidates(self) -> bool:
        """Whether the parent takes the child into its accounts."""
        return self.type.endswith("CONSOLIDATED_BY")


def relation_of(record: Element, where: str, today: dt.date) -> Relation | None:
    """Return the relation; None for one that is not in force. Raises ``ImportProblem`` naming the element."""
    kind = _one_of(record, "Relationship/RelationshipType", _DIRECTNESS.keys(), where)
    status = _one_of(record, "Relationship/RelationshipStatus", _STATUSES, where)
    registration = _one_of(record, "Registration/RegistrationStatus", _REGISTRATIONS, where)
    child, parent = (_node(record, name, where) for name in ("StartNode", "EndNode"))
    if child == parent:
        raise ImportProblem(f"{where}: EndNode: {child} stands above itself")
    if status != "ACTIVE" or registration not in _IN_FORCE or _has_ended(record, where, today):
        return None
    note = f"{kind} {parent} was not renewed; the parent may be another by now" if registration == "LAPSED" else ""
    return Relation(child, parent, kind, where, note)


def _one_of(record: Element, path: str, known: Collection[str], where: str) -> str:
    word = record.word(path)
    if word not in known:
        raise ImportProblem(f"{where}: {path}: {word[:40]!r} is not known")
    return word


def _node(record: Element, name: str, where: str) -> str:
    path = f"Relationship/{name}"
    kind = record.word(f"{path}/NodeIDType")
    if kind != "LEI":
        raise ImportProblem(f"{where}: {path}/NodeIDType: {kind[:40]!r} is not LEI")
    return required_lei(record.word(f"{path}/NodeID"), where, f"{path}/NodeID")


def _has_ended(record: Element, where: str, today: dt.date) -> bool:
    """Whether the relationship itself is over, whatever the periods of its accounts and documents."""
    path = "Relationship/RelationshipPeriods/RelationshipPeriod"
    own = [each for each in record.every(path) if each.word("PeriodType") == "RELATIONSHIP_PERIOD"]
    for period in own:
        started = _day(period.word("StartDate"), f"{where}: {path}/StartDate")
        if started is not None and started > today:
            raise ImportProblem(f"{where}: {path}/StartDate: {started} is in the future")
    ends = [_day(period.word("EndDate"), f"{where}: {path}/EndDate") for period in own]
    return bool(ends) and all(end is not None and end <= today for end in ends)


def _day(text: str, at: str) -> dt.date | None:
    try:
        return dt.datetime.fromisoformat(text).date() if text else None
    except ValueError:
        raise ImportProblem(f"{at}: {text[:40]!r} is no instant") from None
