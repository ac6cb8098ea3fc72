"""An instant as somebody types it."""

from __future__ import annotations

import datetime as dt


def instant(text: str | None, option: str = "--at") -> dt.datetime:
    """Return the instant (RFC 3339), or the beginning in UTC of a date; now for none.

    Raises ``ValueError`` for what is neither, and for a time without a zone.
    """
    if not text:
        return dt.datetime.now(dt.UTC)
    try:
        return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC)
    except ValueError:
        pass
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{option} {text[:40]!r} is no instant; write for example 2026-11-10T00:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError(f"{option} {text} has no time zone; write for example 2026-11-10T00:00:00Z")
    return found
