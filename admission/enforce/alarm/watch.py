"""Watches what the gate rests on in the API server, beside what the release says that it installed.

What is expected stands in a ConfigMap that the chart renders from the same templates as the objects.  An upgrade
writes it some moments before these: a difference counts at once, but for ``grace`` seconds after another content of it
was seen.  So nobody can take something away for a moment unseen.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import msgspec

from admission.cluster.reflector import Reflector
from admission.enforce.alarm.difference import differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from admission.cluster.client import Client

STALE_SECONDS = 90.0
"""Silence of a watch after which nobody knows whether its objects still stand; a watch ends within 65 s."""

EXPECTED_KEY, SETTINGS_KEY = "expected.json", "settings.sha256"
TICK_SECONDS = 1.0
LAG_SECONDS = 1.0
"""By as much the watch of an object may be ahead of the one of the ConfigMap."""

_PLURALS = {
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
}

Manifest: TypeAlias = dict[str, Any]


class Problem(NamedTuple):
    """Why the gate is not known to be what was installed."""

    kind: str
    name: str
    problem: Literal["missing", "changed", "unseen"]
    detail: str
    """Which fields, or why it cannot be seen."""


class Metadata(msgspec.Struct, frozen=True):
    """What names the ConfigMap."""

    name: str
    uid: str = ""


class Expected(NamedTuple):
    """The ConfigMap as it is read: what was installed."""

    metadata: Metadata
    objects: tuple[Manifest, ...]
    digest: str
    """SHA-256 of the text in which they stand, in hexadecimal."""
    settings: str
    """SHA-256 of the settings that the replicas of the release were given, in hexadecimal; "" where none are."""


class GateWatch:
    """Run it as one task; ``problems`` are those that count now, None until something is known.

    ``tell`` is called with what began and what ended, when either is not empty.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        *,
        tell: Callable[[list[Problem], list[Problem]], None],
        grace: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._name, self._tell, self._grace, self._clock = client, name, tell, grace, clock
        self._config = Reflector(
            client,
            f"/api/v1/namespaces/{namespace}/configmaps",
            expected_of,
            on_change=self._mark,
            query={"fieldSelector": f"metadata.name={name}"},
        )
        self._config_key = f"{namespace}/{name}"
        self._collections: dict[str, Reflector[Manifest]] = {}
        self._expected: dict[tuple[str, str], Manifest] = {}
        self._found: tuple[Problem, ...] = ()
        self._changed = True
        self._stirred = asyncio.Event()
        self._since: dict[tuple[str, str], float] = {}
        self._settles = clock() + grace
        self.problems: frozenset[Problem] | None = None
        self.breaks = 0
        """Problems that began to count, since the start."""

    @property
    def regarding(self) -> Metadata:
        """The ConfigMap by which everything is told."""
        held = self._config.items.get(self._config_key)
        return held.metadata if held else Metadata(self._name)

    @property
    def installed(self) -> tuple[Manifest, ...] | None:
        """What the release says that it installed; None while that is unknown."""
        held = self._config.items.get(self._config_key)
        return held.objects if held else None

    @property
    def digest(self) -> str | None:
        """SHA-256 of what the release says that it installed; None while that is unknown."""
        held = self._config.items.get(self._config_key)
        return held.digest if held else None

    @property
    def settings(self) -> str | None:
        """SHA-256 of the settings of the release's replicas, "" where it has none; None while that is unknown."""
        held = self._config.items.get(self._config_key)
        return held.settings if held else None

    def names(self, kind: str) -> list[str]:
        """Return the names of the objects of a kind that were installed."""
        return [name for (_, name), each in self._expected.items() if each["kind"] == kind]

    def found(self, kind: str) -> list[Manifest]:
        """Return those of a kind that were installed, as they are now in the API server."""
        held = (
            (self._collections[path], name) for (path, name), each in self._expected.items() if each["kind"] == kind
        )
        return [reflector.items[name] for reflector, name in held if name in reflector.items]

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._config.run())
            for reflector in self._collections.values():
                group.create_task(reflector.run())
            while True:
                for reflector in self._missing():
                    group.create_task(reflector.run())
                self.look()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stirred.wait(), TICK_SECONDS)
                self._stirred.clear()

    def look(self) -> None:
        """Compare, where something has changed, and tell of what has begun or ended to count."""
        now, current = self._clock(), [*self._unseen(), *self._differences()]
        self._since = {each[:2]: self._since.get(each[:2], now) for each in current}
        counting = frozenset(each for each in current if now >= self._due(each))
        if current and not counting and self.problems is None:
            return  # nothing is known yet
        before, self.problems = self.problems or frozenset(), counting
        began, ended = sorted(counting - before), sorted(before - counting)
        self.breaks += len(began)
        if began or ended:
            self._tell(began, ended)

    def _due(self, problem: Problem) -> float:
        """Return the instant from which it counts."""
        since = self._since[problem[:2]]
        if problem.problem == "unseen":
            return since + self._grace
        lag = min(LAG_SECONDS, self._grace) if problem.problem == "changed" else 0
        return max(since + lag, self._settles)

    def _mark(self, _: object) -> None:
        self._changed = True
        self._stirred.set()

    def _missing(self) -> Iterator[Reflector[Manifest]]:
        """Make a watch for each collection that is expected something of and has none yet."""
        held = self._config.items.get(self._config_key)
        if held is None or not self._changed:
            return
        self._expect({(_collection(each), each["name"]): each for each in held.objects})
        for path in dict.fromkeys(path for path, _ in self._expected):
            if path not in self._collections:
                made = Reflector[Manifest](self._client, path, msgspec.json.decode, on_change=self._mark, optional=True)
                self._collections[path] = made
                yield made

    def _expect(self, expected: dict[tuple[str, str], Manifest]) -> None:
        if expected != self._expected:
            self._expected, self._settles = expected, self._clock() + self._grace

    def _unseen(self) -> Iterator[Problem]:
        if self._silent(self._config):
            yield Problem("ConfigMap", self._name, "unseen", "it cannot be read")
        elif self._config_key not in self._config.items:
            why = self._config.malformed.get(self._config_key, "there is none")
            yield Problem("ConfigMap", self._name, "unseen", f"it does not say what was installed: {why}")
        for path, reflector in self._collections.items():
            if self._silent(reflector):
                yield Problem(path.rpartition("/")[2], "", "unseen", "they cannot be read")

    def _silent(self, reflector: Reflector[Any]) -> bool:
        return not reflector.synced or reflector.silence() > STALE_SECONDS

    def _differences(self) -> Iterable[Problem]:
        if self._changed:
            self._changed = not all(each.settled for each in self._collections.values())
            self._found = tuple(self._compared())
        return self._found

    def _compared(self) -> Iterator[Problem]:
        for (path, name), expected in self._expected.items():
            found = self._collections[path].items.get(name)
            if not self._collections[path].synced:
                continue
            if found is None:
                yield Problem(expected["kind"], name, "missing", "")
            elif phrases := list(differences(expected, found)):
                yield Problem(expected["kind"], name, "changed", "; ".join(phrases))


class _ConfigMap(msgspec.Struct, frozen=True):
    metadata: Metadata
    data: dict[str, str] = {}


_decode = msgspec.json.Decoder(_ConfigMap).decode


def expected_of(raw: bytes) -> Expected:
    """Read the ConfigMap; raises ``ValueError`` where it does not say what was installed."""
    found = _decode(raw)
    text = found.data.get(EXPECTED_KEY, "")
    objects = msgspec.json.decode(text, type=tuple[Manifest, ...])
    for each in objects:
        if each.get("kind") not in _PLURALS or not {"apiVersion", "name"} <= each.keys():
            raise ValueError(f"{each.get('kind')} is not known to this version")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Expected(found.metadata, objects, digest, found.data.get(SETTINGS_KEY, ""))


def _collection(expected: Manifest) -> str:
    return f"/apis/{expected['apiVersion']}/{_PLURALS[expected['kind']]}"
