"""Less is enforced only when somebody said why and another does it: on a real API server, with our server down."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.chart.rendering import RELEASE
from tests.chart.users import Grant, granted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chart.rendering import Chart
    from tools.kubectl import Kubectl

OURS = "computegate.io"
NAMESPACES = ["namespaces", "namespaces/status", "namespaces/finalize"]
WAYS = ["", "/status", "/finalize"]
WRITES = ["get", "create", "update", "patch"]
PEOPLE = ("asking-ann", "second-sam", "alone-al")
GRANTS: list[Grant] = [
    *((user, "", NAMESPACES, [], WRITES) for user in PEOPLE),
    *((user, OURS, ["accesspolicies"], [], WRITES) for user in PEOPLE),
    ("asking-ann", OURS, ["modes"], [], ["use"]),
    ("alone-al", OURS, ["modes"], [], ["use", "weaken"]),
]


@pytest.fixture(scope="module")
def cluster(installed: Kubectl) -> Kubectl:
    """The installation with ann, who asks; sam, who holds the role for second persons; al, who may act alone."""
    installed("create", "-f", "-", stdin=granted(GRANTS))
    installed("create", "clusterrolebinding", "second-sam", f"--clusterrole={RELEASE}-approver", "--user=second-sam")
    return installed


@pytest.fixture
def enforced(cluster: Kubectl) -> Iterator[str]:
    """A namespace in enforce."""
    name = f"weaker-{uuid.uuid4().hex[:8]}"
    labels = {"computegate.io/mode": "enforce"}
    metadata = {"name": name, "labels": labels}
    cluster("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
    yield name
    cluster("delete", "namespace", name, "--wait=false")


def request(by: str, to: str = "observe", reason: str = "ticket 4711") -> dict[str, str]:
    return {"weaken-to": to, "weaken-reason": reason, "weaken-requested-by": by}


def change(
    cluster: Kubectl, name: str, user: str, mode: str | None = "", *, asked: dict[str, str] | None = None, way: str = ""
) -> str:
    """Write the mode's label (None removes it, "" leaves it) and the request; return what was said against it."""
    path = f"/api/v1/namespaces/{name}"
    stored = json.loads(cluster("get", "--raw", path).stdout)
    metadata = stored["metadata"]
    metadata["annotations"] = metadata.get("annotations", {}) | {
        f"{OURS}/{key}": value for key, value in (asked or {}).items()
    }
    if mode is None:
        del metadata["labels"][f"{OURS}/mode"]
    elif mode:
        metadata["labels"][f"{OURS}/mode"] = mode
    done = cluster("replace", "--raw", path + way, "-f", "-", f"--as={user}", stdin=json.dumps(stored), check=False)
    return done.stderr


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("mode", "to"), [("observe", "observe"), ("warn", "warn"), (None, "observe")])
def test_one_asks_and_another_makes_a_namespace_less_enforced(
    cluster: Kubectl, enforced: str, mode: str | None, to: str, way: str
) -> None:
    words = f"going from enforce to {to} enforces less"
    assert f"{words}: first annotate the object" in change(cluster, enforced, "second-sam", mode, way=way)
    assert change(cluster, enforced, "asking-ann", asked=request("asking-ann", to), way=way) == ""
    assert f"{words}: asking-ann asked for it, and another makes the change" in change(
        cluster, enforced, "asking-ann", mode, way=way
    )
    assert change(cluster, enforced, "second-sam", mode, way=way) == ""
    assert change(cluster, enforced, "asking-ann", "enforce", way=way) == "", "nobody is asked for more"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (request("second-sam"), "annotation computegate.io/weaken-requested-by is who asks: set it to asking-ann"),
        (request("asking-ann", reason=""), "gives annotation computegate.io/weaken-to (observe or warn) and"),
        (request("asking-ann", reason="x" * 1025), "(1 to 1024 characters)"),
        (request("asking-ann", to="enforce"), "(observe or warn)"),
        ({"weaken-reason": "ticket 4711"}, "set it to asking-ann"),
    ],
)
def test_a_request_says_who_and_why(cluster: Kubectl, enforced: str, asked: dict[str, str], words: str) -> None:
    assert words in change(cluster, enforced, "asking-ann", asked=asked)


def test_who_makes_the_change_neither_words_the_request_nor_goes_beyond_it(cluster: Kubectl, enforced: str) -> None:
    assert change(cluster, enforced, "asking-ann", asked=request("asking-ann", "warn")) == ""
    assert "going from enforce to observe enforces less: first annotate" in change(
        cluster, enforced, "second-sam", "observe"
    )
    reworded = request("asking-ann", "observe")
    assert "is who asks: set it to second-sam" in change(cluster, enforced, "second-sam", "observe", asked=reworded)
    own = request("second-sam", "observe")
    assert "second-sam asked for it, and another" in change(cluster, enforced, "second-sam", "observe", asked=own)
    withdrawn = dict.fromkeys(request(""), "")
    assert change(cluster, enforced, "asking-ann", asked=withdrawn) == ""
    assert "first annotate the object" in change(cluster, enforced, "second-sam", "warn")


def test_alone_needs_the_verb_weaken_and_a_reason_all_the_same(cluster: Kubectl, enforced: str) -> None:
    assert "first annotate the object" in change(cluster, enforced, "alone-al", "observe")
    assert change(cluster, enforced, "alone-al", "observe", asked=request("alone-al")) == ""


def policy(name: str, mode: str | None, asked: dict[str, str] | None = None) -> str:
    rule = {"name": "r", "effect": "Allow", "basis": {"type": "ProviderPolicy", "title": "t"}}
    notes = {f"{OURS}/{key}": value for key, value in (asked or {}).items()}
    spec: dict[str, Any] = {"rules": [rule], **({"mode": mode} if mode else {})}
    metadata = {"name": name, "annotations": notes}
    return json.dumps({"apiVersion": f"{OURS}/v1alpha1", "kind": "AccessPolicy", "metadata": metadata, "spec": spec})


def put(cluster: Kubectl, user: str, manifest: str) -> str:
    return cluster("apply", "-f", "-", f"--as={user}", stdin=manifest, check=False).stderr


@pytest.mark.parametrize("before", ["enforce", None])
def test_a_policy_that_enforces_is_held_to_the_same(cluster: Kubectl, before: str | None) -> None:
    name = f"weaker-{uuid.uuid4().hex[:8]}"
    assert put(cluster, "asking-ann", policy(f"{name}-new", "observe")) == "", "a new one weakens nothing"
    assert put(cluster, "asking-ann", policy(name, before)) == ""
    assert "going from enforce to warn enforces less: first" in put(cluster, "second-sam", policy(name, "warn"))
    asked = request("asking-ann", "warn")
    assert put(cluster, "asking-ann", policy(name, before, asked)) == ""
    assert "and another makes the change" in put(cluster, "asking-ann", policy(name, "warn", asked))
    assert put(cluster, "second-sam", policy(name, "warn", asked)) == ""
    assert put(cluster, "asking-ann", policy(name, before, asked)) == ""


def test_the_guard_can_be_left_out(chart: Chart) -> None:
    without = set(chart.render()) - set(chart.render("--set=guards.weakening=false"))
    kinds = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    assert without == {(kind, f"{RELEASE}-weaker-{what}") for kind in kinds for what in ("namespaces", "policies")}
