"""Play simulated clusters and print what they went through: ``python -m tests.ledger.worlds``."""

from __future__ import annotations

import argparse
import collections
import functools
import logging
import sys
from typing import TYPE_CHECKING

import pytest

from tests.ledger import happenings
from tests.ledger.holding import HeldWorld
from tests.ledger.lasting import LastingWorld, SpreadWorld
from tests.ledger.paid import shorten
from tests.ledger.renewing import RenewedWorld
from tests.ledger.simulation import run
from tests.ledger.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

OVER_TIME: dict[str, type[World]] = {
    "hours and holds": HeldWorld,
    "renewed": RenewedWorld,
    "renewed, held": LastingWorld,
    "renewed, spread": SpreadWorld,
}
HEADER = f"{'cluster':<17}{'happening':<20}{'runs':>6}{'reviews':>9}{'steps':>10}{'states':>9}{'violations':>12}"


def row(name: str, make: Callable[[int], World], happening: str, seeds: Iterable[int]) -> tuple[str, int]:
    """Play one world for each seed; return a line of the table, and how many runs went wrong.

    Steps are the checks of all invariants, one after each change of anything; states the versions of ledgers.
    """
    counts: collections.Counter[str] = collections.Counter()
    for seed in seeds:
        world = make(seed)
        try:
            run(world.play())
        except (AssertionError, BaseExceptionGroup) as error:
            counts["wrong"] += 1
            sys.stdout.write(f"seed {seed}: {error}\n")
        counts.update(runs=1, reviews=len(world.outcomes), steps=world.server.steps, states=world.server.writes)
    figures = f"{counts['runs']:>6,}{counts['reviews']:>9,}{counts['steps']:>10,}{counts['states']:>9,}"
    return f"{name:<17}{happening:<20}{figures}{counts['wrong']:>12,}", counts["wrong"]


def main() -> int:
    """Print the table; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="of each line")
    parser.add_argument("--first", type=int, default=0, help="seed of the first run: other seeds are other traces")
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.runs)
    logging.disable()
    wrong = 0
    sys.stdout.write(HEADER + "\n")
    with pytest.MonkeyPatch.context() as patch:
        wrong += _play("devices", World, happenings.RARE, seeds)
        shorten(patch)
        for name, kind in OVER_TIME.items():
            wrong += _play(name, kind, happenings.OVER_TIME, seeds)
    return int(wrong > 0)


def _play(name: str, kind: type[World], befall: Iterable[happenings.Happening], seeds: Iterable[int]) -> int:
    """Play the worlds of one kind: with crashes alone, with each happening, and with some of them drawn by the seed."""
    each = {happening.__name__.replace("_", " "): (happening,) for happening in befall}
    wrong = 0
    for told, happens in {"crashes alone": (), **each, "any of them": None}.items():
        line, more = row(name, functools.partial(kind, happens=happens), told, seeds)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        wrong += more
    return wrong


if __name__ == "__main__":
    sys.exit(main())
