"""Looks every so often whether this program has the rights it needs, and whether reviews can reach it.

What is found counts when the next look, ``grace`` seconds later, finds it too: an upgrade writes one object after
another.
"""

from __future__ import annotations

import asyncio
import enum
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from admission.cluster.client import ClusterError
from admission.enforce.audit.granted import not_granted
from admission.enforce.audit.reached import Told, distrusted, entries_of, is_reached, passed_over, uncovered
from admission.review.fitting import some

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from admission.cluster.client import Client
    from admission.cluster.rights import Right


class Lack(enum.StrEnum):
    """What is not as it must be."""

    Rights = "rights"
    Trust = "trust"
    Endpoints = "endpoints"
    Namespaces = "namespaces"
    Settings = "settings"
    Edited = "edited"
    Release = "release"
    Unseen = "unseen"
    """Nobody can tell."""


class Found(NamedTuple):
    """What one look found: how many, and which."""

    number: int
    detail: str


class Surroundings(NamedTuple):
    """What is audited beside the API server's answers, as it is when asked.

    ``configuration`` is our ValidatingWebhookConfiguration as the API server has it, {} where there is none: the alarm
    tells of that.  ``enforced`` are the labels of the namespaces that are to be enforced.  ``told`` is what this
    replica was told at its start.  ``others`` are what the ConfigMap says otherwise than this replica was told, each
    with the ConfigMap's name.
    """

    configuration: Callable[[], Mapping[str, Any]]
    enforced: Callable[[], Mapping[str, Mapping[str, str]]]
    doubt: Callable[[bytes, str], str]
    told: Told
    others: Callable[[], Awaitable[Mapping[Lack, str]]]


class Audit:
    """Run it as one task, in every replica.

    ``lacks`` is what counts now, None until something is known.  ``tell`` is called with what was found of a lack when
    that has changed, and with None when it is no longer so.
    """

    def __init__(
        self,
        client: Client,
        rights: Sequence[Right],
        surroundings: Surroundings,
        *,
        tell: Callable[[Lack, Found | None], None],
        seconds: float,
        grace: float,
    ) -> None:
        self._client, self._rights, self._surroundings = client, rights, surroundings
        self._tell, self._seconds, self._grace = tell, seconds, grace
        self._last: dict[Lack, Found] = {}
        self.lacks: dict[Lack, Found] | None = None

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            unsettled = await self.once()
            await asyncio.sleep(min(self._grace, self._seconds) if unsettled else self._seconds)

    async def once(self) -> bool:
        """Look; return whether something waits to be found again."""
        found = {lack: each async for lack, each in self._look()}
        if Lack.Unseen in found:
            found = {**(self.lacks or {}), **found}  # what was not looked at goes on
        counting = {lack: each for lack, each in found.items() if lack in self._last or lack in (self.lacks or {})}
        self._last = found
        if self.lacks is not None or not found or counting:
            before, self.lacks = self.lacks or {}, counting
            for lack in Lack:
                if before.get(lack) != counting.get(lack):
                    self._tell(lack, counting.get(lack))
        return found.keys() != counting.keys()

    async def _look(self) -> AsyncIterator[tuple[Lack, Found]]:
        try:
            missing = await not_granted(self._client, self._rights)
            if missing:
                yield Lack.Rights, _of(list(map(str, missing)))
            async for each in self._registered():
                yield each
        except (ClusterError, msgspec.MsgspecError) as error:
            yield Lack.Unseen, Found(1, str(error))

    async def _registered(self) -> AsyncIterator[tuple[Lack, Found]]:
        entries = list(entries_of(self._surroundings.configuration()))
        for entry in entries:
            why = await asyncio.to_thread(distrusted, entry, self._surroundings.doubt)
            if why:
                yield Lack.Trust, Found(1, why)
            if not await is_reached(self._client, entry):
                service = entry["clientConfig"]["service"]
                yield Lack.Endpoints, Found(1, f"{service['namespace']}/{service['name']}")
        left_out = uncovered(entries, self._surroundings.enforced()) if entries else []
        if left_out:
            yield Lack.Namespaces, _of(left_out)
        if astray := passed_over(entries, self._surroundings.told):
            yield Lack.Settings, _of(astray)
        for lack, name in (await self._surroundings.others()).items():
            yield lack, Found(1, name)


def _of(names: Sequence[str]) -> Found:
    return Found(len(names), ", ".join(some(names)))
