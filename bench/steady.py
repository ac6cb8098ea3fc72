"""The server with its ledger in memory, doing the same for each review whatever the time is: for counting instructions.

Usage: steady.py ARGUMENTS...

Its clock goes on by a second whenever it is looked at.  So each review is decided anew, where a real server uses a
verdict again for as long as the second lasts, and nothing is done by the clock, as it is between reviews.
"""

from __future__ import annotations

import datetime as dt
import itertools
import sys

from admission.cli import standalone
from bench import inmemory

_NEVER = 1e6
"""Seconds."""


def run(*arguments: str) -> int:
    """Become the server."""
    began, seconds = dt.datetime.now(dt.UTC), itertools.count()
    vars(standalone).update(
        machines=lambda: began + dt.timedelta(seconds=next(seconds)), POLL_SECONDS=_NEVER, ARCHIVE_SECONDS=_NEVER
    )
    return inmemory.run(*arguments)


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
