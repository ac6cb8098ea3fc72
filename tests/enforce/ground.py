"""A cluster in memory for what acts on running pods: pods, Allowances and Enforcements, and any number of leaders."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from admission.api.allowance import Allowance
from admission.api.enforcement import Enforcement
from admission.api.policy import Mode
from admission.catalogue.catalogue import Catalogue
from admission.cluster.client import ApiError, ClusterError, Unreachable
from admission.decide.registry import Registry
from admission.demand.pod import USUAL_GRACE
from admission.enforce.sweep.acts import Acts
from admission.enforce.sweep.engine import Facts, Sweep
from admission.enforce.sweep.evictor import Evictor
from admission.enforce.sweep.reader import Reader, Reviewed
from admission.enforce.sweep.record import Line, Step, Steps
from admission.enforce.sweep.shown import Shown
from admission.enforce.sweep.statuses import Statuses
from admission.enforce.sweep.steps import EVERYTHING, Granted
from admission.enforce.sweep.suspender import Suspender
from admission.enforce.sweep.told import Told

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from admission.enforce.sweep.found import Refer
    from admission.review.pod import Pod
    from admission.review.reasons import Reason

START = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
ENFORCEMENT = "all"


class Cluster:
    """What the API server has; ``evicted`` is what it was asked for and did: instant, namespace and pod."""

    def __init__(self, pods: dict[str, int], **spec: Any) -> None:
        self.now = START
        self.version = 1
        self.away = False
        self.pods = {(name, f"{name}-{number}"): False for name, count in pods.items() for number in range(count)}
        self.created: dict[str, datetime] = {}
        self.graces: dict[str, int] = {}
        self.told: dict[str, tuple[datetime, int]] = {}
        self.budgeted: set[str] = set()
        self.breaking: set[str] = set()
        self.review_seconds = self.attempt_seconds = 0.0
        self.reasons: dict[str, Reason | None] = dict.fromkeys(pods)
        self.allowances: dict[str, dict[str, Any]] = {
            name: {"metadata": {"name": "compute", "namespace": name, "resourceVersion": "1"}} for name in pods
        }
        known = {"mode": "Enforce", "steps": [{"action": "Evict", "gracePeriod": "30s"}], **spec}
        metadata = {"name": ENFORCEMENT, "uid": "uid", "resourceVersion": "1"}
        self.enforcement: dict[str, Any] = {"metadata": metadata, "spec": known, "status": {}}
        self.attempts: list[tuple[datetime, str, str]] = []
        self.evicted: list[tuple[datetime, str, str]] = []
        self.writes = 0
        self.lines: list[Line] = []
        self.events: list[tuple[str, str]] = []
        self.unwritable = self.forbids = self.unlisted = False
        self.owners: dict[str, dict[str, Any]] = {}
        self.suspended: list[str] = []
        self.on_line: Callable[[Line], None] = lambda _: None

    def record(self, lines: Sequence[Any]) -> asyncio.Future[None]:
        """Take lines of the enforcement record; ``unwritable`` takes none."""
        done = asyncio.get_running_loop().create_future()
        if self.unwritable:
            done.set_exception(OSError("no space left on device"))
            return done
        self.lines += lines
        for line in lines:
            self.on_line(line)
        done.set_result(None)
        return done

    @property
    def status(self) -> Any:
        """The Enforcement's status."""
        return Enforcement.model_validate(self.enforcement).status

    def confirm(self) -> None:
        """Confirm what the breaker shows."""
        breaker = self.status.breaker
        self.enforcement["spec"] |= {"confirmed": breaker.token if breaker else "", "confirmedBy": "carol"}
        self._stored(self.enforcement)

    def change(self, **spec: Any) -> None:
        """Change the Enforcement."""
        self.enforcement["spec"] |= spec
        self._stored(self.enforcement)

    def add(self, namespace: str, *names: str) -> None:
        """Make more pods, now."""
        self.pods |= {(namespace, name): False for name in names}
        self.created |= dict.fromkeys(names, self.now)

    def gone(self) -> None:
        """Have what ends be gone."""
        self.pods = {key: ending for key, ending in self.pods.items() if not ending}

    def _stored(self, obj: dict[str, Any]) -> None:
        self.version += 1
        obj["metadata"] = {**obj["metadata"], "resourceVersion": str(self.version)}

    # -- the client ------------------------------------------------------------------------------

    async def get(self, path: str, query: Any = None) -> bytes:  # noqa: ARG002 (one page holds all)
        await self._reached()
        if self.unlisted:
            raise ApiError(500, "InternalError", "etcdserver: request timed out")
        if path.endswith("kueue.x-k8s.io"):
            raise ApiError(404, "NotFound", "")
        parts = path.split("/")
        if "statefulsets" in parts:
            return json.dumps({"metadata": self.owners[parts[5]] | {"resourceVersion": "1"}, "spec": {}}).encode()
        wanted = parts[4] if "namespaces" in parts else ""
        pods = [(key, ending) for key, ending in self.pods.items() if wanted in {"", key[0]}]
        items = [self._pod(*key, ending=ending) for key, ending in pods]
        return json.dumps({"metadata": {}, "items": items}).encode()

    async def create(self, path: str, body: bytes) -> bytes:
        await self._reached()
        *_, namespace, _pods, name, what = path.split("/")
        assert what == "eviction"
        options = json.loads(body)["deleteOptions"]
        assert options["preconditions"] == {"uid": name}
        self._attempted(namespace, name)
        if self.forbids:
            raise ApiError(
                403, "Forbidden", f'pods "{name}" is forbidden: User "us" cannot create resource "pods/eviction"'
            )
        if name in self.budgeted:
            raise ApiError(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.")
        return self._end(namespace, name, options)

    async def request(self, method: str, path: str, *, body: bytes) -> bytes:
        await self._reached()
        options = json.loads(body)
        assert (method, "uid" in options["preconditions"]) == ("DELETE", True)
        namespace, name = path.split("/")[4], path.split("/")[6]
        self._attempted(namespace, name)
        return self._end(namespace, name, options)

    def _attempted(self, namespace: str, name: str) -> None:
        self.attempts.append((self.now, namespace, name))
        self.now += timedelta(seconds=self.attempt_seconds)

    def end(self, namespace: str, name: str) -> None:
        """Tell a pod to end, as its owner may."""
        self.pods[namespace, name] = True
        self.told[name] = self.now, self.graces.get(name, USUAL_GRACE)

    def _end(self, namespace: str, name: str, options: dict[str, Any]) -> bytes:
        if (namespace, name) not in self.pods:
            raise ApiError(404, "NotFound", "")
        grace = options.get("gracePeriodSeconds", self.graces.get(name, USUAL_GRACE))
        at, before = self.told.get(name, (self.now, grace + 1))
        assert grace < before, "a pod that ends already is told again"
        steps = [each.step for each in self.lines if each.workload and each.workload.name == name]
        assert self.unwritable or steps[-1] in {Step.Evicting, Step.Deleting}, "not recorded before"
        self.pods[namespace, name] = True
        self.told[name] = at, grace
        self.evicted.append((self.now, namespace, name))
        return b"{}"

    def _pod(self, namespace: str, name: str, *, ending: bool) -> dict[str, Any]:
        created = self.created.get(name, START).isoformat()
        metadata: dict[str, Any] = {"name": name, "namespace": namespace, "uid": name, "creationTimestamp": created}
        if ending:
            at, grace = self.told.get(name, (START, USUAL_GRACE))
            until = (at + timedelta(seconds=grace)).isoformat()
            metadata |= {"deletionTimestamp": until, "deletionGracePeriodSeconds": grace}
        if namespace in self.owners:
            metadata["ownerReferences"] = [{"kind": "StatefulSet", "controller": True, **self.owners[namespace]}]
        grace = self.graces.get(name, USUAL_GRACE)
        return {"metadata": metadata, "spec": {"terminationGracePeriodSeconds": grace}}

    async def merge_patch(self, path: str, body: bytes) -> bytes:
        await self._reached()
        change, parts = json.loads(body), path.split("/")
        if "statefulsets" in parts:
            self.suspended.append(parts[-1])
            return b"{}"
        kept = dict(self.allowances[parts[5]]) if "allowances" in parts else self.enforcement
        if change["metadata"]["resourceVersion"] != kept["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "")
        kept["status"] = {**kept.get("status", {}), **change["status"]}
        self._stored(kept)
        if "allowances" in parts:
            self.allowances[parts[5]] = kept
        self.writes += 1
        return json.dumps(kept).encode()

    async def _reached(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise Unreachable("away")


class Leader:
    """One term of leadership, with a copy of the objects that is as old as its last ``watch``."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        strict: bool = False,
        granted: Granted = EVERYTHING,
        excluded: Collection[str] = (),
    ) -> None:
        self.cluster, self.stale = cluster, ""
        self.ahead = timedelta()
        self.registry = Registry(Catalogue.builtin(), default_mode=Mode.Enforce)
        self.allowances: dict[str, Allowance] = {}
        client: Any = cluster
        statuses = Statuses(client, self.registry)
        events: Any = _Events(cluster)
        self.steps = Steps(cluster.record, strict=strict, tenant=str.upper, now=self._now)
        told = Told(
            client,
            self.registry,
            events,
            self.allowances,
            _refer,
            steps=self.steps,
            contact="",
            now=self._now,
            clock=self._clock,
        )
        evictor = Evictor(client, self._clock)
        self.shown = Shown(statuses, self.registry.mode, evictor, now=self._now, clock=self._clock, granted=granted)
        reader = Reader(client, self._review, excluded, lambda _: None)
        acts = Acts(
            self.registry,
            statuses,
            reader,
            evictor=evictor,
            suspender=Suspender(client, self.steps, reader, self._clock),
            shown=self.shown,
            events=events,
            steps=self.steps,
            stale=lambda: self.stale,
            holds=lambda _: False,
            now=self._now,
            clock=self._clock,
            granted=granted,
        )
        facts = Facts(lambda: self.stale, lambda: (), self._now, 600.0, self._clock, granted)
        self.sweep = Sweep(client, self.registry, self._review, told=told, acts=acts, facts=facts, excluded=excluded)
        self._known: dict[str, Reason | None] = {}
        self.watch()

    def _now(self) -> datetime:
        return self.cluster.now + self.ahead

    def _clock(self) -> float:
        return (self.cluster.now - START).total_seconds()

    async def _review(self, pod: Pod) -> Reviewed:
        self.cluster.now += timedelta(seconds=self.cluster.review_seconds)
        if pod.metadata.name in self.cluster.breaking:
            raise ZeroDivisionError
        reason = self._known.get(pod.metadata.namespace)
        return Reviewed(frozenset({reason} if reason else ()), controlled=True)

    def watch(self) -> None:
        """See everything as it is now."""
        self.registry.put(Enforcement.model_validate(self.cluster.enforcement))
        self.allowances |= {
            f"{name}/compute": Allowance.model_validate(each) for name, each in self.cluster.allowances.items()
        }
        for namespace, reason in self.cluster.reasons.items():
            if self._known.get(namespace, "") != reason:
                self._known[namespace] = reason
                self.registry.put_namespace(namespace, {"reason": str(reason)})

    async def step(self) -> None:
        """Go on, once; an API server that is away is no end."""
        with contextlib.suppress(ClusterError):
            await self.sweep.step()


class _Events:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def record(self, _about: Any, reason: str, note: str, **_: Any) -> None:
        self._cluster.events.append((reason, note))


def _refer(namespace: str) -> Refer:
    return lambda reason, since: (f"{namespace} {reason} {since.isoformat()}",)
