"""Leaders that keep the usage record of a real cluster, and what happens in it, step by step."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import msgspec

from admission.api.policy import Mode
from admission.catalogue.catalogue import Catalogue
from admission.cli.upkeep import Upkeep
from admission.cluster.client import ApiError, Client
from admission.cluster.events import Events
from admission.decide.registry import Registry
from admission.demand.inventory import Node
from admission.ledger.homes import FINALIZER, TENANTS
from admission.ledger.ledger import Ledger
from admission.ledger.objects import ObjectStore
from admission.ledger.usage.journal import COLLECTION
from admission.ledger.usage.line import GapLine, UsageLine
from admission.ledger.usage.scribe import Pace
from admission.server.settings import Settings
from tests.decide.questions import tenant
from tests.enforce.judging import judging_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

Object = dict[str, Any]

QUICK = Pace(turn=0.02, flush=0.05, refresh=0.3, claims=0.2, retry=0.05)
H100 = "NVIDIA-H100-80GB-HBM3"
PATIENCE = 30.0


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110  (another process decides)
            await asyncio.sleep(0.02)


def registry_of(namespace: str, labels: Mapping[str, str] | None = None) -> Registry:
    """Return what replicas know: the tenant acme behind a namespace, another, and a node with H100s."""
    found = Registry(Catalogue.builtin(), default_mode=Mode.Enforce, default_country="DE")
    found.put(tenant())
    found.put(tenant("rival"))
    found.put_namespace(namespace, {"computegate.io/tenant": "acme", **(labels or {})})
    found.put_node(Node("n1", {"nvidia.com/gpu.product": H100}, resources=frozenset({"nvidia.com/gpu"})))
    return found


class Leader:
    """One term of leadership.  ``blocked`` is that nobody reads the record; ``broken`` that it cannot be written."""

    def __init__(self, client: Client, registry: Registry) -> None:
        self.lines: list[UsageLine] = []
        self.gaps: list[GapLine] = []
        self.blocked = self.broken = False
        self.ahead = dt.timedelta()
        store = ObjectStore(client)
        self._upkeep = Upkeep(
            client,
            registry,
            Ledger(store),
            store,
            allowances={},
            settings=Settings(),
            events=Events(client, "leader", now=lambda: dt.datetime.now(dt.UTC)),
            now=lambda: dt.datetime.now(dt.UTC) + self.ahead,
            record=self._emit,
            judging=judging_of(client, registry, Ledger(store)),
        )
        self.usage = self._upkeep.usage
        self.usage._pace = self.usage._scribe._pace = QUICK
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self.start()
        await eventually(lambda: self.usage._complete and self.usage.journal_writes > 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def kill(self) -> None:
        """End as a crash would: nothing is written any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self) -> None:
        """Begin, and wait for nothing."""
        watch = self._upkeep._watch
        for run in (*watch.runs(), self.usage.run):
            self._tasks.append(asyncio.create_task(run()))

    def stop_writing_the_journal(self) -> None:
        """Whatever happens from now on does not reach the journal."""
        self.usage._scribe._pace = dataclasses.replace(QUICK, flush=1000)

    async def rest(self) -> None:
        """Wait until all that was seen stands in the journal, and how far it is complete."""
        scribe = self.usage._scribe
        scribe.stirred, scribe._headed = True, float("-inf")
        await eventually(lambda: not (scribe.stirred or self.usage._meter.touched or scribe.journal.is_dirty))
        begun = scribe._flushed
        await eventually(lambda: scribe._flushed > begun)  # the next write begins when the last one has ended

    def _emit(self, lines: Sequence[msgspec.Struct]) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.broken:
            done.set_exception(OSError("broken pipe"))
        elif not self.blocked:
            self.lines += [each for each in lines if isinstance(each, UsageLine)]
            self.gaps += [each for each in lines if isinstance(each, GapLine)]
            done.set_result(None)
        return done


@contextlib.asynccontextmanager
async def cluster_of(kubeconfig: Path, namespace: str) -> AsyncIterator[Cluster]:
    """Yield a cluster without a journal; its pods are gone in the end."""
    client = await Client.connect(kubeconfig)
    try:
        await _forget(client)
        yield Cluster(client, namespace)
    finally:
        await client.request("DELETE", f"/api/v1/namespaces/{namespace}/pods", query={"gracePeriodSeconds": "0"})
        await client.close()


