"""The receiver of KYC deliveries as the chart renders it: apart from the webhook in everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from admission.server.receiving import sources
from admission.server.settings import read_receiver_settings
from tests.chart.rendering import PROVIDED, RELEASE, Chart, configuration

if TYPE_CHECKING:
    from pathlib import Path

    from tools.kubectl import Kubectl

NAME = f"{RELEASE}-receiver"
ON = (
    *PROVIDED,
    "--set=kyc.receiver.enabled=true",
    "--set=kyc.receiver.providers[0].name=persona",
    "--set=kyc.receiver.providers[0].level=2",
    "--set=kyc.receiver.providers[1].name=acme",
    "--set-literal=kyc.receiver.mappings.acme=documentation = []",
    "--set=kyc.receiver.existingSecret=kyc-secrets",
    "--set=networkPolicy.enabled=true",
)


def test_nothing_of_it_is_installed_unless_it_is_enabled(chart: Chart) -> None:
    assert [name for _, name in chart.render(*PROVIDED) if "receiver" in name] == []


def test_the_rendered_settings_are_what_the_receiver_reads(chart: Chart, tmp_path: Path) -> None:
    objects = chart.render(*ON)
    assert objects["ConfigMap", NAME]["data"] == {"acme.toml": "documentation = []"}
    file = tmp_path / "config.yaml"
    file.write_text(configuration(objects, NAME))
    settings = read_receiver_settings(file)
    assert [(each.name, each.level, each.valid_days) for each in settings.providers] == [
        ("persona", 2, 365),
        ("acme", 1, 365),
    ]
    packaged = settings.model_copy(update={"providers": settings.providers[:1], "mappings_folder": None})
    assert [each.provider.name for each in sources(packaged)] == ["persona"]


def test_it_shares_neither_account_nor_labels_with_the_webhook(chart: Chart) -> None:
    objects = chart.render(*ON)
    pod = objects["Deployment", NAME]["spec"]["template"]
    assert pod["spec"]["serviceAccountName"] == NAME
    selectors: list[dict[str, Any]] = [
        objects["Service", RELEASE]["spec"]["selector"],
        objects["NetworkPolicy", RELEASE]["spec"]["podSelector"]["matchLabels"],
        objects["PodDisruptionBudget", RELEASE]["spec"]["selector"]["matchLabels"],
    ]
    labels = pod["metadata"]["labels"]
    assert [selector.items() <= labels.items() for selector in selectors] == [False] * 3
    assert objects["Service", NAME]["spec"]["selector"].items() <= labels.items()
    assert objects["NetworkPolicy", NAME]["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


def test_its_rights_are_two_reads_and_one_write(chart: Chart) -> None:
    objects = chart.render(*ON)
    rights = [(rule["resources"], rule["verbs"]) for rule in objects["ClusterRole", NAME]["rules"]]
    assert rights == [(["tenants"], ["get", "attest"]), (["tenants/status"], ["get", "patch"])]
    assert ("Role", NAME) not in objects
    assert ("ValidatingAdmissionPolicy", NAME) in objects


def test_its_metrics_are_scraped_with_the_webhooks(chart: Chart) -> None:
    objects = chart.render(*ON, "--set=serviceMonitor.enabled=true")
    selector = objects["ServiceMonitor", NAME]["spec"]["selector"]["matchLabels"]
    assert selector.items() <= objects["Service", NAME]["metadata"]["labels"].items()
    assert ("ServiceMonitor", RELEASE) in objects


@pytest.mark.parametrize(("secret", "scheme", "port"), [("", "HTTP", 80), ("tls", "HTTPS", 443)])
def test_tls_ends_in_it_or_before_it(chart: Chart, secret: str, scheme: str, port: int) -> None:
    objects = chart.render(*ON, f"--set=kyc.receiver.tlsSecret={secret}")
    container = objects["Deployment", NAME]["spec"]["template"]["spec"]["containers"][0]
    assert container["readinessProbe"]["httpGet"]["scheme"] == scheme
    assert objects["Service", NAME]["spec"]["ports"][0]["port"] == port
    assert ("tls" in yaml.safe_load(configuration(objects, NAME))) == bool(secret)


CONTRADICTIONS = [
    (("--set=kyc.receiver.providers=null",), "name whose deliveries it takes in kyc.receiver.providers"),
    (("--set=kyc.receiver.existingSecret=",), "name the Secret with a key for each provider"),
    (("--set=kyc.receiver.metricsPort=8444",), "are the same: choose two ports"),
    (("--set=kyc.receiver.providers[0].name=A",), "kyc/receiver/providers/0/name"),
    (("--set=kyc.receiver.secret=x",), "additional properties 'secret' not allowed"),
]


@pytest.mark.parametrize(("flags", "said"), CONTRADICTIONS)
def test_values_that_cannot_be_are_refused_with_what_to_change(chart: Chart, flags: tuple[str, ...], said: str) -> None:
    assert said in chart.refusal(*ON, *flags)


def test_the_api_server_accepts_it_and_its_guard(installed: Kubectl, chart: Chart) -> None:
    rendered = chart.render(*ON, "--set=kyc.receiver.tlsSecret=tls")
    ours = [each for (_, name), each in rendered.items() if name == NAME]
    flags = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
    done = installed(*flags, stdin=yaml.safe_dump_all(ours))
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(ours)
