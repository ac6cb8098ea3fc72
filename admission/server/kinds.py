"""The table of kinds that a server uses: the packaged one, and an operator's file, read again when it changes."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from admission.demand.workloads.table import TableError, builtin, with_files
from admission.server.metrics import gauge

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

    from admission.demand.workloads.table import Table

POLL_SECONDS = 5.0
"""The kubelet itself brings a changed ConfigMap only within a minute or so."""

_log = logging.getLogger(__name__)


class Kinds:
    """The table as it is now.  Raises ``TableError`` when made of a bad file; a later one changes nothing."""

    def __init__(self, path: pathlib.Path | None) -> None:
        self._path, self._problem = path, ""
        self.table: Table = with_files([path]) if path else builtin()

    async def watch(self) -> None:
        """Follow the file, for ever."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await asyncio.to_thread(self.reload)

    def reload(self) -> None:
        """Read the file; while it is bad the last good table stands, and each new reason is logged once."""
        if self._path is None:
            return
        try:
            table, problem = with_files([self._path]), ""
        except TableError as error:
            table, problem = self.table, str(error)
        if problem and problem != self._problem:
            _log.warning("the kinds of workloads stay as they were: %s", problem)
        if table != self.table:
            _log.info("kinds of workloads: %d are the operator's", len(table.added))
        self.table, self._problem = table, problem

    def figures(self) -> Iterable[Metric]:
        """Return what is read at each scrape."""
        readable = float(not self._problem)
        return (gauge("computegate_kinds_readable", "Whether the operator's table can be read.", {(): readable}, ()),)
