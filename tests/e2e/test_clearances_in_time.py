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
NOT_CLEARED, UNDER_REVIEW, LAPSED = "[NotCleared]", "[UnderReview]", "ask for its renewal"
LATER = 30.0
"""Seconds within which two Tenants are applied and looked at while nothing has ended yet."""


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


def test_time_alone_ends_what_was_attested_and_makes_a_verification_due(
    world: World, unique: str, country: str
) -> None:
    provider, due = f"{unique}-provider", f"{unique}-due"
    world.apply(quota(unique, country, 4), *(namespace(name, name) for name in (provider, due)))
    soon = _in(LATER)
    said = {"facts": ["TenantKind"], "by": "Tenant", "at": _in(-3600), "validUntil": soon}
    world.apply(
        tenant(provider, country, kind="InferenceProvider", attestations=[said]),
        tenant(due, country, {"reverifyBy": soon}),
    )
    assert [tried(world, name) for name in (provider, due)] == ["", ""]
    assert value(world.metrics(), "computegate_tenants_to_verify", state="due") >= 1
    generations = [_generation(world, name) for name in (provider, due)]
    eventually(lambda: tried(world, provider), lambda line: LAPSED in line, seconds=2 * LATER)
    eventually(lambda: tried(world, due), lambda line: UNDER_REVIEW in line)
    assert [_generation(world, name) for name in (provider, due)] == generations
    assert value(world.metrics(), "computegate_tenants_to_verify", state="overdue") >= 1
    assert value(world.metrics(), "computegate_tenants_stale_facts", fact="TenantKind") >= 1
    eventually(lambda: _standing(world, due), lambda standing: standing["reason"] == "NeedsReview")
    shown = eventually(lambda: _standing(world, provider), lambda standing: not standing["cleared"])
    assert (shown["reason"], shown["staleFacts"]) == ("AttestationLapsed", ["TenantKind"])


def _generation(world: World, name: str) -> int:
    generation: int = world.get("tenants.computegate.io", name)["metadata"]["generation"]
    return generation
