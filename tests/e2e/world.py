"""What the end-to-end tests do to an installation, through real kubectl, and what they wait for."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, TypeVar

from admission.ledger.objects import object_name
from admission.server.record import SCHEMA

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable

    from tests.e2e.objects import Object
    from tools.installation import Installation
    from tools.kubectl import Kubectl

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds after which a fact is taken to never come; on an idle machine each comes within two."""

_MERGE = ("--subresource=status", "--type=merge", "-p")
_COUNTED = re.compile(r"^[0-9]+\+[0-9]+/")
_REFERENCE = re.compile(r"\bref [0-9a-f]{10}\b")
_SAMPLE = re.compile(r"^(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>[0-9.e+-]+)$")


def eventually(look: Callable[[], T], holds: Callable[[T], bool] = bool, seconds: float = PATIENCE) -> T:
    """Look until it holds and return what was seen then; fail with what was seen last."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if holds(seen):
            return seen
        assert time.monotonic() < end, f"not within {seconds:g} s; last seen: {seen!r}"
        time.sleep(0.1)


def line_of(stderr: str) -> str:
    """Return the denial in kubectl's output, its reference masked; "" where nothing was denied."""
    _, denied, line = stderr.strip().partition("denied the request: ")
    return _REFERENCE.sub("ref ----------", line) if denied else ""


