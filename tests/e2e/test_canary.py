"""Each way to take the gate away, on a running installation: what the canary and the audit say, and how soon.

The times are logged (`pytest --log-cli-level=INFO`): the canary is asked for each second, by default each half minute.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import hashlib
import json
import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from admission.cli.standing import Standing, standing_of
from admission.cluster.client import Client
from admission.enforce.canary.pods import CANARIES
from admission.review import alarms
from admission.server.settings import digest_of
from tests.e2e.world import eventually, samples
from tools.authority import Authority
from tools.installation import ACCOUNT, NAMESPACE, Replica, Weather

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.world import World

WEBHOOK, NARROWED = "validatingwebhookconfiguration", ("validatingadmissionpolicybinding", "computegate-narrowed")
CANARY, ROLE = "computegate-canary", "computegate"
OPENED = "the gate is open: a pod that must be denied was admitted"
BOUND = 60.0
"""Seconds within which it must be told; here the canary is asked for more often than a chart would."""

SETTINGS: dict[str, dict[str, float]] = {"canary": {"seconds": 1}, "gate": {"auditSeconds": 1, "graceSeconds": 60}}
GOOD = {"device": "denied", "access": "denied", "plain": "passed"}
OPEN = {**GOOD, "device": "admitted", "access": "admitted"}
CLOSED = {**GOOD, "device": "unanswered", "access": "unanswered"}
logger = logging.getLogger(__name__)

NO_CDI = "!object.metadata.?annotations.orValue({}).exists(key, key.startsWith('cdi.k8s.io/'))"


class Tampering(NamedTuple):
    """Changes of the entry that denies, and what is said of them."""

    name: str
    changes: tuple[tuple[str, str, Any], ...]
    outcomes: dict[str, str]
    lacks: tuple[str, ...] = ()
    reachable: bool = True


def selected(values: dict[str, Any]) -> tuple[str, str, Any]:
    return ("add", "namespaceSelector/matchExpressions/-", values)


TAMPERINGS = [
    Tampering("rules narrowed", (("remove", "rules/0", None),), OPEN),
    Tampering("operation changed", (("replace", "rules/0/operations", ["UPDATE"]),), OPEN),
    Tampering("fails open, unreachable", (("replace", "failurePolicy", "Ignore"),), OPEN, reachable=False),
    Tampering("unreachable", (), CLOSED, reachable=False),
    Tampering("wrong CA", (("replace", "clientConfig/caBundle", "CA"),), CLOSED, ("trust",)),
    Tampering(
        "wrong CA, fails open",
        (("replace", "clientConfig/caBundle", "CA"), ("replace", "failurePolicy", "Ignore")),
        OPEN,
        ("trust",),
    ),
    Tampering("selector", (("add", "namespaceSelector/matchLabels", {"a": "b"}),), OPEN, ("namespaces",)),
    Tampering(
        "selector without one namespace",
        (selected({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["computegate-probe"]}),),
        GOOD,
        ("namespaces",),
    ),
    Tampering("match condition", (("replace", "matchConditions/1/expression", "false"),), OPEN),
    Tampering(
        "one way left out",
        (("add", "matchConditions/-", {"name": "no-cdi", "expression": NO_CDI}),),
        {**GOOD, "access": "admitted"},
    ),
    Tampering("object selector", (("add", "objectSelector/matchLabels", {"a": "b"}),), OPEN),
    Tampering(
        "asked about all, unreachable",
        (("remove", "matchConditions", None),),
        {**CLOSED, "plain": "obstructed"},
        reachable=False,
    ),
]


@pytest.fixture(scope="module")
def watched(world: World) -> Iterator[World]:
    """The shared installation with a canary each second, and no policy that stands in for a narrowed webhook.

    Its own alarm waits longer than any of these tests takes: what it tells is another test's.
    """
    (replica,) = world.installed.replicas
    replica.stop()
    bind(world, "Audit")
    with replica.configured(**SETTINGS):
        world.installed.start()
    eventually(lambda: outcomes(world), lambda found: found == GOOD)
    yield world
    bind(world, "Deny")
    with world.installed.stopped():
        pass


@contextlib.contextmanager
def restarted(world: World, **settings: Any) -> Iterator[None]:
    """The replica started anew with further settings; it goes on with them after the block."""
    (replica,) = world.installed.replicas
    replica.stop()
    with replica.configured(**{**SETTINGS, **settings}):
        world.installed.start()
        yield


def bind(world: World, action: str) -> None:
    """Set what the policy about a narrowed webhook does."""
    world.kubectl("patch", *NARROWED, "--type=merge", "-p", json.dumps({"spec": {"validationActions": [action]}}))


@contextlib.contextmanager
def bound(world: World) -> Iterator[None]:
    """The policy about a narrowed webhook denies, for the block."""
    bind(world, "Deny")
    try:
        yield
    finally:
        bind(world, "Audit")


@contextlib.contextmanager
def unreachable(world: World, *, here: bool) -> Iterator[None]:
    """No answer of ours comes back to the API server for the block, if ``here``."""
    world.installed.balancer.weather = Weather(loss=float(here))
    try:
        yield
    finally:
        world.installed.balancer.weather = Weather()


@contextlib.contextmanager
def restored(world: World) -> Iterator[None]:
    """The webhook's configuration as it was, after the block."""
    held = world.get(WEBHOOK, "computegate")
    held["metadata"] = {key: held["metadata"][key] for key in ("name", "labels", "annotations")}
    try:
        yield
    finally:
        if world.kubectl("replace", "-f", "-", stdin=json.dumps(held), check=False).returncode:
            world.kubectl("create", "-f", "-", stdin=json.dumps(held))
        eventually(lambda: outcomes(world), lambda found: found == GOOD)
        eventually(lambda: lacks(world), lambda found: found == ())


