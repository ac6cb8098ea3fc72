"""The real ledger, commit and reconciler code in a simulated cluster where everything goes wrong.

Every seed is one deterministic interleaving.  The simulated API server checks after each of its revisions
that no more is live than allowed, that whatever exists or may still come to exist is counted, and that
nothing is counted twice.  The seeded bugs show that it would notice.
"""

from __future__ import annotations

import collections

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admission.ledger.limits import Exceeded, Granted, Unavailable
from admission.review.reasons import Reason
from tests.ledger import happenings
from tests.ledger.simulation import run
from tests.ledger.world import World


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_goes_wrong_the_count_is_exact(seed: int) -> None:
    run(World(seed).play())


@pytest.mark.parametrize("happening", happenings.RARE, ids=lambda happening: happening.__name__.replace("_", " "))
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_count_is_exact_through(happening: happenings.Happening, seed: int) -> None:
    run(World(seed, happens=(happening,)).play())


def test_the_world_is_rough_enough_to_show_every_outcome() -> None:
    kinds: collections.Counter[object] = collections.Counter()
    for seed in range(10):
        world = World(seed)
        run(world.play())
        kinds += collections.Counter(o.reason if isinstance(o, Unavailable) else type(o) for o in world.outcomes)
    assert min(kinds[kind] for kind in (Granted, Exceeded, Reason.LedgerBusy, Reason.NotSynced)) >= 10
