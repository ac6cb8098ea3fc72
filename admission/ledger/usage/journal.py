"""The journal: open intervals, and those whose lines are not written yet, in UsageJournal objects.

``head`` says up to which resourceVersions the pages ``page-N`` are complete, and is written after them.  Each write is
a compare-and-swap: of two leaders one finds that the other wrote, and reads the journal anew.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import TYPE_CHECKING

import msgspec

from admission.cluster import lists
from admission.cluster.client import ApiError
from admission.ledger.objects import Metadata
from admission.ledger.store import Conflict, Failed
from admission.ledger.usage.interval import millis_of, written
from admission.ledger.usage.pages import Pages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.cluster.client import Client
    from admission.ledger.usage.interval import Interval, Key

COLLECTION = "/apis/computegate.io/v1alpha1/usagejournals"
FORMAT = 1
HEAD = "head"

_PAGE = "page-"
_TAKEN = {404, 409}
_MANAGER = {"fieldManager": "computegate"}
_TIMEOUT = 5.0

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Head:
    """How far the journal goes: when the record began, and the instant and versions up to which it is complete.

    Instants are milliseconds; ``since`` is 0 where there is no journal yet.
    """

    since: int = 0
    at: int = 0
    pods: int = 0
    claims: int = 0


class _Spec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """UsageJournal.spec on the wire."""

    format: int = FORMAT
    since: str = ""
    at: str = ""
    observed_pods: str = ""
    observed_claims: str = ""
    intervals: str = ""


class _Journal(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    api_version: str = "computegate.io/v1alpha1"
    kind: str = "UsageJournal"
    metadata: Metadata
    spec: _Spec = _Spec()


_decoder = msgspec.json.Decoder(_Journal)


class Journal:
    """The journal as it was loaded, and what changed since; ``writes`` counts objects written."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._versions: dict[str, str] = {}
        self._pages = Pages()
        self.lost = 0
        """Lines that could not be read when it was loaded."""
        self.writes = 0

    async def load(self) -> tuple[Head, list[Interval]]:
        """Read everything from the newest state; raises ``ClusterError``, and ``Failed`` for one of a newer format."""
        self._versions, self._pages, self.lost = {}, Pages(), 0
        head, found = Head(), []
        async for page in lists.pages(self._client, COLLECTION):
            for raw in page:
                journal = _decoder.decode(raw)
                if journal.spec.format > FORMAT:
                    raise Failed(f"usage journal {journal.metadata.name}: its format is newer; update computegate")
                self._versions[journal.metadata.name] = journal.metadata.resource_version
                if journal.metadata.name == HEAD:
                    head = _head(journal.spec)
                else:
                    found += self._load(journal)
                    await asyncio.sleep(0)
        return head, found

    def _load(self, journal: _Journal) -> list[Interval]:
        number = journal.metadata.name.removeprefix(_PAGE)
        if not number.isdecimal():
            return []
        found, lost = self._pages.load(int(number), journal.spec.intervals)
        if lost:
            logger.error("usage journal %s: %d intervals cannot be read and are lost", journal.metadata.name, lost)
        self.lost += lost
        return found

    def note(self, changed: Iterable[tuple[Key, Interval | None]]) -> None:
        """Take in what changed, to be written with the next ``flush``; None is an interval that is done with."""
        for key, interval in changed:
            if interval is None:
                self._pages.drop(key)
            else:
                self._pages.put(interval)

    @property
    def is_dirty(self) -> bool:
        """Whether something waits for ``flush``."""
        return bool(self._pages.dirty)

    async def flush(self, head: Head | None) -> None:
        """Write the pages that changed, and then how far they go, if that is known.

        Raises:
            Conflict: somebody else wrote; the journal must be loaded anew.
            ClusterError: not written, or nobody knows; likewise.
        """
        pages = {number: self._pages.text(number) for number in sorted(self._pages.dirty)}
        self._pages.dirty.clear()
        for number, text in pages.items():
            await self._write(f"{_PAGE}{number}", _Spec(intervals=text))
        if head is not None:
            await self._write(HEAD, _spec(head))

    async def _write(self, name: str, spec: _Spec) -> None:
        version = self._versions.get(name, "")
        body = msgspec.json.encode(_Journal(metadata=Metadata(name, version), spec=spec))
        method, path = ("PUT", f"{COLLECTION}/{name}") if version else ("POST", COLLECTION)
        try:
            raw = await self._client.request(method, path, query=_MANAGER, body=body, timeout=_TIMEOUT)
        except ApiError as error:
            if error.status in _TAKEN:
                raise Conflict(f"usage journal {name}: {error}") from error
            raise
        self._versions[name] = _decoder.decode(raw).metadata.resource_version
        self.writes += 1


def _head(spec: _Spec) -> Head:
    versions = (int(text) if text.isdecimal() else 0 for text in (spec.observed_pods, spec.observed_claims))
    return Head(millis_of(spec.since) or 0, millis_of(spec.at) or 0, *versions)


def _spec(head: Head) -> _Spec:
    return _Spec(
        since=written(head.since), at=written(head.at), observed_pods=str(head.pods), observed_claims=str(head.claims)
    )
