"""Intervals of use: one object held these devices from one instant to another.

Instants are whole milliseconds since 1970, UTC, so that the parts of a life add up to it exactly.
"""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING, Annotated

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = 24 * 60 * 60 * 1000
MOST_DAYS = 400
"""An interval is cut at so many midnights; what is left beyond, by a clock that was far off, stays in one piece."""

Instant = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]
"""Milliseconds since 1970, up to the year 9999."""

Count = Annotated[int, msgspec.Meta(ge=1)]

Key = tuple[str, int]
"""The object's uid and the interval's first instant: what tells one interval from every other, for ever."""


class How(enum.StrEnum):
    """How the end of an interval was learned."""

    DAY = "day"
    """It did not end: midnight UTC came, and the next interval goes on from there."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DELETED = "deleted"
    RELEASED = "released"
    """The claim was given back."""
    CHANGED = "changed"
    """It holds other devices from then on."""
    UNSEEN = "unseen"
    """It was gone when somebody looked again."""


class Holding(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What one object holds, and for whom; empty text is what is not known.

    ``counts`` are devices by class key.  ``bound`` is since when, None where only its being seen tells.
    """

    resource: str = "pods"
    namespace: str
    name: str
    party: str = ""
    group: str = ""
    node: str = ""
    country: str = ""
    site: str = ""
    counts: tuple[tuple[str, Count], ...] = ()
    devices: tuple[str, ...] = ()
    bound: Instant | None = None


class Interval(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A holding from ``first`` on; with ``how``, until ``last``.

    ``last`` is when the end was learned, never earlier than it was; up to ``known`` the object certainly held the
    devices.  ``finished`` is when the containers ended by the node's clock, for comparison alone.
    """

    uid: str
    first: Instant
    holding: Holding
    last: Instant = 0
    known: Instant = 0
    how: How | None = None
    finished: str = ""

    @property
    def key(self) -> Key:
        """What tells this interval from every other."""
        return self.uid, self.first

    def until(self, last: int, known: int, how: How, finished: str = "") -> Interval:
        """Return the interval with its end; bounds that lie before it are moved to its beginning."""
        last = max(self.first, last)
        known = min(max(self.first, known), last)
        return msgspec.structs.replace(self, last=last, known=known, how=how, finished=finished)

    def since(self, first: int) -> Interval:
        """Return the open interval that goes on from an instant."""
        return Interval(self.uid, first, self.holding)

    def by_day(self, last: int, known: int, how: How, finished: str = "") -> Iterator[Interval]:
        """Yield the ended interval in parts, cut at each midnight before its end."""
        rest = self
        for _ in range(MOST_DAYS):
            midnight = midnight_after(rest.first)
            if midnight >= last:
                break
            yield rest.until(midnight, known, How.DAY)
            rest = rest.since(midnight)
        yield rest.until(last, known, how, finished)


def midnight_after(instant: int) -> int:
    """Return the first midnight UTC after an instant."""
    return (instant // DAY + 1) * DAY


def millis(instant: dt.datetime) -> int:
    """Return an instant as whole milliseconds since 1970."""
    return round(instant.timestamp() * 1000)


def millis_of(text: str | None) -> int | None:
    """Read an instant as Kubernetes writes it (RFC 3339); None for what is none."""
    try:
        read = dt.datetime.fromisoformat(text or "")
        return max(0, millis(read)) if read.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def written(instant: int) -> str:
    """Return an instant as RFC 3339 with milliseconds, UTC."""
    moment = dt.datetime.fromtimestamp(instant // 1000, dt.UTC).replace(microsecond=instant % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
