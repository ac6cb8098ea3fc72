"""What goes wrong while a crowd works: every kind in turn, in an order and at times that a seed gives."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from admission.cluster.client import ClusterError
from tools.installation import NAMESPACE, Weather

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from admission.cluster.client import Client
    from tools.installation import Installation, Replica

LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/computegate"
HANDS = 2
"""So many faults may be under way at once."""
GAP = (2.0, 10.0)
"""Seconds between two faults of one hand, at least and at most."""


class Supervisor:
    """What the kubelet and kube-proxy do: replicas that ended are started again, the ready ones get connections."""

    def __init__(self, installed: Installation) -> None:
        self._installed = installed
        self._ready = {replica.port: True for replica in installed.replicas}

    async def run(self) -> None:
        """Go on until cancelled."""
        await asyncio.gather(*map(self._keep, self._installed.replicas))

    async def _keep(self, replica: Replica) -> None:
        while True:
            if replica.popen is None or replica.popen.poll() is not None:
                replica.start()
            self._ready[replica.port] = await asyncio.to_thread(replica.get, "/readyz") == "ok"
            self._installed.balancer.backends = [port for port, ready in self._ready.items() if ready]
            await asyncio.sleep(0.5)


class Faults:
    """Faults against an installation."""

    def __init__(self, installed: Installation, client: Client, chance: Random) -> None:
        self.done: Counter[str] = Counter()
        self.last = 0.0
        self._installed, self._client, self._chance = installed, client, chance
        self._busy: defaultdict[object, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._deck: list[str] = []
        self._kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "replica killed": self._kill,
            "replica frozen": self._freeze,
            "leader killed": self._kill_leader,
            "leader frozen past its lease": self._freeze_leader,
            "API server restarted": self._restart,
            "API server killed": self._crash,
            "etcd paused": self._pause,
            "answers to a replica delayed": self._delay,
            "answers to a replica cut": self._cut,
            "answers to a replica swallowed": self._swallow,
            "verdicts cut": self._lose_verdicts,
        }

    async def run(self, seconds: float) -> None:
        """Let faults happen for some seconds; the last one is over when this returns, at `last` of the loop's clock."""
        end = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(self._hand(end) for _ in range(HANDS)))
        self.last = asyncio.get_running_loop().time()

    async def _hand(self, end: float) -> None:
        while True:
            await asyncio.sleep(self._chance.uniform(*GAP))
            if asyncio.get_running_loop().time() >= end:
                return
            kind = self._next()
            await self._kinds[kind]()
            self.done[kind] += 1

    def _next(self) -> str:
        if not self._deck:
            self._deck = self._chance.sample(sorted(self._kinds), len(self._kinds))
        return self._deck.pop()

    def _some(self) -> Replica:
        return self._chance.choice(self._installed.replicas)

    async def _leader(self) -> Replica:
        try:
            holder = str(json.loads(await self._client.get(LEASE))["spec"].get("holderIdentity"))
        except ClusterError:
            return self._some()
        known = {replica.directory.name: replica for replica in self._installed.replicas}
        return known.get(holder.partition("_")[0]) or self._some()

    # -- replicas ------------------------------------------------------------------------------

    async def _kill(self) -> None:
        await self._kill_one(self._some())

    async def _kill_leader(self) -> None:
        await self._kill_one(await self._leader())

    async def _kill_one(self, replica: Replica) -> None:
        async with self._busy[replica]:
            await asyncio.to_thread(replica.kill)

    async def _freeze(self) -> None:
        await self._freeze_one(self._some(), self._chance.uniform(1, 8))

    async def _freeze_leader(self) -> None:
        """It comes back when another has taken over, with the cache it had."""
        await self._freeze_one(await self._leader(), self._chance.uniform(16, 20))

    async def _freeze_one(self, replica: Replica, seconds: float) -> None:
        async with self._busy[replica]:
            process = replica.popen
            if process is None or process.poll() is not None:
                return  # killed a moment ago
            process.send_signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(seconds)
            finally:
                process.send_signal(signal.SIGCONT)

    # -- the control plane ---------------------------------------------------------------------

    async def _restart(self) -> None:
        async with self._busy["apiserver"]:
            await asyncio.to_thread(self._installed.plane.restart_apiserver)

    async def _crash(self) -> None:
        async with self._busy["apiserver"]:
            await asyncio.to_thread(self._installed.plane.restart_apiserver, crash=True)

    async def _pause(self) -> None:
        async with self._busy["etcd"]:
            with self._installed.plane.paused("etcd"):
                await asyncio.sleep(self._chance.uniform(0.5, 8))

    # -- what is between them ------------------------------------------------------------------

    async def _delay(self) -> None:
        await self._to_replica(Weather(delay=self._chance.uniform(0.02, 1)))

    async def _cut(self) -> None:
        await self._to_replica(Weather(loss=self._chance.uniform(0.1, 0.5)))

    async def _swallow(self) -> None:
        await self._to_replica(Weather(loss=self._chance.uniform(0.1, 0.5), silent=True))

    async def _lose_verdicts(self) -> None:
        """The decision was made and written, and the API server does not hear of it."""
        async with self._busy["verdicts"]:
            self._installed.balancer.weather = Weather(loss=self._chance.uniform(0.1, 0.5))
            await asyncio.sleep(self._chance.uniform(1, 4))
            self._installed.balancer.weather = Weather()

    async def _to_replica(self, weather: Weather) -> None:
        wire = self._some().wire
        assert wire is not None, "the installation is wired"
        async with self._busy[wire]:
            wire.weather = weather
            await asyncio.sleep(self._chance.uniform(1, 6))
            wire.weather = Weather()
