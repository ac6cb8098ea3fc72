"""Each reason of a denial once, on a real API server with real kubectl, and the line that the user reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from admission.ledger.draft import Caps
from admission.review.reasons import PublicCode, Reason
from tests.e2e.denials import CASES, ELSEWHERE, QUOTAS, Case
from tests.e2e.objects import gpu_pod, namespace
from tests.e2e.wire import Line, review, send
from tests.e2e.world import eventually, line_of
from tools.installation import CONTACT, Replica

if TYPE_CHECKING:
    from tests.e2e.objects import Object
    from tests.e2e.world import World
    from tools.installation import Installation

FILE = Path(__file__).parent / "golden" / "denials.txt"
GOLDEN = dict(line.split("\t", 1) for line in FILE.read_text().splitlines() if not line.startswith("#"))


@pytest.fixture(scope="module")
def parties(world: World) -> World:
    """The installation with every party of the cases."""
    world.apply(*QUOTAS, *(each for case in CASES for each in case.objects))
    return world


def test_every_reason_has_a_case_or_a_cause_why_not() -> None:
    assert {case.reason for case in CASES} | ELSEWHERE.keys() == set(Reason)
    assert GOLDEN.keys() == {str(reason) for reason in Reason if reason not in ELSEWHERE or reason is Reason.Draining}


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.reason))
def test_each_reason_denies_with_its_line(parties: World, case: Case) -> None:
    if case.before:
        _PREPARED[case.before](parties)
    name = case.pod["metadata"]["namespace"]
    eventually(lambda: parties.denial(case.pod).replace(name, "acme"), lambda said: said == GOLDEN[case.reason])
    record = eventually(lambda: _record(parties, case), lambda found: bool(found.get("reasons")))
    assert set(record["reasons"]) == {*case.others, case.reason}
    assert (record["decision"], record["mode"]) == ("denied", "enforce")


def _record(parties: World, case: Case) -> Object:
    where = case.pod["metadata"]["namespace"]
    found = [line for line in parties.records() if line["object"]["namespace"] == where]
    return found[-1] if found else {}


def _leave_uncounted(parties: World) -> None:
    parties.leave_uncounted("IN")


def _crowd(parties: World) -> None:
    """Fill the namespace's share of the ledger with reservations of pods that never come."""
    replica = parties.installed.replicas[0]
    with Line(replica) as line:
        for number in range(Caps().namespace):
            promised = line.send(review(gpu_pod(f"never-{number}", "ledgerbusy")))
            assert promised.response["allowed"]


_PREPARED = {"uncounted": _leave_uncounted, "crowded": _crowd}


def test_a_replica_that_shuts_down_without_room_says_so(installed: Installation, tmp_path: Path) -> None:
    certificate = installed.plane.issue("draining")
    replica = Replica(installed.plane, tmp_path, certificate, {"mode": "enforce", "drainSeconds": 20})
    replica.start()
    try:
        replica.wait()
        assert replica.popen is not None
        replica.popen.terminate()
        eventually(lambda: replica.get("/readyz"), lambda said: said == "draining")
        hurried = send(replica, review(gpu_pod("late", "nowhere")), query="timeout=1ns")
        status = hurried.response["status"]
        assert (hurried.status, status["code"]) == (200, 429)
        assert status["message"] == GOLDEN["Draining"]
        assert "retryAfterSeconds" not in status["details"]
    finally:
        replica.kill()


@pytest.mark.parametrize("code", list(PublicCode))
def test_a_line_alone_says_cause_next_step_and_contact(code: PublicCode) -> None:
    lines = [GOLDEN[reason] for reason in Reason if reason in GOLDEN and reason.code is code]
    assert lines
    for line in lines:
        assert f"[{code}" in line
        assert any(step in line for step in STEPS[code]), line
        assert line.removesuffix("]").endswith(CONTACT)
        if code is not PublicCode.TryAgain:  # there is no case to look up: the controller tries again by itself
            assert "; ref ----------; " in line
        assert len(line) <= 1000
        assert line.isascii()
        assert line.isprintable()


STEPS = {
    PublicCode.NotPermitted: ("; remove ", "; ask for it to be declared, or use another resource"),
    PublicCode.InfoNeeded: (
        "; ask ",
        "; add nodeSelector ",
        "; set activeDeadlineSeconds",
        "; create it before the pod",
    ),
    PublicCode.NotCleared: ("; ask for clearance", "; ask for it to be confirmed anew"),
    PublicCode.UnderReview: ("; nothing is needed from you now",),
    PublicCode.LimitReached: ('see "kubectl get allowance"', "; lower activeDeadlineSeconds", "; ask ", "; free some"),
    PublicCode.TryAgain: ("; retrying is safe",),
}


def test_the_status_carries_public_codes_for_machines(parties: World, unique: str) -> None:
    parties.apply(namespace(unique))
    answer = send(parties.installed.replicas[0], review(gpu_pod("trainer", unique)))
    status = answer.response["status"]
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert status["details"]["name"] == "trainer"
    assert [cause["reason"] for cause in status["details"]["causes"]] == ["InfoNeeded"]
    assert line_of(f"denied the request: {status['message']}") == GOLDEN["TenantUnknown"].replace("acme", unique)
    assert "TenantUnknown" not in json.dumps(status)
