"""Lengths of time as quotas write them, ``30d``, ``12h``, ``1d12h``, and as delays are written: ``90m``, ``1h30s``."""

from __future__ import annotations

import re

HOUR = 3600
DAY = 24 * HOUR


def seconds_of(text: str) -> int:
    """Return the seconds of a text that matches ``([0-9]+d)?([0-9]+h)?``."""
    days, _, rest = text.partition("d") if "d" in text else ("0", "", text)
    return int(days) * DAY + int(rest.removesuffix("h") or 0) * HOUR


_UNITS = {"d": DAY, "h": HOUR, "m": 60, "s": 1}
_PART = re.compile(r"([0-9]+)([dhms])")


def delay_of(text: str) -> int:
    """Return the seconds of a text that matches ``([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?``."""
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def text_of(seconds: int) -> str:
    """Return seconds in the largest units that lose nothing a reader needs: ``2d``, ``36h``, ``90m``, ``45s``."""
    for size, unit in ((DAY, "d"), (HOUR, "h"), (60, "m")):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
