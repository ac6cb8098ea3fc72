"""``computegate serve``: puts the parts together, for a cluster or for a folder of objects."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import pathlib
import signal
import sys
from typing import TYPE_CHECKING, Any

import uvloop

from admission.catalogue.catalogue import Catalogue
from admission.cli.cluster import ClusterSource
from admission.cli.files import FileError
from admission.cli.process import kept_alive
from admission.cli.reevaluation import granted_by
from admission.cli.referencekey import AWAY
from admission.cli.standalone import FolderSource
from admission.cluster.client import ClusterError
from admission.cluster.clock import Clock, machines
from admission.cluster.credentials import NoCredentialsError
from admission.decide.registry import Registry
from admission.demand.workloads.table import TableError
from admission.enforce.sweep.endings import Endings
from admission.ledger.database import Unusable
from admission.server import log
from admission.server.certificates import certificate_figures
from admission.server.commit import Commit
from admission.server.config import ENTRIES, Counts, ServerConfig
from admission.server.garbage import Collections
from admission.server.gate import Gate
from admission.server.judge import Judge
from admission.server.kinds import Kinds
from admission.server.metrics import Metrics, of_http
from admission.server.objects import OBJECTS, ObjectGate
from admission.server.recorder import Recorder
from admission.server.recordfile import RecordFile
from admission.server.serving import Handlers, Server, serve
from admission.server.settings import Settings, SettingsError, read_settings
from admission.server.signing import Signer, UnusableKey, hmac_signer, key_signer
from admission.server.sinks import Sink, Stream
from admission.server.tls import CertificateError
from admission.server.waiting import waiting
from admission.server.workloads import WORKLOADS, WorkloadGate

if TYPE_CHECKING:
    import argparse
    import datetime as dt
    from collections.abc import Callable, Coroutine, Iterator

    from admission.cli.source import Source

_UNUSABLE = (SettingsError, TableError, FileError, Unusable, CertificateError, NoCredentialsError, ClusterError)
"""What an operator has to mend before the server can start; each says what it is."""

logger = logging.getLogger(__name__)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser("serve", help="answer admission reviews, in a cluster or from a folder of objects")
    parser.add_argument("--config", type=pathlib.Path, help="settings file (YAML); without it the defaults hold")
    parser.add_argument("--kubeconfig", type=pathlib.Path, help="cluster to work for; inside a pod its own")
    parser.add_argument(
        "--standalone",
        type=pathlib.Path,
        metavar="DIR",
        help="read the objects from the YAML files in DIR instead, and keep the ledger there, in .computegate",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop; 2 when the configuration cannot be used."""
    with Collections(), _stopped_early(), log.telling() as choose:
        try:
            settings = read_settings(arguments.config)
            choose(settings.log.level, settings.log.format)
            uvloop.run(_until_told(_serve(arguments, settings)))
        except asyncio.CancelledError:
            return 0
        except (*_UNUSABLE, OSError) as error:
            logger.critical("computegate serve: %s", error)
            return 2
    return 0


