"""What support gets of a real installation: enough to see what is wrong, and nobody's name."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.e2e.objects import gpu_pod, namespace, of, quota, tenant
from tests.e2e.receivers import computegate
from tests.e2e.world import eventually
from tests.unpacked import unpacked
from tools.installation import NAMESPACE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.world import World

CUSTOMER, OWNER, PERSON = "quarzwind-labs", "Quarzwind Holding AG", "helga.brandt@quarzwind.example"
OWNERS = 5
"""More than any other tenant here has."""


def bundled(world: World, path: Path, *options: str) -> tuple[int, str]:
    (replica,) = world.installed.replicas
    logs = ("--log", str(replica.record), "--log", str(replica.log))
    metrics = ("--metrics", f"http://127.0.0.1:{replica.metrics_port}/metrics")
    done = computegate(world, "debug", "bundle", "-o", str(path), *logs, *metrics, *options)
    return done.returncode, done.stderr


def make_trouble(world: World, country: str) -> None:
    """A customer with owners and people, a quota and a namespace that carry its name, denials, and a weaker mode."""
    owners = [{"id": f"top-{n}", "name": f"{OWNER} {n}", "headquarters": country} for n in range(OWNERS)]
    customer = tenant(CUSTOMER, country, legalName="Quarzwind Labs GmbH", parties=owners)
    exemption = {
        "namespace": CUSTOMER,
        "images": ["registry.quarzwind.example/agent:1"],
        "ways": ["privileged"],
        "reason": f"asked for by {PERSON}",
        "requestedBy": "admin",
        "validUntil": "2026-12-20T00:00:00Z",
    }
    world.apply(customer, quota(f"{CUSTOMER}-all", country, 1), namespace(CUSTOMER, CUSTOMER))
    world.kubectl("create", "-f", "-", stdin=json.dumps(of("Exemption", f"{CUSTOMER}-agent", exemption)))
    settings = {"computegate.io/config": (world.installed.replicas[0].directory / "config.yaml").read_text()}
    labels = {"app.kubernetes.io/name": "computegate"}
    template = {
        "metadata": {"labels": labels, "annotations": settings},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": "computegate", "namespace": NAMESPACE, "labels": labels}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    world.kubectl("apply", "-f", "-", stdin=json.dumps(deployment))
    world.admit(gpu_pod("trainer-of-helga", CUSTOMER))
    assert world.denial(gpu_pod("second", CUSTOMER, 1)) != ""
    world.observe(CUSTOMER, f"told {PERSON}")
    eventually(lambda: world.denial(gpu_pod("third", CUSTOMER, 1)), lambda line: line == "")


def test_a_bundle_shows_states_and_counts_and_no_name_of_a_customer(world: World, country: str, tmp_path: Path) -> None:
    make_trouble(world, country)
    (replica,) = world.installed.replicas
    eventually(lambda: PERSON in replica.log.read_text(), bool)
    eventually(lambda: world.record_of("third")["decision"], lambda decision: decision == "would_deny")
    eventually(lambda: CUSTOMER in world.metrics(), bool)
    code, said = bundled(world, tmp_path / "a.tar.gz")
    assert (code, said) == (0, "")
    files = unpacked(tmp_path / "a.tar.gz")
    everything = "\n".join(files.values()).lower()
    for name in ("quarzwind", "helga", "brandt", "trainer-of", "@", "example.com", "holding"):
        assert name not in everything, [line for line in everything.splitlines() if name in line][:3]
    _reference_key_is_nowhere(world, everything)
    assert json.loads(files["bundle.json"])["problems"] == []
    assert (tmp_path / "a.tar.gz").stat().st_mode & 0o777 == 0o600

    objects = json.loads(files["objects.json"])
    alias = _alias(objects, "Tenant", "status.kyc.state")
    assert {each["name"] for each in objects["Tenant"]["objects"]} >= {alias}
    (gate,) = objects["ComputeGate"]["objects"]
    assert gate["facts"]["status.replicas#"] == 1
    assert {"Ready", "GateIntact"} <= {each["type"] for each in gate["conditions"]}
    decisions = [json.loads(line) for line in files["logs/0.jsonl"].splitlines()]
    assert {"denied", "would_deny"} <= {each.get("decision") for each in decisions if each.get("tenant") == alias}
    templates = [json.loads(line).get("template") for line in files["logs/1.jsonl"].splitlines()]
    assert "%s %s went from %s to %s; asked for by %s: %s" in templates
    assert re.search(
        r'^computegate_quota_used_devices\{quota="computequota-[0-9a-f]{10}"\} ', files["metrics/0.txt"], re.MULTILINE
    )
    entry = next(each for each in json.loads(files["webhook.json"]) if each["name"] == "enforced.computegate.io")
    assert (entry["failurePolicy"], entry["where"]) == ("Fail", "url")
    settings = json.loads(files["configuration.json"])
    assert (settings["mode"], settings["contact"], settings["excludedNamespaces"][0]) == (
        "enforce",
        True,
        "kube-system",
    )

    (tmp_path / "b.tar.gz").touch(mode=0o644)
    assert bundled(world, tmp_path / "b.tar.gz")[0] == 0
    assert (tmp_path / "b.tar.gz").stat().st_mode & 0o777 == 0o600
    again = json.loads(unpacked(tmp_path / "b.tar.gz")["objects.json"])
    assert _alias(again, "Tenant", "status.kyc.state") == alias, "the same name is the same word"
    world.kubectl("delete", "pods", "--all", "-n", CUSTOMER, "--force", "--grace-period=0")


def _alias(objects: dict[str, Any], kind: str, fact: str) -> str:
    """The pseudonym of the customer: the only Tenant with so many parties."""
    every = objects[kind]["objects"]
    (one,) = [each["name"] for each in every if each["facts"]["spec.parties#"] == OWNERS and fact in each["facts"]]
    return str(one)


def _reference_key_is_nowhere(world: World, everything: str) -> None:
    secret = world.get("secret", "computegate-reference", "-n", "computegate-system")
    assert secret["data"]["key"].lower() not in everything
    assert world.get("namespace", "kube-system")["metadata"]["uid"] not in everything


def test_what_cannot_be_had_is_named_and_the_rest_is_there(world: World, tmp_path: Path) -> None:
    nowhere = ("--log", "/nowhere/log", "--metrics", "http://127.0.0.1:1/metrics")
    code, said = bundled(world, tmp_path / "c.tar.gz", "-n", "default", *nowhere)
    assert code == 1
    assert said.splitlines() == [
        "computegate debug bundle: not in it: configuration.json: ValueError",
        "computegate debug bundle: not in it: logs/2.jsonl: FileNotFoundError",
        "computegate debug bundle: not in it: metrics/1.txt: URLError",
    ]
    assert "cluster.json" in unpacked(tmp_path / "c.tar.gz")
