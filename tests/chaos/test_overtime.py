"""The checker of limits over time finds what is wrong with a history, and nothing in one that is right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from admission.decide.limits import Charge
from admission.ledger.codec import encode
from admission.ledger.state import Entry, Hold, Hours, State
from tests.chaos.overtime import Timed
from tests.chaos.replay import Replay
from tools.revisions import Change

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = Timed("a", "LU", budget=1000, window=86_400, hold=600)
PARTY = ("a", "h100-sxm")
Write = tuple[str, bytes | None]


def pod(seconds: int, *, bound: int | None = None, over: int | None = None) -> Write:
    """A pod of one device that may run so long, with the seconds after midnight at which it was bound, and ended."""
    times = (("PodScheduled", "True", bound), ("Ready", "False", over))
    conditions = [
        {"type": kind, "status": status, "lastTransitionTime": f"2026-11-01T00:{at // 60:02}:{at % 60:02}Z"}
        for kind, status, at in times
        if at is not None
    ]
    container = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    stored: dict[str, Any] = {
        "metadata": {"uid": "x", "namespace": "a", "name": "x"},
        "spec": {"containers": [container], "activeDeadlineSeconds": seconds},
        "status": {"phase": "Pending" if over is None else "Failed", "conditions": conditions},
    }
    return "/registry/pods/a/x", json.dumps(stored).encode()


def ledger(
    paid: int = 0, used: int = 0, hold: Hold | None = None, asks: Mapping[str, int] | None = None, at: int = 1
) -> Write:
    """A ledger with device-seconds paid for and used, and entries that ask for so many seconds."""
    entries = {
        uid: Entry(uid, "a", uid, Charge("a", (("h100-sxm", 1),), seconds=seconds), at, "owner")
        for uid, seconds in (asks or {}).items()
    }
    hours = Hours(
        prepaid={PARTY: paid} if paid else {},
        spent={(*PARTY, 0): used} if used else {},
        holds={PARTY: hold} if hold else {},
    )
    state = State(initialized=True, inflight=entries, hours=hours)
    stored = {"spec": {"scope": "LU"}, "status": encode(state)}
    return "/registry/computegate.io/quotaledgers/country.lu", msgspec.json.encode(stored)


def violations(*writes: Write) -> list[str]:
    replay = Replay([], timed=[LIMIT])
    for revision, (key, value) in enumerate(writes, start=2):
        replay.take(Change(revision, key, value))
    return replay.violations


@pytest.mark.parametrize(
    "writes",
    [
        pytest.param(
            [ledger(asks={"x": 60}), pod(60), ledger(120), pod(60, bound=5), pod(60, bound=5, over=25), ledger(0, 20)],
            id="promised, counted, bound, ended, settled",
        ),
        pytest.param([ledger(940, 0), ledger(880, 60), ledger(2000, 60)], id="what outlives its end may pass a budget"),
        pytest.param([ledger(hold=Hold(100)), ledger(hold=Hold(100), asks={"x": 500}, at=200)], id="to the hold's end"),
        pytest.param([ledger(hold=Hold(100)), ledger(hold=Hold(90))], id="a hold that began earlier"),
    ],
)
def test_nothing_is_found_in_a_history_that_is_right(writes: list[Write]) -> None:
    assert violations(*writes) == []


@pytest.mark.parametrize(
    ("writes", "expected"),
    [
        pytest.param([ledger(900, asks={"x": 60})], "2: overspent a: 1020 of 1000 device-seconds", id="granted beyond"),
        pytest.param([ledger(100), pod(60)], "3: unpaid a: 120 device-seconds, 100 in LU", id="too little paid for"),
        pytest.param(
            [ledger(120), pod(60, bound=5), pod(60, bound=5, over=25), ledger(0, 10)],
            "5: unpaid a: 19 device-seconds, 10 in LU",
            id="refunded what was used",
        ),
        pytest.param(
            [ledger(hold=Hold(100)), ledger(hold=Hold(100), asks={"x": 501}, at=200)],
            "3: overheld a: x may end 601 s after its hold began",
            id="beyond the hold",
        ),
        pytest.param([ledger(hold=Hold(100)), ledger(hold=Hold(101))], "3: shortened a: ", id="a hold begun anew"),
        pytest.param([ledger(hold=Hold(100)), ledger()], "3: shortened a: ", id="a hold forgotten"),
    ],
)
def test_what_is_wrong_is_found_at_its_revision(writes: list[Write], expected: str) -> None:
    found = violations(*writes)
    assert len(found) == 1
    assert found[0].startswith(f"revision {expected}")
