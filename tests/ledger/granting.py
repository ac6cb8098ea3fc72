"""A program that reserves in a file of ledgers for as long as it lives, and says each grant once it was answered.

Usage: granting.py FILE NAME LIMIT
"""

import asyncio
import os
import sys
import time
from pathlib import Path

from admission.ledger.draft import UNWATCHED
from admission.ledger.ledger import Ledger
from admission.ledger.limits import Granted
from admission.ledger.sqlite import SqliteStore
from tests.ledger.wanted import wanted


async def main(file: str, name: str, limit: int) -> None:
    """Reserve for three pods at a time, and release those of the time before."""
    store = SqliteStore(Path(file), initialized=True)
    ledger = Ledger(store, caps=UNWATCHED)
    before: list[str] = []
    for batch in range(sys.maxsize):
        uids = [f"{name}.{batch}.{number}" for number in range(3)]
        asked = (ledger.reserve(wanted(uid, limit=limit), time.monotonic() + 5) for uid in uids)
        for uid, outcome in zip(uids, await asyncio.gather(*asked), strict=True):
            if isinstance(outcome, Granted):
                _say("granted", uid)
        for uid in before:
            _say("releasing", uid)
            if await ledger.release(uid):
                _say("released", uid)
        before = uids


def _say(what: str, uid: str) -> None:
    os.write(1, f"{what} {uid}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
