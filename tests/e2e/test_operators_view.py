"""kubectl answers an operator's questions: printed columns, short names, explanations of every field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.objects import gpu_pod, namespace, of, quota, tenant
from tests.e2e.world import eventually, value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.objects import Object
    from tests.e2e.world import World

KINDS = (
    *("tenants", "acceleratorclasses", "acceleratorpools", "accesspolicies"),
    *("computequotas", "authorizations", "quotaledgers", "usagejournals", "allowances", "acceleratorpresences"),
    "computegates",
)


def test_one_command_says_who_is_cleared_and_how_full_quotas_are(world: World, country: str, unique: str) -> None:
    good, bad = f"{unique}-good", f"{unique}-lapsed"
    lapsed = tenant(bad, country, {"expiresAt": "2026-10-01T00:00:00Z", "level": 3})
    world.apply(quota(unique, country, 8, classes=["h100-sxm"]), tenant(good, country), lapsed, namespace(good, good))
    world.admit(gpu_pod("trainer", good, 3))
    world.await_use(unique, 3)
    printed = world.kubectl("get", "tenants.computegate.io,computequotas").stdout.splitlines()
    heads = [line.split() for line in printed if line.startswith("NAME ")]
    assert heads == [
        ["NAME", "KIND", "KYC", "LEVEL", "EXPIRES", "JURISDICTION", "CLEARED", "REASON", "AGE"],
        ["NAME", "JURISDICTIONS", "CLASSES", "DEVICES", "OBSERVED", "HOURS", "TPP", "TPP-LIMIT", "TENANTS", "AGE"],
    ]
    rows = {row[0].partition("/")[2]: row[1:-1] for line in printed if (row := line.split()) and "/" in row[0]}
    assert rows[good] == ["Company", "Verified", "2", "2036-01-01T00:00:00Z", country, "true"]
    assert rows[bad] == ["Company", "Verified", "3", "2026-10-01T00:00:00Z", country, "false", "KYCExpired"]
    assert rows[unique] == [f'["{country}"]', '["h100-sxm"]', "3+0/8", "0", str(3 * 15832), "1"]


def _conditions(world: World, name: str) -> dict[str, Object]:
    """Return the conditions of a Tenant by type, once they are there."""
    said = eventually(lambda: world.get("tenants.computegate.io", name).get("status", {}).get("conditions", []))
    return {each["type"]: each for each in said}


def test_a_country_of_a_tenant_that_is_none_is_named_in_its_conditions(world: World, country: str, unique: str) -> None:
    """In a status, which an integration writes: what an operator writes is refused."""
    named = {"access": {"countries": ["UK"], "asOf": "2026-11-01T00:00:00Z"}}
    made = tenant(unique, country)
    world.apply({**made, "status": {**made["status"], **named}}, quota(unique, country, 8))
    said = _conditions(world, unique)["Consistent"]
    wrong = "status.access.countries.0: UK is no country code of ISO 3166-1; GB is"
    assert (said["status"], said["message"]) == ("False", wrong)


def test_a_declared_parent_that_stated_owners_belie_is_told_in_a_condition_and_in_the_record(
    world: World, country: str, unique: str
) -> None:
    """The API server takes such a Tenant: no rule of a schema follows owners from step to step."""
    parties = [{"id": name, "name": name, "headquarters": place} for name, place in (("h", country), ("cn", "CN"))]
    owned = [{"owner": "h", "share": {"exact": 100}}, {"owner": "cn", "owned": "h", "share": {"exact": 60}}]
    good, bad = f"{unique}-good", f"{unique}-belied"
    belied: Object = {"parties": parties, "ultimateParent": "h"}
    world.apply(
        quota(unique, country, 8),
        tenant(good, country, ownership=owned[:1], **belied),
        tenant(bad, country, ownership=owned, **belied),
        namespace(bad, bad),
    )
    consistent = _conditions(world, good)["Consistent"]
    assert (consistent["status"], consistent["reason"], consistent["message"]) == ("True", "Consistent", "")
    said = _conditions(world, bad)["Consistent"]
    assert (said["status"], said["reason"]) == ("False", "FactsContradict")
    assert said["message"].startswith(
        "spec.ultimateParent: cn owns half or more, or controls, by what spec.ownership states, and is "
    )
    line = world.denial(gpu_pod("trainer", bad))
    assert line
    assert "cn owns half" not in line, "a tenant reads no owner"
    details = [finding["detail"] for finding in world.record_of("trainer")["findings"]]
    assert any(said["message"] in each for each in details)


def test_a_quota_counts_only_tenants_that_hold_what_it_limits(world: World, country: str, unique: str) -> None:
    one, other = f"{unique}-one", f"{unique}-other"
    limits = quota(unique, country, 8, classes=["h100-sxm"])
    world.apply(limits, *(tenant(each, country) for each in (one, other)))
    world.apply(namespace(one, one), namespace(other, other))
    world.admit(gpu_pod("big", one), gpu_pod("small", other, chip="t4"))
    eventually(lambda: world.ledger(country)["used"], lambda used: f"{one},h100-sxm:1;{other},t4:1" in used)
    eventually(lambda: world.get("computequotas", unique)["status"]["tenants"], lambda tenants: tenants == 1, 10)
    missed = "computegate_ledger_missed_devices_total"
    assert value(world.metrics(), missed, scope=country) == 0, "what no limit counts is reserved by nobody"


@pytest.mark.parametrize(
    ("short", "plural"),
    [
        ("cgten", "tenants"),
        ("cquota", "computequotas"),
        ("accpol", "accesspolicies"),
        ("accel", "acceleratorclasses"),
        ("accelpool", "acceleratorpools"),
        ("cgauth", "authorizations"),
        ("allow", "allowances"),
        ("qledger", "quotaledgers"),
        ("accelseen", "acceleratorpresences"),
        ("ujournal", "usagejournals"),
        ("cgate", "computegates"),
    ],
)
def test_short_names_are_ours_alone(world: World, short: str, plural: str) -> None:
    names = world.kubectl("api-resources", "--no-headers").stdout.splitlines()
    having = [line.split()[0] for line in names if short in line.split()[1].split(",") or line.split()[0] == short]
    assert having == [plural]
    assert world.kubectl("get", short, "-A").returncode == 0


def test_the_category_lists_everything_of_ours(world: World, country: str, unique: str) -> None:
    chip = of("AcceleratorClass", unique, {"displayName": "A chip", "source": "its data sheet"})
    world.apply(quota(unique, country, 8), tenant(unique, country), chip)
    listed = world.kubectl("get", "compute", "-o", "name").stdout.split()
    assert {f"tenant.computegate.io/{unique}", f"computequota.computegate.io/{unique}"} <= set(listed)
    assert f"acceleratorclass.computegate.io/{unique}" in listed


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("tenant.spec.parties", "Everyone known to stand above the tenant: owners, parents, controllers."),
        ("tenant.spec.ownership.share", "How much is held; an empty share is unknown, and unknown is not cleared."),
        ("tenant.status.kyc.expiresAt", "From this instant the clearance is expired."),
        ("accesspolicy.spec.rules.when", "Tests that must all hold; none means always."),
        ("computequota.spec.limits.longestHold", "The longest that an ownership group may hold devices of one class"),
        ("acceleratorpool.spec.place", "Where the pool stands; absent means the chart's default place, or unknown."),
        ("allowance.status", "The tenant's own figures"),
    ],
)
def test_explain_reads_like_documentation(world: World, asked: str, says: str) -> None:
    told = " ".join(world.kubectl("explain", asked).stdout.split())
    assert "DESCRIPTION:" in told
    assert says in told
    assert "<no description>" not in told


@pytest.mark.parametrize("plural", KINDS)
def test_every_field_of_every_kind_is_described(world: World, plural: str) -> None:
    definition = world.get("crd", f"{plural}.computegate.io")
    (version,) = definition["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    fields = dict(_fields(schema, plural))
    del fields[f"{plural}.metadata"]  # the API server's own
    assert len(fields) > 3
    assert [path for path, field in fields.items() if not field.get("description")] == []
    recursive = world.kubectl("explain", f"{plural}.computegate.io", "--recursive").stdout
    assert all(path.rpartition(".")[2] in recursive for path in fields)
    assert all(column.get("description") for column in version["additionalPrinterColumns"])


def _fields(schema: Object, path: str) -> Iterator[tuple[str, Object]]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from _fields(field, f"{path}.{name}")
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from _fields(inner, path)
