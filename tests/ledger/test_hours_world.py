"""Device-hours in the simulated cluster where everything goes wrong: none is lost, none is refunded too early."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admission.ledger import packing
from tests.ledger import happenings
from tests.ledger.holding import HeldWorld
from tests.ledger.paid import PaidWorld, WatchedWorld, shorten
from tests.ledger.simulation import Faults, run

FEW = settings(max_examples=7, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def short_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


@pytest.mark.usefixtures("short_hours")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_whatever_goes_wrong_no_more_hours_are_used_than_allowed(seed: int) -> None:
    run(PaidWorld(seed).play())


@pytest.mark.usefixtures("short_hours")
@pytest.mark.parametrize("happening", happenings.OVER_TIME, ids=lambda happening: happening.__name__.replace("_", " "))
@FEW
@given(seed=st.integers(0, 2**32))
def test_no_hours_and_no_holds_are_lost_but_those_that_the_documentation_names_through(
    happening: happenings.Happening, seed: int
) -> None:
    run(HeldWorld(seed, happens=(happening,)).play())


@pytest.mark.usefixtures("short_hours")
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_nor_are_there_where_ledgers_are_packed(seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "MANY", 1)  # of two accounts: now packed and now not
        run(PaidWorld(seed, happens=()).play())


@pytest.mark.usefixtures("short_hours")
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_where_every_end_is_seen_what_was_not_used_is_given_back(seed: int) -> None:
    run(WatchedWorld(seed, happens=(), faults=Faults(unanswered=0.15, refused=0.05, delay=0.02)).play())
