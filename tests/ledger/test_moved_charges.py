"""Moves of tenants and namespaces, leaders that change and lag: what lives is counted, in the end once and at home.

Each pod holds a power of two of devices, so that a sum tells which pods are in it.
"""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import HealthCheck, Phase, settings

from admission.decide.compute import scope_of
from tests.ledger.moving import H100, LEADERS, QUOTAS, SCOPES, TENANTS, Moves

TestMoves = Moves.TestCase
TestMoves.settings = settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture
def moves() -> Moves:
    """A cluster with one pod of acme, governed by DE, in the namespace ``team``, that nobody has folded."""
    found = Moves()
    found.begin()
    found.create(where="team", bound=True)
    for leader in LEADERS:
        found.follow(leader, 100)
    return found


def test_a_reservation_stays_until_a_record_that_cannot_vanish_says_the_same(moves: Moves) -> None:
    for _ in range(2):
        moves.fold(0, "DE")
        assert "u0" in moves.cluster.ledgers["DE"].inflight
        moves.write(0)  # seen by nobody yet
    for tenant in moves.cluster.tenants.values():
        moves.cluster.store({**tenant, "metadata": {**tenant["metadata"], "finalizers": []}})
    moves.follow(0, 100)
    moves.fold(0, "DE")
    assert "u0" in moves.cluster.ledgers["DE"].inflight
    moves.turn(0)
    assert moves.cluster.ledgers["DE"].inflight == {}


def test_a_record_names_the_new_home_alone_when_its_ledgers_have_all(moves: Moves) -> None:
    moves.turn(0)
    moves.govern("acme", "SG", None)
    moves.write(0)
    for _ in range(3):
        assert moves.charged_to("acme") == {"DE", "SG"}
        moves.follow(0, 100)
        moves.write(0)
    moves.turn(0)
    moves.turn(0)
    assert moves.charged_to("acme") == {"SG"}
    moves.turn(0)
    assert (moves.cluster.ledgers["DE"].used, moves.cluster.ledgers["SG"].used) == ({}, {("acme", H100): 1})


def test_a_ledger_that_a_move_concerns_notes_its_record_though_the_count_stays_the_same(moves: Moves) -> None:
    moves.turn(0)
    moves.govern("acme", "SG", None)
    moves.write(0)
    moves.follow(0, 100)
    moves.fold(0, "SG")
    counted = moves.cluster.ledgers["SG"]
    moves.cluster.ledgers["SG"] = dataclasses.replace(counted, observed_tenants=0)
    assert moves.leaders[0].fold("SG")
    assert moves.cluster.ledgers["SG"] == counted
    assert not moves.leaders[0].fold("SG")


def test_what_a_tenant_holds_under_two_names_comes_under_the_one_of_today_where_no_label_tells(moves: Moves) -> None:
    moves.turn(0)
    moves.govern("acme", "DE", "kumo")
    moves.create(where="team", bound=True)
    moves.relabel("team", "")
    for _ in range(4):
        moves.turn(0)
    assert moves.cluster.ledgers["DE"].used == {("kumo/acme", H100): 3}


def test_a_leader_with_an_older_record_folds_nothing_that_was_folded_by_a_newer_one(moves: Moves) -> None:
    moves.turn(0)
    moves.follow(1, 100)
    moves.govern("acme", "SG", None)
    for _ in range(4):
        moves.turn(0)
    moved = dict(moves.cluster.ledgers)
    for scope in SCOPES:
        moves.fold(1, scope)
    assert moves.cluster.ledgers == moved
    assert moved["SG"].used == {("acme", H100): 1}


def test_what_two_tenants_started_in_a_namespace_is_told_apart_by_whoever_leads(moves: Moves) -> None:
    moves.turn(0)
    moves.relabel("team", "")
    moves.relabel("team", "rival")
    moves.create(where="team", bound=True)
    for leader in (0, 1, 0):
        moves.fail_over(leader)
        moves.turn(leader)
        state = moves.cluster.ledgers["DE"]
        assert (state.used, {entry.charge.party for entry in state.inflight.values()}) == (
            {("acme", H100): 1},
            {"rival"},
        )


@pytest.mark.parametrize("moved", TENANTS)
def test_what_another_tenant_started_in_a_namespace_counts_where_it_was_reserved_and_nowhere_else(moved: str) -> None:
    """It is given to another and back before its first pod is recorded, and one of the two has moved by then."""
    found = Moves()
    found.begin()
    found.create(where="lab", bound=True)
    found.relabel("lab", "rival")
    found.create(where="lab", bound=True)
    found.govern(moved, "SG", None)
    found.relabel("lab", "acme")
    found.teardown()
    assert found.scopes_of("u1", "rival") == {scope_of(quota) for quota in QUOTAS if "DE" in quota.spec.jurisdictions}


def test_a_namespace_that_two_leaders_recorded_for_two_tenants_is_one_tenants_once_it_is_empty(moves: Moves) -> None:
    moves.relabel("team", "rival")
    moves.create(where="team", bound=True)
    moves.fail_over(0)  # sees both pods, and the other leader the first alone
    moves.write(1)
    moves.write(0)
    assert moves.recorded("team") == ["acme", "rival"]
    for uid in ("u0", "u1"):
        moves.finish(uid)
    moves.turn(0)
    assert moves.recorded("team") == ["rival"]
    moves.relabel("team", "acme")
    moves.create(where="team", bound=True)
    moves.teardown()
    assert moves.recorded("team") == ["acme"]


def test_a_leader_that_has_not_seen_what_a_ledger_was_folded_by_records_nothing() -> None:
    found = Moves()
    found.begin()
    found.create(where="team", bound=True)
    found.relabel("team", "rival")
    found.follow(1, 100)
    found.turn(0)
    found.write(1)  # its watch has the pod, and neither the reservation, which has left, nor the record
    assert found.recorded("team") == ["acme"]


def test_a_leader_that_has_not_seen_the_newest_pod_of_a_ledger_takes_no_namespace_out(moves: Moves) -> None:
    moves.turn(0)
    moves.finish("u0")
    moves.follow(1, 100)
    moves.write(1)  # it is empty, and kept for now
    moves.create(where="team", bound=True)
    moves.turn(0)
    moves.relabel("team", "rival")
    moves.write(1)
    assert moves.recorded("team") == ["acme"]
    moves.fail_over(0)
    moves.teardown()
