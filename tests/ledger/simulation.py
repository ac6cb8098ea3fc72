"""A deterministic world for the real ledger code: virtual time, one simulated etcd, a bad network, lagging watches.

All randomness comes from one seeded generator and all time from a virtual clock, so a seed is a trace.
The API server checks itself after every change that the invariants hold.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import math
import selectors
from typing import TYPE_CHECKING, TypeVar

import msgspec

from admission.cluster.client import ApiError, Unreachable
from admission.decide.shards import account_of
from admission.ledger.homes import Attribution
from admission.ledger.hours import Stay
from admission.ledger.limits import Kind
from admission.ledger.objects import COLLECTION, LedgerObject, Metadata, ObjectStore, object_name
from admission.ledger.objects import decode as decode_object
from tests.ledger import invariants

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping

    from admission.decide.limits import Account, Charge
    from admission.ledger.limits import Origin
    from admission.ledger.state import Entry, State

T = TypeVar("T")
BOOKMARKS = 0.03
"""How often, in looks without anything new, a watch is told how far it has come."""
BOUND = 34.0
"""Seconds after which the API server commits no create that it began."""


class _Instant(selectors.SelectSelector):
    """Waits by moving the clock; there is no input or output to wait for."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits and nobody ever wakes")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds take no time."""

    def __init__(self) -> None:
        self._instant = _Instant()
        super().__init__(self._instant)

    def time(self) -> float:
        return self._instant.now


def run(main: Coroutine[None, None, T]) -> T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclasses.dataclass(frozen=True)
class Pod:
    """An object to be created, a pod or a claim, and what it is charged."""

    uid: str
    name: str
    charge: Charge
    scopes: tuple[str, ...]
    twice: bool = False
    """Whether its review is sent more than once."""
    kind: Kind = Kind.Pod
    origin: Origin | None = None

    @property
    def own(self) -> tuple[tuple[str, int], ...]:
        """What it holds itself when its claims hold their parts."""
        charge = self.charge
        for part in charge.parts:
            charge = charge.without(part)
        return charge.counts


@dataclasses.dataclass(frozen=True)
class Event:
    revision: int
    pod: Pod
    created: bool


@dataclasses.dataclass(frozen=True)
class Faults:
    """Chances of what goes wrong with one request."""

    lost: float = 0.0
    """The request never arrives."""
    unanswered: float = 0.0
    """It takes effect, and the answer is lost."""
    late: float = 0.0
    """It takes effect after the client gave up."""
    refused: float = 0.0
    """429, 500 without or with effect."""
    forbidden: bool = False
    """403, whatever is asked: the right to it was taken away."""
    delay: float = 0.003
    """Mean seconds each way."""


@dataclasses.dataclass(frozen=True)
class Backup:
    """All that etcd holds at one revision."""

    revision: int
    ledgers: Mapping[str, LedgerObject]
    log: tuple[Event, ...]
    live: Mapping[str, Pod]
    created: Mapping[str, int]
    claimed: frozenset[tuple[str, str, str]]


class ApiServer:
    """Objects and pods in one revision order; the truth against which ledgers are held."""

    def __init__(self, rng: random.Random, faults: Faults, limits: Mapping[str, int]) -> None:
        self.rng, self.faults, self.limits = rng, faults, limits
        self.revision = 100
        self.ledgers: dict[str, LedgerObject] = {}
        self.log: list[Event] = []
        self.live: dict[str, Pod] = {}
        self.created: dict[str, int] = {}
        self.begun: dict[str, float] = {}
        self.promised: dict[str, Pod] = {}
        self.watchers: list[Callable[[LedgerObject], None]] = []
        self.writes = self.steps = self.forbidden = 0
        self.claims: dict[str, tuple[str, str]] = {}
        """By uid of a claim: the pod that it was made for, and for which part of its charge."""
        self.claimed: set[tuple[str, str, str]] = set()
        """Scopes, pods, and the names of their parts that a claim has ever stood for there."""
        self.asked: dict[tuple[str, str], int] = {}
        """By scope and uid: the largest limit that a review of the object carried."""
        self.before: dict[str, frozenset[str]] = {}
        self.most: int | None = None
        self.violations: list[str] = []
        self.terms = 0
        self._decoded: dict[str, tuple[LedgerObject, State]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # -- pods ---------------------------------------------------------------------------------

    def promise(self, pod: Pod) -> None:
        """An admission was answered "allowed": the pod may be committed from now on."""
        self.promised[pod.uid] = pod
        self.check()

    def commit(self, pod: Pod) -> None:
        del self.promised[pod.uid]
        self.live[pod.uid] = pod
        self.revision += 1
        self.created[pod.uid] = self.revision
        self.begun[pod.uid] = now()
        self.log.append(Event(self.revision, pod, created=True))
        self.check()

    def refuse(self, pod: Pod) -> None:
        """The create ended without a pod, after we had allowed it."""
        del self.promised[pod.uid]

    def delete(self, pod: Pod) -> None:
        del self.live[pod.uid]
        self.revision += 1
        self.log.append(Event(self.revision, pod, created=False))

    def bears(self, name: str) -> bool:
        """Say whether an object of that name exists."""
        return any(pod.name == name for pod in self.live.values())

    def lose(self, name: str) -> None:
        """Delete a ledger's object: the next read makes it again."""
        self.ledgers.pop(name, None)
        self.revision += 1

    # -- backups -------------------------------------------------------------------------------

    def backup(self) -> Backup:
        """Keep what stands now."""
        held = dict(self.ledgers), tuple(self.log), dict(self.live), dict(self.created)
        return Backup(self.revision, *held, frozenset(self.claimed))

    def restore(self, backup: Backup) -> None:
        """Begin again from a backup: the API servers are stopped for it, and with them all that is under way."""
        self.revision = backup.revision
        self.ledgers, self.log = dict(backup.ledgers), list(backup.log)
        self.live, self.created, self.claimed = dict(backup.live), dict(backup.created), set(backup.claimed)
        self.promised.clear()
        self.before = {scope: frozenset(state.inflight) for scope, state in self.counted()}
        self.terms += 1

    # -- invariants ----------------------------------------------------------------------------

    def state(self, scope: str) -> State | None:
        """Return what a ledger holds; None where there is none."""
        found = self.ledgers.get(object_name(scope))
        if found is None:
            return None
        if self._decoded.get(scope, (None,))[0] is not found:
            self._decoded[scope] = (found, found.snapshot.state)
        return self._decoded[scope][1]

    def counted(self) -> Iterator[tuple[str, State]]:
        """Yield the scopes whose ledgers are counted, and their states."""
        for scope in self.limits:
            state = self.state(scope)
            if state is not None and state.initialized:
                yield scope, state

    def check(self) -> None:
        """Note what does not hold; noted and not raised, as nobody hears a server's exception."""
        self.steps += 1
        for invariant in invariants.EVERY:
            for what in invariant(self):
                self.note(what)

    def note(self, what: str) -> None:
        """Note what does not hold, with when."""
        self.violations.append(f"{now():.3f} s, revision {self.revision}: {what}")

    # -- the wire ------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,  # noqa: ARG002 (only names the field manager)
        body: bytes | None = None,
        content_type: str = "application/json",  # noqa: ARG002 (always JSON here)
        timeout: float = 10.0,  # noqa: ASYNC109 (the interface's)
    ) -> bytes:
        """Answer one request over a bad network; what was sent goes on when the sender does not wait."""
        answer: asyncio.Future[bytes | ApiError] = asyncio.get_running_loop().create_future()
        task = asyncio.get_running_loop().create_task(self._serve(method, path, body, timeout, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait((answer,), timeout=timeout)
        if not answer.done():
            answer.cancel()
            raise Unreachable("no answer")
        if isinstance(outcome := answer.result(), ApiError):
            raise outcome
        return outcome

    async def _serve(
        self,
        method: str,
        path: str,
        body: bytes | None,
        timeout: float,  # noqa: ASYNC109 (the sender's patience)
        answer: asyncio.Future[bytes | ApiError],
    ) -> None:
        chance, faults, term = self.rng.random(), self.faults, self.terms
        late = chance < faults.late
        await self.travel(timeout + self.rng.random() if late else 0.0)
        if faults.late <= chance < faults.late + faults.lost or term != self.terms:
            return
        outcome = self._refusal() or self._apply(method, path, body)
        if self.rng.random() < faults.unanswered:
            return
        await self.travel()
        if not answer.done():
            answer.set_result(outcome)

    async def travel(self, more: float = 0.0) -> None:
        await asyncio.sleep(more + self.rng.expovariate(1 / self.faults.delay) if self.faults.delay else more)

    def _refusal(self) -> ApiError | None:
        if self.faults.forbidden:
            self.forbidden += 1
            return ApiError(403, "Forbidden", 'quotaledgers is forbidden: User "us" cannot do that')
        if self.rng.random() >= self.faults.refused:
            return None
        return self.rng.choice((ApiError(429, "TooManyRequests", ""), ApiError(500, "InternalError", "")))

    def _apply(self, method: str, path: str, body: bytes | None) -> bytes | ApiError:
        sent = decode_object(body) if body else None
        name = sent.metadata.name if sent else path.removeprefix(COLLECTION + "/")
        found = self.ledgers.get(name)
        if sent is None:
            return msgspec.json.encode(found) if found else ApiError(404, "NotFound", name)
        if method == "POST":
            created = LedgerObject(metadata=Metadata(name), spec=sent.spec)
            return ApiError(409, "AlreadyExists", name) if found else self._store(created)
        return self._replace(name, found, sent)

    def _replace(self, name: str, found: LedgerObject | None, sent: LedgerObject) -> bytes | ApiError:
        if found is None:
            return ApiError(404, "NotFound", name)
        if sent.metadata.resource_version != found.metadata.resource_version:
            return ApiError(409, "Conflict", name)
        if sent.status == found.status:
            return msgspec.json.encode(found)  # an update without a change is no new version
        return self._store(msgspec.structs.replace(found, status=sent.status))

    def _store(self, found: LedgerObject) -> bytes:
        self.revision += 1
        self.writes += 1
        metadata = msgspec.structs.replace(found.metadata, resource_version=str(self.revision))
        found = msgspec.structs.replace(found, metadata=metadata)
        self.ledgers[metadata.name] = found
        self.check()
        for watcher in self.watchers:
            watcher(found)
        return msgspec.json.encode(found)


class Watch:
    """A census by lists and watches, of pods and of claims, that lag, or stall, each by itself."""

    def __init__(self, server: ApiServer, *, stalls: float = 0.0, shards: int = 0) -> None:
        self._server, self._stalls, self._shards = server, stalls, shards
        self.relist()

    def relist(self) -> None:
        self.lists = getattr(self, "lists", -1) + 1
        log = self._server.log
        self._positions = dict.fromkeys(Kind, len(log))
        self.resource_version = self.claims_version = self._server.revision
        self._newest = {kind: self._newest_of(kind) for kind in Kind}
        self._live = dict(self._server.live)
        self._ended: list[tuple[Pod, Stay]] = []
        self._seen = set(self._live)

    def _newest_of(self, kind: Kind) -> int:
        return max((self._server.created[uid] for uid, pod in self._server.live.items() if pod.kind is kind), default=0)

    def settled(self, entry: Entry) -> bool:
        return entry.uid in self._seen and not entry.charge.parts

    def attributed(self, entry: Entry, scope: str) -> bool:  # noqa: ARG002 (the pods here carry their party and scopes)
        return True

    def attribution(self, scope: str) -> Attribution:  # noqa: ARG002 (likewise)
        return Attribution()

    def newest(self) -> tuple[int, int]:
        return self._newest[Kind.Pod], self._newest[Kind.Claim]

    def live(self, uid: str) -> bool:
        return uid in self._live

    def unreadable(self, scope: str) -> Collection[str]:  # noqa: ARG002 (likewise)
        return ()

    def charges(self, scope: str, promised: Collection[str]) -> Mapping[Account, int]:
        total: collections.Counter[Account] = collections.Counter()
        for uid, pod in self._live.items():
            if scope in pod.scopes and uid not in promised:
                account = account_of(scope, pod.charge.party, self._shards)
                total.update({(account, key): count for key, count in pod.own})
        return total

    def stays(self, scope: str, promised: Collection[str]) -> Collection[Stay]:
        live = (pod for uid, pod in self._live.items() if uid not in promised)
        return [_stay(pod, self._server.begun[pod.uid]) for pod in live if scope in pod.scopes]

    def ended(self, scope: str) -> Collection[Stay]:
        return [stay for pod, stay in self._ended if scope in pod.scopes]

    def forget(self, pods: int, claims: int) -> None:
        self._ended = [(pod, stay) for pod, stay in self._ended if stay.version > (claims if stay.claim else pods)]

    async def follow(self) -> None:
        """Take events in one by one, each after a random delay."""
        rng = self._server.rng
        while True:
            await asyncio.sleep(rng.expovariate(20))
            if rng.random() < self._stalls:
                await self._stall(now() + rng.uniform(1, 80))
            kind = rng.choice(tuple(Kind))
            if not self._step(kind) and rng.random() < BOOKMARKS:
                self._come_to(kind, self._server.revision)

    async def _stall(self, until: float) -> None:
        while now() < until and self._server.faults.lost:  # noqa: ASYNC110 (virtual time; the faults end once)
            await asyncio.sleep(0.5)

    def catch_up(self) -> None:
        """Take in all there is."""
        for kind in Kind:
            while self._step(kind):
                pass

    def _step(self, kind: Kind) -> bool:
        """Take in the next event of a kind, if there is one."""
        log = self._server.log
        for position in range(self._positions[kind], len(log)):
            self._positions[kind] = position + 1
            if log[position].pod.kind is kind:
                self._take(log[position])
                return True
        return False

    def _take(self, event: Event) -> None:
        self._come_to(event.pod.kind, event.revision)
        self._newest[event.pod.kind] = event.revision
        if event.created:
            self._live[event.pod.uid] = event.pod
            self._seen.add(event.pod.uid)
        elif self._live.pop(event.pod.uid, None):
            stay = _stay(event.pod, self._server.begun[event.pod.uid], event.revision)
            self._ended.append((event.pod, stay))

    def _come_to(self, kind: Kind, revision: int) -> None:
        if kind is Kind.Pod:
            self.resource_version = revision
        else:
            self.claims_version = revision


def _stay(pod: Pod, since: float, ended: int = 0) -> Stay:
    """The stay of an object from its commit; ``ended`` is the revision of its end, which is seen now."""
    until, charge = math.ceil(now()) if ended else 0, pod.charge
    claim = pod.kind is Kind.Claim
    return Stay(
        pod.uid,
        charge.party,
        charge.group,
        pod.own,
        0 if charge.endless else charge.seconds,
        max(1, int(since)),
        until,
        ended,
        claim=claim,
    )


class QuorumReads:
    """The witness: reads of the newest state, over the same bad network."""

    def __init__(self, server: ApiServer, shards: int = 0) -> None:
        self._server, self._shards = server, shards

    async def recount(self) -> Watch:
        await self._travel()
        found = Watch(self._server, shards=self._shards)
        await self._server.travel()
        return found

    async def probe(self, entry: Entry) -> bool:
        assert entry.namespace == "ns"
        await self._travel()
        there = (pod for pod in self._server.live.values() if (pod.kind, pod.name) == (entry.kind, entry.name))
        uid = next((pod.uid for pod in there), None)
        await self._server.travel()
        return uid == entry.uid

    async def revision(self) -> int:
        await self._travel()
        return self._server.revision

    async def _travel(self) -> None:
        faults = self._server.faults
        if self._server.rng.random() < faults.lost / 4:
            raise Unreachable("no answer")
        await self._server.travel()


def watched(server: ApiServer) -> ObjectStore:
    """Return a replica's store, fed by a watch of its own that lags."""
    store = ObjectStore(server)
    loop = asyncio.get_running_loop()

    def later(found: LedgerObject) -> None:
        loop.call_later(server.rng.expovariate(20), store.observe, found)

    server.watchers.append(later)
    return store