async def _forget(client: Client) -> None:
    """Delete the journal; its kind is served a moment after the API server says so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await client.request("DELETE", COLLECTION)
            except ApiError as error:
                if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS):
                    raise
                await asyncio.sleep(0.1)
            else:
                return


class Cluster:
    """What its users and its scheduler do."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._claims = f"/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaims"

    async def create(self, name: str, gpus: int = 2, **spec: Any) -> Object:
        """Create a pod."""
        resources = {"limits": {"nvidia.com/gpu": str(gpus)}} if gpus else {}
        container = {"name": "c", "image": "x", "resources": resources}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"containers": [container], "tolerations": [], **spec},
        }
        return await self._post(self._pods, body)

    async def bind(self, name: str, node: str = "n1") -> None:
        """Bind a pod as a scheduler does."""
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        await self.client.create(f"{self._pods}/{name}/binding", msgspec.json.encode(body))

    async def run(self, name: str, gpus: int = 2) -> Object:
        """Create a pod and bind it; returns it as it then is."""
        await self.create(name, gpus)
        await self.bind(name)
        return await self.get(name)

    async def get(self, name: str) -> Object:
        """Return a pod."""
        return dict(msgspec.json.decode(await self.client.get(f"{self._pods}/{name}")))

    async def tell(self, name: str, **status: Any) -> None:
        """Write of a pod's status what a kubelet or a scheduler would."""
        await self.client.merge_patch(f"{self._pods}/{name}/status", msgspec.json.encode({"status": status}))

    async def delete(self, name: str) -> None:
        """Delete a pod at once."""
        await self.client.request("DELETE", f"{self._pods}/{name}", query={"gracePeriodSeconds": "0"})

    async def claim(self, name: str, consumers: list[Object], *devices: str, resource: str = "pods") -> Object:
        """Create a claim that was given these devices, for these objects."""
        exactly = {"deviceClassName": "gpu.example.com", "count": len(devices)}
        spec = {"devices": {"requests": [{"name": "gpus", "exactly": exactly}]}}
        body = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": name}, "spec": spec}
        made = await self._post(self._claims, body)
        results = [
            {"request": "gpus", "driver": "gpu.example.com", "pool": "n1", "device": device} for device in devices
        ]
        group = {"apiGroup": "scheduling.k8s.io"} if resource != "pods" else {}
        reserved = [{"resource": resource, "name": each["name"], "uid": each["uid"], **group} for each in consumers]
        made["status"] = {"allocation": {"devices": {"results": results}}, "reservedFor": reserved}
        return dict(
            msgspec.json.decode(await self.client.replace(f"{self._claims}/{name}/status", msgspec.json.encode(made)))
        )

    async def charge(self, party: str) -> None:
        """Write of the namespace who is charged for what is in it, as the leader does when it folds."""
        spec = {"legalName": party, "kind": "Company", "independent": True}
        metadata = {"name": party, "finalizers": [FINALIZER]}
        made = {"apiVersion": "computegate.io/v1alpha1", "kind": "Tenant", "metadata": metadata, "spec": spec}
        try:
            await self._post(TENANTS, made)
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:  # there is one from another test
                raise
        status = {
            "chargedTo": [{"party": party, "jurisdictions": ["DE"]}],
            "namespaces": [{"name": self.namespace, "parties": [party]}],
        }
        await self.client.merge_patch(f"{TENANTS}/{party}/status", msgspec.json.encode({"status": status}))

    async def drop_claim(self, name: str) -> None:
        """Give a claim back, and delete it."""
        await self.client.request("DELETE", f"{self._claims}/{name}")

    async def _post(self, path: str, body: Object) -> Object:
        return dict(msgspec.json.decode(await self.client.create(path, msgspec.json.encode(body))))

    async def journal(self) -> dict[str, Object]:
        """Return the objects of the journal by name."""
        items = msgspec.json.decode(await self.client.get(COLLECTION))["items"]
        return {each["metadata"]["name"]: each for each in items}

    async def key_of(self, pod: Object) -> str:
        """Return the key of a pod's first interval; what was bound before the record began holds from then on."""
        since = (await self.journal())["head"]["spec"]["since"]
        return f"{pod['metadata']['uid']}/{max(bound_of(pod), since)}"


def bound_of(pod: Object) -> str:
    """Return when a pod was bound, as a line writes it."""
    times = [each["lastTransitionTime"] for each in pod["status"]["conditions"] if each["type"] == "PodScheduled"]
    return str(times[0]).replace("Z", ".000Z")