def outcomes(world: World) -> dict[str, str]:
    """Return what each canary is answered now."""
    found = ((name, dict(labels), number) for (name, labels), number in samples(world.metrics()).items())
    return {
        labels["canary"]: labels["outcome"]
        for name, labels, number in found
        if name == "computegate_canary_outcome" and number == 1
    }


def notes(world: World, reason: str) -> set[str]:
    """Return what events on the release's ConfigMap say for a reason."""
    events = world.items("events.events.k8s.io", "-n", NAMESPACE)
    return {
        each["note"] for each in events if each["reason"] == reason and each["regarding"]["name"] == "computegate-gate"
    }


def lacks(world: World) -> tuple[str, ...]:
    """Return what the audit finds missing."""
    found = samples(world.metrics()).items()
    return tuple(
        sorted(dict(labels)["problem"] for (name, labels), n in found if name == "computegate_audit_problems" and n)
    )


async def asked_by_preflight(world: World) -> Standing:
    """Return what who asks by hand is told, without the installation's key."""
    client = await Client.connect(world.installed.plane.kubeconfig)
    try:
        return await standing_of(client, "computegate", dt.datetime.now(dt.UTC))
    finally:
        await client.close()


def detected(world: World, name: str, wanted: dict[str, str], lacking: tuple[str, ...] = ()) -> None:
    """Wait until all is told, and log how long each took from now on."""
    begun = time.monotonic()
    eventually(lambda: outcomes(world), lambda found: found == wanted, BOUND)
    if wanted != GOOD:
        said = ", ".join(sorted(set(wanted.values()) - set(GOOD.values())))
        logger.info("%s: %s after %.1f s", name, said, time.monotonic() - begun)
    eventually(lambda: lacks(world), lambda found: found == lacking, BOUND)
    if lacking:
        logger.info("%s: audit: %s after %.1f s", name, ", ".join(lacking), time.monotonic() - begun)


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=[each.name for each in TAMPERINGS])
def test_a_gate_that_was_changed_is_found_by_asking(watched: World, tampering: Tampering, tmp_path: Path) -> None:
    other = base64.b64encode(Authority(tmp_path).pem.encode()).decode()
    patch = [
        {"op": operation, "path": f"/webhooks/1/{path}", "value": other if value == "CA" else value}
        for operation, path, value in tampering.changes
    ]
    with restored(watched), unreachable(watched, here=not tampering.reachable):
        if patch:
            watched.kubectl("patch", WEBHOOK, "computegate", "--type=json", "-p", json.dumps(patch))
        detected(watched, tampering.name, tampering.outcomes, tampering.lacks)
        if tampering.reachable:
            found = asyncio.run(asked_by_preflight(watched))
            assert (found.canaries, found.breaks) == (tampering.outcomes, "admitted" in tampering.outcomes.values())


