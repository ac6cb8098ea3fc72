"""The time of day as a process that runs for long should see it."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def steady(
    wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
) -> Callable[[], dt.datetime]:
    """Return a clock that was right when it was made, and does not follow leaps of the wall's.

    What is used by the hour must not grow or vanish because somebody set the clock.  NTP steers the monotonic clock as
    well, so that it does not drift away; a machine that is suspended falls behind until the process starts anew.
    """
    begun = wall() - monotonic()
    return lambda: dt.datetime.fromtimestamp(begun + monotonic(), dt.UTC)
