"""Tenants and ownership statements in one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from admission.api.tenant import Tenant
from admission.tenants.ownership import OwnershipGraph, graph_of
from admission.tenants.ternary import Ternary

if TYPE_CHECKING:
    from collections.abc import Callable

Stated = tuple[str, str, Any]
"""Owner, owned, and the share: a number, a pair of bounds, or None for unknown."""


def tenant(spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None) -> Tenant:
    """Return a tenant with these facts beside the least that it needs."""
    return Tenant.model_validate(
        {
            "metadata": {"name": "acme"},
            "spec": {"legalName": "Acme Ltd.", "kind": "Company", "headquarters": "DE", **(spec or {})},
            "status": status or {},
        }
    )


def graph(*statements: Stated, **parties: str) -> OwnershipGraph:
    """Return the graph of these statements.

    ``parties`` names a party's headquarters in upper case, or its type; parties of statements need not be named.
    """
    ids = sorted({party for owner, owned, _ in statements for party in (owner, owned)} - {"tenant"} | set(parties))
    return graph_of(
        tenant(
            {
                "parties": [_party(name, parties.get(name, "US")) for name in ids],
                "ownership": [
                    {"owner": owner, "owned": owned, "share": _share(share)} for owner, owned, share in statements
                ],
            }
        ).spec
    )


def _party(name: str, what: str) -> dict[str, Any]:
    known = {"type": what} if len(what) > 2 else {"headquarters": what} if what else {}
    return {"id": name, "name": name, **known}


BOUNDS = {"<": "exclusiveMaximum", "<=": "maximum", ">": "exclusiveMinimum", ">=": "minimum"}


def _share(share: Any) -> dict[str, float]:
    """A number, a pair of bounds, or one bound such as ``<50``."""
    if share is None:
        return {}
    if isinstance(share, str):
        sign = share.rstrip("0123456789.")
        return {BOUNDS[sign]: float(share.removeprefix(sign))}
    return {"minimum": share[0], "maximum": share[1]} if isinstance(share, tuple) else {"exact": share}


def among(*members: str) -> Callable[[str], Ternary]:
    """Return the membership of exactly these parties; shares that nobody accounts for may be theirs."""
    return lambda party: (
        Ternary.TRUE if party in members else Ternary.UNKNOWN if party not in "abcdefghxy" else Ternary.FALSE
    )