def samples(exposition: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return the samples of an exposition by name and sorted labels."""
    found = {}
    for line in exposition.splitlines():
        if match := _SAMPLE.match(line):
            labels = tuple(sorted(re.findall(r'(\w+)="([^"]*)"', match["labels"] or "")))
            found[match["name"], labels] = float(match["value"])
    return found


def value(exposition: str, name: str, **labels: str) -> float:
    """Return the sum of the samples of a metric that carry these labels."""
    wanted = set(labels.items())
    return sum(each for (known, has), each in samples(exposition).items() if known == name and wanted <= set(has))


class Cluster:
    """A cluster as its administrator and its users see it; `patience` is for what is applied to be acted on."""

    def __init__(self, kubectl: Kubectl, patience: float = PATIENCE) -> None:
        self.kubectl, self._patience = kubectl, patience

    def apply(self, *objects: Object) -> None:
        """Apply objects, and the statuses of Tenants as a KYC integration would; wait until they are acted on."""
        bare = [{key: part for key, part in each.items() if key != "status"} for each in objects]
        self._apply(bare)
        attested = [each for each in objects if each.get("status")]
        if attested:
            self._apply(attested, "--subresource=status")
        self.settle(objects)

    def _apply(self, objects: Iterable[Object], *flags: str) -> None:
        manifest = "\n".join(map(json.dumps, [{"apiVersion": "v1", "kind": "List", "items": list(objects)}]))
        flags = ("--server-side", "--force-conflicts", "--field-manager=tests", *flags)
        self.kubectl("apply", *flags, "-f", "-", stdin=manifest)

    def settle(self, objects: Iterable[Object]) -> None:
        """Wait until quotas are counted, tenants judged and namespaces can take pods."""
        names = {kind: {each["metadata"]["name"] for each in objects if each["kind"] == kind} for kind in _SETTLED}
        for kind, wanted in names.items():
            if wanted:
                missing = lambda kind=kind, wanted=wanted: wanted - self._settled(kind)  # noqa: E731
                eventually(missing, lambda names: not names, self._patience)

    def _settled(self, kind: str) -> set[str]:
        """Return the objects of a kind that are acted on, a namespace by its service account."""
        what, holds = _SETTLED[kind]
        name = "namespace" if kind == "Namespace" else "name"
        return {each["metadata"][name] for each in self.items(*what) if holds(each)}

    def get(self, *what: str) -> Object:
        """Return an object, or {} where there is none."""
        done = self.kubectl("get", *what, "-o", "json", "--ignore-not-found")
        return dict(json.loads(done.stdout)) if done.stdout.strip() else {}

    def items(self, *what: str) -> list[Object]:
        """Return the objects of a list."""
        return list(self.get(*what).get("items", []))

    def try_create(self, obj: Object, *flags: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
        """Create an object with kubectl."""
        return self.kubectl("create", *flags, "-f", "-", stdin=json.dumps(obj), check=False, user=user)

    def denial(self, obj: Object, *flags: str) -> str:
        """Create an object; return its denial, or "" where it was created."""
        done = self.try_create(obj, *flags)
        assert done.returncode == 0 or "denied the request" in done.stderr, done.stderr
        return line_of(done.stderr)

    def admit(self, *objects: Object) -> None:
        """Create objects that must be admitted."""
        for each in objects:
            said = self.denial(each)
            assert said == "", said

    def observe(self, name: str, reason: str = "ticket 4711") -> None:
        """Have a namespace enforced no more, as the chart's guard lets an administrator alone."""
        asked = ("weaken-to=observe", f"weaken-reason={reason}", "weaken-requested-by=admin")
        self.kubectl("annotate", "namespace", name, *(f"computegate.io/{each}" for each in asked))
        self.kubectl("label", "namespace", name, "computegate.io/mode=observe", "--overwrite")

    def ledger(self, country: str) -> Object:
        """Return the status of a country's ledger; what is empty is not stored."""
        return {"used": "", "inflight": "", **self.get("quotaledgers", object_name(country))["status"]}

    def leave_uncounted(self, country: str) -> None:
        """Make a country's ledger one of a newer version, which is left alone: TryAgain for as long as it stands."""
        newer = '{"status":{"format":99}}'
        self.kubectl("patch", "quotaledger", object_name(country), *_MERGE, newer)

    def count_again(self, country: str) -> None:
        """Let the ledger be counted anew."""
        self.kubectl("patch", "quotaledger", object_name(country), *_MERGE, '{"status":{"format":1}}')

    def use(self, quota: str) -> Object:
        """Return the use of a quota's devices, as its status says it; None for both while it is being counted."""
        return {"used": None, "reserved": None, **self.get("computequotas", quota)["status"].get("devices", {})}

    def await_use(self, quota: str, held: int) -> None:
        """Wait until a quota shows this much held, and nothing still promised."""
        eventually(lambda: self.use(quota), lambda use: (use["used"], use["reserved"]) == (held, 0))


class World(Cluster):
    """The cluster of an installation, whose replicas are processes beside it."""

    def __init__(self, installed: Installation, patience: float = PATIENCE) -> None:
        super().__init__(installed.kubectl, patience)
        self.installed = installed

    def record_of(self, pod: str) -> Object:
        """Return the record of the last decision about a pod, by its name."""

        def last() -> Object:
            found = [line for line in self.records() if line["object"]["name"] == pod]
            return found[-1] if found else {}

        return eventually(last)

    def records(self, schema: str = SCHEMA) -> list[Object]:
        """Return the decision records of all replicas, or other ones; a line that is being written is left out."""
        lines: list[str] = []
        for replica in self.installed.replicas:
            text = replica.record.read_text()
            lines += text[: text.rfind("\n") + 1].splitlines()
        return [each for each in map(json.loads, lines) if each["schema"] == schema]

    def metrics(self) -> str:
        """Return the exposition of the first replica."""
        return self.installed.replicas[0].metrics()


_SETTLED: dict[str, tuple[tuple[str, ...], Callable[[Any], bool]]] = {
    "Tenant": (("tenants.computegate.io",), lambda tenant: "standing" in tenant.get("status", {})),
    "ComputeQuota": (
        ("computequotas",),
        lambda quota: bool(_COUNTED.match(quota.get("status", {}).get("summary", ""))),
    ),
    "Namespace": (
        ("serviceaccounts", "-A", "--field-selector=metadata.name=default"),
        lambda account: bool(account["metadata"]["name"]),
    ),
}
