"""A folder standing in for a cluster: objects from YAML, the ledger in a file, certificates made on the spot."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import secrets
import time
from typing import TYPE_CHECKING, Self

from admission.catalogue.catalogue import Catalogue
from admission.cli import files
from admission.cli.certificates import of_files
from admission.cli.claims import FileLookup
from admission.cli.once import require_once
from admission.cli.process import kept_alive
from admission.cli.referencekey import key_in
from admission.cluster.clock import machines
from admission.decide.lastgood import LastGood
from admission.ledger.database import Unusable
from admission.ledger.draft import UNWATCHED
from admission.ledger.ledger import Ledger
from admission.ledger.membership import scopes_of, terms_of
from admission.ledger.sqlite import SqliteStore
from admission.ledger.store import Conflict, StoreError
from admission.ledger.unwatched import Keeper
from admission.server.metrics import gauge
from admission.server.rules import rule_figures, rules_said
from admission.server.settings import SettingsError
from admission.server.tls import Certificate

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

    from admission.decide.registry import Registry
    from admission.server.figures import Samples
    from admission.server.judge import Judgement
    from admission.server.settings import Settings

POLL_SECONDS = 1.0
STORE_SECONDS = 2.0
"""For each use of the ledger's file here."""

ARCHIVE_SECONDS = 10.0
"""Between moves of what was used to its archive."""

STATE = ".computegate"
"""Folder inside the objects' folder for what the server makes: ledger, certificate, key, authority, reference key."""

LEDGER = "ledger.sqlite3"
"""The ledger's file in it."""

logger = logging.getLogger(__name__)


