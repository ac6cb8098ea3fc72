"""Where objects and counts come from: what ``serve`` needs of a cluster, or of a folder standing in for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from prometheus_client.metrics_core import Metric

    from admission.decide.lastgood import LastGood
    from admission.ledger.ledger import Ledger
    from admission.server.claims import Lookup
    from admission.server.judge import Judgement
    from admission.server.tls import Certificate


class Source(Protocol):
    """An asynchronous context manager that keeps a registry current while it is open."""

    ledger: Ledger
    reference_key: bytes
    last_good: LastGood

    def now(self) -> datetime:
        """Return the instant that everything is decided for."""

    @property
    def lookup(self) -> Lookup:
        """Reads of what reviews refer to."""

    @property
    def releases_on_delete(self) -> bool:
        """Whether the review of a deletion is the proof that a pod is gone, for want of a watch."""

    async def __aenter__(self) -> Self:
        """Begin to keep the registry current."""

    async def __aexit__(self, *_: object) -> None:
        """Stop, and give back what was taken."""

    def resign(self) -> None:
        """Leave to another what one does for all: this process is going away, and goes on answering for a while."""

    async def certificate(self) -> Certificate:
        """Return the serving certificate."""

    def unserving(self) -> list[str]:
        """Return why no request should come here, such as what was not read yet; another replica may be able to."""

    def unready(self) -> str:
        """Return why no request for accelerators can be decided now, or ""."""

    async def find_namespace(self, name: str) -> bool:
        """Look for a namespace that the registry does not have; False when nobody can tell."""

    def note_denial(self, namespace: str, judgement: Judgement, now: datetime) -> None:
        """Take note of a denial, for the tenant to read."""

    def figures(self, dropped: int) -> Iterable[Metric]:
        """Return what is read at each scrape."""
