"""What the tests of the meter hold, and when."""

from __future__ import annotations

from admission.ledger.usage.interval import DAY, Holding, Interval

MIDNIGHT = 20_000 * DAY
"""A midnight UTC."""
HOUR = DAY // 24


def gpus(count: int = 8, *, key: str = "h100-sxm", bound: int | None = MIDNIGHT + HOUR, **fields: str) -> Holding:
    """Return a holding of so many devices of a class."""
    known = {"namespace": "team", "name": "trainer", "party": "acme", "group": "acme", "country": "DE"} | fields
    return Holding(**known, counts=((key, count),) if count else (), bound=bound)  # type: ignore[arg-type]


def told(interval: Interval) -> tuple[int, int, str]:
    """Return the hours from midnight at which an interval begins and ends, and how it ended."""
    return (interval.first - MIDNIGHT) // HOUR, (interval.last - MIDNIGHT) // HOUR, str(interval.how)
