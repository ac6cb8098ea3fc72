"""Two people stand behind an exemption, or a dismissal: what the API server asks of who requests and who approves."""

import datetime as dt
import json
from typing import Any

import pytest

from tests.chart.rendering import NAMESPACE, RELEASE
from tests.chart.users import Grant, granted
from tools.kubectl import Kubectl

OURS = "computegate.io"
WRITES = ["get", "create", "update", "patch", "delete"]
KINDS = ("exemptions", "screeningdismissals")
GRANTS: list[Grant] = [
    ("alice", OURS, [f"{kind}{part}" for kind in KINDS for part in ("", "/status")], [], WRITES),
    ("carol", OURS, ["exemptions", "exemptions/status"], [], [*WRITES, "approve"]),
]
MERGE = ("--type=merge", "-p")


@pytest.fixture(scope="module")
def cluster(installed: Kubectl) -> Kubectl:
    """The installation with alice, who asks; carol, who asks and approves; and bob, who holds the chart's own role."""
    installed("create", "-f", "-", stdin=granted(GRANTS))
    installed("create", "clusterrolebinding", "approver", f"--clusterrole={RELEASE}-approver", "--user=bob")
    return installed


def exemption(name: str, days: int = 30, by: str = "alice", **spec: Any) -> str:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    known = {
        "namespace": "lab",
        "images": ["registry.example.com/agent@sha256:0"],
        "ways": ["privileged", "hostPath=/dev/kfd"],
        "reason": "health of the devices",
        "requestedBy": by,
        "validUntil": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **spec,
    }
    approved = {"approval": {"by": "bob", "at": "2026-01-01T00:00:00Z"}}
    fields = {"kind": "Exemption", "metadata": {"name": name}, "spec": known, "status": approved}
    return json.dumps({"apiVersion": "computegate.io/v1alpha1", **fields})


def dismissal(name: str, by: str = "alice", **spec: Any) -> str:
    known = {
        "tenant": "acme",
        "party": "parent",
        "entry": "4711",
        "covers": f"sha256:{'0' * 64}",
        "reason": "founded in another country",
        "requestedBy": by,
        **spec,
    }
    fields = {"kind": "ScreeningDismissal", "metadata": {"name": name}, "spec": known}
    return json.dumps({"apiVersion": "computegate.io/v1alpha1", **fields})


def create(cluster: Kubectl, user: str, manifest: str) -> str:
    return cluster("create", "-f", "-", f"--as={user}", stdin=manifest, check=False).stderr


def approve(cluster: Kubectl, name: str, user: str, by: str | None, kind: str = "exemption") -> str:
    approval = None if by is None else {"by": by, "at": "2026-11-01T00:00:00Z"}
    patch = json.dumps({"status": {"approval": approval}})
    command = ("patch", kind, name, "--subresource=status", *MERGE, patch, f"--as={user}")
    return cluster(*command, check=False).stderr


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"by": "bob"}, "spec.requestedBy is who creates the exemption: set it to alice"),
        ({"days": 367}, "spec.validUntil is more than 366 days away"),
        ({"reason": ""}, "spec.reason"),
        ({"images": []}, "give serviceAccountName or images"),
        ({"ways": ["all things"]}, "spec.ways"),
    ],
)
def test_a_request_says_who_why_what_and_for_how_long(cluster: Kubectl, fields: dict[str, Any], words: str) -> None:
    assert words in create(cluster, "alice", exemption("refused", **fields))


def test_an_exemption_is_approved_by_another_than_who_asked(cluster: Kubectl) -> None:
    assert create(cluster, "alice", exemption("agents", days=365)) == ""
    columns = cluster("get", "exemptions", "agents", "--no-headers").stdout
    assert "bob" not in columns, "an approval that is sent along is not taken"
    assert "needs the verb approve on exemptions.computegate.io" in approve(cluster, "agents", "alice", "alice")
    assert "needs the verb approve" in approve(cluster, "agents", "alice", "bob")
    assert "set it to bob" in approve(cluster, "agents", "bob", "carol")
    assert approve(cluster, "agents", "bob", "bob") == ""
    shown = cluster("get", "exemptions", "agents", "--no-headers").stdout
    assert all(each in shown for each in ("lab", "hostPath=/dev/kfd", "alice", "bob")), shown
    assert "needs the verb approve" in approve(cluster, "agents", "alice", None)
    assert approve(cluster, "agents", "bob", None) == ""


