"""From what a register says to the part of a Tenant's spec that says it: parties, ownership, ultimateParent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pydantic

from admission.api.identity import TENANT_ITSELF, Ownership, Party, TenantSpec
from admission.api.share import Share
from admission.catalogue.countries import COUNTRIES
from admission.tenants.contradictions import contradiction_of
from admission.tenants.ownership import graph_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_PARTIES = 200
MOST_STATEMENTS = 400
LONGEST_ID = 40


class ImportProblem(ValueError):  # noqa: N818 (a problem with the input, no failure of ours)
    """A file cannot be used; the message says which, where in it, and why."""


@dataclass(frozen=True, slots=True)
class Node:
    """Somebody in the register; ``where`` is the record that says so."""

    name: str
    where: str
    type: str = "Entity"
    headquarters: str | None = None
    incorporation: str | None = None
    identifiers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """One interest, between keys of nodes."""

    owner: str
    owned: str
    interest: str
    directness: str
    where: str
    share: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """What a register says of one tenant: nodes by key, who holds what, and remarks for the person who checks."""

    root: str
    nodes: Mapping[str, Node]
    links: Sequence[Link]
    notes: tuple[str, ...] = ()
    ultimate_parent: str | None = None


def fragment_of(found: Found) -> dict[str, Any]:
    """Return the part of a Tenant's spec; raises ``ImportProblem`` naming the record that cannot be taken over."""
    links = _above(found)
    ids = _ids(found, links)
    parties = [_party(ids[key], found.nodes[key]) for key in ids if key != found.root]
    spec = _spec(found, parties, [_statement(ids, link) for link in links], ids.get(found.ultimate_parent or ""))
    if contradiction := contradiction_of(spec):
        raise ImportProblem(f"{found.nodes[found.root].where}: {contradiction}")
    parent = spec.ultimate_parent or _sole_top(spec)
    wanted = spec.model_copy(update={"ultimate_parent": parent})
    part = wanted.model_dump(by_alias=True, exclude_defaults=True, include={"parties", "ownership", "ultimate_parent"})
    return {name: part[name] for name in ("parties", "ownership", "ultimateParent") if name in part}


def country_of(code: str | None, where: str, name: str) -> str | None:
    """Return an ISO 3166-1 code, of a subdivision's code its first part; raises ``ImportProblem`` for no country."""
    if not code:
        return None
    country = code.partition("-")[0]
    if country not in COUNTRIES:
        raise ImportProblem(f"{where}: {name}: {code[:10]!r} is no country of ISO 3166-1")
    return country


def _above(found: Found) -> list[Link]:
    """Return what is said of the tenant and of all who stand above it."""
    by_owned: dict[str, list[Link]] = {}
    for link in found.links:
        by_owned.setdefault(link.owned, []).append(link)
    seen, waiting, kept = {found.root}, [found.root], []
    while waiting:
        for link in by_owned.get(waiting.pop(), ()):
            kept.append(link)
            if link.owner not in seen:
                seen.add(link.owner)
                waiting.append(link.owner)
    if len(seen) > MOST_PARTIES + 1 or len(kept) > MOST_STATEMENTS:
        where = found.nodes[found.root].where
        raise ImportProblem(f"{where}: more than {MOST_PARTIES} parties or {MOST_STATEMENTS} statements stand above it")
    return kept


def _ids(found: Found, links: Sequence[Link]) -> dict[str, str]:
    """Give each party an id that a person can read, and the tenant its own."""
    ids = {found.root: TENANT_ITSELF}
    for link in links:
        for key in (link.owned, link.owner):
            if key not in ids:
                ids[key] = _free(_readable(found.nodes[key]), set(ids.values()))
    return ids


def _readable(node: Node) -> str:
    folded = re.sub(r"[^a-z0-9]+", "-", node.name.lower())[:LONGEST_ID].strip("-")
    return folded if node.name.isascii() and folded else "unnamed" if not node.name.strip() else "party"


def _free(wanted: str, taken: set[str]) -> str:
    if wanted not in taken:
        return wanted
    number = 2
    while f"{wanted}-{number}" in taken:
        number += 1
    return f"{wanted}-{number}"


def _party(party: str, node: Node) -> Party:
    try:
        return Party.model_validate(
            {
                "id": party,
                "name": node.name,
                "type": node.type,
                "headquarters": node.headquarters,
                "incorporation": node.incorporation,
                "identifiers": [{"scheme": scheme, "id": value} for scheme, value in node.identifiers],
            }
        )
    except pydantic.ValidationError as error:
        raise ImportProblem(f"{node.where}: {_first(error)}") from None


def _statement(ids: Mapping[str, str], link: Link) -> Ownership:
    try:
        return Ownership.model_validate(
            {
                "owner": ids[link.owner],
                "owned": ids[link.owned],
                "interest": link.interest,
                "directness": link.directness,
                "share": Share.model_validate(dict(link.share)),
            }
        )
    except pydantic.ValidationError as error:
        raise ImportProblem(f"{link.where}: {_first(error)}") from None


def _spec(found: Found, parties: list[Party], ownership: list[Ownership], parent: str | None) -> TenantSpec:
    known = {"legal_name": found.nodes[found.root].name or "?", "kind": "Company", "ultimate_parent": parent}
    try:
        return TenantSpec.model_validate({**known, "parties": parties, "ownership": ownership})
    except pydantic.ValidationError as error:
        raise ImportProblem(f"{found.nodes[found.root].where}: {_first(error)}") from None


def _sole_top(spec: TenantSpec) -> str | None:
    """Return the one person or state that owns half or more for certain; of an entity nobody knows who stands above."""
    graph = graph_of(spec)
    tops = sorted(graph.tops())
    return tops[0] if len(tops) == 1 and graph.parties[tops[0]].type != "Entity" else None


def _first(error: pydantic.ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field_name = ".".join(str(part) for part in first["loc"])
    text = first["msg"].removeprefix("Value error, ")
    return f"{field_name}: {text}" if field_name else text
