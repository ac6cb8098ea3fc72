"""Objects that do not fit together: refused by kubectl as they are written, and survived where nobody was asked."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.objects import gpu_pod, namespace, of, pool, quota, tenant
from tests.e2e.world import World, eventually, value
from tools.controlplane import ControlPlane
from tools.installation import NAMESPACE, Installation

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.e2e.objects import Object

GOLDEN = Path(__file__).parent / "golden" / "objects.txt"
BASIS = {"type": "ProviderPolicy", "title": "test"}
ALLOW = {"name": "allow", "basis": BASIS, "effect": "Allow"}
ENTRY = "objects.computegate.io"
LONGEST = 20


def deny(name: str, *countries: str) -> Object:
    return {
        "name": name,
        "basis": BASIS,
        "effect": "Deny",
        "when": [{"fact": "Headquarters", "operator": "In", "values": list(countries)}],
    }


def policy(name: str, *rules: Object, **spec: object) -> Object:
    return of("AccessPolicy", name, {"rules": list(rules), **spec})


OWNED: Object = {
    "independent": False,
    "parties": [{"id": name, "name": name} for name in ("top", "one", "two")],
    "ownership": [
        {"owner": owner, "owned": whom, "share": {"exact": exact}}
        for owner, whom, exact in (("top", "tenant", 100), ("one", "top", 60), ("two", "top", 50))
    ],
}
POOL = {"nodeLabels": {"a": "b"}, "acceleratorClass": "t4", "resources": ["example.com/t4"]}

BAD: dict[str, Object] = {
    "a country that is none": policy("bad", deny("d", "UK")),
    "a group that nobody defines": policy("bad", deny("d", "ear-d55")),
    "a class that nobody defines": policy("bad", {**deny("d", "FR"), "classes": ["h100-smx"]}),
    "a second order": policy("bad", jurisdictionOrder=["CN"]),
    "a built-in group's name": policy("bad", deny("d", "FR"), groups=[{"name": "ear-d5", "countries": ["DE"]}]),
    "its own rule replaced": policy("bad", {**deny("d", "FR"), "replaces": "bad/e"}, deny("e", "FR")),
    "a quota of nowhere": quota("bad", "europe", 4),
    "a quota of no class": quota("bad", "FR", 4, classes=["h200"]),
    "a resource of two classes": of("AcceleratorClass", "bad", {"resources": ["example.com/inhouse"]}),
    "a pool nowhere": of("AcceleratorPool", "bad", {**POOL, "place": {"country": "UK"}}),
    "a tenant from nowhere": tenant("bad", "UK", incorporation="DE"),
    "owners of more than the whole": {**tenant("bad", "DE", **OWNED), "status": {}},
}
"""Each by itself beside what the world below has."""

TOLD: dict[str, Object] = {
    "overlapping rules": policy("told", {**deny("b", "KP"), "effect": "Level", "level": 2}),
    "an authorization of nobody": of(
        "Authorization",
        "told",
        {
            "number": "L-1",
            "tenant": "nobody",
            "classes": ["h100-sxm"],
            "devices": 1,
            "validFrom": "2026-01-01T00:00:00Z",
            "validUntil": "2099-01-01T00:00:00Z",
        },
    ),
    "a typo that decides nothing": policy("told", deny("d", "UK"), mode="observe"),
}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An installation of its own: for what is broken here all requests for accelerators wait."""
    directory = tmp_path_factory.mktemp("objects")
    server = {"gate": {"graceSeconds": 0}, "lastGoodSeconds": LONGEST}
    with ControlPlane(directory / "plane") as plane, Installation(plane, directory / "gate", server=server) as gate:
        world = World(gate)
        world.apply(
            of("AcceleratorClass", "inhouse", {"resources": ["example.com/inhouse"]}),
            policy(
                "own", ALLOW, deny("a", "KP"), jurisdictionOrder=["DE"], groups=[{"name": "ours", "countries": ["DE"]}]
            ),
            quota("home", "ours", 40, classes=["inhouse", "h100-sxm"]),
            pool("h100-berlin", "h100-sxm"),
            tenant("acme", "DE"),
            namespace("acme", "acme"),
        )
        yield world


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return what kubectl says, the name of its input taken out."""
    return re.sub(r'error when creating "[^"]*": ', "", done.stderr.strip()).replace("\n", " | ")


def refusals(world: World) -> dict[str, str]:
    found = {name: said(world.try_create(each, "--dry-run=server")) for name, each in {**BAD, **TOLD}.items()}
    for kind, name in (("accesspolicy", "own"), ("acceleratorclass", "inhouse")):
        found[f"deletion of an {kind} in use"] = said(
            world.kubectl("delete", kind, name, "--dry-run=server", check=False)
        )
    return found


def test_kubectl_prints_these_lines(gate: World) -> None:
    golden = dict(line.split("\t") for line in GOLDEN.read_text().splitlines())
    assert golden == refusals(gate)


@pytest.mark.parametrize("how", [("apply",), ("apply", "--server-side"), ("create",)], ids=" ".join)
def test_what_is_refused_is_not_stored_however_it_is_written(gate: World, how: tuple[str, ...]) -> None:
    done = gate.kubectl(*how, "-f", "-", stdin=json.dumps(BAD["a country that is none"]), check=False)
    assert (done.returncode, gate.get("accesspolicy", "bad")) == (1, {})
    assert f'admission webhook "{ENTRY}" denied the request: ' in done.stderr


@contextlib.contextmanager
def unasked(world: World) -> Iterator[None]:
    """The API server asks nobody about objects, while the replicas run on and see them."""
    named = ("validatingwebhookconfiguration", "computegate")
    held = world.get(*named)
    others = [each for each in held["webhooks"] if each["name"] != ENTRY]
    world.kubectl("patch", *named, "--type=merge", "-p", json.dumps({"webhooks": others}))
    eventually(lambda: world.try_create(policy("probe", deny("d", "UK")), "--dry-run=server").returncode == 0)
    try:
        yield
    finally:
        world.kubectl("patch", *named, "--type=merge", "-p", json.dumps({"webhooks": held["webhooks"]}))
        eventually(lambda: world.try_create(policy("probe", deny("d", "UK")), "--dry-run=server").returncode == 1)


def write(world: World, obj: Object) -> str:
    """Apply an object; return what kubectl warns of."""
    flags = ("--server-side", "--force-conflicts", "--field-manager=tests")
    return world.kubectl("apply", *flags, "-f", "-", stdin=json.dumps(obj)).stderr


def test_what_came_unasked_waits_after_a_restart_and_is_mended_fault_by_fault(gate: World) -> None:
    """What leaves its faults alone passes: a label, other objects, and the whole release with further rules."""
    with gate.installed.stopped():
        gate.apply(policy("two", deny("d", "UK"), deny("e", "EU")))
    try:
        assert gate.denial(gpu_pod("waits", "acme")).startswith("[TryAgain] an access rule here has an error")
        assert gate.kubectl("label", "accesspolicy", "two", "team=a").stderr == ""
        assert write(gate, quota("another", "FR", 1)) == ""
        gate.installed.apply()
        profile = gate.installed.rendered({"policies.profiles": "{access-as-regulated}"})
        for each in (each for each in profile if each["kind"] == "AccessPolicy"):
            write(gate, each)
        mended = write(gate, policy("two", deny("d", "FR"), deny("e", "EU")))
        assert mended.startswith("Warning: still to be mended: AccessPolicy two: rule e names EU, which is no ")
    finally:
        gate.kubectl("delete", "accesspolicy", "two", "access-as-regulated", "--ignore-not-found")
    eventually(lambda: gate.denial(gpu_pod("goes-on", "acme")), lambda line: line == "")


def described(world: World) -> str:
    shown = world.kubectl("describe", "configmap", "computegate-gate", "-n", NAMESPACE).stdout
    return re.sub(r"\s+", " ", shown.partition("Events:")[2])


def test_a_broken_object_is_survived_for_a_while_by_its_last_good_version_and_shown(gate: World) -> None:
    broken = ("computegate_objects_broken", {"object": "AccessPolicy/own", "field": "spec.rules[2].when[0].values[0]"})
    own = gate.get("accesspolicy", "own")["spec"]
    with unasked(gate):
        write(
            gate,
            policy("own", *own["rules"], deny("typo", "UK"), **{k: own[k] for k in ("jurisdictionOrder", "groups")}),
        )
    try:
        eventually(lambda: value(gate.metrics(), broken[0], **broken[1]) == 1)
        assert gate.denial(gpu_pod("goes", "acme")) == ""
        said = "AccessPolicy own: rule typo names UK, which is no country code of ISO 3166-1; GB is"
        eventually(lambda: described(gate), lambda text: "RulesBroken" in text and said in text)
        line = eventually(lambda: gate.denial(gpu_pod("waits-too", "acme"), "--dry-run=server"))
        assert line.startswith("[TryAgain] an access rule here has an error that the operator must mend")
        assert gate.record_of("waits-too")["reasons"] == ["RulesUnusable"]
        assert value(gate.metrics(), "computegate_rules_unusable") == 1
        eventually(lambda: described(gate), lambda text: "RulesUnusable" in text)
    finally:
        write(gate, policy("own", **own))
    eventually(lambda: gate.denial(gpu_pod("again", "acme")), lambda line: line == "")
    assert value(gate.metrics(), "computegate_objects_broken_seconds") == 0
