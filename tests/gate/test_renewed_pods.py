"""Pods without an end under limits over time: which are let in, for what they pay, and which are found later."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from admission.api.enforcement import Action, Enforcement
from admission.api.policy import Mode
from admission.cli.claims import FileLookup
from admission.cli.reevaluation import Judging, Reviewer
from admission.decide.limits import ENDING
from admission.enforce.sweep.endings import Endings
from admission.enforce.sweep.steps import EVERYTHING, Granted
from admission.ledger.hours import Stay
from admission.ledger.ledger import Ledger
from admission.ledger.membership import terms_of
from admission.ledger.memory import MemoryStore
from admission.ledger.renewal import renewed
from admission.ledger.renewals import renewing_in
from admission.ledger.state import Hold, Hours, State
from admission.ledger.tranches import Tranche
from admission.review.reasons import Reason
from admission.review.reference import Keys
from admission.server.case import Ask
from admission.server.judge import Judge
from tests.decide.questions import CHIP, NOW, World, quota, world
from tests.demand.cluster import pod

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.api.quota import ComputeQuota
    from admission.review.pod import Pod

HOUR, T, GRACE, RESPECT = 3600, int(NOW.timestamp()), 600, 300
ENDS = GRACE + RESPECT
ONE: dict[str, Any] = {"nvidia.com/h100": 1}
ENDLESS = pod(ONE)
BOTH = ["HoursExhausted", "HoldTooLong"]


def metered(**spec: Any) -> ComputeQuota:
    return quota(**{"limits": {"deviceHours": 10}, "window": "7d", "withoutEnd": "Renewed", **spec})


def enforcement(action: Action = Action.Evict, mode: str = "Enforce", reasons: Iterable[str] = BOTH) -> Enforcement:
    step = {"action": action, "gracePeriod": f"{GRACE}s", "respectBudgetsFor": f"{RESPECT}s", "reasons": list(reasons)}
    made = {"metadata": {"name": "over-time"}, "spec": {"mode": mode, "steps": [step]}}
    return Enforcement.model_validate({"apiVersion": "computegate.io/v1alpha1", "kind": "Enforcement", **made})


def judging_in(
    given: World, state: State, acts: Enforcement | None, granted: Granted = EVERYTHING
) -> tuple[Judge, MemoryStore]:
    registry, store = given.registry(), MemoryStore(initialized=True)
    registry.default_mode = Mode.Enforce
    if acts is not None:
        registry.put(acts)
    store._put("DE", state)
    ledger = Ledger(store, wall=lambda: float(T))
    return Judge(registry, ledger, reference_key=b"k", contact="", endings=Endings(registry, granted)), store


def created(made: Pod, **meta: Any) -> Pod:
    known = {"name": "runs", "namespace": "lab", "uid": "uid", "creation_timestamp": "2026-11-20T00:00:00Z", **meta}
    return msgspec.structs.replace(made, metadata=msgspec.structs.replace(made.metadata, **known))


REFUSED = {Reason.HoldUnbounded}
EMPTY = State(initialized=True)
AT_ONCE = metered(limits={"deviceHours": 10, "longestHold": "2h"})

ADMITTED: dict[str, tuple[World, Enforcement | None, Pod, set[Reason], str]] = {
    "an Enforcement evicts": (world(metered()), enforcement(), ENDLESS, set(), ""),
    "the quota does not let it": (world(metered(withoutEnd="Refused")), enforcement(), ENDLESS, REFUSED, "has no end"),
    "no Enforcement": (world(metered()), None, ENDLESS, REFUSED, "cannot renew"),
    "one that only warns": (world(metered()), enforcement(Action.Warn), ENDLESS, REFUSED, "cannot renew"),
    "one that does nothing yet": (world(metered()), enforcement(mode="DryRun"), ENDLESS, REFUSED, "cannot renew"),
    "one for holds alone": (world(metered()), enforcement(reasons=BOTH[1:]), ENDLESS, REFUSED, "cannot renew"),
    "holds too, and one for both": (world(AT_ONCE), enforcement(), ENDLESS, set(), ""),
    "holds too, and one for hours": (world(AT_ONCE), enforcement(reasons=BOTH[:1]), ENDLESS, REFUSED, "cannot renew"),
    "a window shorter than its ending": (world(metered(window="1h")), enforcement(), ENDLESS, REFUSED, "has no end"),
    "another quota that does not let it": (
        world(metered(), quota("strict", limits={"deviceHours": 9})), enforcement(), ENDLESS, REFUSED, "has no end",
    ),
    "devices of claims": (
        world(metered()), enforcement(), pod(ONE, resourceClaims=[{"name": "a", "resourceClaimName": "gone"}]),
        {Reason.ClaimMissing, *REFUSED}, "has no end",
    ),
    "too few hours": (
        world(metered(limits={"deviceHours": 1})), enforcement(), ENDLESS, {Reason.HoursExhausted}, "exceeded quota",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "acts", "made", "reasons", "says"), ADMITTED.values(), ids=ADMITTED)
def test_a_pod_without_an_end_is_let_in_where_something_ends_it(
    given: World, acts: Enforcement | None, made: Pod, reasons: set[Reason], says: str
) -> None:
    judge, store = judging_in(given, EMPTY, acts)
    found = asyncio.run(judge.judge(Ask("uid", "lab", "runs", created(made)), NOW, math.inf))
    assert {finding.reason for finding in found.findings} == reasons
    assert says in found.message
    snapshot = store.cached("DE")
    assert snapshot is not None
    paid = [(entry.charge.seconds, entry.charge.endless) for entry in snapshot.state.inflight.values()]
    assert paid == ([] if reasons else [(HOUR + ENDS, True)])


def test_what_was_not_granted_to_evict_ends_nothing() -> None:
    judge, _ = judging_in(world(metered()), EMPTY, enforcement(), Granted(evict=False))
    found = asyncio.run(judge.judge(Ask("uid", "lab", "runs", created(ENDLESS)), NOW, math.inf))
    assert {finding.reason for finding in found.findings} == REFUSED


def paying(left: int, *, spent: int = 0, held: int = 0) -> State:
    """Return a state in which the pod has so many seconds left that it has paid for; it has run for two hours."""
    group = world().registry().requester("lab").group
    since, seconds = T - 2 * HOUR, 2 * HOUR + left
    hours = Hours(
        prepaid={("acme", CHIP): seconds},
        spent={("acme", CHIP, T // HOUR - 20): spent * HOUR} if spent else {},
        holds={(group, CHIP): Hold(T - held * HOUR)} if held else {},
        settled_at=1,
        tranches={("uid", "acme"): Tranche(((CHIP, 1),), since, seconds)},
    )
    return State(initialized=True, hours=hours)


DUE = ENDS + ENDING
LONG = metered(limits={"deviceHours": 99, "longestHold": "4h"})

RUNNING: dict[str, tuple[World, State, set[Reason]]] = {
    "an hour is left": (world(metered()), paying(DUE + 1, spent=99), set()),
    "its ending is left, and hours": (world(metered()), paying(DUE, spent=6), set()),
    "its ending is left, and no hours": (world(metered()), paying(DUE, spent=7), {Reason.HoursExhausted}),
    "it goes on unpaid, and hours are left": (world(metered()), paying(-9, spent=6), set()),
    "it goes on unpaid, and none are": (world(metered()), paying(-9, spent=7), {Reason.HoursExhausted}),
    "a hold may go on": (world(LONG), paying(DUE, held=2), set()),
    "a hold may not": (world(LONG), paying(DUE, held=3), {Reason.HoldTooLong}),
    "a hold may not, and an hour is left": (world(LONG), paying(DUE + 1, held=3), set()),
}


@pytest.mark.parametrize(("given", "state", "reasons"), RUNNING.values(), ids=RUNNING)
def test_what_a_renewal_refuses_is_found_and_nothing_else(given: World, state: State, reasons: set[Reason]) -> None:
    judge, _ = judging_in(given, state, enforcement())
    made = created(pod(ONE, nodeName="rack-1"))
    judging = Judging(judge, FileLookup(), Keys(b"k"), lambda: "")
    reviewer = Reviewer(judging, lambda: NOW, lambda: 0.0, lambda _: False, FileLookup())
    found = asyncio.run(reviewer(made))
    assert found is not None
    assert found.reasons == reasons
    renewing = renewing_in(judge.registry, "DE", Endings(judge.registry, EVERYTHING)(), NOW)
    assert renewing is not None
    group = world().registry().requester("lab").group
    stay = Stay("uid", "acme", "" if group == "acme" else group, ((CHIP, 1),), 0, T - 2 * HOUR)
    after = renewed(state, [stay], renewing, T)
    assert after.refused == ({"uid"} if reasons else frozenset())


@pytest.mark.parametrize(
    ("stands", "tranches"),
    [
        pytest.param(metered(), True, id="renewed"),
        pytest.param(metered(withoutEnd="Refused"), False, id="refused"),
        pytest.param(quota(), False, id="nothing is counted over time"),
    ],
)
def test_a_ledger_keeps_tranches_where_a_budget_of_hours_renews(stands: ComputeQuota, tranches: bool) -> None:
    assert terms_of(world(stands).registry(), "DE").tranches == tranches
