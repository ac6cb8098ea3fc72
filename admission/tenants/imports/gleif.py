"""GLEIF's level 2 data: who consolidates whom in its accounts, and why somebody reports no parent.

Relationship records (RR-CDF) and reporting exceptions tell of accounting consolidation, never of shares: what they give
is control and the ultimate parent.  No exception says that nobody stands above an entity, so none of them clears one.
Level 1 records (LEI-CDF) beside them give names and places.
"""

from __future__ import annotations

import graphlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from admission.tenants.imports.consolidation import ULTIMATE, Relation, relation_of
from admission.tenants.imports.elements import records_of, root_of
from admission.tenants.imports.entities import node_of, required_lei
from admission.tenants.imports.fragment import Found, ImportProblem, Link, Node

if TYPE_CHECKING:
    import datetime as dt
    import pathlib
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MOST_RELATIONS = 600_000
"""Records in force; of these the published file has half a million."""

RELATIONS, EXCEPTIONS, ENTITIES = "RelationshipData", "ReportingExceptionData", "LEIData"
_RECORDS = {RELATIONS: "RelationshipRecord", EXCEPTIONS: "Exception", ENTITIES: "LEIRecord"}
_CATEGORIES = {
    "DIRECT_ACCOUNTING_CONSOLIDATION_PARENT": "IS_DIRECTLY_CONSOLIDATED_BY",
    "ULTIMATE_ACCOUNTING_CONSOLIDATION_PARENT": ULTIMATE,
}
REASONS = {
    "NO_LEI": "the parent has no LEI",
    "NATURAL_PERSONS": "natural persons control it, and are not named here",
    "NON_CONSOLIDATING": "no parent consolidates it; one may own it all the same",
    "NO_KNOWN_PERSON": "nobody is known to control it",
    "NON_PUBLIC": "the parent is not published",
    "BINDING_LEGAL_COMMITMENTS": "the parent is not published",
    "LEGAL_OBSTACLES": "the parent is not published",
    "CONSENT_NOT_OBTAINED": "the parent is not published",
    "DETRIMENT_NOT_EXCLUDED": "the parent is not published",
    "DISCLOSURE_DETRIMENTAL": "the parent is not published",
}
"""What each reason of an exception means."""


@dataclass(frozen=True, slots=True)
class _Exception:
    """Why an entity reports no parent of a kind."""

    type: str
    reason: str
    where: str


def read_gleif(paths: Sequence[pathlib.Path], lei: str, today: dt.date) -> Found:
    """Return what the files say of the entity; raises ``ImportProblem`` naming the line and the element."""
    kinds = {path: root_of(path) for path in paths}
    for path, kind in kinds.items():
        if kind not in _RECORDS:
            raise ImportProblem(f"{path}: line 1: {kind[:40]!r} is none of {', '.join(_RECORDS)}")
    required_lei(lei, f"{paths[0]}", "the entity asked for")
    relations = _relations([path for path, kind in kinds.items() if kind == RELATIONS], today)
    exceptions = list(_exceptions((path for path, kind in kinds.items() if kind == EXCEPTIONS), lei))
    above = _above(relations, lei)
    _refuse_cycle(above)
    parent = _ultimate(relations, lei)
    notes = _notes(exceptions, relations.get(lei, ()), above)
    if not relations.get(lei) and not exceptions:
        raise ImportProblem(f"{paths[0]}: no record in force is about {lei}")
    wanted = {lei} | {key for each in above for key in (each.child, each.parent)}
    named = _names((path for path, kind in kinds.items() if kind == ENTITIES), wanted)
    nodes = {key: named.get(key) or Node("", str(paths[0]), identifiers=(("LEI", key),)) for key in wanted}
    links = [Link(each.parent, each.child, "Control", each.directness, each.where) for each in above]
    return Found(lei, nodes, [*links, *_between(above, lei, parent)], tuple(notes), parent)


def _between(above: Sequence[Relation], lei: str, ultimate: str | None) -> Iterator[Link]:
    """Yield that the ultimate parent stands above the direct one where no record says so: by what both are it does."""
    known = {(each.child, each.parent) for each in above}
    for each in above if ultimate else ():
        direct = each.child == lei and each.consolidates and each.parent != ultimate
        if direct and ultimate and (each.parent, ultimate) not in known:
            yield Link(ultimate, each.parent, "Control", "Unknown", each.where)