def test_a_gate_that_was_deleted_is_found_and_told_and_its_return_too(watched: World) -> None:
    with restored(watched):
        watched.kubectl("delete", WEBHOOK, "computegate")
        detected(watched, "deleted", OPEN)
        eventually(lambda: notes(watched, "GateAdmitted"), lambda found: any(OPENED in note for note in found))
        assert f"gate: canary device: {OPENED}" in watched.installed.replicas[0].log.read_text()
    eventually(lambda: notes(watched, "GateDenied"), lambda found: any("the gate stands" in note for note in found))


def test_a_namespace_that_is_not_enforced_is_found(watched: World) -> None:
    watched.observe(CANARY)
    detected(watched, "canary's namespace observed", OPEN)
    watched.kubectl("label", "namespace", CANARY, "computegate.io/mode=enforce", "--overwrite")
    detected(watched, "enforced again", GOOD)


def test_a_server_that_denies_in_our_name_is_not_taken_for_us(watched: World, tmp_path: Path) -> None:
    installed = watched.installed
    (tmp_path / "key").write_bytes(b"another installation's key, 32 B")
    settings = {"mode": "enforce", "referenceKeyFile": str(tmp_path / "key")}
    other = Replica(installed.plane, tmp_path / "other", installed._certificate, settings)
    other.start()
    try:
        other.wait()
        leads = [{"op": "replace", "path": "/webhooks/1/clientConfig/url", "value": other.review_url}]
        with restored(watched):
            watched.kubectl("patch", WEBHOOK, "computegate", "--type=json", "-p", json.dumps(leads))
            detected(watched, "leads elsewhere", {**GOOD, "device": "foreign", "access": "foreign"})
    finally:
        other.stop()


def test_a_policy_that_stands_in_for_a_narrowed_webhook_is_not_taken_for_it(watched: World) -> None:
    with bound(watched), restored(watched):
        narrowed = [{"op": "replace", "path": "/webhooks/1/failurePolicy", "value": "Ignore"}]
        watched.kubectl("patch", WEBHOOK, "computegate", "--type=json", "-p", json.dumps(narrowed))
        detected(watched, "guarded", {**GOOD, "device": "guarded", "access": "guarded"})


def test_a_right_that_was_taken_away_is_named(watched: World) -> None:
    role = watched.get("clusterrole", ROLE)
    kept = [rule for rule in role["rules"] if rule["resources"] != ["quotaledgers/status"]]
    watched.kubectl("patch", "clusterrole", ROLE, "--type=merge", "-p", json.dumps({"rules": kept}))
    detected(watched, "right", GOOD, ("rights",))
    said = "get quotaledgers.computegate.io/status, update quotaledgers.computegate.io/status"
    assert f"the server's account is not granted: {said}" in watched.installed.replicas[0].log.read_text()
    watched.kubectl("patch", "clusterrole", ROLE, "--type=merge", "-p", json.dumps({"rules": role["rules"]}))
    detected(watched, "granted again", GOOD)


def test_a_replica_that_was_told_to_leave_out_a_namespace_is_found(watched: World) -> None:
    (replica,) = watched.installed.replicas
    said = "this replica was told to let pass, by settings that are not the release's: team-y"
    with restarted(watched, excludedNamespaces=["kube-system", NAMESPACE, "team-y"]):
        detected(watched, "told to leave out", GOOD, ("settings",))
        assert said in replica.log.read_text()
        eventually(lambda: notes(watched, "LacksSettings"), lambda found: said in found)
    with restarted(watched):
        detected(watched, "told as the others", GOOD)


