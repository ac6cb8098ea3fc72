"""The checker finds what is wrong with a history, and nothing in one that is right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from admission.decide.limits import Charge
from admission.ledger.codec import encode
from admission.ledger.state import Entry, State
from tests.chaos.replay import Bound, Replay
from tools.revisions import Change

if TYPE_CHECKING:
    from collections.abc import Iterable

ALONE = Bound("alone", 8, {"a": "a"})
COUNTED = Bound("counted", 8, {"a": "a", "b": "b"}, scope="AT")
LEDGER = "/registry/computegate.io/quotaledgers/country.at"
Write = tuple[str, bytes | None]


def pod(name: str, devices: int, namespace: str = "a", phase: str = "Pending", uid: str = "") -> Write:
    container = {"resources": {"limits": {"nvidia.com/gpu": str(devices)}}}
    stored: dict[str, Any] = {
        "metadata": {"uid": uid or name, "namespace": namespace, "name": name},
        "spec": {"containers": [container]},
        "status": {"phase": phase},
    }
    return f"/registry/pods/{namespace}/{name}", json.dumps(stored).encode()


def gone(name: str) -> Write:
    return f"/registry/pods/a/{name}", None


def ledger(used: int = 0, initialized: bool = True, **inflight: int) -> Write:
    entries = {
        uid: Entry(uid, "a", uid, Charge("a", (("h100-sxm", count),)), 1, "owner") for uid, count in inflight.items()
    }
    accounts = {("a", "h100-sxm"): used} if used else {}
    state = State(initialized=initialized, used=accounts, inflight=entries)
    return LEDGER, msgspec.json.encode({"spec": {"scope": "AT"}, "status": encode(state)})


def replayed(bound: Bound, writes: Iterable[Write]) -> Replay:
    replay = Replay([bound])
    for revision, (key, value) in enumerate(writes, start=2):
        replay.take(Change(revision, key, value))
    return replay


RIGHT: dict[str, tuple[Bound, list[Write]]] = {
    "to the limit, one leaves, one comes": (ALONE, [pod("x", 4), pod("y", 4), gone("x"), pod("z", 4)]),
    "an ended pod holds nothing": (ALONE, [pod("x", 8), pod("x", 8, phase="Succeeded"), pod("y", 8)]),
    "others are not counted": (ALONE, [pod("x", 8), pod("y", 8, namespace="elsewhere")]),
    "promised, seen, folded": (COUNTED, [ledger(x=8), pod("x", 8), ledger(8), gone("x"), ledger()]),
    "promised and never made": (COUNTED, [ledger(x=8), ledger(), ledger(y=8), pod("y", 8), ledger(8)]),
}

WRONG: dict[str, tuple[Bound, list[Write], str]] = {
    "over the limit for one revision": (ALONE, [pod("x", 4), pod("y", 5), gone("x")], "3: over alone: 9 of 8 live"),
    "a name used again at once": (ALONE, [pod("x", 4), pod("x", 9, uid="again")], "3: over alone: 9 of 8 live"),
    "folded too low": (COUNTED, [ledger(x=4), pod("x", 4), ledger(3)], "4: uncovered counted a: 4 live, 3 in AT"),
    "expired too early": (
        COUNTED,
        [ledger(x=4), ledger(), pod("x", 4)],
        "4: unpromised counted: a/x holds 4, promised 0",
    ),
    "promised less": (COUNTED, [ledger(x=1), pod("x", 4)], "3: unpromised counted: a/x holds 4, promised 1"),
    "admitted beside the ledger": (COUNTED, [pod("x", 1)], "2: unpromised counted: a/x holds 1, promised 0"),
    "granted beyond": (COUNTED, [ledger(8), ledger(8, x=1)], "3: overdrawn counted: 9 of 8 in AT"),
    "counted twice": (COUNTED, [ledger(x=5), pod("x", 5), ledger(5, x=5)], "4: overdrawn counted: 10 of 8 in AT"),
    "unreadable": (COUNTED, [(LEDGER, b'{"spec":{"scope":"AT"},"status":{"used":"?"}}')], "2: fault of country.at"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_nothing_is_found_in_a_history_that_is_right(case: str) -> None:
    replay = replayed(*RIGHT[case])
    assert ([], len(RIGHT[case][1])) == (replay.violations, replay.checked)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_found_at_its_revision(case: str) -> None:
    bound, writes, expected = WRONG[case]
    violations = replayed(bound, writes).violations
    assert violations != []
    assert violations[0].startswith(f"revision {expected}"), violations


def test_a_missing_revision_is_found() -> None:
    replay = Replay([ALONE])
    for revision in (2, 3, 3, 5):
        replay.take(Change(revision, "/registry/events/a", b"{}"))
    assert replay.violations == ["revision 3: skipped: after revision 3 comes 5"]


def test_what_is_left_over_at_the_end_is_told() -> None:
    held = [ledger(x=4), pod("x", 4), ledger(4)]
    assert replayed(COUNTED, held).leftover() == []
    assert replayed(COUNTED, [*held, gone("x")]).leftover() == ["counted: a holds 0, used 4"]
    assert replayed(COUNTED, [ledger(x=4)]).leftover() == ["counted: 1 in flight, initialized True"]


def test_peaks_begin_anew_with_a_round() -> None:
    replay = replayed(ALONE, [pod("x", 4), pod("y", 2), gone("x")])
    assert replay.peaks["alone"] == 6
    replay.forget_peaks()
    assert replay.peaks["alone"] == 2
