"""A clearance that ends, is let stand by two people, or rests on facts that grow old: time alone decides."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from admission.api.identity import TenantSpec
from admission.tenants.identity import identity_digest
from tests.e2e.objects import gpu_pod, namespace, of, quota, tenant
from tests.e2e.world import eventually, value

if TYPE_CHECKING:
    from tests.e2e.objects import Object
    from tests.e2e.world import World

MASTERS = ("system:masters",)
NOT_CLEARED, LAPSED = "[NotCleared]", "ask for its renewal"


def _in(seconds: float) -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def tried(world: World, name: str) -> str:
    return world.denial(gpu_pod("trainer", name), "--dry-run=server")


def _override(name: str, spec: dict[str, Any]) -> Object:
    covers = identity_digest(TenantSpec.model_validate(spec))
    known = {"tenant": name, "reasons": ["KYCExpired"], "covers": covers, "reason": "the provider is down"}
    return of("KYCOverride", name, {**known, "requestedBy": "admin", "validUntil": _in(86400)})


def test_a_clearance_is_let_stand_by_two_people_and_for_as_long_as_they_say(
    world: World, unique: str, country: str
) -> None:
    lapsed = tenant(unique, country, {"expiresAt": "2026-10-01T00:00:00Z"})
    world.apply(quota(unique, country, 4), lapsed, namespace(unique, unique))
    assert NOT_CLEARED in tried(world, unique)
    world.kubectl("create", "-f", "-", stdin=json.dumps(_override(unique, lapsed["spec"])))
    assert NOT_CLEARED in tried(world, unique), "nobody has approved it"
    approval = json.dumps({"status": {"approval": {"by": "second", "at": "2026-01-01T00:00:00Z"}}})
    patch = ("patch", "kycoverride", unique, "--subresource=status", "--type=merge", "-p", approval)
    world.kubectl(*patch, user="second", groups=MASTERS)
    eventually(lambda: tried(world, unique), lambda line: line == "")
    world.admit(gpu_pod("bridged", unique))
    record = world.record_of("bridged")
    assert (record["decision"], record["overrides"]) == ("allowed", [unique])
    assert value(world.metrics(), "computegate_overridden_clearances_total", override=unique) >= 1
    assert value(world.metrics(), "computegate_kyc_override_expires_seconds", override=unique) > 0
    eventually(lambda: _standing(world, unique), lambda standing: standing["cleared"])
    world.kubectl("delete", "kycoverride", unique)
    eventually(lambda: tried(world, unique), lambda line: NOT_CLEARED in line)
    eventually(lambda: _standing(world, unique), lambda standing: standing["reason"] == "KYCExpired")


def _standing(world: World, name: str) -> Object:
    standing: Object = world.get("tenants.computegate.io", name)["status"]["standing"]
    return standing


def test_an_inference_provider_loses_its_clearance_when_what_it_attests_ends(
    world: World, unique: str, country: str
) -> None:
    said = {"facts": ["TenantKind"], "by": "Tenant", "at": "2026-01-01T00:00:00Z", "validUntil": _in(8)}
    world.apply(
        quota(unique, country, 4),
        tenant(unique, country, kind="InferenceProvider", attestations=[said]),
        namespace(unique, unique),
    )
    assert tried(world, unique) == ""
    before = world.get("tenants.computegate.io", unique)["metadata"]["generation"]
    eventually(lambda: tried(world, unique), lambda line: LAPSED in line)
    assert world.get("tenants.computegate.io", unique)["metadata"]["generation"] == before
    shown = eventually(lambda: _standing(world, unique), lambda standing: not standing["cleared"])
    assert (shown["reason"], shown["staleFacts"]) == ("AttestationLapsed", ["TenantKind"])
    assert value(world.metrics(), "computegate_tenants_stale_facts", fact="TenantKind") >= 1


def test_a_verification_that_is_due_is_counted_and_one_that_was_needs_a_review(
    world: World, unique: str, country: str
) -> None:
    world.apply(quota(unique, country, 4), tenant(unique, country, {"reverifyBy": _in(8)}), namespace(unique, unique))
    assert tried(world, unique) == ""
    assert value(world.metrics(), "computegate_tenants_to_verify", state="due") >= 1
    eventually(lambda: tried(world, unique), lambda line: "[UnderReview]" in line)
    assert value(world.metrics(), "computegate_tenants_to_verify", state="overdue") >= 1
    eventually(lambda: _standing(world, unique), lambda standing: standing["reason"] == "NeedsReview")
