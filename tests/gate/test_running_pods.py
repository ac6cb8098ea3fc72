"""What a pod that runs would be told now: by the same judge as at its creation, without asking for what it holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from admission.api.policy import Mode
from admission.cli.claims import FileLookup
from admission.cli.reevaluation import Judging, Reviewer
from admission.enforce.sweep.claims import Unadmitted
from admission.enforce.sweep.reader import Reviewed
from admission.ledger.ledger import Ledger
from admission.ledger.memory import MemoryStore
from admission.ledger.state import Hold, Hours, State
from admission.review.claim import ResourceClaim
from admission.review.reasons import Reason
from admission.review.reference import Keys
from admission.server.case import Ask
from admission.server.judge import Judge
from tests.decide.questions import CHIP, NOW, UNCONTROLLED, World, quota, tenant, world
from tests.demand.cluster import pod

if TYPE_CHECKING:
    from admission.review.pod import Pod

HOUR, T = 3600, int(NOW.timestamp())
ONE: dict[str, Any] = {"nvidia.com/h100": 1}
ENDLESS, ENDING = pod(ONE), pod(ONE, activeDeadlineSeconds=HOUR)
EXPIRED = tenant(status={"kyc": {"expiresAt": "2026-02-01T00:00:00Z"}})
HELD = quota(limits={"longestHold": "1d"})
METERED = quota(limits={"deviceHours": 10}, window="7d")
USING = pod(ONE, resourceClaims=[{"name": "devices", "resourceClaimName": "shared"}])
FULL = State(initialized=True, used={("acme", CHIP): 8})

MANY_CLAIMS = [{"name": f"d{number}", "resourceClaimName": "shared"} for number in range(33)]
MANY_RESOURCES: dict[str, Any] = {f"example.com/x{number}": 1 for number in range(129)}
NO_NUMBER = {"annotations": {"gpu-fraction-num-devices": "abc"}}
MISREAD = pod(ONE, metadata=NO_NUMBER)


def hold(hours: int) -> State:
    group = world().registry().requester("lab").group
    return State(initialized=True, hours=Hours(holds={(group, CHIP): Hold(T - hours * HOUR)}))


def spent(hours: int) -> State:
    return State(initialized=True, hours=Hours(spent={("acme", CHIP, T // HOUR - 20): hours * HOUR}))


def running(made: Pod, **meta: Any) -> Pod:
    known = {"name": "runs", "namespace": "lab", "uid": "uid", "creation_timestamp": "2026-11-20T00:00:00Z", **meta}
    return msgspec.structs.replace(made, metadata=msgspec.structs.replace(made.metadata, **known))


def claim(namespace: str = "lab", *, created: str = "2026-11-10", allocated: bool = True) -> ResourceClaim:
    status: dict[str, Any] = {"allocation": {"devices": {}}} if allocated else {}
    metadata = {"name": "shared", "namespace": namespace, "creationTimestamp": f"{created}T00:00:00Z"}
    return msgspec.convert({"metadata": metadata, "status": status}, ResourceClaim)


def judging_in(given: World, state: State) -> Judging:
    registry, store = given.registry(), MemoryStore(initialized=True)
    registry.default_mode = Mode.Enforce
    store._put("DE", state)
    judge = Judge(registry, Ledger(store, wall=lambda: float(T)), reference_key=b"k", contact="")
    lookup = FileLookup()
    lookup.put({"kind": "ResourceClaim", "metadata": {"name": "shared", "namespace": "lab"}})
    return Judging(judge, lookup, Keys(b"k"), lambda: "")


def reserved(judging: Judging) -> dict[tuple[str, str], int]:
    """Return what is promised, by account and class."""
    view = judging.judge._ledger.view("DE")
    return dict(view.reserved) if view else {}


def reviewed(given: World, state: State, made: Pod, since: str = "2026-11-01") -> Reviewed | None:
    begun = NOW.fromisoformat(f"{since}T00:00:00Z").timestamp()
    claims = Unadmitted(["kube-system"], lambda: begun, lambda: given.now)
    claims.take("lab/shared", claim())
    reviewer = Reviewer(judging_in(given, state), lambda: given.now, lambda: begun, claims.used_by, FileLookup())
    return asyncio.run(reviewer(made))


OF: dict[str, tuple[World, State, Pod, set[Reason]]] = {
    "a cleared tenant": (world(quota()), State(initialized=True), ENDLESS, set()),
    "one whose clearance has ended": (world(EXPIRED, quota()), State(initialized=True), ENDLESS, {Reason.KYCExpired}),
    "a limit that is full, of which it holds a part": (world(quota()), FULL, ENDLESS, set()),
    "a limit that was lowered below it": (world(quota(limits={"devices": 0})), FULL, ENDLESS, set()),
    "no end, and a hold that may go on": (world(HELD), hold(23), ENDLESS, set()),
    "no end, and a hold that is over": (world(HELD), hold(24), ENDLESS, {Reason.HoldTooLong}),
    "an end, and a hold that is over": (world(HELD), hold(25), ENDING, {Reason.HoldTooLong}),
    "no end, and an hour left": (world(METERED), spent(9), ENDLESS, set()),
    "no end, and no hour left": (world(METERED), spent(10), ENDLESS, {Reason.HoursExhausted}),
    "an end up to which it has paid, and no hour left": (world(METERED), spent(10), ENDING, set()),
    "a clearance that has ended, and a hold that is over": (
        world(EXPIRED, HELD), hold(24), ENDLESS, {Reason.KYCExpired, Reason.HoldTooLong},
    ),
    "access that nobody exempts": (
        world(quota()), State(initialized=True), pod({"securityContext": {"privileged": True}}), {Reason.DeviceBypass},
    ),
    "an annotation that is no number": (world(quota()), State(initialized=True), MISREAD, {Reason.ClassUnknown}),
    "a clearance that has ended, and an annotation that is no number": (
        world(EXPIRED, quota()), State(initialized=True), MISREAD, {Reason.KYCExpired, Reason.ClassUnknown},
    ),
    "a hold that is over, and an annotation that is no number": (
        world(HELD), hold(24), MISREAD, {Reason.HoldTooLong, Reason.ClassUnknown},
    ),
    "a clearance that has ended, and more claims than are looked up": (
        world(EXPIRED, quota()), State(initialized=True), pod(ONE, resourceClaims=MANY_CLAIMS),
        {Reason.KYCExpired, Reason.ClassUnknown},
    ),
    "a clearance that has ended, and more resources than are read": (
        world(EXPIRED, quota()), State(initialized=True), pod(ONE | MANY_RESOURCES),
        {Reason.KYCExpired, Reason.ClassUnknown},
    ),
    "access that nobody exempts, and an annotation that is no number": (
        world(quota()), State(initialized=True),
        pod({"securityContext": {"privileged": True}}, metadata=NO_NUMBER), {Reason.DeviceBypass, Reason.ClassUnknown},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "state", "made", "reasons"), OF.values(), ids=OF)
def test_a_pod_that_runs_would_be_told(given: World, state: State, made: Pod, reasons: set[Reason]) -> None:
    assert reviewed(given, state, running(made)) == Reviewed(frozenset(reasons), controlled=True)


def test_nothing_is_concluded_from_a_ledger_that_is_not_counted() -> None:
    assert reviewed(world(HELD), State(), running(ENDLESS)) is None


def test_what_is_not_controlled_does_not_count() -> None:
    for made in (UNCONTROLLED, pod({})):
        assert reviewed(world(quota()), State(initialized=True), running(made)) == Reviewed()


@pytest.mark.parametrize(
    ("meta", "since", "reason"),
    [
        ({"annotations": {"kubernetes.io/config.mirror": "x"}}, "2026-11-01", Reason.StaticPod),
        ({}, "2026-11-21", Reason.BeforeInstall),
    ],
)
def test_what_no_admission_could_refuse_is_found(meta: dict[str, Any], since: str, reason: Reason) -> None:
    found = reviewed(world(quota()), State(initialized=True), running(ENDLESS, **meta), since)
    assert found == Reviewed(frozenset({reason}), controlled=True)


def test_a_claim_that_was_allocated_before_anybody_was_asked_is_found_at_whoever_uses_it() -> None:
    found = reviewed(world(quota()), State(initialized=True), running(USING), "2026-11-15")
    assert found == Reviewed(frozenset({Reason.BeforeInstall}), controlled=True)
    for made, since in ((USING, "2026-11-01"), (ENDLESS, "2026-11-15")):
        assert reviewed(world(quota()), State(initialized=True), running(made), since) == Reviewed(controlled=True)


def test_claims_with_devices_that_are_older_than_the_record_are_counted_until_they_are_gone_or_given_back() -> None:
    begun = [0.0]
    claims = Unadmitted(["kube-system"], lambda: begun[0], lambda: NOW)
    claims.take("lab/old", claim())
    claims.take("lab/new", claim(created="2026-11-20"))
    claims.take("lab/asks", claim(allocated=False))
    claims.take("kube-system/old", claim("kube-system"))
    assert claims.names() == [], "since when is not known yet"
    begun[0] = NOW.fromisoformat("2026-11-15T00:00:00Z").timestamp()
    assert claims.names() == ["lab/old"]
    claims.take("lab/old", claim(allocated=False))
    assert claims.names() == []
    claims.take("lab/old", claim())
    claims.lose("lab/old")
    assert claims.names() == []


@pytest.mark.parametrize("made", [ENDLESS, pod({"securityContext": {"privileged": True}})])
def test_of_a_tenant_that_is_stopped_nothing_controlled_is_admitted_with_the_reason_of_its_running_pods(
    made: Pod,
) -> None:
    judging = judging_in(world(quota()), State(initialized=True))
    judging.judge.registry.stops.say("elsewhere", "acme", {Reason.HoldTooLong})
    judgement = asyncio.run(judging.judge.judge(Ask("uid", "lab", "new", made), NOW, 1e9))
    assert {finding.reason for finding in judgement.findings} >= {Reason.HoldTooLong}
    assert judgement.decision == "denied"
    assert "no new ones are admitted meanwhile" in judgement.message
    assert reserved(judging) == {}
    judging.judge.registry.stops.say("elsewhere", "acme", ())
    again = asyncio.run(judging.judge.judge(Ask("uid", "lab", "new", ENDLESS), NOW, 1e9))
    assert (again.decision, reserved(judging)) == ("allowed", {("acme", CHIP): 1})


@pytest.mark.parametrize(
    ("stopped", "asking", "decision"),
    [("bad", "good", "allowed"), ("bad", "bad", "denied"), ("bad", "its own", "denied"), ("its own", "bad", "denied")],
)
def test_of_a_resellers_customers_each_is_stopped_for_its_own_pods_wherever_these_run(
    stopped: str, asking: str, decision: str
) -> None:
    objects = (tenant("kumo", kind="Reseller"), tenant("good", suppliedBy="kumo"), tenant("bad", suppliedBy="kumo"))
    judging = judging_in(world(*objects, quota()), State(initialized=True))
    registry = judging.judge.registry
    for name in ("good", "bad"):
        registry.put_namespace(name, {"computegate.io/tenant": "kumo", "computegate.io/end-customer": name})
    registry.put_namespace("its own", {"computegate.io/tenant": "bad"})
    registry.stops.say(stopped, registry.requester(stopped).tenant_name, {Reason.HoldTooLong})
    judgement = asyncio.run(judging.judge.judge(Ask("uid", asking, "new", ENDLESS), NOW, 1e9))
    assert judgement.decision == decision
    assert ("tenant bad has running pods" in judgement.message) == (decision == "denied")


def test_what_is_not_controlled_is_admitted_of_a_stopped_tenant_too() -> None:
    judging = judging_in(world(quota()), State(initialized=True))
    judging.judge.registry.stops.say("lab", "acme", {Reason.KYCExpired})
    judgement = asyncio.run(judging.judge.judge(Ask("uid", "lab", "new", UNCONTROLLED), NOW, 1e9))
    assert judgement.decision == "allowed"
