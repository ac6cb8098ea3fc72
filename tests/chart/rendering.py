"""The chart as helm renders it."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[2] / "charts" / "computegate"
RELEASE, NAMESPACE = "computegate", "computegate-system"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
PROVIDED = ("--set=tls.mode=provided", "--set=tls.existingSecret=serving", f"--set-literal=tls.caBundle={PEM}")
OUTSIDE = ("--set=webhook.url=https://127.0.0.1:8443", f"--set-literal=tls.caBundle={PEM}")

Manifest = dict[str, Any]


class Chart:
    """Renders the chart with flags of `helm template`."""

    def __init__(self, helm: Path) -> None:
        self._helm = helm

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run helm to its end."""
        command: list[str | Path] = [self._helm, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def text(self, *flags: str) -> str:
        """Return the rendered YAML; fail with helm's words if it refuses."""
        done = self.run("template", RELEASE, str(CHART), f"--namespace={NAMESPACE}", *flags)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refusal(self, *flags: str) -> str:
        """Return why helm refuses these values; fail if it does not."""
        done = self.run("template", RELEASE, str(CHART), f"--namespace={NAMESPACE}", *flags)
        assert done.returncode != 0, "helm rendered values that contradict each other"
        return done.stderr

    def objects(self, *flags: str) -> list[Manifest]:
        """Return every rendered object."""
        return [each for each in yaml.safe_load_all(self.text(*flags)) if each]

    def render(self, *flags: str) -> dict[tuple[str, str], Manifest]:
        """Return every rendered object by kind and name; a further one of that name by its namespace too."""
        found: dict[tuple[str, str], Manifest] = {}
        for each in self.objects(*flags):
            key = each["kind"], each["metadata"]["name"]
            key = (key[0], f"{key[1]} in {each['metadata'].get('namespace')}") if key in found else key
            assert key not in found, "two objects of one kind, name and namespace"
            found[key] = each
        return found


def configuration(objects: dict[tuple[str, str], Manifest], name: str = RELEASE) -> str:
    """Return the file that the pods of a Deployment read."""
    annotations = objects["Deployment", name]["spec"]["template"]["metadata"]["annotations"]
    return str(annotations["computegate.io/config"])
