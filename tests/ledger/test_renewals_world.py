"""Pods without an end in the simulated cluster where everything goes wrong: none runs on for nothing."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledger import happenings
from tests.ledger.lasting import LastingWorld, SpreadWorld
from tests.ledger.paid import shorten
from tests.ledger.renewing import RenewedServer, RenewedWorld
from tests.ledger.simulation import run


@pytest.fixture
def short_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


WORLDS = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(RenewedWorld, id="under a budget"),
        pytest.param(LastingWorld, id="under a longest hold too"),
        pytest.param(SpreadWorld, id="of tenants in shards"),
    ],
)


@WORLDS
@pytest.mark.usefixtures("short_hours")
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_whatever_goes_wrong_what_has_no_end_is_counted_and_renewed_only_as_it_fits(
    kind: type[RenewedWorld], seed: int
) -> None:
    run(kind(seed).play())


@WORLDS
@pytest.mark.usefixtures("short_hours")
@pytest.mark.parametrize("happening", happenings.OVER_TIME, ids=lambda happening: happening.__name__.replace("_", " "))
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_no_tranche_is_lost_through(happening: happenings.Happening, kind: type[RenewedWorld], seed: int) -> None:
    run(kind(seed, happens=(happening,)).play())


@WORLDS
@pytest.mark.usefixtures("short_hours")
def test_where_nothing_befalls_the_cluster_hours_are_renewed(kind: type[RenewedWorld]) -> None:
    server = run(kind(1, happens=()).play())
    assert isinstance(server, RenewedServer)
    assert server.renewals > 0
