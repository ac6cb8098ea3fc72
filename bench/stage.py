"""Where the contenders of `bench/admission.py` meet: one API server, each of them in namespaces of its own.

Which webhook a pod goes to is told by a label of its namespace.  Every webhook is called through a Service, as in a
cluster and so over HTTP/1.1: one of type ExternalName that names loopback.  Each replica of ours has a Service, a
webhook configuration and a namespace to itself, all of one tenant and so of one ledger.  What a Service in front of
all of them would do is then chosen by where pods are created: in one of the namespaces, as with session affinity,
which leads all requests of one API server to one replica; or in all of them in turn, as with a perfect spread.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml

from admission.demand.registration.entries import registration
from bench import bodies, others
from bench.others import PORTS
from tests.e2e.objects import examples, namespace, quota, tenant
from tests.e2e.world import World, eventually, samples
from tools.controlplane import ControlPlane
from tools.direct import Direct
from tools.installation import ACCOUNT, NAMESPACE, Installation
from tools.process import Process

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

HERE = Path(__file__).parent
LABEL = "bench.example.com/webhook"
CLEARED = "bench.example.com/cleared"
NONE, QUOTA, PEER = "bench-none", "bench-quota", "bench-peer"
POLICY, FRAMEWORK, MEMORY = "bench-policy", "bench-framework", "bench-memory"
"""A ValidatingAdmissionPolicy, the peer without a ResourceQuota, and ours with its ledger in memory."""
OURS = ("bench-ours-0", "bench-ours-1", "bench-ours-2")
MATCHED, UNMATCHED = "bench-peer-matched", "bench-ours-unmatched"
"""The peer behind our match conditions, and ours without them."""
COUNTRY = "FR"
"""No rule of the examples names it, but the one that all devices are counted."""
AMPLE = 10**6
_LEDGER = f"/apis/computegate.io/v1alpha1/quotaledgers/country.{COUNTRY.lower()}"

Object = dict[str, Any]


class Installed(Installation):
    """Ours, with a webhook configuration for each replica."""

    @property
    def certified(self) -> tuple[str, str]:
        """Return the files of its certificate and key."""
        return str(self._certificate.certificate), str(self._certificate.key)

    def rendered(self, values: dict[str, str]) -> list[Object]:
        """Return what the chart renders, its webhook configuration once for each replica."""
        objects = super().rendered(values)
        configuration = next(each for each in objects if each["kind"] == "ValidatingWebhookConfiguration")
        rest = [each for each in objects if each is not configuration]
        services = [others.service(replica.directory.name) for replica in self.replicas]
        ports = {replica.directory.name: replica.port for replica in self.replicas}
        own = [_separate(configuration, name, port, name) for name, port in ports.items()]
        first = self.replicas[0]
        unmatched = _separate(configuration, first.directory.name, first.port, UNMATCHED)
        for webhook in unmatched["webhooks"]:
            del webhook["matchConditions"]
        memory = _separate(configuration, "memory", PORTS["memory"], MEMORY)
        return [*rest, *services, others.service("memory"), *own, unmatched, memory]


def _separate(configuration: Object, service: str, port: int, label: str) -> Object:
    """Return the entries of what is in namespaces, for those of one label."""
    own = copy.deepcopy(configuration)
    own["metadata"]["name"] = f"computegate-{label}"
    own["webhooks"] = [each for each in own["webhooks"] if each["namespaceSelector"].get("matchExpressions")]
    for webhook in own["webhooks"]:
        path = webhook["clientConfig"].pop("url").removeprefix("https://").partition("/")[2]
        webhook["clientConfig"]["service"] = others.reference(service, f"/{path}", port)
        webhook["namespaceSelector"]["matchExpressions"].append({"key": LABEL, "operator": "In", "values": [label]})
    return own


class Stage:
    """The control plane with everything installed.  A context manager; at most the wanted replicas run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.plane = ControlPlane(directory / "plane", controllers=["kube-controller-manager"])
        ledger: dict[str, float] = {"rebuildSeconds": 1}
        self.installed = Installed(self.plane, directory / "gate", replicas=len(OURS), ledger=ledger)
        self._world = World(self.installed)
        self._servers: dict[str, Process] = {}

    def __enter__(self) -> Self:
        _build(self.directory)
        self.plane.start()
        try:
            self._install()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.run_replicas(0)
        for server in self._servers.values():
            server.stop()
        self.plane.stop()

    def _install(self) -> None:
        self.installed.apply()
        self._use_tokens()
        self._serve_others()
        self.run_replicas(1)
        labels = {NONE: "", QUOTA: ""} | {name: name for name in (PEER, MATCHED, UNMATCHED, POLICY, FRAMEWORK, MEMORY)}
        labels |= {name: replica.directory.name for name, replica in zip(OURS, self.installed.replicas, strict=True)}
        namespaces = [_labelled(name, label) for name, label in labels.items()]
        limit = quota("bench", COUNTRY, AMPLE)
        self._world.apply(*examples("policy", "pools"), limit, tenant("bench", COUNTRY), *namespaces)
        for name in _LIMITED:
            self._limit(name)

    def _use_tokens(self) -> None:
        """Have replicas authenticate as in a cluster: a token is remembered, a certificate is verified each time."""
        account = ACCOUNT.rpartition(":")[2]
        asked = ("create", "token", account, "--namespace", NAMESPACE, "--duration=24h")
        token = self.installed.kubectl(*asked).stdout.strip()
        for replica in self.installed.replicas:
            access = json.loads(replica.kubeconfig.read_text())
            access["users"][0]["user"] = {"token": token}
            replica.kubeconfig = replica.directory / "kubeconfig"
            replica.kubeconfig.write_text(json.dumps(access))

    def _serve_others(self) -> None:
        """Start the peer, and ours with its ledger in memory, and have the API server ask them."""
        peer = self.plane.issue("peer", (f"peer.{NAMESPACE}.svc",))
        flags = [f"--port={PORTS['peer']}", f"--certificates={peer.certificate.parent}"]
        flags.append(f"--kubeconfig={self.plane.kubeconfig}")
        self._servers["peer"] = Process.start("peer", self.directory / "peer", flags, self.directory)
        flags = [str(HERE / "product.py"), str(PORTS["memory"]), *self.installed.certified, "memory", MEMORY]
        memory = Process.start("memory", Path(sys.executable), flags, self.directory)
        self._servers["memory"] = memory
        kinds = {PEER: [], FRAMEWORK: [], MATCHED: registration()["matchConditions"]}
        asked = (others.peer(peer.authority, LABEL, *kind) for kind in kinds.items())
        self._apply(others.service("peer"), *asked, *others.policy(LABEL, POLICY, CLEARED))
        eventually(lambda: "serving reviews" in memory.log.read_text())

    def _limit(self, name: str) -> None:
        spec = {"hard": {"requests.nvidia.com/gpu": str(AMPLE)}}
        metadata = {"name": "bench", "namespace": name}
        self._apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": spec})
        eventually(lambda: self._world.get("resourcequota", "bench", "-n", name)["status"].get("used"))

    def _apply(self, *objects: Object) -> None:
        self.installed.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects))

    # -- who runs --------------------------------------------------------------------------------

    def run_replicas(self, number: int) -> None:
        """Have as many replicas running, and one of them doing the upkeep: what is not measured costs nobody."""
        for replica in self.installed.replicas[number:]:
            replica.stop()
        wanted = self.installed.replicas[:number]
        for replica in wanted:
            if replica.popen is None or replica.popen.poll() is not None:
                replica.start()
        for replica in wanted:
            replica.wait()
        if wanted:
            eventually(lambda: sum(each.figure("computegate_leader") for each in self.figures(number)))

    def figures(self, number: int) -> list[Figures]:
        """Return the metrics of the first replicas."""
        return [Figures(replica.metrics()) for replica in self.installed.replicas[:number]]

    def webhook_pids(self, number: int, server: str) -> list[int]:
        """Return the processes that answer reviews: the first replicas, and the server of this name, if any."""
        ours = [replica.popen.pid for replica in self.installed.replicas[:number] if replica.popen is not None]
        return [*ours, *([self._servers[server].popen.pid] if server else [])]

    # -- what happens ----------------------------------------------------------------------------

    def create(self, namespaces: Sequence[str], workers: int, seconds: float) -> dict[str, Any]:
        """Create pods in these namespaces in turn and return what the creator saw."""
        user = json.loads(self.plane.kubeconfig.read_text())["users"][0]["user"]
        command = [str(self.directory / "create"), "-server", self.plane.server, "-authority", str(self.plane.ca)]
        command += ["-certificate", user["client-certificate"], "-key", user["client-key"]]
        command += ["-body", str(self.directory / "pod.json"), "-namespaces", ",".join(namespaces)]
        command += ["-prefix", f"p{time.monotonic_ns():x}", "-workers", str(workers), "-seconds", str(seconds)]
        found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        return found

    def clear(self, namespaces: Collection[str]) -> None:
        """Delete the pods and wait until nothing is counted any more."""
        with Direct(self.plane) as api:
            for name in namespaces:
                api("DELETE", f"/api/v1/namespaces/{name}/pods")
            for name in _LIMITED & set(namespaces):
                path = f"/api/v1/namespaces/{name}/resourcequotas/bench"
                eventually(lambda path=path: _used(api, path), lambda used: used == "0")  # type: ignore[misc]
            if _RESERVED & set(namespaces):
                eventually(lambda: _left(api), lambda left: not left, 90)

    def requests(self) -> Figures:
        """Return what the API server counts of requests and webhooks."""
        exposition = self.installed.kubectl("get", "--raw", "/metrics").stdout
        kept = [line for line in exposition.splitlines() if line.startswith(_COUNTED)]
        return Figures("\n".join(kept))


