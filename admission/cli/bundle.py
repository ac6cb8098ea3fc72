"""What support needs to see of an installation, gathered into one archive: figures and states, and nobody's name.

Nothing is written to the cluster and no Secret is read.  What cannot be had is named in ``bundle.json`` and left out.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.metadata
import io
import platform
import tarfile
import time
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from admission import __version__
from admission.api import API_VERSION, MODE_LABEL, TENANT_LABEL
from admission.api.allowance import Allowance
from admission.api.installation import ComputeGate
from admission.api.ledger import QuotaLedger
from admission.api.policy import Mode
from admission.cli.features import configuration_of, features_of
from admission.cli.pseudonyms import Pseudonyms, word
from admission.cli.redacted import log_of, metrics_of, object_of
from admission.cli.watches import DECIDING
from admission.cluster.client import ClusterError
from admission.cluster.events import CONTROLLER
from admission.cluster.lists import pages
from admission.server.settings import Settings

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Awaitable, Callable, Sequence

    from admission.api.object import Object
    from admission.cluster.client import Client

SCHEMA = "computegate.io/bundle/v1"
MOST_OBJECTS = 5_000
"""Objects of one kind that are told one by one; the count is of all."""

MOST_LINES = 2_000
MOST_BYTES = 8 << 20
"""Lines, and bytes, of one log or one exposition: the last ones."""

_CONFIG = "computegate.io/config"
"""Annotation of the replicas' pods, which is the server's file."""

_SELECTED = "app.kubernetes.io/name=computegate"
"""The replicas, where their Deployment cannot be seen and is named as everywhere in the pages."""

_LIBRARIES = (
    "aiohttp",
    "httptools",
    "kubernetes",
    "msgspec",
    "prometheus-client",
    "pydantic",
    "uvicorn",
    "uvloop",
)
_METRICS_PORT = 9090
_SECONDS = 10.0
_PLAIN = ("mode", "drainSeconds", "listen", "ledger", "log", "debugPort", "staleSeconds")
_UNAVAILABLE = (ClusterError, OSError, ValueError, KeyError, TypeError, msgspec.MsgspecError, yaml.YAMLError)


class Bundle:
    """Gathers the parts; ``files`` maps their names in the archive to their contents."""

    def __init__(self, client: Client, namespace: str, names: Pseudonyms) -> None:
        self._client, self._namespace, self._names = client, namespace, names
        self.files: dict[str, bytes] = {}
        self.problems: list[str] = []
        self._metrics_port, self._selected = _METRICS_PORT, _SELECTED

    @classmethod
    async def of(cls, client: Client, namespace: str) -> Bundle:
        """Begin one; raises ``ClusterError`` where the cluster cannot be asked at all."""
        system = msgspec.json.decode(await client.get("/api/v1/namespaces/kube-system"))
        return cls(client, namespace, Pseudonyms(system["metadata"]["uid"]))

    async def gather(self, logs: Sequence[pathlib.Path] = (), metrics: Sequence[str] = ()) -> None:
        """Gather everything; logs and expositions from files and URLs where given, else from the replicas' pods."""
        await self._part("cluster.json", self._cluster)
        await self._part("configuration.json", self._configuration)
        await self._part("webhook.json", self._webhook)
        await self._part("objects.json", self._objects)
        await self._part("events.json", self._events)
        await self._part("replicas.json", self._replicas)
        for number, path in enumerate(logs):
            await self._part(f"logs/{number}.jsonl", functools.partial(asyncio.to_thread, self._log_file, path))
        for number, url in enumerate(metrics):
            await self._part(f"metrics/{number}.txt", functools.partial(asyncio.to_thread, self._scraped, url))
        about = {
            "schema": SCHEMA,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "computegate": __version__,
            "python": platform.python_version(),
            "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
            "problems": self.problems,
        }
        self.files = {"bundle.json": _json(about), **self.files}

    def write(self, path: pathlib.Path) -> None:
        """Write a compressed tar archive, for the owner alone to read."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, content in self.files.items():
                entry = tarfile.TarInfo(f"computegate-bundle/{name}")
                entry.size, entry.mtime = len(content), int(time.time())
                archive.addfile(entry, io.BytesIO(content))
        path.touch(mode=0o600)
        path.chmod(0o600)  # of a file that was there
        path.write_bytes(buffer.getvalue())

    async def _part(self, name: str, gathered: Callable[[], Awaitable[Any]]) -> None:
        try:
            found = await gathered()
        except _UNAVAILABLE as error:
            self.problems.append(f"{name}: {type(error).__name__}")  # its text may quote an object
        else:
            self.files[name] = found if isinstance(found, bytes) else _json(found)

    async def _every(self, path: str, query: dict[str, str] | None = None) -> list[dict[str, Any]]:
        return [msgspec.json.decode(raw) async for page in pages(self._client, path, query) for raw in page]

    async def _cluster(self) -> Any:
        found, names = await features_of(self._client), self._names
        namespaces = await self._every("/api/v1/namespaces")
        labels = [each["metadata"].get("labels") or {} for each in namespaces]
        nodes = await self._every("/api/v1/nodes")
        return {
            "version": found.version,
            "supported": found.supported,
            "guards": found.guards,
            "problems": found.problems,
            "mutatingPolicies": found.mutating_policies,
            "runtimeClasses": len(found.runtime_classes),
            "exemptNamespaces": [names.namespace(each) for each in found.exempt_namespaces],
            "nodes": len(nodes),
            "namespaces": len(namespaces),
            "namespacesOfTenants": sum(TENANT_LABEL in each for each in labels),
            "modes": Counter(_mode(each.get(MODE_LABEL, "")) for each in labels),
        }

    async def _configuration(self) -> Any:
        """The server's settings; of addresses and names only how many there are."""
        settings = Settings.model_validate(await self._found())
        self._metrics_port = settings.listen.metrics_port
        shown = settings.model_dump(mode="json", by_alias=True)
        plain = {key: shown[key] for key in _PLAIN}
        plain["listen"] = {key: value for key, value in shown["listen"].items() if key.endswith(("port", "Port"))}
        return plain | {
            "contact": bool(settings.contact),
            "defaultPlace": settings.default_place,
            "excludedNamespaces": [self._names.namespace(each) for each in settings.excluded_namespaces],
            "claimMakers": [self._names.user(each) for each in settings.claim_makers],
            "workloads": {"deny": settings.workloads.deny, "kinds": settings.workloads.kinds_file is not None},
        }

    async def _found(self) -> dict[str, Any]:
        """Return the settings that the server's Deployment holds, whatever its name, and note which pods are its."""
        for each in await self._every(f"/apis/apps/v1/namespaces/{self._namespace}/deployments"):
            text = (each["spec"]["template"]["metadata"].get("annotations") or {}).get(_CONFIG, "")
            settings = yaml.safe_load(text) or {}
            if "gate" in settings:  # others of the release have none
                labels = each["spec"]["selector"]["matchLabels"]
                self._selected = ",".join(f"{key}={value}" for key, value in labels.items())
                return dict(settings)
        raise ValueError("no Deployment holds the server's settings")

    async def _webhook(self) -> Any:
        configuration = await configuration_of(self._client)
        return [self._entry(each) for each in configuration.get("webhooks") or ()]

    def _entry(self, entry: dict[str, Any]) -> dict[str, Any]:
        selector = entry.get("namespaceSelector") or {}
        return {
            "name": entry["name"]
            if entry["name"].endswith(".computegate.io")
            else self._names.of("webhook", entry["name"]),
            "failurePolicy": entry["failurePolicy"],
            "timeoutSeconds": entry["timeoutSeconds"],
            "matchPolicy": entry["matchPolicy"],
            "where": "service" if entry["clientConfig"].get("service") else "url",
            "caBytes": len(entry["clientConfig"].get("caBundle") or ""),
            "rules": entry["rules"],
            "matchConditions": len(entry.get("matchConditions") or ()),
            "objectSelector": bool(entry.get("objectSelector")),
            "namespaceSelector": [self._expression(each) for each in selector.get("matchExpressions") or ()],
            "namespaceLabels": len(selector.get("matchLabels") or ()),
        }

    def _expression(self, expression: dict[str, Any]) -> dict[str, Any]:
        values, key = expression.get("values") or (), expression["key"]
        known = key in {MODE_LABEL, "kubernetes.io/metadata.name"}
        shown = values if key == MODE_LABEL else [self._names.namespace(each) for each in values]
        return {
            "key": key if known else self._names.of("label", key),
            "operator": expression["operator"],
            "values": shown,
        }

    async def _objects(self) -> Any:
        told: dict[str, Any] = {}
        kinds: tuple[type[Object], ...] = (*DECIDING, QuotaLedger, Allowance, ComputeGate)
        for kind in kinds:
            found = await self._every(f"/apis/{API_VERSION}/{kind.crd.plural}")
            shown = [object_of(kind.__name__, each, self._names) for each in found[:MOST_OBJECTS]]
            told[kind.__name__] = {"count": len(found), "objects": shown}
        return told

    async def _events(self) -> Any:
        """What we told on objects; the names and sentences are left out."""
        found = await self._every("/apis/events.k8s.io/v1/events")
        own = [each for each in found if each.get("reportingController") == CONTROLLER]
        return [self._event(each) for each in own[-MOST_OBJECTS:]]

    def _event(self, event: dict[str, Any]) -> dict[str, Any]:
        regarding = event.get("regarding") or {}
        kind = word(regarding.get("kind"))
        return {
            "at": event.get("eventTime"),
            "kind": kind,
            "name": self._names.of(kind.lower(), regarding.get("name", "")),
            "type": word(event.get("type")),
            "reason": word(event.get("reason")),
            "action": word(event.get("action")),
            "count": (event.get("series") or {}).get("count", 1),
        }

    async def _replicas(self) -> Any:
        """The pods of the release; their logs and metrics besides."""
        pods = await self._every(f"/api/v1/namespaces/{self._namespace}/pods", {"labelSelector": self._selected})
        for number, pod in enumerate(pods):
            path = f"/api/v1/namespaces/{self._namespace}/pods/{pod['metadata']['name']}"
            for previous in ("false", "true") if _restarts(pod) else ("false",):
                name = f"logs/replica-{number}{'-before' if previous == 'true' else ''}.jsonl"
                await self._part(name, functools.partial(self._pod_log, path, previous))
            await self._part(f"metrics/replica-{number}.txt", functools.partial(self._pod_metrics, path))
        return [self._replica(pod) for pod in pods]

    def _replica(self, pod: dict[str, Any]) -> dict[str, Any]:
        status = pod.get("status") or {}
        return {
            "node": self._names.of("node", pod["spec"].get("nodeName", "")),
            "created": pod["metadata"]["creationTimestamp"],
            "phase": word(status.get("phase")),
            "restarts": _restarts(pod),
            "images": [str(each.get("image", "")).rpartition("/")[2] for each in pod["spec"]["containers"]],
            "ready": [
                word(each.get("status")) for each in status.get("conditions") or () if each.get("type") == "Ready"
            ],
            "lastEnd": [
                word(((each.get("lastState") or {}).get("terminated") or {}).get("reason"))
                for each in status.get("containerStatuses") or ()
            ],
        }

    async def _pod_log(self, path: str, previous: str) -> bytes:
        query = {"tailLines": str(MOST_LINES), "limitBytes": str(MOST_BYTES), "previous": previous}
        return self._log((await self._client.get(f"{path}/log", query)).splitlines())

    async def _pod_metrics(self, path: str) -> bytes:
        return self._exposition(await self._client.get(f"{path}:{self._metrics_port}/proxy/metrics"))

    def _log_file(self, path: pathlib.Path) -> bytes:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - MOST_BYTES))
            return self._log(stream.read(MOST_BYTES).splitlines()[-MOST_LINES:])

    def _log(self, lines: Sequence[bytes]) -> bytes:
        return b"".join(msgspec.json.encode(each) + b"\n" for each in log_of(lines, self._names))

    def _scraped(self, url: str) -> bytes:
        if not url.startswith(("http://", "https://")):
            raise ValueError("--metrics is no URL of http")
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 (what may follow is checked above)
            return self._exposition(answer.read(MOST_BYTES))

    def _exposition(self, text: bytes) -> bytes:
        return "".join(f"{line}\n" for line in metrics_of(text.decode(errors="replace"), self._names)).encode()


def _mode(word: str) -> str:
    return word if word in set(Mode) else "another word" if word else "without the label"


def _restarts(pod: dict[str, Any]) -> int:
    return sum(each.get("restartCount", 0) for each in (pod.get("status") or {}).get("containerStatuses") or ())


def _json(content: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content))
