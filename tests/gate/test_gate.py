"""One review through everything: modes, repeats, updates, deletions, and what is left behind."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from admission.api.policy import AccessPolicy, Mode
from admission.api.quota import ComputeQuota
from admission.api.tenant import Tenant
from admission.ledger.ledger import Ledger
from admission.ledger.memory import MemoryStore
from admission.review.reasons import Reason
from admission.review.wire import BadReview
from admission.server.record import Record
from tests.decide.questions import ALLOW, OPEN, World, exemption, grant, override, policy, quota, rule, tenant, world
from tests.gate.reviews import CONTACT, CPU, ENTRIES, GPU, KEY, Door, gpus, review, run

if TYPE_CHECKING:
    from admission.ledger.state import State
    from admission.ledger.store import Snapshot

EXPIRED = world(tenant(status={"kyc": {"expiresAt": "2026-02-01T00:00:00Z"}}), quota())
LABEL = "computegate.io/mode"
ACME = {"computegate.io/tenant": "acme"}
SNEAK = {"name": "d", "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}
NVIDIA = {"runtimeClassName": "nvidia"}
CLAIMING = {**CPU, **NVIDIA, "resourceClaims": [{"name": "g", "resourceClaimName": "c"}]}
AGENT = {
    "containers": [{"name": "main", "image": "agent:1"}],
    "volumes": [{"name": "dev", "hostPath": {"path": "/dev"}}],
}
EXEMPT = exemption(images=["agent:1"], ways=["hostPath"])
DEBUGGER = {**GPU, "ephemeralContainers": [{"name": "debug", "securityContext": {"privileged": True}}]}


@pytest.mark.parametrize(
    ("default", "label", "entry", "decision"),
    [
        ("observe", None, "observed", "would_deny"),
        ("warn", None, "observed", "would_deny"),
        ("enforce", None, "observed", "denied"),
        ("observe", "enforce", "observed", "denied"),
        ("enforce", "observe", "observed", "would_deny"),
        ("enforce", "warn", "observed", "would_deny"),
        ("observe", "strict", "observed", "denied"),
        ("observe", "observe", "enforced", "denied"),
    ],
)
def test_the_mode_is_the_namespaces_or_the_default_or_that_of_the_entry(
    default: str, label: str | None, entry: str, decision: str
) -> None:
    door = Door(EXPIRED._replace(labels=ACME | ({LABEL: label} if label else {})), mode=Mode(default))
    (response,) = run(review(), door=door, entry=entry)
    assert response["allowed"] is (decision != "denied")
    assert [record.decision for record in door.records] == [decision]
    warned = decision == "would_deny" and (label or default) == "warn"
    assert bool(response.get("warnings")) is warned


@pytest.mark.parametrize("mode", ["observe", "warn"])
@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"rules": [rule("no", "Deny")]}, "JurisdictionNotAllowed"),
        ({"rules": [rule("deep", "Level", level=4)]}, "KYCLevelTooLow"),
        ({"rules": [rule("ask", "Authorization")]}, "AuthorizationRequired"),
    ],
    ids=["deny", "level", "authorization"],
)
def test_a_policy_that_only_observes_or_warns_changes_nothing_but_is_told(
    mode: str, spec: dict[str, Any], reason: str
) -> None:
    door = Door(world(tenant(), OPEN, quota(), policy(*spec["rules"], name="trial", mode=mode)))
    (response,) = run(review(), door=door, entry="enforced")
    assert response["allowed"]
    assert [(record.decision, record.reasons) for record in door.records] == [("would_deny", (reason,))]
    assert bool(response.get("warnings")) is (mode == "warn")
    assert door.sample("computegate_denial_reasons_total", reason=reason, mode=mode) == 1
    assert door.held() == 1


def test_a_policy_that_only_observes_lets_nobody_in_either() -> None:
    door = Door(world(tenant(), quota(), policy(rule("all", "Allow"), mode="observe")))
    assert not run(review(), door=door, entry="enforced")[0]["allowed"]


def test_a_denial_says_the_same_everywhere() -> None:
    door = Door(EXPIRED)
    (response,) = run(review(), door=door)
    (record,) = door.records
    assert response["status"]["code"] == 403
    assert response["status"]["message"] == record.message
    assert f"ref {record.reference}; ops@example.com" in record.message
    assert response["auditAnnotations"] == {
        "decision": "denied",
        "reason": "KYCExpired",
        "tenant": "acme",
        "ref": record.reference,
    }
    assert response["status"]["details"]["causes"][0]["reason"] == "NotCleared"
    assert "KYC" not in str(response["status"])


@pytest.mark.parametrize(
    ("fields", "mode", "held"),
    [
        ({}, Mode.Enforce, 3),
        ({"dryRun": True}, Mode.Enforce, 0),
        ({}, Mode.Warn, 0),
        ({}, Mode.Observe, 0),
    ],
    ids=["enforced", "dry run", "warned", "observed"],
)
def test_only_what_is_enforced_and_real_is_reserved(fields: dict[str, Any], mode: Mode, held: int) -> None:
    door = Door(mode=mode)
    (response,) = run(review(gpus(3), **fields), door=door)
    assert response["allowed"]
    assert door.held() == held
    assert [record.decision for record in door.records] == ["allowed"]
    assert [(each.before, each.after) for each in door.records[0].quota] == [(0, 3)]


def test_a_dry_run_that_does_not_fit_is_denied_as_it_would_be() -> None:
    door = Door()
    granted, dry, real = run(review(gpus(8)), review(uid="b", dryRun=True), review(uid="c"), door=door)
    assert granted["allowed"]
    assert dry["status"]["message"] == real["status"]["message"]
    assert real["status"]["message"].startswith(
        "exceeded quota: home, requested: nvidia.com/h100=1, used: nvidia.com/h100=8, limited: nvidia.com/h100=8 "
        "[LimitReached: tenant acme, class h100-sxm, 0 left for you"
    )


def test_what_others_hold_only_shows_as_what_is_left() -> None:
    both = World(objects=(tenant(), tenant("other"), policy(rule("a", "Allow")), quota()))
    door = Door(both)
    door.registry.put_namespace("theirs", {"computegate.io/tenant": "other"})
    _, response = run(review(gpus(6), uid="a", namespace="theirs"), review(gpus(4), uid="b"), door=door)
    message = response["status"]["message"]
    assert "requested: nvidia.com/h100=4, used: nvidia.com/h100=0, limited: nvidia.com/h100=2" in message
    assert "2 left for you" in message
    assert "6" not in message.partition("ref ")[0]
    assert "other" not in message


@pytest.mark.parametrize("entries", [("observed", "observed"), ("enforced", "observed"), ("observed", "enforced")])
def test_the_same_pod_reviewed_twice_is_reserved_and_told_once(entries: tuple[str, str]) -> None:
    door = Door()

    async def twice() -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(door.ask(review(gpus(5)), entry) for entry in entries)))

    assert [response["allowed"] for response in asyncio.run(twice())] == [True, True]
    assert door.held() == 5
    assert len(door.records) == 1
    counted = [
        door.sample("computegate_decisions_total", entry=entry, mode="enforce", decision="allowed")
        for entry in ("enforced", "observed")
    ]
    assert sum(counted) == 1
    assert door.sample("computegate_devices_total", accelerator_class="h100-sxm", decision="allowed") == 5


def test_another_uid_is_another_pod() -> None:
    door = Door()
    run(review(gpus(2), uid="a"), review(gpus(2), uid="b"), door=door)
    assert door.held() == 4


def test_a_repeat_answers_the_uid_of_its_own_review() -> None:
    first, second = run(review(), review().replace(b"review-of", b"repeat-of"), door=Door())
    assert (first["uid"], second["uid"]) == ("review-of-pod-1", "repeat-of-pod-1")


class Slow(MemoryStore):
    """A store that takes its time, as a cluster does."""

    delay = 0.2

    async def write(self, scope: str, state: State, version: int, timeout: float) -> Snapshot:  # noqa: ASYNC109 (the interface's)
        await asyncio.sleep(self.delay)
        return await super().write(scope, state, version, timeout)


def test_a_caller_that_gives_up_leaves_a_record_and_its_retry_gets_the_reservation() -> None:
    door = Door(ledger=Ledger(Slow(initialized=True)))

    async def retried() -> dict[str, Any]:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(door.ask(review(gpus(2))), 0.05)
        return await door.ask(review(gpus(2)))

    assert asyncio.run(retried())["allowed"]
    assert door.held() == 2
    assert [record.decision for record in door.records] == ["allowed"]


def test_try_again_is_not_remembered() -> None:
    waits = ["still loading"]
    door = Door(unready=lambda: waits[0])
    body = review()

    async def retried() -> list[dict[str, Any]]:
        first = await door.ask(body, "enforced")
        waits[0] = ""
        return [first, await door.ask(body, "enforced")]

    first, second = asyncio.run(retried())
    assert (first["status"]["code"], second["allowed"]) == (429, True)
    assert first["status"]["message"].startswith("[TryAgain] access data is still loading; retrying is safe; ref ")
    assert "retryAfterSeconds" not in str(first)


def test_the_observing_entry_never_refuses_for_want_of_room_or_time() -> None:
    door = Door(unready=lambda: "still loading")
    assert run(review(), door=door, entry="observed")[0]["allowed"]
    assert run(review(uid="b"), door=door, entry="enforced")[0]["status"]["code"] == 429
    assert door.busy("observed", review())["allowed"]


def test_the_enforced_entry_judges_again_what_the_observing_one_had_no_time_for() -> None:
    door = Door(ledger=Ledger(Slow(initialized=True), clock=time.monotonic))

    async def both() -> list[dict[str, Any]]:
        asked = (door.ask(review(), "observed", 0.05), door.ask(review(), "enforced", 5))
        return list(await asyncio.gather(*asked))

    assert [response["allowed"] for response in asyncio.run(both())] == [True, True]


def test_a_ledger_without_time_answers_try_again() -> None:
    door = Door(ledger=Ledger(Slow(initialized=True)))

    async def asked() -> dict[str, Any]:
        response = await door.ask(review(), "enforced", budget=0.05)
        await door.ledger.close()
        return response

    response = asyncio.run(asked())
    assert (response["allowed"], response["status"]["code"]) == (False, 429)
    assert [record.reasons for record in door.records] == [("LedgerBusy",)]


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        (GPU, DEBUGGER, False),
        (DEBUGGER, DEBUGGER, True),
        (GPU, {**GPU, "ephemeralContainers": [{"name": "debug"}]}, True),
        (CPU, {**CPU, "ephemeralContainers": [SNEAK]}, False),
        (CLAIMING, {**CLAIMING, "ephemeralContainers": [{"name": "debug"}]}, True),
        (CPU | NVIDIA, {**CPU, **NVIDIA, "ephemeralContainers": [{"name": "debug"}]}, False),
        (gpus(1), gpus(2), False),
        (gpus(2), gpus(1), True),
        (CPU, GPU, False),
    ],
    ids=[
        "a privileged debugger",
        "as before",
        "a plain debugger",
        "one with a device",
        "beside a claim",
        "in a device runtime",
        "raised",
        "lowered",
        "added",
    ],
)
def test_an_update_may_not_reach_further_than_the_pod_did(
    old: dict[str, Any], new: dict[str, Any], allowed: bool
) -> None:
    door = Door()
    body = review(new, operation="UPDATE", subResource="ephemeralcontainers", old=old)
    (response,) = run(body, door=door)
    assert response["allowed"] is allowed
    assert door.held() == 0


def debugged(image: str) -> dict[str, Any]:
    debugger = {"name": "d", "image": image, "volumeMounts": [{"name": "dev", "mountPath": "/d"}]}
    return {**AGENT, "ephemeralContainers": [debugger]}


def test_an_exempt_pod_is_let_in_recorded_and_counted() -> None:
    door = Door(world(EXEMPT))
    admitted, refused = run(review(AGENT), review({**AGENT, "runtimeClassName": "nvidia"}, uid="pod-2"), door=door)
    assert (admitted["allowed"], refused["allowed"]) == (True, False)
    assert admitted["auditAnnotations"]["exemption"] == "agents"
    first, second = door.records
    assert (first.decision, first.access) == ("allowed", ("spec.volumes[dev].hostPath (/dev)",))
    assert [(each.exemption, each.field) for each in first.exempted] == [("agents", first.access[0])]
    assert second.decision == "denied"
    assert door.sample("computegate_exempted_pods_total", exemption="agents") == 1


def test_a_container_more_in_an_exempt_pod_must_be_exempt_itself() -> None:
    door = Door(world(EXEMPT))
    added = [
        review(debugged(image), uid=image, operation="UPDATE", subResource="ephemeralcontainers", old=AGENT)
        for image in ("agent:1", "shell:1")
    ]
    own, stranger = run(*added, door=door)
    assert (own["allowed"], stranger["allowed"]) == (True, False)
    assert "spec.volumes[dev].hostPath" in stranger["status"]["message"]


def test_no_exemption_lets_devices_be_added() -> None:
    door = Door(world(exemption(serviceAccountName="default", ways=["resize"])))
    (response,) = run(review(gpus(2), operation="UPDATE", subResource="resize", old=gpus(1)), door=door)
    assert response["allowed"] is False


def test_a_deleted_pod_frees_its_devices_in_standalone() -> None:
    door = Door(release_on_delete=True)
    gone = review(operation="DELETE", old=gpus(8), object=None)
    dry = review(operation="DELETE", old=gpus(8), object=None, dryRun=True)
    stranger = review(operation="DELETE", old=gpus(8), object=None, uid="stranger")
    created, *deleted = run(review(gpus(8)), dry, stranger, door=door)
    assert (created["allowed"], door.held()) == (True, 8)
    assert [response["allowed"] for response in deleted] == [True, True]
    run(gone, door=door)
    assert door.held() == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"operation": "DELETE"},
        {"operation": "CONNECT"},
        {"resource": {"group": "", "version": "v1", "resource": "nodes"}},
        {"resource": {"group": "", "version": "v1", "resource": "x" * 9000}},
        {"object": None},
        {"object": {"spec": {"containers": "many"}}},
        {"operation": "UPDATE", "oldObject": None},
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_not_judged_here_says_so_and_leaves_nothing(fields: dict[str, Any]) -> None:
    door = Door()
    with pytest.raises(BadReview) as caught:
        run(review(**fields), door=door)
    assert len(str(caught.value)) < 300
    assert (door.held(), door.records) == (0, [])


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (gpus(-1), "ClassUnknown"),
        ({"containers": [{"name": "a", "resources": {"limits": {"nvidia.com/h100": "many"}}}]}, "ClassUnknown"),
        ({"containers": [{"name": "a", "resources": {"limits": {"nvidia.com/h100": "1" * 99}}}]}, "ClassUnknown"),
    ],
    ids=["negative", "no quantity", "absurd"],
)
def test_an_absurd_quantity_is_denied_and_reserves_nothing(spec: dict[str, Any], reason: str) -> None:
    door = Door()
    (response,) = run(review(spec), door=door)
    assert (response["allowed"], response["status"]["code"]) == (False, 403)
    assert [record.reasons for record in door.records] == [(reason,)]
    assert door.held() == 0


@pytest.mark.parametrize("kind", [AccessPolicy, ComputeQuota], ids=lambda kind: kind.__name__)
def test_a_decisive_object_that_cannot_be_read_holds_requests_for_devices_only(kind: Any) -> None:
    door = Door()
    door.registry.refuse(kind, "broken", "spec.rules: no list")
    gpu, cpu = run(review(uid="a"), review(CPU, uid="b"), door=door, entry="enforced")
    assert (gpu["status"]["code"], cpu["allowed"]) == (429, True)
    assert [record.reasons for record in door.records] == [("RulesUnusable",)]
    assert "broken: spec.rules: no list" in door.records[0].findings[0].detail
    assert "broken" not in str(gpu)
    door.registry.drop(kind, "broken")
    assert run(review(uid="a"), door=door, entry="enforced")[0]["allowed"]


def test_a_tenant_that_cannot_be_read_is_an_unknown_tenant() -> None:
    door = Door()
    door.registry.refuse(Tenant, "acme", "spec.kind: unknown")
    run(review(), door=door)
    assert [record.reasons for record in door.records] == [("TenantUnknown",)]


def test_while_our_own_data_is_not_there_only_what_needs_no_device_passes() -> None:
    door = Door(unready=lambda: "tenants: silent for 91 s")
    gpu, cpu = run(review(uid="a"), review(CPU, uid="b"), door=door, entry="enforced")
    assert (gpu["status"]["code"], cpu["allowed"]) == (429, True)
    observed = Door(unready=lambda: "tenants: silent", mode=Mode.Observe)
    assert run(review(), door=observed)[0]["allowed"]


@pytest.mark.parametrize(("found", "code", "reason"), [(True, 403, "TenantUnknown"), (False, 429, "NotSynced")])
def test_a_namespace_that_nobody_can_tell_is_waited_for_not_refused(found: bool, code: int, reason: str) -> None:
    door = Door(found=found)
    gpu, cpu = run(review(namespace="new", uid="a"), review(CPU, namespace="new", uid="b"), door=door, entry="enforced")
    assert (gpu["status"]["code"], cpu["allowed"]) == (code, True)
    assert [record.reasons for record in door.records] == [(reason,)]
    assert door.asked_for == ["new", "new"]


def test_an_excluded_namespace_is_not_judged() -> None:
    door = Door(EXPIRED, excluded=["lab"])
    assert run(review(), door=door)[0]["allowed"]
    assert door.records == []


@pytest.mark.parametrize(
    ("draining", "entry", "allowed", "line"),
    [
        (False, "enforced", False, "too many requests for accelerators at once"),
        (True, "enforced", False, "this replica is shutting down"),
        (False, "observed", True, ""),
    ],
)
def test_without_room_the_answer_is_made_at_once(draining: bool, entry: str, allowed: bool, line: str) -> None:
    door = Door(mode=Mode.Observe)
    door.gate.draining = draining
    response = door.busy(entry, review())
    assert response["allowed"] is allowed
    if not allowed:
        assert response["status"]["message"] == f"[TryAgain] {line}; retrying is safe; {CONTACT}"
        assert response["status"]["code"] == 429
    assert door.records == []
    reason = "" if allowed else "Draining" if draining else "LedgerBusy"
    assert door.counted == [(entry, "allowed" if allowed else "denied", reason, 1)]
    with pytest.raises(BadReview):
        door.busy(entry, b"{}")


def test_answers_without_room_are_recorded_by_their_number() -> None:
    door = Door()

    async def ask() -> None:
        for number in range(50):
            door.gate.busy("observed" if number % 5 else "enforced", review())

    asyncio.run(ask())
    assert door.counted == []
    door.gate.close()
    door.gate.close()
    assert door.counted == [("enforced", "denied", "LedgerBusy", 10), ("observed", "allowed", "", 40)]


def test_a_pod_that_asks_for_nothing_is_counted_and_not_recorded() -> None:
    door = Door()
    run(review(CPU), door=door)
    assert door.records == []
    assert door.sample("computegate_decisions_total", entry="observed", mode="enforce", decision="allowed") == 1


def test_a_reason_is_counted_once_for_each_judgement() -> None:
    denied = policy(rule("a", "Deny"), rule("b", "Deny", ("Headquarters", "In", "DE")), rule("c", "Allow"))
    door = Door(world(denied, quota()))
    run(review(uid="a"), review(uid="a"), review(uid="b"), door=door)
    assert door.sample("computegate_denial_reasons_total", reason="JurisdictionNotAllowed", mode="enforce") == 2


def test_no_metric_has_a_label_that_a_tenant_chooses() -> None:
    door = Door()
    for number in range(50):
        spec = {"containers": [{"name": f"c{number}", "resources": {"limits": {f"evil.example/{number}": 1}}}]}
        run(review(spec, uid=f"u{number}", namespace=f"ns{number}", userInfo={"username": f"u{number}"}), door=door)
    reasons, modes = set(map(str, Reason)), set(map(str, Mode))
    bounded = {
        "reason": reasons,
        "mode": modes,
        "entry": set(ENTRIES),
        "decision": {"allowed", "denied", "would_deny"},
        "accelerator_class": {"unknown"},
    }
    for family in door.metrics.registry.collect():
        for sample in family.samples:
            for label, value in sample.labels.items():
                assert label in {"version", "le"} or value in bounded[label]


FAR = {"expiresAt": "2099-01-01T00:00:00Z"}
WARNED = world(
    quota(perTenant={"devices": 10}, limits={"devices": 100}),
    tenant(status={"kyc": {"expiresAt": "2027-11-01T00:00:00Z"}}),
)


def test_a_warning_of_a_denial_is_given_once_an_hour_for_the_same_reference() -> None:
    first, again = run(review(uid="a"), review(uid="b"), door=Door(EXPIRED, mode=Mode.Warn))
    assert first["warnings"][0].startswith("would be denied when enforced: [NotCleared]")
    assert again["allowed"]
    assert "warnings" not in again


def test_a_tenant_is_warned_of_its_own_limit_once_an_hour_and_never_of_a_shared_one() -> None:
    door = Door(WARNED)
    few, many, again = run(review(gpus(7), uid="a"), review(gpus(1), uid="b"), review(gpus(1), uid="c"), door=door)
    assert "warnings" not in few
    assert many["warnings"] == ['quota home is 80 percent used; see "kubectl get allowance"']
    assert "warnings" not in again
    shared = Door(world(quota(), tenant(status={"kyc": {"expiresAt": "2027-11-01T00:00:00Z"}})))
    assert "warnings" not in run(review(gpus(8)), door=shared)[0]


def _in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    ("days", "reverification", "told"),
    [
        (13, None, True),
        (15, None, False),
        (15, {"warnBefore": "20d"}, True),
        (-1, {"overdue": "Warn"}, True),
        (-1, {"grace": "2d"}, True),
    ],
)
def test_callers_are_warned_before_a_verification_is_due_and_after_where_it_still_holds(
    days: float, reverification: dict[str, str] | None, told: bool
) -> None:
    kyc = {"expiresAt": _in_days(90), "reverifyBy": _in_days(days)}
    terms = policy(rule("all", "Allow"), reverification=reverification)
    (response,) = run(review(), door=Door(world(tenant(status={"kyc": kyc}), terms, quota())))
    said = f"the verification of tenant acme is due on {kyc['reverifyBy'][:10]}; have it renewed"
    assert response["allowed"]
    assert response.get("warnings", []) == ([said] if told else [])


def test_an_override_is_counted_told_to_the_auditor_and_recorded() -> None:
    lapsed = {"kyc": {"expiresAt": "2026-02-01T00:00:00Z"}}
    bridge = override("KYCExpired", validUntil=_in_days(1))
    door = Door(world(tenant(status=lapsed), quota(), bridge))
    (response,) = run(review(), door=door)
    assert response["allowed"]
    assert response["auditAnnotations"]["override"] == "bridge"
    assert [record.overrides for record in door.records] == [("bridge",)]
    assert door.sample("computegate_overridden_clearances_total", override="bridge") == 1


def test_a_level_by_amount_counts_what_is_held_and_warns_of_nothing_before() -> None:
    amount = rule("amount", "Level", level=1, levels=[{"devices": 9, "level": 3}])
    door = Door(world(policy(rule("all", "Allow"), amount), quota(limits={}), tenant(status={"kyc": FAR})))
    some, rest, more = run(review(gpus(7), uid="a"), review(gpus(1), uid="b"), review(gpus(1), uid="c"), door=door)
    assert [each["allowed"] for each in (some, rest, more)] == [True, True, False]
    assert "warnings" not in rest
    assert more["status"]["message"].startswith(
        "[InfoNeeded] so much of class h100-sxm at once needs verification level 3, which tenant acme has not reached"
    )
    (denied,) = [record for record in door.records if record.decision == "denied"]
    assert [(finding.reason, finding.rule) for finding in denied.findings] == [("KYCLevelTooLow", "access/amount")]


def test_an_exhausted_authorization_tells_its_holders_own_figures() -> None:
    door = Door(world(policy(ALLOW, rule("a", "Authorization")), grant(devices=2)))
    first, second = run(review(gpus(1), uid="a"), review(gpus(2), uid="b"), door=door)
    assert first["allowed"]
    assert second["status"]["message"].startswith(
        "[LimitReached] authorization D-1 covers 2 at once: 1 in use, 2 asked; free some or ask for more; ref "
    )
    assert [record.reasons for record in door.records] == [(), ("AuthorizationExhausted",)]


def test_however_much_a_pod_names_its_record_is_bounded() -> None:
    volumes = [{"name": f"v{number}", "hostPath": {"path": f"/dev/{'x' * 5000}"}} for number in range(100)]
    door = Door()
    (response,) = run(review({**GPU, "volumes": volumes}), door=door)
    (record,) = door.records
    assert record.reasons == ("DeviceBypass",)
    assert (len(record.access), max(map(len, record.access))) == (32, 512)
    assert [len(finding.detail) for finding in record.findings] == [2000]
    assert len(msgspec.json.encode(record)) < 64 << 10
    assert len(str(response)) < 16 << 10


def test_a_record_line_reads_back_and_tells_everything() -> None:
    door = Door(EXPIRED)
    run(review(gpus(2)), door=door)
    line = msgspec.json.encode(door.records[0])
    assert b"\n" not in line
    record = msgspec.json.decode(line, type=Record)
    assert record == door.records[0]
    assert (record.caller, record.tenant, record.party, record.governing) == ("alice", "acme", "acme", "DE")
    assert [(each.resource, each.count, each.classes) for each in record.demand] == [
        ("nvidia.com/h100", 2, ("h100-sxm",))
    ]
    assert [(each.reason, each.code) for each in record.findings] == [("KYCExpired", "NotCleared")]
    assert {check.name for check in record.checks} >= {"kyc", "class of nvidia.com/h100", "rule access/allow Allow"}
    assert record.versions.rules
    assert KEY not in line
