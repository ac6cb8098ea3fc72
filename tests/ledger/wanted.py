"""Requests to a ledger under one limit, as the tests of all backends make them."""

from __future__ import annotations

from admission.decide.limits import Charge, Limit, Parties, whole
from admission.ledger.limits import Request


def wanted(
    uid: str, count: int = 1, *, party: str = "acme", scopes: tuple[str, ...] = ("CN",), limit: int = 4
) -> Request:
    """Return the request of a pod for H100s, under a limit of its party's in each scope."""
    limits = tuple((s, (Limit(s, "devices", limit, {"h100": 1}, None, Parties.of(whole, party)),)) for s in scopes)
    return Request(uid, "ns", f"pod-{uid}", Charge(party, (("h100", count),)), limits)
