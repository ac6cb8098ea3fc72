"""Legal entity identifiers, and GLEIF's level 1 records (LEI-CDF): name, headquarters, jurisdiction."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from admission.tenants.imports.fragment import ImportProblem, Node, country_of

if TYPE_CHECKING:
    from admission.tenants.imports.elements import Element

_LEI = re.compile(r"[A-Z0-9]{18}[0-9]{2}")


def required_lei(text: str, where: str, name: str) -> str:
    """Return an LEI in the form of ISO 17442; raises ``ImportProblem`` for anything else.

    The check digits are not looked at: of the published ones a few fail, and are entities all the same.
    """
    if not _LEI.fullmatch(text):
        raise ImportProblem(f"{where}: {name}: {text[:40]!r} is no LEI")
    return text


def node_of(record: Element, where: str) -> Node:
    """Return the entity as a party."""
    name = record.word("Entity/LegalName")
    if not name:
        raise ImportProblem(f"{where}: Entity/LegalName is missing")
    return Node(
        name=name,
        where=where,
        headquarters=country_of(
            record.word("Entity/HeadquartersAddress/Country"), where, "Entity/HeadquartersAddress/Country"
        ),
        incorporation=country_of(record.word("Entity/LegalJurisdiction"), where, "Entity/LegalJurisdiction"),
        identifiers=(("LEI", record.word("LEI")),),
    )
