"""Country groups by date, and the two sets of places that the licence requirements of 3A090 name.

The destination set and the headquarters set are two different things: Macau is in the second though it is not in D:5,
and most of the first is not in the second.  Hong Kong is treated as China throughout the EAR and has no row of its own.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from admission.catalogue import tables

if TYPE_CHECKING:
    from datetime import date

Membership = dict[str, frozenset[str]]

_HONG_KONG = frozenset({"HK"})
_MACAU = frozenset({"MO"})


def members(group: str, at: datetime) -> frozenset[str]:
    """Return the ISO 3166-1 alpha-2 codes of ``group`` at ``at`` (with a time zone).

    Instants before the first recorded change (2026-02-03) get the membership before it.  Raises ``KeyError`` for a
    group that is not in ``GROUPS``.
    """
    if group not in GROUPS:
        raise KeyError(f"no built-in group {group!r}; there are {', '.join(sorted(GROUPS))}")
    return next(groups for since, groups in _history() if since is None or at >= since)[group]


@functools.cache
def _history() -> tuple[tuple[datetime | None, Membership], ...]:
    """Return the memberships, newest first, each with the instant from which it holds."""
    document = tables.document("jurisdictions.toml")
    base: Membership = {name: frozenset(codes.split()) for name, codes in document["groups"].items()}
    history: list[tuple[datetime | None, Membership]] = [(None, _with_derived(base))]
    for change in sorted(document["change"], key=lambda change: change["date"]):
        base = _changed(base, change)
        history.append((_instant(change["date"]), _with_derived(base)))
    return tuple(reversed(history))


def _changed(base: Membership, change: dict[str, Any]) -> Membership:
    changed = dict(base)
    for name, codes in change.get("leave", {}).items():
        changed[name] -= frozenset(codes.split())
    for name, codes in change.get("join", {}).items():
        changed[name] |= frozenset(codes.split())
    return changed


def _with_derived(base: Membership) -> Membership:
    """Add the destinations of 15 CFR 742.6(a)(6)(iii) as enforced, and the places of its headquarters test."""
    concern = base["ear-d1"] | base["ear-d4"] | base["ear-d5"]
    return {
        **base,
        "ear-destinations": concern - (base["ear-a5"] | base["ear-a6"]) | _HONG_KONG,
        "ear-headquarters": base["ear-d5"] | _MACAU | _HONG_KONG,
    }


def _instant(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


GROUPS: frozenset[str] = frozenset(_history()[0][1])
"""Names of the built-in groups."""
