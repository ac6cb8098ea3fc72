"""A clearance has one beginning, a held Tenant is not forgotten, nobody attests for another: on a real API server."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admission.api.clearance import LONGEST_DAYS
from tests.chart.rendering import RELEASE
from tests.chart.users import Grant, granted
from tools.kubectl import Kubectl

OURS = "computegate.io"
KINDS = ["tenants", "tenants/status"]
WRITES = ["get", "create", "update", "patch", "delete", "deletecollection"]
GRANTS: list[Grant] = [
    ("ozzy", OURS, KINDS, [], WRITES),
    ("vera", OURS, KINDS, [], [*WRITES, "attest", "attest-access", "screen"]),
    ("remo", OURS, KINDS, [], [*WRITES, "forget"]),
]
OF_THEN = "2026-11-01T00:00:00Z"
WORD = {"facts": ["Headquarters"], "at": OF_THEN, "validUntil": "2027-11-01T00:00:00Z"}


@pytest.fixture(scope="module")
def cluster(installed: Kubectl) -> Kubectl:
    """The installation with ozzy, who writes Tenants; vera, who verifies; remo, who may forget; rita, who restores."""
    installed("create", "-f", "-", stdin=granted(GRANTS))
    for role in ("restorer", "kyc", "access", "screening"):
        installed("create", "clusterrolebinding", f"rita-{role}", f"--clusterrole={RELEASE}-{role}", "--user=rita")
    return installed


def create(cluster: Kubectl, name: str, user: str, *attested_by: str) -> str:
    """Create a Tenant; return what the API server said against it."""
    spec = {"legalName": name, "kind": "Company", "attestations": [{**WORD, "by": each} for each in attested_by]}
    fields = {"apiVersion": "computegate.io/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": spec}
    return cluster("create", "-f", "-", f"--as={user}", stdin=json.dumps(fields), check=False).stderr


def write(cluster: Kubectl, name: str, user: str, status: Any) -> str:
    patch = ("--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    return cluster("patch", "tenants.computegate.io", name, *patch, f"--as={user}", check=False).stderr


def delete(cluster: Kubectl, name: str, user: str, *flags: str) -> str:
    return cluster("delete", "tenants.computegate.io", name, f"--as={user}", *flags, check=False).stderr


def test_who_writes_a_clearance_stands_in_the_api_servers_log(cluster: Kubectl) -> None:
    assert create(cluster, "logged", "ozzy") == ""
    assert write(cluster, "logged", "rita", {"kyc": {"state": "Verified", "level": 2}}) == ""
    assert write(cluster, "logged", "vera", {"access": {"countries": ["DE"]}}) == ""
    lines = [json.loads(line).get("annotations", {}) for line in cluster.plane.audit_log.read_text().splitlines()]
    written = [text for each in lines for key, text in each.items() if key.endswith("-written") and "logged" in text]
    assert written == [
        "status.kyc of tenant logged went from nothing to Verified, level 2, by rita",
        "status.access of tenant logged was written by vera",
    ]


@pytest.mark.parametrize("state", ["Verified", "NeedsReview", "Expired", "Suspended", "Revoked", "Rejected"])
def test_a_clearance_begins_at_its_beginning_unless_it_is_restored(cluster: Kubectl, state: str) -> None:
    name = f"begins-{state.lower()}"
    assert create(cluster, name, "ozzy") == ""
    first = {"kyc": {"state": state, "level": 4}}
    words = f"begins at Unverified or Pending: to write {state} first"
    assert words in write(cluster, name, "vera", first)
    assert write(cluster, name, "rita", first) == ""
    for taken_away in ({"kyc": None}, None):
        assert "status.kyc is never taken away" in write(cluster, name, "rita", taken_away)


def test_a_clearance_ends_ten_years_after_it_was_verified_at_the_latest(cluster: Kubectl) -> None:
    assert create(cluster, "for-ever", "ozzy") == ""
    assert write(cluster, "for-ever", "vera", {"kyc": {"state": "Pending"}}) == ""

    def verified(until: str) -> str:
        dates = {"verifiedAt": "2026-03-01T00:00:00Z", "expiresAt": until}
        return write(cluster, "for-ever", "vera", {"kyc": {"state": "Verified", **dates}})

    last = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=LONGEST_DAYS)
    words = "more than 3660 days after it was verified; correct expiresAt, or verify anew before"
    for late in ((last + timedelta(seconds=1)).isoformat(), "9999-01-01T00:00:00Z"):
        assert words in verified(late)
    assert verified(last.isoformat()) == ""


def test_who_verifies_takes_the_steps_there_are(cluster: Kubectl) -> None:
    assert create(cluster, "steps", "ozzy") == ""
    for state in ("Pending", "Verified", "Suspended"):
        assert write(cluster, "steps", "vera", {"kyc": {"state": state}}) == ""
    assert "status.kyc is never taken away" in write(cluster, "steps", "vera", {"kyc": None})


HIT = {"party": "tenant", "entry": "7", "by": "Name", "covers": f"sha256:{'0' * 64}", "seenAt": OF_THEN}
CONFIRMED = {**HIT, "confirmed": {"by": "olga", "at": OF_THEN, "reason": "the same address"}}
HELD: list[tuple[str, list[dict[str, Any]], str]] = [
    ("suspended", [{"kyc": {"state": "Verified"}}, {"kyc": {"state": "Suspended"}}], "is Suspended"),
    ("revoked", [{"kyc": {"state": "Verified"}}, {"kyc": {"state": "Revoked"}}], "is Revoked"),
    ("rejected", [{"kyc": {"state": "Pending"}}, {"kyc": {"state": "Rejected"}}], "is Rejected"),
    ("in-review", [{"kyc": {"state": "Pending"}}, {"kyc": {"state": "NeedsReview"}}], "is NeedsReview"),
    ("refused", [{"kyc": {"state": "Pending", "refusedBy": ["strong"]}}], "is refused by a provider of KYC"),
    ("matched", [{"screening": {"state": "Match"}}], "is a match of screening"),
    ("confirmed", [{"screening": {"state": "Clear", "hits": [HIT, CONFIRMED]}}], "is a match of screening"),
]


@pytest.mark.parametrize(("name", "statuses", "words"), HELD, ids=[each[0] for each in HELD])
def test_a_tenant_that_is_held_is_not_forgotten_by_deleting_it(
    cluster: Kubectl, name: str, statuses: list[dict[str, Any]], words: str
) -> None:
    assert create(cluster, name, "ozzy") == ""
    for status in statuses:
        assert write(cluster, name, "rita", status) == ""
    refused = delete(cluster, name, "ozzy")
    assert words in refused
    assert "with the verb forget on tenants.computegate.io" in refused
    collection = f"/apis/computegate.io/v1alpha1/tenants?fieldSelector=metadata.name%3D{name}"
    assert "with the verb forget" in cluster("delete", "--raw", collection, "--as=ozzy", check=False).stderr
    assert delete(cluster, name, "remo") == ""


@pytest.mark.parametrize(
    "status", [None, {"kyc": {"state": "Pending"}}, {"screening": {"state": "Candidate", "hits": [HIT]}}]
)
def test_any_other_tenant_is_deleted_as_ever(cluster: Kubectl, status: dict[str, Any] | None) -> None:
    assert create(cluster, "passing", "ozzy") == ""
    if status:
        assert write(cluster, "passing", "vera", status) == ""
    assert delete(cluster, "passing", "ozzy") == ""


@pytest.mark.parametrize("by", ["Provider", "IdentityProvider"])
def test_nobody_attests_in_the_name_of_a_provider_without_attest(cluster: Kubectl, by: str) -> None:
    words, name = "by Provider and IdentityProvider are written, and taken away, by who speaks", f"word-{by.lower()}"

    def attest(user: str, *given: dict[str, Any]) -> str:
        patch = ("--type=merge", "-p", json.dumps({"spec": {"attestations": given}}), f"--as={user}")
        return cluster("patch", "tenants.computegate.io", name, *patch, check=False).stderr

    assert words in create(cluster, name, "ozzy", by)
    assert create(cluster, name, "ozzy", "Operator", "Tenant") == ""
    theirs, ours = {**WORD, "by": by}, {**WORD, "by": "Operator"}
    assert words in attest("ozzy", theirs)
    assert attest("vera", theirs) == ""
    assert attest("ozzy", ours, theirs) == "", "what was attested stays beside it"
    assert words in attest("ozzy", ours, {**theirs, "validUntil": "2036-01-01T00:00:00Z"})
    assert words in attest("ozzy", ours)
    assert words in attest("ozzy")
    assert attest("vera") == ""