_COUNTED = "apiserver_request_total{"
_LIMITED = {QUOTA, PEER, MATCHED}
_RESERVED = {*OURS, UNMATCHED}


class Figures:
    """An exposition, read once and asked often."""

    def __init__(self, exposition: str) -> None:
        self._samples = samples(exposition)

    def figure(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of a metric that carry these labels."""
        wanted = set(labels.items())
        return sum(each for (known, has), each in self._samples.items() if known == name and wanted <= set(has))


def _build(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pod.json").write_text(json.dumps(bodies.manifest()))
    for name, module in (("create", HERE / "go"), ("peer", HERE / "go" / "peer")):
        package = "." if name == "peer" else f"./{name}"
        subprocess.run(["go", "build", "-o", folder / name, package], cwd=module, check=True)


def _labelled(name: str, webhook: str) -> Object:
    made: Object = namespace(name, "bench" if name in {*_RESERVED, MEMORY} else "")
    made["metadata"].setdefault("labels", {}).update({LABEL: webhook, CLEARED: "true"})
    return made


def _used(api: Direct, path: str) -> str:
    """What a ResourceQuota holds to be used."""
    return str(api("GET", path).body["status"]["used"]["requests.nvidia.com/gpu"])


def _left(api: Direct) -> str:
    """What the ledger holds to be used or promised."""
    status = api("GET", _LEDGER).body["status"]
    return str(status.get("used", "")) + str(status.get("inflight", ""))
