"""Device-hours and holds where tenants and namespaces move: none is lost, wherever a charge goes.

The machine of ``moving`` with pods that end in time.  Whatever a ledger has ever counted of a tenant's pods stands in
its hours: what exists with all that it can use, what is gone with what it did use, or more.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from admission.decide.limits import ENDING
from admission.ledger.homes import computes
from admission.ledger.hours import Terms
from admission.ledger.state import Hold
from tests.ledger.moving import H100, SCOPES, TENANTS, Moves

if TYPE_CHECKING:
    from admission.ledger.state import State

WINDOW, GAP = 30 * 86_400, 3600
LASTING = (600, 4000, 20_000)


class Run(NamedTuple):
    """How long a pod holds its devices: since when (0: it has no node), and until when if it is gone."""

    devices: int
    owner: str
    seconds: int
    since: int
    until: int = 0

    def used(self, now: int) -> int:
        """Device-seconds so far."""
        return self.devices * ((self.until or now) - self.since) if self.since else 0

    @property
    def paid(self) -> int:
        """Device-seconds that it can use at most."""
        return self.devices * (self.seconds + ENDING)


class MovesOverTime(Moves):
    """The same, with limits over time in every ledger."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster.terms = Terms(frozenset({WINDOW}), GAP)
        self.runs: dict[str, Run] = {}
        self.ever: defaultdict[str, set[str]] = defaultdict(set)
        """By scope: the pods that its ledger has counted at any time."""

    def lasts(self) -> int:
        return LASTING[self.made % len(LASTING)]

    @property
    def now(self) -> int:
        """The instant, in unix seconds."""
        return int(self.cluster.now.timestamp())

    @rule(seconds=st.sampled_from((5, 500, 3000)))
    def wait(self, seconds: int) -> None:
        """Let time pass; pods keep their deadlines."""
        self._note()
        until = self.now + seconds
        while ending := [uid for uid in self.cluster.pods if self._end(uid) <= until]:
            first = min(ending, key=self._end)
            self._come_to(self._end(first))
            self.finish(first)
        self._come_to(until)

    def _come_to(self, moment: int) -> None:
        self.cluster.now = dt.datetime.fromtimestamp(moment, dt.UTC)

    def _end(self, uid: str) -> int:
        run = self.runs[uid]
        return run.since + run.seconds if run.since else 2**40

    def finish(self, uid: str) -> None:
        self._note()
        self.runs[uid] = self.runs[uid]._replace(until=self.now)
        super().finish(uid)

    @invariant()
    def what_was_counted_is_paid_for(self) -> None:
        self._note()
        for scope in SCOPES:
            for owner in TENANTS:
                counted = _over_time(self.cluster.ledgers[scope], owner)
                assert counted >= self._due(scope, owner)

    def _note(self) -> None:
        for uid, owner in self.owners.items():
            self.runs.setdefault(uid, self._begun(uid, owner))
            for scope in self.scopes_of(uid, owner):
                self.ever[scope].add(uid)

    def _begun(self, uid: str, owner: str) -> Run:
        pod = self.cluster.pods[uid]
        return Run(1 << int(uid[1:]), owner, pod.spec.active_deadline_seconds or 0, self.now * bool(pod.spec.node_name))

    def _due(self, scope: str, owner: str) -> int:
        """Device-seconds that a ledger owes to be counted of an owner's pods."""
        due = 0
        for uid in self.ever[scope]:
            run = self.runs[uid]
            if run.owner == owner:
                stays = uid in self.owners and scope in self.scopes_of(uid, owner)
                due += run.paid if stays else run.used(self.now) if run.until else 0
        return due

    @invariant()
    def a_hold_began_no_later_than_what_goes_on(self) -> None:
        self._note()
        for scope in SCOPES:
            state = self.cluster.ledgers[scope]
            for uid, owner in self.owners.items():
                if self.runs[uid].since and uid not in state.inflight and scope in self.scopes_of(uid, owner):
                    hold = state.hours.holds[self.registry.group_of(owner), H100]
                    assert hold.until == 0
                    assert hold.since <= self.runs[uid].since


def _over_time(state: State, owner: str) -> int:
    """Device-seconds that a ledger counts on the accounts of an owner."""
    counted = [*(state.hours.used(WINDOW) or ()), *state.hours.prepaid.items(), *state.promised_hours().items()]
    return sum(seconds for (party, _), seconds in counted if computes(party) == owner)


TestMovesOverTime = MovesOverTime.TestCase
TestMovesOverTime.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.parametrize("ended", [False, True])
def test_a_hold_stays_its_group_s_when_the_namespace_is_another_s_and_another_leads(*, ended: bool) -> None:
    found = MovesOverTime()
    found.begin()
    found.create(where="team", bound=True)
    found.turn(0)
    found.relabel("team", "rival")
    found.fail_over(0)
    found.wait(500)
    if ended:
        found.finish("u0")
    found.turn(0)
    acme = found.registry.group_of("acme")
    began = found.runs["u0"].since
    assert {(acme, H100): Hold(began, found.now if ended else 0)} == found.cluster.ledgers["DE"].hours.holds


def test_a_tenant_that_moves_pays_for_what_runs_in_both_places() -> None:
    found = MovesOverTime()
    found.begin()
    found.create(where="team", bound=True)
    found.turn(0)
    found.wait(500)
    found.govern("acme", "SG", None)
    for _ in range(5):
        found.turn(0)
    found.what_was_counted_is_paid_for()
    states = found.cluster.ledgers
    assert (states["DE"].used, states["SG"].used) == ({}, {("acme", H100): 1})
    paid = found.runs["u0"].paid
    assert [_over_time(states[scope], "acme") for scope in ("DE", "SG")] == [paid, paid]
