"""Seeded bugs: each is known from another system, or breaks a rule of the protocol, and must be noticed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.ledger import happenings
from tests.ledger.simulation import run
from tests.ledger.world import World
from tests.ledger.zoo import deciding
from tests.ledger.zoo.bug import Bug, hunt
from tests.ledger.zoo.every import BUGS


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_seeded_bug_is_noticed(bug: Bug) -> None:
    assert hunt(bug) is not None


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.test], ids=lambda bug: bug.name)
def test_a_named_test_fails_by_the_bug_alone(bug: Bug) -> None:
    assert bug.test is not None
    bug.test()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "world",
    [
        pytest.param(World(0, caps=deciding.FEW), id="few entries"),
        pytest.param(World(0, happens=(happenings.leap,) * 4), id="leaps"),
    ],
)
def test_nothing_is_noticed_where_there_is_no_bug(world: World, seed: int) -> None:
    run(dataclasses.replace(world, seed=seed).play())


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_page_shows_every_bug(bug: Bug) -> None:
    assert f"{bug.name:<52}{bug.source}" in Path("docs/proofs.md").read_text()
