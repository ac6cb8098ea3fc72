"""Two people stand behind an override of a clearance: what the API server asks of who requests one and who approves."""

import datetime as dt
import json
from typing import Any

import pytest

from tests.chart.rendering import NAMESPACE, RELEASE
from tests.chart.users import Grant, granted
from tools.kubectl import Kubectl

OURS = "computegate.io"
WRITES = ["get", "create", "update", "patch", "delete"]
GRANTS: list[Grant] = [
    ("olga", OURS, ["kycoverrides", "kycoverrides/status"], [], WRITES),
    *((name, OURS, ["kycoverrides", "kycoverrides/status"], [], [*WRITES, "approve"]) for name in ("otto", "Otto")),
]
MERGE = ("--type=merge", "-p")


@pytest.fixture(scope="module")
def cluster(installed: Kubectl) -> Kubectl:
    """The installation with olga, who asks; otto, who asks and approves; and oda, who holds the chart's own role."""
    installed("create", "-f", "-", stdin=granted(GRANTS))
    installed("create", "clusterrolebinding", "override-approver", f"--clusterrole={RELEASE}-approver", "--user=oda")
    return installed


def override(name: str, days: int = 30, by: str = "olga", **spec: Any) -> str:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    known = {
        "tenant": "acme",
        "reasons": ["KYCExpired"],
        "covers": "sha256:" + "0" * 64,
        "reason": "the provider is down",
        "requestedBy": by,
        "validUntil": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **spec,
    }
    approved = {"approval": {"by": "oda", "at": "2026-01-01T00:00:00Z"}}
    fields = {"kind": "KYCOverride", "metadata": {"name": name}, "spec": known, "status": approved}
    return json.dumps({"apiVersion": "computegate.io/v1alpha1", **fields})


def create(cluster: Kubectl, user: str, manifest: str) -> str:
    return cluster("create", "-f", "-", f"--as={user}", stdin=manifest, check=False).stderr


def approve(cluster: Kubectl, name: str, user: str, by: str | None) -> str:
    approval = None if by is None else {"by": by, "at": "2026-11-01T00:00:00Z"}
    patch = json.dumps({"status": {"approval": approval}})
    command = ("patch", "kycoverride", name, "--subresource=status", *MERGE, patch, f"--as={user}")
    return cluster(*command, check=False).stderr


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"by": "oda"}, "spec.requestedBy is who creates the override: set it to olga"),
        ({"days": 32}, "spec.validUntil is more than 31 days away"),
        ({"reason": ""}, "spec.reason"),
        ({"reasons": ["ListedParty"]}, "spec.reasons"),
        ({"reasons": []}, "spec.reasons"),
        ({"covers": "sha256:0"}, "spec.covers"),
    ],
)
def test_a_request_says_who_why_what_and_for_how_long(cluster: Kubectl, fields: dict[str, Any], words: str) -> None:
    assert words in create(cluster, "olga", override("refused", **fields))


def test_an_override_is_approved_by_another_than_who_asked_and_never_changes(cluster: Kubectl) -> None:
    assert create(cluster, "olga", override("bridge")) == ""
    assert "oda" not in cluster("get", "kycoverrides", "bridge", "--no-headers").stdout
    assert "needs the verb approve on kycoverrides.computegate.io" in approve(cluster, "bridge", "olga", "olga")
    assert "set it to oda" in approve(cluster, "bridge", "oda", "otto")
    assert approve(cluster, "bridge", "oda", "oda") == ""
    shown = cluster("get", "kycoverrides", "bridge", "--no-headers").stdout
    assert all(each in shown for each in ("acme", "KYCExpired", "olga", "oda")), shown
    assert "needs the verb approve" in approve(cluster, "bridge", "olga", None)
    for change in ({"tenant": "other"}, {"reasons": ["KYCStale"]}, {"validUntil": "2099-01-01T00:00:00Z"}):
        done = cluster("patch", "kycoverride", "bridge", *MERGE, json.dumps({"spec": change}), "--as=olga", check=False)
        assert "an override is never changed; delete it and ask for a new one" in done.stderr


def test_a_name_in_other_letters_is_no_second_person(cluster: Kubectl) -> None:
    assert create(cluster, "otto", override("letters", by="otto")) == ""
    assert "let somebody else approve" in approve(cluster, "letters", "Otto", "Otto")


def test_who_holds_both_rights_approves_others_and_not_themselves(cluster: Kubectl) -> None:
    assert create(cluster, "otto", override("own", by="otto")) == ""
    assert "let somebody else approve" in approve(cluster, "own", "otto", "otto")
    assert approve(cluster, "own", "oda", "oda") == ""


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("create kycoverrides.computegate.io", "no"),
        ("patch kycoverrides.computegate.io --subresource=status", "no"),
        ("watch kycoverrides.computegate.io", "yes"),
    ],
)
def test_the_server_reads_overrides_and_writes_none(cluster: Kubectl, question: str, answer: str) -> None:
    server = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
    assert cluster("auth", "can-i", *question.split(), f"--as={server}", check=False).stdout.strip() == answer


def test_the_operators_role_asks_and_does_not_approve(cluster: Kubectl) -> None:
    rules = json.loads(cluster("get", "clusterrole", f"{RELEASE}-operator", "-o", "json").stdout)["rules"]
    verbs = {verb for rule in rules if "kycoverrides" in rule["resources"] for verb in rule["verbs"]}
    assert "create" in verbs
    assert "approve" not in verbs
    assert not any("kycoverrides/status" in rule["resources"] for rule in rules)
