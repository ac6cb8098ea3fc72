"""A real Prometheus that scrapes an installation, with the chart's alerts."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any, Self

import yaml

from tests.e2e.world import eventually
from tools.ports import free_port
from tools.process import Process, binaries

if TYPE_CHECKING:
    from pathlib import Path

    from tools.controlplane import ControlPlane

EVERY = "2s"
"""Also the time in which a scrape must be answered: a busy replica takes longer than usual, and is not down."""
WINDOW = "1m"
"""Stands for Grafana's $__rate_interval."""

Scrape = dict[str, Any]


def hasty(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return groups of alerts with each to fire at once instead of after its time."""
    return [
        {**_without_interval(group), "rules": [{**rule, "for": "0s"} for rule in group["rules"]]} for group in groups
    ]


def _without_interval(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "interval"}


def static(name: str, ports: list[int]) -> Scrape:
    """Return a job that scrapes ports of loopback."""
    return {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}


def pods(name: str, plane: ControlPlane, namespace: str, port: int) -> Scrape:
    """Return a job that scrapes a port of the pods of a namespace, whichever these are."""
    found = {"role": "pod", "kubeconfig_file": str(plane.kubeconfig), "namespaces": {"names": [namespace]}}
    listening = {"source_labels": ["__meta_kubernetes_pod_container_port_number"], "regex": port, "action": "keep"}
    return {"job_name": name, "kubernetes_sd_configs": [found], "relabel_configs": [listening]}


def api_server(plane: ControlPlane) -> Scrape:
    """Return a job that scrapes the API server as its administrator."""
    admin = json.loads(plane.kubeconfig.read_text())["users"][0]["user"]
    credentials = {"cert_file": admin["client-certificate"], "key_file": admin["client-key"]}
    return {
        "job_name": "apiserver",
        "scheme": "https",
        "tls_config": {"ca_file": str(plane.ca), **credentials},
        "static_configs": [{"targets": [plane.server.removeprefix("https://")]}],
    }


class Prometheus:
    """Scrapes these jobs, and evaluates alerts, `every` so often.  A context manager."""

    def __init__(self, directory: Path, jobs: list[Scrape], every: str = EVERY) -> None:
        directory.mkdir()
        self._directory, self._port = directory, free_port()
        self._config: dict[str, Any] = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": [str(directory / "rules.yaml")],
            "scrape_configs": jobs,
        }

    def load(self, groups: list[dict[str, Any]]) -> None:
        """Take these groups of alerts."""
        (self._directory / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))

    def __enter__(self) -> Self:
        config = self._directory / "prometheus.yaml"
        config.write_text(yaml.safe_dump(self._config))
        flags = [f"--config.file={config}", f"--storage.tsdb.path={self._directory / 'data'}", "--log.level=warn"]
        flags += [f"--web.listen-address=127.0.0.1:{self._port}"]
        self._process = Process.start("prometheus", binaries("prometheus")["prometheus"], flags, self._directory)
        eventually(self._is_ready)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def query(self, query: str) -> list[dict[str, Any]]:
        """Return what an instant query finds, panels' variables filled in."""
        asked = urllib.parse.urlencode({"query": query.replace("$__rate_interval", WINDOW)})
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/query?{asked}", timeout=10) as answer:
            data = json.load(answer)["data"]
        found: list[dict[str, Any]] = data["result"]
        return found

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        return {each["metric"]["alertname"] for each in self.query('ALERTS{alertstate="firing"}')}

    def _is_ready(self) -> bool:
        self._process.check()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
