"""A seeded bug, and the hunt for it: simulated worlds, one after another, until one shows it; or one named test."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.ledger.simulation import run
from tests.ledger.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

Patch = pytest.MonkeyPatch
RUNS = 150


@dataclasses.dataclass(frozen=True)
class Bug:
    """What is done wrong, where that is known from, and how it is put into the code.

    ``source`` is the public issue of a system that has, or had, it; or the rule of the protocol that it breaks.
    """

    name: str
    source: str
    seed: Callable[[Patch], None]
    world: World = dataclasses.field(default_factory=lambda: World(0))
    test: Callable[[], None] | None = None
    """The test that shows it, where a world of ledgers and pods cannot."""


class Death(NamedTuple):
    """What noticed a bug, and after how many runs."""

    killer: str
    runs: int


def hunt(bug: Bug) -> Death | None:
    """Return what notices the bug; None where nothing does."""
    with pytest.MonkeyPatch.context() as patch:
        bug.seed(patch)
        if bug.test is not None:
            return Death(bug.test.__name__, 1) if _fails(bug.test) else None
        for seed in range(RUNS):
            world = dataclasses.replace(bug.world, seed=seed)
            if _fails(lambda world=world: run(world.play())):  # type: ignore[misc]  # bound at once
                return Death(_noticed(world), seed + 1)
    return None


def _fails(test: Callable[[], object]) -> bool:
    try:
        test()
    except (AssertionError, BaseExceptionGroup):
        return True
    return False


def _noticed(world: World) -> str:
    """Say which invariant a run has broken first."""
    if not world.server.violations:
        return "what is left 90 s after the last fault, or an answer"
    return world.server.violations[0].partition(": ")[2]


def doing_nothing(patch: Patch) -> None:
    """For bugs that are a parameter."""
    del patch
