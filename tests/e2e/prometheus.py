"""A real Prometheus that scrapes an installation twice a second, with the chart's alerts and dashboard."""

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

EVERY = "500ms"
WINDOW = "1m"
"""Stands for Grafana's $__rate_interval."""


class Prometheus:
    """Scrapes ports of loopback by job, and the API server as its administrator.  A context manager."""

    def __init__(self, plane: ControlPlane, directory: Path, jobs: dict[str, list[int]]) -> None:
        directory.mkdir()
        self._directory, self._port = directory, free_port()
        admin = json.loads(plane.kubeconfig.read_text())["users"][0]["user"]
        credentials = {"cert_file": admin["client-certificate"], "key_file": admin["client-key"]}
        targets = {name: [f"127.0.0.1:{port}" for port in ports] for name, ports in jobs.items()}
        api_server: dict[str, Any] = {
            "job_name": "apiserver",
            "scheme": "https",
            "tls_config": {"ca_file": str(plane.ca), **credentials},
            "scrape_interval": "2s",
            "scrape_timeout": "2s",
            "static_configs": [{"targets": [plane.server.removeprefix("https://")]}],
        }
        self._config: dict[str, Any] = {
            "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
            "rule_files": [str(directory / "rules.yaml")],
            "scrape_configs": [
                *({"job_name": name, "static_configs": [{"targets": each}]} for name, each in targets.items()),
                api_server,
            ],
        }

    def load(self, groups: list[dict[str, Any]]) -> None:
        """Take these groups of alerts, each to fire at once instead of after its time."""
        hasty = [{**group, "rules": [{**rule, "for": "0s"} for rule in group["rules"]]} for group in groups]
        (self._directory / "rules.yaml").write_text(yaml.safe_dump({"groups": hasty}))

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