@contextlib.contextmanager
def _stopped_early() -> Iterator[None]:
    """SIGTERM ends the block with status 0 until the event loop has its own way to stop.

    The first process of a container is not ended by a signal that it does not handle.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


async def _until_told(serving: Coroutine[Any, Any, None]) -> None:
    """Await what serves; SIGTERM cancels it until it has its own way to stop.

    Not by an exception out of the signal's handler: that is raised wherever the process is, and what answers a request
    would take it for the request's own.
    """
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await serving


async def _serve(arguments: argparse.Namespace, settings: Settings) -> None:
    log.listen(asyncio.get_running_loop())
    registry = Registry(
        Catalogue.builtin(),
        default_mode=settings.mode,
        default_country=settings.default_place or "",
        shards=settings.ledger.shards if arguments.standalone is None else 0,
    )
    clock = Clock() if arguments.standalone is None else None
    now = clock or machines
    recorder = Recorder(
        _sinks(settings, now, lambda: clock is None or not clock.problem()),
        replica=os.environ.get("POD_NAME", ""),
        clock=now,
    )
    try:
        source = await _source(arguments, registry, settings, recorder, clock)
        recorder.begin(_signer(settings, source.reference_key))
        async with source:
            await _answer(source, registry, settings, recorder)
    finally:
        await asyncio.to_thread(recorder.close)


def _sinks(settings: Settings, now: Callable[[], dt.datetime], sure: Callable[[], bool]) -> list[Sink]:
    """Return where the record goes, the file first: what stands there was on its way to standard output at least."""
    out, file = Stream(sys.stdout.buffer), settings.record.file
    if file is None:
        return [out]
    path = pathlib.Path(str(file.path).replace("{replica}", os.environ.get("POD_NAME", "computegate")))
    kept = RecordFile(
        path,
        largest=file.max_bytes,
        keep_files=file.keep_files,
        keep_days=file.keep_days,
        sync=file.sync,
        now=now,
        sure=sure,
    )
    return [kept, out]


def _signer(settings: Settings, reference_key: bytes) -> Signer:
    path = settings.record.key_file
    if path is None:
        return hmac_signer(reference_key)
    try:
        return key_signer(path.read_bytes())
    except UnusableKey as error:
        raise SettingsError(f"record.keyFile {path}: {error}") from None


async def _source(
    arguments: argparse.Namespace, registry: Registry, settings: Settings, recorder: Recorder, clock: Clock | None
) -> Source:
    if clock is None:
        return FolderSource(arguments.standalone, registry, settings)
    listening = functools.partial(waiting, _config(settings), AWAY)
    return await ClusterSource.connect(
        arguments.kubeconfig, registry, settings, recorder, clock=clock, waiting=listening
    )


async def _answer(source: Source, registry: Registry, settings: Settings, recorder: Recorder) -> None:
    kinds = Kinds(settings.workloads.kinds_file)
    entries = [name for name, _ in ENTRIES]
    metrics, counts = Metrics(entries), Counts()
    certificate = await source.certificate()
    judge, record = _judge(source, registry, settings, recorder)
    gate, workloads = _gates(source, settings, judge, kinds, metrics=metrics, record=record, count=recorder)
    objects = ObjectGate(registry, metrics=metrics, unready=source.unready, now=source.now)
    metrics.watch(lambda: of_http(counts, entries))
    metrics.watch(lambda: source.figures(recorder.dropped))
    metrics.watch(recorder.figures)
    metrics.watch(lambda: certificate_figures(certificate))
    metrics.watch(kinds.figures)

    def draining() -> None:
        gate.draining = True
        source.resign()

    async def review(entry: str, budget: float, body: bytes) -> bytes:
        if entry == OBJECTS:
            return await objects.review(budget, body)
        return await (workloads if entry == WORKLOADS else gate).review(entry, budget, body)

    watching = asyncio.create_task(kept_alive(kinds.watch))
    try:
        await serve(
            _config(settings),
            Handlers(review, gate.busy, source.unserving, metrics.registry),
            certificate=certificate,
            counts=counts,
            on_drain=draining,
            on_start=_started,
        )
    finally:
        watching.cancel()
        gate.close()
        await source.ledger.close()


def _judge(source: Source, registry: Registry, settings: Settings, recorder: Recorder) -> tuple[Judge, Commit]:
    """Return what judges, and where it is recorded before it is answered."""
    denies = settings.record.on_failure == "Deny"
    judge = Judge(
        registry,
        source.ledger,
        reference_key=source.reference_key,
        contact=settings.contact,
        unready=source.unready,
        unrecorded=(lambda: recorder.problem) if denies else lambda: "",
        last_good=source.last_good,
        endings=dict if source.releases_on_delete else Endings(registry, granted_by(settings)),
    )
    return judge, Commit(recorder, denies=denies)


def _gates(
    source: Source, settings: Settings, judge: Judge, kinds: Kinds, *, metrics: Metrics, record: Commit, count: Recorder
) -> tuple[Gate, WorkloadGate]:
    """Return what answers for pods, and what answers for what makes pods."""
    gate = Gate(
        judge,
        source.ledger,
        metrics=metrics,
        record=record,
        count=count,
        contact=settings.contact,
        excluded=settings.excluded_namespaces,
        find_namespace=source.find_namespace,
        lookup=source.lookup,
        claim_makers=settings.claim_makers,
        release_on_delete=source.releases_on_delete,
        now=source.now,
    )
    workloads = WorkloadGate(
        judge,
        lambda: kinds.table,
        metrics=metrics,
        record=record,
        contact=settings.contact,
        excluded=settings.excluded_namespaces,
        find_namespace=source.find_namespace,
        lookup=source.lookup,
        deny=settings.workloads.deny,
        deadline_seconds=settings.workloads.deadline_seconds,
        now=source.now,
    )
    gate.on_denial = workloads.on_denial = source.note_denial
    return gate, workloads


def _config(settings: Settings) -> ServerConfig:
    return ServerConfig(
        host=settings.listen.host,
        port=settings.listen.port,
        metrics_host=settings.listen.metrics_host,
        metrics_port=settings.listen.metrics_port,
        debug_port=settings.debug_port,
        drain_seconds=settings.drain_seconds,
        client_certificates=settings.tls.client_ca_file is not None,
        client_names=frozenset(settings.tls.client_names),
        keep_seconds=settings.keep_seconds,
    )


def _started(server: Server) -> None:
    logger.info("serving reviews on port %d, metrics on port %d", server.port, server.metrics_port)
