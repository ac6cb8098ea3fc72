"""Entity and person records of the Beneficial Ownership Data Standard 0.4, as parties."""

from __future__ import annotations

from typing import Literal

import msgspec

from admission.tenants.imports.fragment import Node, country_of


class _Place(msgspec.Struct):
    code: str | None = None


class _Address(msgspec.Struct):
    type: str | None = None
    country: _Place | None = None


class _Identifier(msgspec.Struct, rename="camel"):
    id: str | None = None
    scheme: str | None = None
    scheme_name: str | None = None


class _EntityType(msgspec.Struct):
    type: Literal[
        "registeredEntity", "legalEntity", "arrangement", "anonymousEntity", "unknownEntity", "state", "stateBody"
    ]


class Entity(msgspec.Struct, rename="camel"):
    """``recordDetails`` of an entity record, as far as it is read."""

    entity_type: _EntityType
    name: str | None = None
    jurisdiction: _Place | None = None
    addresses: tuple[_Address, ...] | None = None
    identifiers: tuple[_Identifier, ...] | None = None


class _Name(msgspec.Struct, rename="camel"):
    type: str | None = None
    full_name: str | None = None


class Person(msgspec.Struct, rename="camel"):
    """``recordDetails`` of a person record: the name alone."""

    person_type: Literal["anonymousPerson", "unknownPerson", "knownPerson"]
    names: tuple[_Name, ...] | None = None


def entity_node(entity: Entity, where: str) -> Node:
    """Return an entity as a party.

    Headquarters are the country of its one business address; a registered address says where mail goes.  Those of a
    state, or of a part of one, are its own country.
    """
    place = country_of(entity.jurisdiction.code if entity.jurisdiction else None, where, "jurisdiction.code")
    is_state = entity.entity_type.type in {"state", "stateBody"}
    addresses = [each.country.code for each in entity.addresses or () if each.type == "business" and each.country]
    business = {country_of(code, where, "addresses.country.code") for code in addresses} - {None}
    return Node(
        name=(entity.name or "").strip(),
        where=where,
        type="State" if is_state else "Entity",
        headquarters=place if is_state else business.pop() if len(business) == 1 else None,
        incorporation=None if is_state else place,
        identifiers=tuple(_identifiers(entity)),
    )


def _identifiers(entity: Entity) -> list[tuple[str, str]]:
    """Return scheme and id; of the global register of legal entities the scheme is ``LEI``, as elsewhere here."""
    found = []
    for each in entity.identifiers or ():
        scheme = each.scheme or each.scheme_name
        if scheme and each.id:
            found.append(("LEI" if scheme in {"XI-LEI", "LEI"} else scheme, each.id))
    return found


def person_node(person: Person, where: str) -> Node:
    """Return a person as a party; who is unknown or anonymous has no name."""
    names = sorted((each for each in person.names or () if each.full_name), key=lambda each: each.type != "legal")
    known = person.person_type == "knownPerson" and names
    return Node(name=(names[0].full_name or "").strip() if known else "", where=where, type="NaturalPerson")