def _relations(paths: Iterable[pathlib.Path], today: dt.date) -> dict[str, list[Relation]]:
    """Return the relations in force by who is under somebody."""
    found: dict[str, list[Relation]] = {}
    seen: dict[tuple[str, str, str], str] = {}
    for path in paths:
        for record in records_of(path, frozenset({_RECORDS[RELATIONS]})):
            relation = relation_of(record, f"{path}: line {record.line}", today)
            if relation is None:
                continue
            key = (relation.child, relation.parent, relation.type)
            if key in seen:
                raise ImportProblem(f"{relation.where}: the same relationship stands in {seen[key]} too")
            seen[key] = relation.where
            if len(seen) > MOST_RELATIONS:
                raise ImportProblem(f"{relation.where}: more than {MOST_RELATIONS} records; cut out an extract")
            found.setdefault(relation.child, []).append(relation)
    return found


def _exceptions(paths: Iterable[pathlib.Path], lei: str) -> Iterable[_Exception]:
    for path in paths:
        for record in records_of(path, frozenset({_RECORDS[EXCEPTIONS]})):
            where = f"{path}: line {record.line}"
            reporting = required_lei(record.word("LEI"), where, "LEI")
            kind, reasons = (
                record.word("ExceptionCategory"),
                [each.text.strip() for each in record.every("ExceptionReason")],
            )
            if kind not in _CATEGORIES:
                raise ImportProblem(f"{where}: ExceptionCategory: {kind[:60]!r} is not known")
            if not reasons or not set(reasons) <= REASONS.keys():
                raise ImportProblem(f"{where}: ExceptionReason: {', '.join(reasons)[:60]!r} is not known")
            if reporting == lei:
                yield from (_Exception(_CATEGORIES[kind], reason, where) for reason in reasons)


def _above(relations: Mapping[str, list[Relation]], lei: str) -> list[Relation]:
    """Return the relations of the entity and of all who stand above it."""
    seen, waiting, found = {lei}, [lei], []
    while waiting:
        for relation in relations.get(waiting.pop(), ()):
            found.append(relation)
            if relation.parent not in seen:
                seen.add(relation.parent)
                waiting.append(relation.parent)
    return found


def _refuse_cycle(relations: Iterable[Relation]) -> None:
    """Nobody is consolidated by its own subsidiary."""
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    where = {}
    for each in relations:
        sorter.add(each.child, each.parent)
        where[each.child] = each.where
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        cycle: list[str] = error.args[1]
        raise ImportProblem(f"{where[cycle[0]]}: RelationshipType: {cycle[0]} stands above itself") from None


def _ultimate(relations: Mapping[str, list[Relation]], lei: str) -> str | None:
    """Return the one ultimate parent; raises ``ImportProblem`` for several, and for one that has a parent itself."""
    stated = [each for each in relations.get(lei, ()) if each.type == ULTIMATE]
    if not stated:
        return None
    for each in stated[1:]:
        raise ImportProblem(f"{each.where}: EndNode: another ultimate parent than in {stated[0].where}")
    for each in relations.get(stated[0].parent, ()):
        if each.consolidates:
            raise ImportProblem(
                f"{each.where}: the ultimate parent of {lei} has a parent itself; the records contradict"
            )
    return stated[0].parent


def _notes(exceptions: Iterable[_Exception], own: Iterable[Relation], above: Iterable[Relation]) -> list[str]:
    """Say what is not known; an exception beside the relationship that it excuses is refused."""
    reported = {each.type: each.where for each in own}
    notes = [f"{each.where}: {each.lapsed}" for each in above if each.lapsed]
    for each in exceptions:
        if each.type in reported:
            raise ImportProblem(
                f"{each.where}: ExceptionCategory: a parent is reported in {reported[each.type]} all the same"
            )
        notes.append(f"{each.where}: {each.reason}: {REASONS[each.reason]}; the parent stays unknown")
    return notes


def _names(paths: Iterable[pathlib.Path], wanted: set[str]) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for path in paths:
        for record in records_of(path, frozenset({_RECORDS[ENTITIES]})):
            lei = record.word("LEI")
            if lei in wanted:
                if lei in found:
                    raise ImportProblem(f"{path}: line {record.line}: LEI: {lei} stands twice")
                found[lei] = node_of(record, f"{path}: line {record.line}")
    return found
