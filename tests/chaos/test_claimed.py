"""The checker of claims finds what is wrong with a history, and nothing in one that is right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from admission.decide.limits import Charge, Part
from admission.ledger.codec import encode
from admission.ledger.limits import Kind
from admission.ledger.state import Entry, State
from tests.chaos.claimed import Claimed
from tests.chaos.replay import Replay
from tests.e2e.claims import requests
from tools.revisions import Change

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMIT = Claimed("a", "NL", 4)
Write = tuple[str, bytes | None]


def claim(name: str, asks: int) -> Write:
    stored = {"metadata": {"uid": name, "namespace": "a", "name": name}, "spec": requests(asks)}
    return f"/registry/resourceclaims/a/{name}", json.dumps(stored).encode()


def pod(name: str, asks: int) -> Write:
    claims = [{"name": "gpus", "resourceClaimTemplateName": f"gpus-{asks}"}]
    spec: dict[str, Any] = {"containers": [{"resources": {}}], "resourceClaims": claims}
    stored = {"metadata": {"uid": name, "namespace": "a", "name": name}, "spec": spec, "status": {"phase": "Pending"}}
    return f"/registry/pods/a/{name}", json.dumps(stored).encode()


def gone(kind: str, name: str) -> Write:
    return f"/registry/{kind}/a/{name}", None


def ledger(
    used: int = 0,
    *,
    pods: Iterable[tuple[str, int]] = (),
    claims: Iterable[tuple[str, int]] = (),
    epoch: int = 0,
) -> Write:
    """A ledger with devices used, pods in flight that are charged for a claim to come, and claims in flight."""
    entries = {}
    for uid, asks in pods:
        counts = (("h100-sxm", asks),)
        charge = Charge("a", counts, (Part("gpus", "digest", counts),))
        entries[uid] = Entry(uid, "a", uid, charge, 1, "owner")
    for uid, asks in claims:
        entries[uid] = Entry(uid, "a", uid, Charge("a", (("h100-sxm", asks),)), 1, "owner", Kind.Claim)
    accounts = {("a", "h100-sxm"): used} if used else {}
    state = State(epoch, initialized=True, used=accounts, inflight=entries)
    stored = {"spec": {"scope": "NL"}, "status": encode(state)}
    return "/registry/computegate.io/quotaledgers/country.nl", msgspec.json.encode(stored)


def replayed(writes: Iterable[Write]) -> Replay:
    replay = Replay([], claimed=[LIMIT])
    for revision, (key, value) in enumerate(writes, start=2):
        replay.take(Change(revision, key, value))
    return replay


OF_P = "p-gpus-x"
"""The claim that is made for the pod p."""

RIGHT = [
    ledger(pods=[("p", 3)]),
    pod("p", 3),
    ledger(claims=[(OF_P, 3)]),
    claim(OF_P, 3),
    ledger(3),
    gone("pods", "p"),
    gone("resourceclaims", OF_P),
    ledger(),
]


def test_nothing_is_found_in_a_history_that_is_right() -> None:
    for length in range(len(RIGHT) + 1):
        assert replayed(RIGHT[:length]).violations == []
    replay = replayed(RIGHT)
    assert (replay.leftover(), replay.claims[0].for_pods, replay.claims[0].made) == ([], 1, 1)


@pytest.mark.parametrize(
    ("writes", "expected"),
    [
        pytest.param([claim("c", 1)], "2: unpromised a: ", id="made beside the ledger"),
        pytest.param([ledger(claims=[("c", 1)]), claim("c", 2)], "3: unpromised a: ", id="promised less"),
        pytest.param([ledger(pods=[("p", 1)]), pod("p", 2)], "3: unpromised a: ", id="a pod promised less"),
        pytest.param(
            [ledger(pods=[("p", 2)]), pod("p", 2), ledger(pods=[("p", 2)], claims=[("c", 3)])],
            "4: overdrawn a: 5 of 4 in NL",
            id="a part that stays with its pod too",
        ),
        pytest.param(
            [ledger(claims=[("c", 3)]), claim("c", 3), ledger(2)],
            "4: uncovered a: 3 claimed, 0 to come, 2 in NL",
            id="folded too low",
        ),
        pytest.param([*RIGHT[:6], ledger()], "8: uncovered a: 3 claimed, 0 to come, 0 in NL", id="gone with its pod"),
        pytest.param(
            [ledger(2, pods=[("p", 1)]), pod("p", 1), ledger(3)],
            "4: unclaimed a: p may still claim, not in flight in NL",
            id="a pod that leaves when it is seen",
        ),
        pytest.param(
            [
                ledger(claims=[("c", 2)]),
                claim("c", 2),
                ledger(2, pods=[("p", 2)]),
                pod("p", 2),
                ledger(1, pods=[("p", 2)]),
            ],
            "6: uncovered a: 2 claimed, 2 to come, 3 in NL",
            id="folded too low beside what is to come",
        ),
        pytest.param(
            [ledger(claims=[("c", 3)]), claim("c", 3), ledger(3, claims=[("d", 1)]), claim("d", 1), claim("c", 4)],
            "6: over a: 5 of 4 claimed",
            id="more than the limit",
        ),
    ],
)
def test_what_is_wrong_is_found_at_its_revision(writes: list[Write], expected: str) -> None:
    violations = replayed(writes).violations
    assert violations != []
    assert violations[0].startswith(f"revision {expected}")


def test_whoever_counts_anew_has_claims_asked_for_anew() -> None:
    assert replayed([*RIGHT[:2], ledger(epoch=1)]).violations == []


def test_what_is_left_over_at_the_end_is_told() -> None:
    waits = [ledger(pods=[("p", 3)]), pod("p", 3)]
    assert replayed(waits).leftover() == []
    assert replayed(waits[:1]).leftover() == ["a: 1 in flight, initialized True"]
    assert replayed(RIGHT[:7]).leftover() == ["a: claims hold 0, used 3"]
