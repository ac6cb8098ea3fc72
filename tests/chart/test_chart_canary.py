"""What the chart makes for the canary and the audit: their namespace, and exactly the rights of the server's table."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from admission.cli.canary import installed_of
from admission.cluster.client import Client, Unreachable
from admission.cluster.rights import Installed, Right, rights_of
from admission.enforce.audit.audit import Audit, Found, Lack, Surroundings
from admission.enforce.audit.granted import not_granted
from admission.enforce.audit.reached import Told, is_reached
from admission.enforce.canary.reading import Mark
from admission.enforce.canary.watch import CanaryWatch
from admission.review.reference import Keys
from admission.server.settings import read_settings
from tests.chart.rendering import NAMESPACE, PROVIDED, RELEASE, Chart, configuration
from tools.installation import ACCOUNT, ACCOUNT_GROUPS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from pathlib import Path

    from tests.chart.rendering import Manifest
    from tools.kubectl import Kubectl

CANARY = f"{RELEASE}-canary"
NOW = dt.datetime(2026, 11, 10, tzinfo=dt.UTC)
OUTSIDE = Installed(NAMESPACE, f"{RELEASE}-gate", f"{RELEASE}-reference", canary=CANARY)
"""An installation whose server is not in the cluster, as the control plane of these tests has it."""


def granted(objects: Iterable[Manifest]) -> Iterator[Right]:
    """Yield what the server's account is granted."""
    for each in objects:
        if each["kind"] not in {"ClusterRole", "Role"} or each["metadata"]["name"] not in {RELEASE, CANARY}:
            continue
        where = each["metadata"].get("namespace", "")
        for rule in each["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for name in rule.get("resourceNames", [""]):
                        yield from (Right(verb, group, resource, where, name) for verb in rule["verbs"])


def widest(rights: Iterable[Right]) -> set[Right]:
    """Leave out what is granted for one name, and for any."""
    found = set(rights)
    return {each for each in found if not each.name or each._replace(name="") not in found}


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param((), id="defaults"),
        pytest.param(("--set=canary.seconds=0", "--set=reference.existingSecret=s"), id="no canary"),
        pytest.param(PROVIDED, id="provided certificate"),
        pytest.param(("--set=enforcement.evict=true", "--set=enforcement.suspend=true"), id="enforcement"),
        pytest.param(("--set=tls.mode=certManager", "--set=fullnameOverride=computegate"), id="cert-manager"),
    ],
)
def test_the_chart_grants_what_the_servers_table_names_and_nothing_else(
    chart: Chart, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    objects, path = chart.objects(*flags), tmp_path / "config.yaml"
    path.write_text(configuration(chart.render(*flags)))
    needed = rights_of(installed_of(read_settings(path), NAMESPACE))
    assert widest(needed) == widest(granted(objects))


def test_without_a_canary_there_is_no_namespace_for_it(chart: Chart) -> None:
    named = [each for each in chart.objects("--set=canary.seconds=0") if CANARY in str(each["metadata"])]
    assert named == []
    words = "config.excludedNamespaces names computegate-canary, where the canary must be denied"
    assert words in chart.refusal("--set=config.excludedNamespaces={computegate-canary}")
    assert "/canary/seconds" in chart.refusal("--set=canary.seconds=61")


def asked(kubectl: Kubectl, user: str, ask: Callable[[Client], Awaitable[Any]]) -> Any:
    """Return what comes of asking the API server as somebody, or as the administrator."""

    async def connected() -> Any:
        plane = kubectl.plane
        access = plane.kubeconfig_for(user, ACCOUNT_GROUPS) if user else plane.kubeconfig
        client = await Client.connect(access)
        try:
            return await ask(client)
        finally:
            await client.close()

    return asyncio.run(connected())


def test_the_server_has_every_right_of_its_table_and_who_has_none_is_told_all(installed: Kubectl) -> None:
    rights = list(rights_of(OUTSIDE))
    missing = asked(installed, ACCOUNT, lambda client: not_granted(client, rights))
    assert missing == []
    assert rights == asked(installed, "nobody-of-ours", lambda client: not_granted(client, rights))
    alone = [Right("create", "", "pods", CANARY), Right("create", "", "pods"), Right("create", "", "pods", "default")]
    assert alone[1:] == asked(installed, ACCOUNT, lambda client: not_granted(client, alone))


def test_while_the_server_is_down_the_canary_says_so_and_the_plain_pod_passes(installed: Kubectl) -> None:
    async def seen(client: Client) -> dict[str, str]:
        mark = Mark(Keys(b"key"), CANARY, ())
        watch = CanaryWatch(client, lambda: mark, seconds=1, tell=lambda *_: None, now=lambda: NOW)
        for _ in range(2):
            await watch.once()
        return {name: each.outcome for name, each in watch.seen.items()}

    wanted = {"device": "unanswered", "access": "unanswered", "plain": "passed"}
    installed("wait", "--for=create", "serviceaccount/default", "-n", CANARY, "--timeout=30s")
    assert wanted == asked(installed, ACCOUNT, seen)


@pytest.mark.parametrize(
    ("endpoints", "reached"),
    [
        ([], False),
        ([{"addresses": ["10.1.0.1"], "conditions": {"ready": False}}], False),
        ([{"addresses": ["10.1.0.1"], "conditions": {"ready": False}}, {"addresses": ["10.1.0.2"]}], True),
    ],
    ids=["none", "not ready", "one ready"],
)
def test_a_service_without_a_ready_address_is_found(installed: Kubectl, endpoints: list[Any], reached: bool) -> None:
    name = f"gate-{len(endpoints)}"
    held = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": endpoints,
    }
    installed("create", "-n", "default", "-f", "-", stdin=json.dumps(held))
    entry = {"clientConfig": {"service": {"name": name, "namespace": "default"}}}
    assert reached is asked(installed, "", lambda client: is_reached(client, entry))


def test_what_the_audit_finds_counts_when_it_is_found_again(installed: Kubectl) -> None:
    told: list[tuple[Lack, Found | None]] = []
    enforced: dict[str, dict[str, str]] = {}
    away: list[bool] = []
    entry = {"name": "enforced.computegate.io", "namespaceSelector": {"matchLabels": {"a": "b"}}}

    async def looks(client: Client) -> list[Any]:
        def configuration() -> dict[str, Any]:
            if away:
                raise Unreachable("away")
            return {"webhooks": [entry]}

        async def nothing() -> dict[Lack, str]:
            return {}

        around = Surroundings(configuration, lambda: enforced, lambda *_: "", Told((), by_default=True), nothing)
        audit = Audit(client, (), around, tell=lambda *each: told.append(each), seconds=1, grace=1)
        seen = []
        rounds: tuple[list[str] | None, ...] = (["x"], ["x"], None, None, ["x"], [], ["x"], [])
        for names in rounds:
            away[:] = [True] * (names is None)
            enforced.clear()
            enforced.update({name: {} for name in names or ()})
            await audit.once()
            seen.append(None if audit.lacks is None else [*audit.lacks])
        return seen

    found = asked(installed, ACCOUNT, looks)
    namespaces, unseen = [Lack.Namespaces], [Lack.Namespaces, Lack.Unseen]
    assert found == [None, namespaces, namespaces, unseen, namespaces, [], [], []]
    lost, silent = (Lack.Namespaces, Found(1, "x")), (Lack.Unseen, Found(1, "away"))
    assert told == [lost, silent, (Lack.Unseen, None), (Lack.Namespaces, None)]
