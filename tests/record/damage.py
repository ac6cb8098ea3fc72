"""Random damage to a record, and which of it was not found; as a command, to 100,000 lines (``make record-check``)."""

from __future__ import annotations

import argparse
import pathlib
import random
import sys
import tempfile
import time
from typing import NamedTuple

from tests.record.killed import answered_and_recorded
from tests.record.written import verified, written


class Damaged(NamedTuple):
    """Lines after the damage, and the numbers of those that it was done to: one for each, of a swap both."""

    lines: list[bytes]
    edited: list[int]
    deleted: list[int]
    swapped: list[tuple[int, int]]


def damaged(lines: list[bytes], chance: random.Random, *, edits: int, deletions: int, swaps: int) -> Damaged:
    """Edit, delete and swap lines at random, each line at most once; the last one stays, as nothing follows it."""
    chosen = chance.sample(range(len(lines) - 1), edits + deletions + 2 * swaps)
    edited, deleted = chosen[:edits], chosen[edits : edits + deletions]
    moved = chosen[edits + deletions :]
    swapped = list(zip(moved[::2], moved[1::2], strict=True))
    changed: list[bytes | None] = list(lines)
    for number in edited:
        changed[number] = _edited(lines[number], chance)
    for number in deleted:
        changed[number] = None
    for one, other in swapped:
        changed[one], changed[other] = lines[other], lines[one]
    return Damaged([each for each in changed if each is not None], edited, deleted, swapped)


def _edited(line: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(line))
    byte = chance.choice([each for each in range(256) if each not in {line[at], 10}])
    return line[:at] + bytes([byte]) + line[at + 1 :]


def missed(done: Damaged) -> list[str]:
    """Return what was done and not found, and what was found and not done: of a swap one line is enough to name."""
    found = verified(done.lines)
    named: dict[str, set[int]] = {"edited": set(), "removed": set(), "reordered": set()}
    for _, fault in found.faults:
        named.setdefault(fault.kind, set()).update(range(fault.first, fault.last + 1))
    gone = named["edited"] | named["removed"]  # beside each other, the two cannot always be told apart
    touched = {*done.edited, *done.deleted, *(each for pair in done.swapped for each in pair)}
    return [
        *(f"edited {each}" for each in done.edited if each not in gone),
        *(f"deleted {each}" for each in done.deleted if each not in gone),
        *(f"swapped {pair}" for pair in done.swapped if not named["reordered"] & set(pair)),
        *(f"not touched: {each}" for each in sorted(set().union(*named.values()) - touched)),
    ]


def main() -> int:
    """Damage a long record in rounds, then kill a server that answers; say what was missed and lost."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    lines, failures = written(arguments.lines), 0
    began = time.monotonic()
    intact = verified(lines)
    print(f"{len(lines)} lines verified in {time.monotonic() - began:.2f} s: {len(intact.faults)} faults")
    for number in range(arguments.rounds):
        done = damaged(lines, random.Random(number), edits=300, deletions=300, swaps=300)  # noqa: S311
        found = missed(done)
        failures += len(found)
        print(f"round {number}: 300 edits, 300 deletions, 300 swaps; missed or named wrongly: {found or 'none'}")
    for mode in ("Count", "Deny"):
        with tempfile.TemporaryDirectory(prefix="record-check-") as folder:
            killed = answered_and_recorded(pathlib.Path(folder), rounds=arguments.kills, answers=300, on_failure=mode)
            for answered, lost in killed:
                failures += len(lost)
                print(f"onFailure {mode}: killed after {answered} answers; not in the record: {len(lost)}")
    return int(bool(failures or intact.faults))


if __name__ == "__main__":
    sys.exit(main())