def test_who_holds_both_rights_approves_others_and_not_themselves(cluster: Kubectl) -> None:
    assert create(cluster, "carol", exemption("own", by="carol")) == ""
    assert "let somebody else approve" in approve(cluster, "own", "carol", "carol")
    assert "set it to carol" not in approve(cluster, "own", "carol", "bob")
    assert approve(cluster, "own", "bob", "bob") == ""


def test_what_was_asked_for_never_changes(cluster: Kubectl) -> None:
    assert create(cluster, "alice", exemption("fixed")) == ""
    for change in ({"ways": ["hostPath"]}, {"requestedBy": "carol"}, {"validUntil": "2099-01-01T00:00:00Z"}):
        done = cluster("patch", "exemption", "fixed", *MERGE, json.dumps({"spec": change}), "--as=alice", check=False)
        assert "an exemption is never changed; delete it and ask for a new one" in done.stderr
    patch = json.dumps(
        {"spec": {"requestedBy": "carol"}, "status": {"approval": {"by": "alice", "at": "2026-11-01T00:00:00Z"}}}
    )
    command = ("patch", "exemption", "fixed", "--subresource=status", *MERGE, patch, "--as=alice")
    assert "needs the verb approve" in cluster(*command, check=False).stderr
    labelled = cluster("label", "exemption", "fixed", "a=b", "--as=alice", check=False)
    assert labelled.returncode == 0, labelled.stderr


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"by": "bob"}, "spec.requestedBy is who creates the dismissal: set it to alice"),
        ({"validUntil": "2099-01-01T00:00:00Z"}, "spec.validUntil is more than 366 days away"),
        ({"reason": ""}, "spec.reason"),
        ({"covers": "sha256:0"}, "spec.covers"),
        ({"party": "Parent Ltd."}, "spec.party"),
        ({"entry": ""}, "spec.entry"),
    ],
)
def test_a_dismissal_names_one_party_one_entry_and_what_both_looked_like(
    cluster: Kubectl, fields: dict[str, Any], words: str
) -> None:
    assert words in create(cluster, "alice", dismissal("refused", **fields))


def test_a_dismissal_is_approved_by_another_and_never_changed(cluster: Kubectl) -> None:
    kind = "screeningdismissal"
    assert create(cluster, "alice", dismissal("namesake")) == ""
    own = approve(cluster, "namesake", "alice", "alice", kind)
    assert "approving dismissal namesake" in own
    assert "needs the verb approve on screeningdismissals.computegate.io" in own
    assert "set it to bob" in approve(cluster, "namesake", "bob", "carol", kind)
    assert approve(cluster, "namesake", "bob", "bob", kind) == ""
    shown = cluster("get", kind, "namesake", "--no-headers").stdout
    assert all(each in shown for each in ("acme", "parent", "4711", "alice", "bob")), shown
    patch = json.dumps({"spec": {"entry": "4712"}})
    changed = cluster("patch", kind, "namesake", *MERGE, patch, "--as=alice", check=False)
    assert "a dismissal is never changed; delete it and ask for a new one" in changed.stderr


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("create exemptions.computegate.io", "no"),
        ("patch exemptions.computegate.io --subresource=status", "no"),
        ("watch exemptions.computegate.io", "yes"),
        ("watch screeningdismissals.computegate.io", "yes"),
        ("create screeningdismissals.computegate.io", "no"),
        ("patch screeningdismissals.computegate.io --subresource=status", "no"),
        ("screen tenants.computegate.io", "no"),
    ],
)
def test_the_server_reads_exemptions_and_dismissals_and_writes_none(
    cluster: Kubectl, question: str, answer: str
) -> None:
    server = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
    assert cluster("auth", "can-i", *question.split(), f"--as={server}", check=False).stdout.strip() == answer
