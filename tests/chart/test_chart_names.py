"""Releases of any name, with names overridden: commands find what the chart made, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import yaml

from admission.cli.bundle import Bundle
from admission.cli.pseudonyms import Pseudonyms
from admission.cli.switch import Switch
from admission.cluster.client import ApiError, ClusterError
from tests.chart.features import RECEIVER, SCREENING
from tests.chart.rendering import CHART, NAMESPACE, Chart, Manifest

NAMES = [
    pytest.param("computegate", [], "computegate", id="as in the pages"),
    pytest.param("prod", [], "prod-computegate", id="another release"),
    pytest.param("prod", ["--set=nameOverride=gate"], "prod-gate", id="another name"),
    pytest.param("prod", ["--set=fullnameOverride=admission"], "admission", id="another full name"),
]


class Away:
    """An API server that answers nothing else."""

    async def get(self, *_: object) -> bytes:
        raise ClusterError("away")


def rendered(chart: Chart, release: str, flags: list[str]) -> list[Manifest]:
    done = chart.run("template", release, str(CHART), f"--namespace={NAMESPACE}", *RECEIVER, *SCREENING, *flags)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


@pytest.mark.parametrize(("release", "flags", "name"), NAMES)
def test_the_bundle_finds_the_servers_pods_and_no_others(
    chart: Chart, monkeypatch: pytest.MonkeyPatch, release: str, flags: list[str], name: str
) -> None:
    deployments = [each for each in rendered(chart, release, flags) if each["kind"] == "Deployment"]
    assert len(deployments) == 3
    asked: list[str] = []

    async def every(_: Bundle, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        if path.endswith("/pods"):
            asked.append((query or {})["labelSelector"])
        return deployments if path.endswith("/deployments") else []

    monkeypatch.setattr(Bundle, "_every", every)
    bundle = Bundle(Away(), NAMESPACE, Pseudonyms("uid"))  # type: ignore[arg-type]
    asyncio.run(bundle.gather())
    assert "configuration.json" in bundle.files
    (selector,) = asked
    wanted = dict(each.split("=") for each in selector.split(","))
    labels = {each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"] for each in deployments}
    assert [each for each, has in labels.items() if wanted.items() <= has.items()] == [name]


@pytest.mark.parametrize(
    ("kept", "name"),
    [
        ({"prod-gate-off": {"taken": "[]"}, "other-off": {"history": ""}, "x": {"taken": ""}}, "prod-gate"),
        ({"prod-gate-off": {"taken": "[]"}, "other-off": {"taken": "[]"}}, "computegate"),
        ({}, "computegate"),
        (None, "computegate"),
    ],
    ids=["one", "two", "none", "may not be seen"],
)
def test_on_finds_what_off_has_kept(
    monkeypatch: pytest.MonkeyPatch, kept: dict[str, dict[str, str]] | None, name: str
) -> None:
    async def pages(*_: object) -> AsyncIterator[list[bytes]]:
        if kept is None:
            raise ApiError(403, "Forbidden", "no")
        yield [json.dumps({"metadata": {"name": each}, "data": data}).encode() for each, data in kept.items()]

    monkeypatch.setattr("admission.cli.switch.pages", pages)
    assert asyncio.run(Switch(Away(), NAMESPACE).kept_name()) == name  # type: ignore[arg-type]
