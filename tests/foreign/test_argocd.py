"""The chart under Argo CD's own engine: synced, as it was rendered whatever the server writes into it, and removed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.chart.features import MONITORING, RECEIVER, SCREENING
from tests.chart.rendering import NAMESPACE, RELEASE
from tests.e2e.certified import Certified
from tests.e2e.objects import gpu_pod, namespace, tenant
from tests.e2e.world import eventually
from tests.foreign.application import AS_RENDERED, SERVER_SIDE, WAYS, Application
from tests.foreign.cluster import equipped
from tests.upgrade.kubelets import Kubelets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chart.rendering import Chart
    from tools.controlplane import ControlPlane

ENFORCED = "enforced"
WEBHOOK = f"ValidatingWebhookConfiguration {RELEASE}"
PROFILES = ("transfer-tests", "access-as-regulated")
VALUES = (
    *MONITORING,
    *SCREENING,
    *RECEIVER,
    "--set=serviceMonitor.enabled=true",
    "--set=networkPolicy.enabled=true",
    "--set=networkPolicy.apiServerCIDRs={10.0.0.1/32}",
    "--set=apiPriorityAndFairness.enabled=true",
    "--set=webhook.bindings=true",
    "--set=deadlines.enabled=true",
    "--set=mutation.hideDevices=true",
    "--set=guards.exec=true",
    f"--set=policies.profiles={{{','.join(PROFILES)}}}",
    "--set=config.mode=enforce",
)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with equipped(tmp_path_factory.mktemp("argocd-plane")) as plane:
        yield plane


@pytest.fixture(scope="module")
def first(plane: ControlPlane, chart: Chart) -> Iterator[tuple[Application, dict[str, Any]]]:
    """The Application, with almost everything switched on, and what the first sync into the empty cluster said."""
    application = Application(plane, chart, *VALUES)
    with Kubelets(application.kubectl):
        yield application, application.sync()


@pytest.fixture(scope="module")
def gate(
    plane: ControlPlane,
    first: tuple[Application, dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Certified]:
    """The server, which has written what it writes: certificate, caBundle, key of references, lease, statuses."""
    gate = Certified(plane, tmp_path_factory.mktemp("argocd-gate"))
    try:
        gate.start()
        first[0].kubectl("create", "-f", "-", stdin=json.dumps(tenant("acme", "DE")))
        await_trust(gate)
        yield gate
    finally:
        gate.close()


@pytest.fixture(scope="module")
def application(gate: Certified, first: tuple[Application, dict[str, Any]]) -> Application:
    """The Application after its second sync, by which it takes over what hooks made."""
    assert gate
    first[0].sync()
    return first[0]


def await_trust(gate: Certified) -> None:
    eventually(lambda: gate.secret() and gate.trusted() == {gate.secret()["ca.crt"]}, seconds=60)


def test_a_first_sync_into_an_empty_cluster_makes_everything_but_the_tests(
    first: tuple[Application, dict[str, Any]],
) -> None:
    application, said = first
    assert {each["name"]: each["hook"] for each in said["results"] if each["hook"]} == dict.fromkeys(
        PROFILES, "PostSync"
    )
    assert [each for each in said["results"] if each["name"] == f"{RELEASE}-test"] == []
    found = json.loads(application.kubectl("get", "accesspolicies", "-o", "json").stdout)["items"]
    assert {each["metadata"]["name"] for each in found} == set(PROFILES)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_differs_once_the_server_has_written_and_nothing_need_be_ignored(
    application: Application, way: str
) -> None:
    assert application.compare(options=WAYS[way]) == AS_RENDERED


def test_a_changed_value_is_synced_and_what_the_server_keeps_stays(application: Application, gate: Certified) -> None:
    kept = gate.trusted(), gate.secret()
    changed = "--set=config.drainSeconds=21"
    assert set(application.compare(changed).differs) == {f"Deployment {NAMESPACE}/{RELEASE}"}
    for options in WAYS["three ways"], WAYS["structured merge"]:
        application.sync(changed, options=options)
        eventually(lambda options=options: application.compare(changed, options=options) == AS_RENDERED)  # type: ignore[misc]
        assert (gate.trusted(), gate.secret()) == kept
    application.sync()


def test_what_was_narrowed_by_hand_is_shown_and_put_right(application: Application, gate: Certified) -> None:
    trusted = gate.trusted()
    never = json.dumps([{"op": "replace", "path": "/webhooks/1/failurePolicy", "value": "Ignore"}])
    application.kubectl("patch", "validatingwebhookconfiguration", RELEASE, "--type=json", "-p", never)
    assert set(application.compare().differs) == {WEBHOOK}
    application.sync()
    assert application.compare() == AS_RENDERED
    assert gate.trusted() == trusted


def test_what_is_rendered_no_more_is_pruned_but_for_rules_and_definitions(application: Application) -> None:
    less = ("--set=serviceMonitor.enabled=false", "--set=policies.profiles=null", "--set=crds.enabled=false")
    kept = {f"AccessPolicy {name}": "prune" for name in PROFILES}
    monitors = {f"ServiceMonitor {NAMESPACE}/{RELEASE}{part}": "prune" for part in ("", "-receiver")}
    assert application.compare(*less).differs == monitors | kept
    application.sync(*less)
    assert application.compare(*less).differs == kept
    application.sync()
    assert application.compare() == AS_RENDERED


def test_once_removed_pods_are_created_and_data_stay_for_the_next_install(
    application: Application, gate: Certified
) -> None:
    kubectl = application.kubectl
    kubectl("apply", "-f", "-", stdin=json.dumps(namespace(ENFORCED, mode="enforce")))
    kubectl("wait", "--for=create", "serviceaccount/default", "-n", ENFORCED, "--timeout=30s")
    pod = json.dumps(gpu_pod("asks", ENFORCED, 1))

    def created() -> bool:
        return kubectl("create", "--dry-run=server", "-f", "-", stdin=pod, check=False).returncode == 0

    assert not created(), "no API server here reaches the Service"
    application.remove()
    eventually(created)
    assert kubectl("get", "tenants.computegate.io", "acme", "-o", "name").stdout.strip() == "tenant.computegate.io/acme"
    assert len(kubectl("get", "accesspolicies", "-o", "name").stdout.splitlines()) == len(PROFILES)
    application.sync(options=(SERVER_SIDE,))
    eventually(lambda: not created())
    await_trust(gate)
    assert application.compare(options=WAYS["dry runs"]) == AS_RENDERED
