"""Country groups by date, and the sets of places that the licence requirements of 3A090 name, each by its date too.

The destination set and the headquarters set are two different things: Macau is in the second though it is not in D:5,
and most of the first is not in the second.  Hong Kong is treated as China throughout the EAR and has no row of its own.
The destinations of 3A090.b are a third set: its text names the United Arab Emirates, which left the others in 2026.

The licence requirement began with China (87 FR 62186), took in Macau (88 FR 2821), and got its present scope and the
headquarters test with 88 FR 73458.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from admission.catalogue import tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

Membership = dict[str, frozenset[str]]


def members(group: str, at: datetime) -> frozenset[str]:
    """Return the ISO 3166-1 alpha-2 codes of ``group`` at ``at`` (with a time zone).

    The Country Groups of instants before the first recorded change (2026-02-03) are those before it.  Raises
    ``KeyError`` for a group that is not in ``GROUPS``.
    """
    if group not in GROUPS:
        raise KeyError(f"no built-in group {group!r}; there are {', '.join(sorted(GROUPS))}")
    return next(groups for since, groups in _history() if since is None or at >= since)[group]


def changes() -> tuple[datetime, ...]:
    """Return the instants at which a group changes, oldest first."""
    return tuple(sorted(since for since, _ in _history() if since is not None))


@functools.cache
def _history() -> tuple[tuple[datetime | None, Membership], ...]:
    """Return the memberships, newest first, each with the instant from which it holds."""
    document = tables.document("jurisdictions.toml")
    base: Membership = {name: frozenset(codes.split()) for name, codes in document["groups"].items()}
    dated = [(_instant(change["date"]), change) for change in document["change"]]
    history: list[tuple[datetime | None, Membership]] = [(None, base | _scope(base, None))]
    for since, change in sorted([*dated, *((start, {}) for start in _SCOPES)], key=lambda each: each[0]):
        base = _changed(base, change)
        history.append((since, base | _scope(base, since)))
    return tuple(reversed(history))


def _changed(base: Membership, change: dict[str, Any]) -> Membership:
    changed = dict(base)
    for name, codes in change.get("leave", {}).items():
        changed[name] -= frozenset(codes.split())
    for name, codes in change.get("join", {}).items():
        changed[name] |= frozenset(codes.split())
    return changed


def _scope(base: Membership, at: datetime | None) -> Membership:
    """Return the destinations of 15 CFR 742.6(a)(6)(iii) as enforced, and the places of its headquarters test."""
    since = max((start for start in _SCOPES if at is not None and start <= at), default=None)
    destinations, emirates, headquarters = _SCOPES[since](base) if since else (_NOWHERE,) * 3
    return {
        "ear-destinations": destinations,
        "ear-destinations-b": destinations | emirates,
        "ear-headquarters": headquarters,
    }


def _by_groups(base: Membership) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    concern = base["ear-d1"] | base["ear-d4"] | base["ear-d5"]
    destinations = concern - (base["ear-a5"] | base["ear-a6"]) | _HONG_KONG
    return destinations, frozenset({"AE"}), base["ear-d5"] | _MACAU | _HONG_KONG


def _instant(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


_NOWHERE: frozenset[str] = frozenset()
_CHINA, _MACAU, _HONG_KONG = frozenset({"CN"}), frozenset({"MO"}), frozenset({"HK"})

_SCOPES: dict[datetime, Callable[[Membership], tuple[frozenset[str], frozenset[str], frozenset[str]]]] = {
    datetime(2022, 10, 21, tzinfo=UTC): lambda _: (_CHINA | _HONG_KONG, _NOWHERE, _NOWHERE),
    datetime(2023, 1, 18, tzinfo=UTC): lambda _: (_CHINA | _HONG_KONG | _MACAU, _NOWHERE, _NOWHERE),
    datetime(2023, 11, 17, tzinfo=UTC): _by_groups,
}
"""What the sets are made of from each of these instants: destinations, what 3A090.b adds to them, headquarters."""

GROUPS: frozenset[str] = frozenset(_history()[0][1])
"""Names of the built-in groups."""