class FolderSource:
    """Keeps a registry equal to the YAML files of a folder.

    A change is taken as a whole or not at all: while a file cannot be read, everything stays as it was and
    ``unready`` says so once the objects are older than the settings allow.
    """

    releases_on_delete = True

    def __init__(self, folder: pathlib.Path, registry: Registry, settings: Settings) -> None:
        if not folder.is_dir():
            raise files.FileError(f"{folder}: no such folder; give one with objects in YAML files")
        self._folder, self._registry, self._settings = folder, registry, settings
        self._store = SqliteStore(folder / STATE / LEDGER, initialized=True)
        self.ledger = Ledger(self._store, caps=UNWATCHED)
        self._keeper = Keeper(
            self._store, now=time.time, clock=time.monotonic, timeout=STORE_SECONDS, between=ARCHIVE_SECONDS
        )
        self.lookup = FileLookup()
        self.last_good = LastGood(registry, dt.timedelta(seconds=settings.last_good_seconds))
        self._problem, self._read_at = "", 0.0
        self._stamp: object = None
        self._state = folder / STATE
        self._state.mkdir(mode=0o700, exist_ok=True)
        self.reference_key = self._key()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Read the folder and the ledger, then watch both.

        A ledger that another process has locked does not hinder the start: requests are told to try again.
        """
        self._load()
        try:
            await self._store.open(STORE_SECONDS)
        except Unusable:
            await self._store.close()
            raise
        except StoreError:
            pass  # said by the store, and tried again
        await self._stand()
        self._task = asyncio.create_task(kept_alive(self._watch))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop watching, and let go of the ledger."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._store.close()

    def now(self) -> dt.datetime:
        """Return the instant by the machine's clock."""
        return machines()

    def resign(self) -> None:
        """Nothing is done here for others."""

    async def certificate(self) -> Certificate:
        """Return the configured certificate, or one that is made here; its authority is ``ca.crt`` beside it."""
        tls = self._settings.tls
        if tls.self_managed is not None:
            raise SettingsError("tls.selfManaged keeps its authority in a Secret of a cluster: leave it out")
        if tls.cert_file.exists():
            return of_files(tls)
        from admission.server import selfsigned  # noqa: PLC0415 (only here are certificates made; 10 MB elsewhere)

        now = dt.datetime.now(dt.UTC)
        authority = selfsigned.Authority.make(now)
        (self._state / "ca.crt").write_bytes(authority.pem())
        made = selfsigned.write(self._state, *authority.issue(("localhost", "127.0.0.1", "::1"), now))
        return Certificate(*made, client_ca=tls.client_ca_file)

    def unserving(self) -> list[str]:
        """Nothing: the folder was read before the port was opened."""
        return []

    def unready(self) -> str:
        """Return why the objects are too old to decide on, or the ledger cannot be used, or ""."""
        age = asyncio.get_running_loop().time() - self._read_at
        stale = self._problem if self._problem and age > self._settings.stale_seconds else ""
        return stale or self._store.problem

    async def find_namespace(self, _name: str) -> bool:
        """A namespace that is in no file belongs to no tenant."""
        return True

    def note_denial(self, namespace: str, judgement: Judgement, now: dt.datetime) -> None:
        """The record is where denials are read here."""

    def figures(self, dropped: int) -> Iterable[Metric]:
        """Return what is read at each scrape."""
        views = {scope: self.ledger.view(scope) for scope in self.ledger.scopes()}
        counted: Samples = {(scope,): float(view.initialized) for scope, view in views.items() if view}
        entries: Samples = {(scope,): float(view.entries) for scope, view in views.items() if view}
        return (
            gauge("computegate_records_dropped", "Lines of the decision record that were lost.", {(): dropped}, ()),
            gauge(
                "computegate_objects_readable", "Whether the folder can be read.", {(): float(not self._problem)}, ()
            ),
            gauge(
                "computegate_ledger_usable",
                "Whether the ledger's file could be used when it last was.",
                {(): float(not self._store.problem)},
                (),
            ),
            *rule_figures(self.last_good, self.now()),
            gauge("computegate_ledger_initialized", "Whether the ledger can be read.", counted, ("scope",)),
            gauge("computegate_ledger_inflight", "Reservations not yet released.", entries, ("scope",)),
        )

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            stamp: object = None
            with contextlib.suppress(OSError):
                stamp = await asyncio.to_thread(self._stamped)
            if stamp == self._stamp and not self._problem:
                self._read_at = asyncio.get_running_loop().time()
            else:
                self._reload()
            self.last_good.broken(self.now())  # a broken rule may begin, or end, by the clock alone
            await self._stand()

    async def _stand(self) -> None:
        """Make the ledger of every scope that some limit stands in, and bring all up to now.

        After a failure the disk is tried here, once a pass, so that no request has to.
        """
        with contextlib.suppress(StoreError):  # said by the store
            if self._store.problem:
                await self._store.probe(STORE_SECONDS)
            await self._store.refresh(STORE_SECONDS)
            for scope in sorted(scopes_of(self._registry)):
                if self._store.cached(scope) is None:
                    await self.ledger.ensure(scope, STORE_SECONDS)
                with contextlib.suppress(Conflict):  # a request was first; the next pass comes soon
                    await self._keeper.follow(scope, terms_of(self._registry, scope))

    def _reload(self) -> None:
        try:
            self._load()
        except (files.FileError, OSError) as error:
            if str(error) != self._problem:
                logger.warning("the objects stay as they were: %s", error)
            self._problem = str(error)

    def _load(self) -> None:
        """Read everything into a fresh registry, then take its contents over."""
        if not self._folder.is_dir():
            raise files.FileError(f"{self._folder}: the folder is gone")
        stamp, fresh = self._stamped(), self._registry.emptied(Catalogue.builtin())
        lookup = FileLookup()
        documents = tuple(files.read(sorted(self._sources())))
        require_once(documents)
        for document in documents:
            files.take(fresh, document)
            lookup.put(document.content)
        self._registry.become(fresh)
        self.lookup.become(lookup)
        if said := rules_said(self.last_good.broken(self.now())):
            logger.warning("objects do not fit together: %s", said)
        self._stamp, self._problem, self._read_at = stamp, "", asyncio.get_running_loop().time()

    def _sources(self) -> list[pathlib.Path]:
        return [
            path
            for path in self._folder.rglob("*")
            if path.suffix in files.SUFFIXES and STATE not in path.parts and path.is_file()
        ]

    def _stamped(self) -> object:
        found = []
        for path in self._sources():
            with contextlib.suppress(OSError):
                stat = path.stat()
                found.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return sorted(found)

    def _key(self) -> bytes:
        if self._settings.reference_key_file is not None:
            return key_in(self._settings.reference_key_file)
        path = self._state / "reference.key"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_bytes(secrets.token_bytes(32))
        return key_in(path)
