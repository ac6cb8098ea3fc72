"""An instant, and the spell around it: as long as all that was asked about the instant has the same answer.

Whoever judges an instant asks whether moments have come, and nothing else of the clock.  What it found then holds from
the last moment that had come to the first that had not, whichever these were: nobody needs to list them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_STEP = timedelta(microseconds=1)
"""The next instant is so much later."""


class Spell:
    """Asked whether moments have come at ``now``; from ``since`` until before ``until`` the answers are the same."""

    __slots__ = ("now", "since", "until")

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.since = datetime.min.replace(tzinfo=UTC)
        self.until = datetime.max.replace(tzinfo=UTC)

    def has_come(self, moment: datetime) -> bool:
        """Whether it is that moment, or later."""
        if moment <= self.now:
            self.since = max(self.since, moment)
            return True
        self.until = min(self.until, moment)
        return False

    def is_over(self, start: datetime, seconds: int) -> bool:
        """Whether more than so many seconds have gone by since ``start``; never where that is past all calendars."""
        return self._is_past(start, seconds, _STEP)

    def has_lasted(self, start: datetime, seconds: int) -> bool:
        """Whether so many seconds have gone by since ``start``, or more; never where that is past all calendars."""
        return self._is_past(start, seconds, timedelta())

    def _is_past(self, start: datetime, seconds: int, beyond: timedelta) -> bool:
        try:
            end = start + timedelta(seconds=seconds) + beyond
        except OverflowError:
            return False
        return self.has_come(end)

    def __contains__(self, now: datetime) -> bool:
        return self.since <= now < self.until