def test_a_replica_that_was_started_with_other_settings_than_the_releases_is_told(watched: World) -> None:
    """As by `kubectl edit deployment`: whatever of the settings it is."""
    (replica,) = watched.installed.replicas
    config = ("configmap", "computegate-gate", "-n", NAMESPACE)
    said = alarms.lacking("edited", "computegate-gate")
    with replica.configured(**SETTINGS):
        text = replica.directory.joinpath("config.yaml").read_text()
    note = json.dumps({"data": {"settings.sha256": digest_of(text.encode())}})
    watched.kubectl("patch", *config, "--type=merge", "-p", note)
    detected(watched, "as the release says", GOOD)
    with restarted(watched, record={"onFailure": "Deny"}):
        detected(watched, "edited", GOOD, ("edited",))
        assert said in replica.log.read_text()
        eventually(lambda: notes(watched, "LacksEdited"), lambda found: said in found)
        made = {**CANARIES[2].pod, "metadata": {"name": "newer", "namespace": NAMESPACE}}
        made["metadata"]["annotations"] = {"computegate.io/config": text}
        watched.kubectl("create", "-f", "-", stdin=json.dumps(made))
        detected(watched, "an upgrade", GOOD)
        watched.kubectl("delete", "pod", "newer", "-n", NAMESPACE, "--grace-period=0", "--force")
    with restarted(watched):
        detected(watched, "told as the release", GOOD)
    watched.kubectl("patch", *config, "--type=json", "-p", '[{"op": "remove", "path": "/data/settings.sha256"}]')


def test_a_config_map_of_another_release_is_told_unless_its_pods_are_on_their_way(watched: World) -> None:
    said = watched.get("configmap", "computegate-gate", "-n", NAMESPACE)["data"]["expected.json"]
    own = hashlib.sha256(said.encode()).hexdigest()
    with restarted(watched, gate={**SETTINGS["gate"], "digest": own}):
        detected(watched, "of this release", GOOD)
    with restarted(watched, gate={**SETTINGS["gate"], "digest": "0" * 64}):
        detected(watched, "of another", GOOD, ("release",))
        text = "another release is said to be installed than the one of this replica, in ConfigMap: computegate-gate"
        assert text in watched.installed.replicas[0].log.read_text()
        made = {**CANARIES[2].pod, "metadata": {"name": "newer", "namespace": NAMESPACE}}
        made["metadata"]["annotations"] = {"computegate.io/config": f"gate: {{digest: {own}}}"}
        watched.kubectl("create", "-f", "-", stdin=json.dumps(made))
        detected(watched, "an upgrade", GOOD)
        watched.kubectl("delete", "pod", "newer", "-n", NAMESPACE, "--grace-period=0", "--force")
    with restarted(watched):
        detected(watched, "as before", GOOD)


def test_nothing_else_hides_the_gate_for_long_untold(watched: World) -> None:
    held = watched.get("rolebinding", CANARY, "-n", CANARY)
    held["metadata"] = {key: held["metadata"][key] for key in ("name", "namespace", "labels")}
    watched.kubectl("delete", "rolebinding", CANARY, "-n", CANARY)
    detected(watched, "may not ask", dict.fromkeys(GOOD, "obscured"), ("rights",))
    watched.kubectl("create", "-f", "-", stdin=json.dumps(held))
    detected(watched, "may ask again", GOOD)


def test_the_account_that_may_ask_can_keep_no_pod_there(watched: World) -> None:
    plain = {**CANARIES[2].pod, "metadata": {"name": "kept", "namespace": CANARY}}
    done = watched.try_create(plain, user=ACCOUNT)
    assert f"exceeded quota: {CANARY}" in done.stderr
    assert watched.items("pods", "-n", CANARY) == []
