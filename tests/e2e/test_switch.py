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
    from collections.abc import Iterator

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


def _refuse_while_missing(world: World) -> None:
    """Install a policy that refuses what it matches for as long as our configuration is missing."""
    registration = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": "computegate-missing"}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    enforced = {"matchLabels": {"computegate.io/switch": "missing"}}
    policy = {
        "paramKind": kind,
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": enforced},
        "validations": [{"expression": "params.webhooks.size() > 0"}],
    }
    binding = {
        "policyName": "computegate-missing",
        "validationActions": ["Deny"],
        "paramRef": {"name": "computegate", "parameterNotFoundAction": "Deny"},
    }
    world.apply(
        {**registration, "kind": "ValidatingAdmissionPolicy", "spec": policy},
        {**registration, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
    )


def test_what_refuses_pods_while_the_gate_is_missing_goes_with_it_and_comes_back(
    world: World, country: str, unique: str
) -> None:
    _refuse_while_missing(world)
    world.apply(quota(unique, country, 0), tenant(unique, country), namespace(unique, unique))
    world.kubectl("label", "namespace", unique, "computegate.io/switch=missing")
    before = world.get("validatingadmissionpolicybinding", "computegate-missing")["spec"]
    with world.installed.stopped():
        assert computegate(world, "off", "--reason", "the servers do not start").returncode == 0
        eventually(lambda: world.try_create(gpu_pod("first", unique)).returncode, lambda code: code == 0)
    assert computegate(world, "on").returncode == 0
    assert world.get("validatingadmissionpolicybinding", "computegate-missing")["spec"] == before
    world.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", "computegate-missing")


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
