"""The digest that binds a clearance to the facts that were verified."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from admission.api.identity import TENANT_ITSELF

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.api.identity import Identifier, TenantSpec

UNCOVERED = {"declared_use", "attestations"}
"""What a clearance does not cover: a fact that rules test on its own, and who attests facts, which is renewed often."""


UNORDERED = {"parties", "ownership", "identifiers", "payment"}
"""Lists whose order carries no meaning."""


def identity_digest(spec: TenantSpec) -> str:
    """Return ``sha256:<hex>`` over the identity facts: names, places, parties, owners, kind, supplier, payment.

    The order within the lists of ``UNORDERED`` changes nothing.
    """
    facts = spec.model_dump(mode="json", by_alias=True, exclude=UNCOVERED, exclude_defaults=True)
    for holder in (*facts.get("parties", ()), facts):
        for name in UNORDERED & set(holder):
            holder[name] = sorted(holder[name], key=_canonical)
    return digest_of(facts)


def screened_digest(spec: TenantSpec) -> str:
    """Return ``sha256:<hex>`` over what is searched for on lists: ids, names and identifiers of tenant and parties."""
    parties = [(party.id, party.name, party.identifiers) for party in spec.parties]
    named = [(TENANT_ITSELF, spec.legal_name, spec.identifiers), *parties]
    return digest_of(sorted([party, name, *_numbers(identifiers)] for party, name, identifiers in named))


def digest_of(facts: object) -> str:
    """Return ``sha256:<hex>`` over plain data."""
    return f"sha256:{hashlib.sha256(_canonical(facts).encode()).hexdigest()}"


def _numbers(identifiers: Iterable[Identifier]) -> list[str]:
    return sorted(_canonical([each.scheme, each.id]) for each in identifiers)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
