"""Records of where Tenants are charged, as a watch would show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from admission.ledger.homes import FINALIZER, ChargedTenant

if TYPE_CHECKING:
    from collections.abc import Mapping


def charged(
    name: str = "acme",
    charged_to: Mapping[str, str] | None = None,
    namespaces: Mapping[str, str] | None = None,
    *,
    version: int = 1,
    kept: bool = True,
    deleting: bool = False,
) -> ChargedTenant:
    """Return a Tenant with this record; several places, or parties, are separated by spaces."""
    metadata: dict[str, Any] = {"name": name, "resourceVersion": str(version)}
    metadata |= {"finalizers": [FINALIZER]} if kept else {}
    metadata |= {"deletionTimestamp": "2026-11-01T00:00:00Z"} if deleting else {}
    status = {
        "chargedTo": [
            {"party": party, "jurisdictions": places.split()} for party, places in (charged_to or {}).items()
        ],
        "namespaces": [{"name": where, "parties": parties.split()} for where, parties in (namespaces or {}).items()],
    }
    return msgspec.convert({"metadata": metadata, "status": status}, ChargedTenant)
