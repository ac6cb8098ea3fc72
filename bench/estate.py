"""A cluster with many running pods: real API server and etcd, one replica, no kubelet; statuses say Running.

The webhook stands aside while pods come in: what admission costs is measured elsewhere.  No controllers run: they would
only use the machine that is measured.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

from bench import bodies
from tests.e2e.objects import examples, namespace, node, of, pool, quota, tenant
from tests.e2e.world import eventually, value
from tools.controlplane import ControlPlane
from tools.direct import Direct
from tools.installation import Installation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from tools.direct import Answer
    from tools.installation import Replica

Object = dict[str, Any]

COUNTRY = "FR"
"""No rule of the examples names it, but the one that all devices are counted."""
ENFORCEMENT = "clearances"
_AMPLE = 10**6
_DEVICES_OF_A_NODE = 8
_HANDS = 12
_OURS = "/apis/computegate.io/v1alpha1"
_MERGE = "application/merge-patch+json"
_RUNNING = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
_NO_ACCOUNTS = "--disable-admission-plugins=ServiceAccount"


class Estate:
    """Tenants, each with one namespace, and pods that run there.  A context manager."""

    def __init__(self, directory: Path, tenants: int, sweep_seconds: float) -> None:
        self.plane = ControlPlane(directory / "plane", controllers=(), flags=(_NO_ACCOUNTS,))
        server = {"enforcement": {"sweepSeconds": sweep_seconds}, "gate": {"graceSeconds": 1}}
        self._installed = Installation(self.plane, directory / "gate", server=server)
        self.names = [f"bench-{number:04}" for number in range(tenants)]
        self._pods = 0
        self._bare = json.dumps(bodies.manifest())
        self.stalls = directory / "stalls"
        self.replica.program = ["-m", "bench.stalls", str(self.stalls)]

    @property
    def replica(self) -> Replica:
        """The one server."""
        return self._installed.replicas[0]

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self.replica.popen is not None
        return self.replica.popen.pid

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return -(-self._pods // _DEVICES_OF_A_NODE)

    def __enter__(self) -> Self:
        self.plane.start()
        try:
            self._installed.apply()
            self._installed.start()
            self._furnish()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._installed.close()
        self.plane.stop()

    def _furnish(self) -> None:
        rules = [*examples("policy", "pools"), pool("rack", "h100-sxm"), quota("bench", COUNTRY, _AMPLE)]
        step = {"codes": ["NotCleared"], "action": "Evict", "gracePeriod": "24h"}
        rules.append(of("Enforcement", ENFORCEMENT, {"mode": "DryRun", "steps": [step]}))
        manifests = "\n---\n".join(map(json.dumps, rules))
        self._installed.kubectl("apply", "--server-side", "-f", "-", stdin=manifests)
        self._each(self.names, self._settle_in)
        eventually(self._standing, lambda names: names >= set(self.names), 600)

    def _settle_in(self, api: Direct, name: str) -> None:
        who = tenant(name, COUNTRY)
        _done(api("POST", f"{_OURS}/tenants", {key: part for key, part in who.items() if key != "status"}))
        _done(api("PATCH", f"{_OURS}/tenants/{name}/status", {"status": who["status"]}, _MERGE))
        _done(api("POST", "/api/v1/namespaces", namespace(name, name)))

    def _standing(self) -> set[str]:
        with Direct(self.plane) as api:
            items = api("GET", f"{_OURS}/tenants").body["items"]
        return {each["metadata"]["name"] for each in items if "standing" in each["status"]}

    def run(self, pods: int) -> None:
        """Have so many pods running, in all."""
        self._installed.kubectl("delete", "validatingwebhookconfigurations", "--all")
        nodes = range(self.nodes, -(-pods // _DEVICES_OF_A_NODE))
        self._each(
            nodes, lambda api, number: _done(api("POST", "/api/v1/nodes", node(_node(number), "rack", "h100-sxm")))
        )
        self._each(range(self._pods, pods), self._start)
        self._pods = pods
        self._installed.apply()
        eventually(self._counted, lambda used: used == pods, 900 + pods / 50)

    def _start(self, api: Direct, number: int) -> None:
        where, name = self.names[number % len(self.names)], f"train-{number:05}"
        made = json.loads(self._bare.replace(bodies.NAMESPACE, where).replace(bodies.NAME, name))
        made["spec"]["nodeName"] = _node(number // _DEVICES_OF_A_NODE)
        collection = f"/api/v1/namespaces/{where}/pods"
        _done(api("POST", collection, made))
        _done(api("PATCH", f"{collection}/{name}/status", _RUNNING, _MERGE))

    def _counted(self) -> int:
        with Direct(self.plane) as api:
            devices = api("GET", f"{_OURS}/computequotas/bench").body.get("status", {}).get("devices", {})
        return -1 if devices.get("reserved") else int(devices.get("used", -1))

    def _each(self, items: Iterable[Any], work: Callable[[Direct, Any], None]) -> None:
        """Do something to all of these, a few at a time."""
        every = list(items)
        with ThreadPoolExecutor(_HANDS) as hands:
            list(hands.map(lambda first: self._some(every[first::_HANDS], work), range(_HANDS)))

    def _some(self, items: Sequence[Any], work: Callable[[Direct, Any], None]) -> None:
        with Direct(self.plane) as api:
            for each in items:
                work(api, each)

    # -- what happens ----------------------------------------------------------------------------

    def revoke(self, api: Direct, name: str) -> None:
        """Take away a tenant's clearance."""
        _done(api("PATCH", f"{_OURS}/tenants/{name}/status", {"status": {"kyc": {"state": "Revoked"}}}, _MERGE))

    def found(self, api: Direct) -> int:
        """Return how many pods the Enforcement shows."""
        rows = api("GET", f"{_OURS}/enforcements/{ENFORCEMENT}").body.get("status", {}).get("findings", [])
        return sum(row["pods"] for row in rows)

    def figure(self, name: str) -> float:
        """Return a metric of the server."""
        return value(self.replica.metrics(), name)


def _place(api: Direct, number: int) -> None:
    _done(api("POST", "/api/v1/nodes", node(_node(number), "rack", "h100-sxm")))


def _node(number: int) -> str:
    return f"node-{number:04}"


def _done(answer: Answer) -> None:
    if not 200 <= answer.code < 300:  # noqa: PLR2004  OK
        raise RuntimeError(f"{answer.code}: {answer.message}")
