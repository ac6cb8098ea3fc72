"""One verdict out of two, where both must let a request in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from admission.decide.limits import Scope

if TYPE_CHECKING:
    from admission.decide.limits import Limit
    from admission.decide.question import Verdict


def both(one: Verdict, other: Verdict) -> Verdict | None:
    """Return the findings and the limits of both; None where both let it in, and count it differently.

    One reservation is made for one charge in the ledgers of one jurisdiction: it cannot stand for two that differ.
    """
    findings = tuple(dict.fromkeys((*one.findings, *other.findings)))
    if findings:
        return msgspec.structs.replace(one, findings=findings, scopes=())
    if (one.governing, one.charge) != (other.governing, other.charge):
        return None
    limits: dict[str, tuple[Limit, ...]] = {}
    for scope in (*one.scopes, *other.scopes):
        limits[scope.name] = (*limits.get(scope.name, ()), *scope.limits)
    return msgspec.structs.replace(one, scopes=tuple(Scope(name, each) for name, each in sorted(limits.items())))
