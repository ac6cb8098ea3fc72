"""The ledger of standalone mode outlives its server, is asked by `computegate ledger`, and fails closed."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import datetime as dt
import json
import pathlib
import re
import shutil
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from admission.catalogue.catalogue import Catalogue
from admission.cli import standalone
from admission.cli.main import main
from admission.cli.serve import _gates
from admission.cli.standalone import FolderSource
from admission.decide.registry import Registry
from admission.ledger.archive import archive_of
from admission.ledger.hours import HOUR
from admission.server.judge import Judge
from admission.server.kinds import Kinds
from admission.server.metrics import Metrics
from admission.server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from admission.ledger.state import Hours
    from admission.server.gate import Gate

EXAMPLES = pathlib.Path(__file__).parent.parent.parent / "examples"
SETTINGS = Settings(contact="ops@example.com", tls={"certFile": "/nowhere/tls.crt"})


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The example objects, screened today and looked at often; vision-training may hold 16 H100s."""
    monkeypatch.setattr(standalone, "POLL_SECONDS", 0.02)
    copied = pathlib.Path(shutil.copytree(EXAMPLES / "objects", tmp_path / "objects"))
    tenants = copied / "tenants.yaml"
    listed = f'listsAsOf: "{dt.datetime.now(dt.UTC).isoformat()}"'
    tenants.write_text(re.sub(r'listsAsOf: "[^"]*"', listed, tenants.read_text()))
    return copied


@contextlib.asynccontextmanager
async def serving(folder: pathlib.Path) -> AsyncIterator[Gate]:
    """One life of a server over the folder."""
    registry = Registry(Catalogue.builtin())
    async with FolderSource(folder, registry, SETTINGS) as source:
        judge = Judge(
            registry,
            source.ledger,
            reference_key=source.reference_key,
            contact=SETTINGS.contact,
            unready=source.unready,
        )
        metrics = Metrics(("enforced",))
        metrics.watch(lambda: source.figures(0))
        records: Any = list[object]().append
        gate, _ = _gates(source, SETTINGS, judge, Kinds(None), metrics=metrics, record=records, count=records)
        try:
            yield gate
        finally:
            await source.ledger.close()


async def ask(gate: Gate, uid: str, operation: str = "CREATE", budget: float = 20, **spec: Any) -> dict[str, Any]:
    """Put the review of a pod with eight H100s to the server; return the response."""
    job = yaml.safe_load((EXAMPLES / "workloads" / "training-job.yaml").read_text())
    pod = {"metadata": {"name": uid, "uid": uid}, "spec": copy.deepcopy(job["spec"]["template"]["spec"]) | spec}
    request = {
        "uid": f"review-of-{uid}",
        "operation": operation,
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "vision-training",
        "name": uid,
        "userInfo": {"username": "alice"},
        "object": pod if operation == "CREATE" else None,
        "oldObject": pod if operation == "DELETE" else None,
    }
    body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()
    return dict(json.loads(await gate.review("enforced", budget, body))["response"])


async def allowed(gate: Gate, uid: str, operation: str = "CREATE", **spec: Any) -> bool:
    return bool((await ask(gate, uid, operation, **spec))["allowed"])


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(file_of(folder), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def file_of(folder: pathlib.Path) -> pathlib.Path:
    return folder / ".computegate" / "ledger.sqlite3"


def lives(*scenes: Any, folder: pathlib.Path) -> None:
    """Run each scene in a life of its own."""

    async def life(scene: Any) -> None:
        async with serving(folder) as gate:
            await scene(gate)

    for scene in scenes:
        asyncio.run(life(scene))


def test_what_was_granted_stands_after_a_restart_until_its_deletion_arrives(folder: pathlib.Path) -> None:
    async def first(gate: Gate) -> None:
        assert [await allowed(gate, uid) for uid in ("a", "b", "c")] == [True, True, False]

    async def second(gate: Gate) -> None:
        assert [await allowed(gate, uid) for uid in ("b", "c")] == [True, False], "a repeat is granted, a third is not"
        assert await allowed(gate, "a", "DELETE")
        assert await allowed(gate, "d")

    async def third(gate: Gate) -> None:
        assert not await allowed(gate, "e")

    lives(first, second, third, folder=folder)


def test_the_ledger_lists_what_is_held_and_releases_what_is_held_for_nobody(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene(gate: Gate) -> None:
        assert [await allowed(gate, uid) for uid in ("a", "b")] == [True, True]
        assert await asyncio.to_thread(main, ["ledger", "--objects", str(folder), "--release", "a"]) == 0
        assert await allowed(gate, "c"), "the server hears of it"

    lives(scene, folder=folder)
    assert "Pod vision-training/a  8 h100-sxm  nordlicht" in (released := capsys.readouterr().out)
    assert len(released.splitlines()) == 1
    assert main(["ledger", "--objects", str(folder), "-o", "json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["uid"], row["devices"], row["party"]) for row in rows] == [
        ("b", {"h100-sxm": 8}, "nordlicht"),
        ("c", {"h100-sxm": 8}, "nordlicht"),
    ]


def test_a_uid_for_which_nothing_is_held_exits_1_and_releases_the_others(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene(gate: Gate) -> None:
        assert await allowed(gate, "a")

    lives(scene, folder=folder)
    assert main(["ledger", "--objects", str(folder), "--release", "x", "--release", "a"]) == 1
    assert "computegate ledger: nothing is held for uid x" in capsys.readouterr().err
    assert main(["ledger", "--objects", str(folder)]) == 0
    assert capsys.readouterr().out == ""


def test_a_locked_ledger_is_try_again_with_its_cause_and_mends_by_itself(
    folder: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(gate: Gate) -> None:
        assert await allowed(gate, "a")
        with locked(folder):
            for uid, operation in (("b", "CREATE"), ("a", "DELETE"), ("b", "CREATE")):
                response = await ask(gate, uid, operation, budget=1)
                assert (response["allowed"], response["status"]["code"]) == (False, 429)
        ends = time.monotonic() + 60
        while not await allowed(gate, "b"):
            assert time.monotonic() < ends
            await asyncio.sleep(0.05)
        assert await allowed(gate, "a", "DELETE")

    lives(scene, folder=folder)
    assert any("ledger.sqlite3: " in record.message for record in caplog.records if record.levelname == "ERROR")


def test_a_server_starts_beside_a_locked_ledger_and_answers_when_it_is_free(folder: pathlib.Path) -> None:
    async def before(gate: Gate) -> None:
        assert await allowed(gate, "a")

    async def scene() -> None:
        with contextlib.ExitStack() as lock:
            lock.enter_context(locked(folder))
            async with serving(folder) as gate:
                assert (await ask(gate, "b"))["status"]["code"] == 429
                lock.close()
                ends = time.monotonic() + 60
                while not await allowed(gate, "b"):
                    assert time.monotonic() < ends
                    await asyncio.sleep(0.05)
                assert not await allowed(gate, "c"), "what stood before was read"

    lives(before, folder=folder)
    asyncio.run(scene())


def test_a_file_that_is_no_ledger_stops_the_start(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = folder / ".computegate"
    state.mkdir()
    file_of(folder).write_bytes(b"not ours")
    config = folder.parent / "settings.yaml"
    config.write_text("listen: {port: 1}")
    assert main(["serve", "--standalone", str(folder), "--config", str(config)]) == 2
    assert f"computegate serve: {file_of(folder)}: file is not a database" in capsys.readouterr().err
    assert main(["ledger", "--objects", str(folder)]) == 2
    assert f"computegate ledger: {file_of(folder)}: file is not a database" in capsys.readouterr().err


def test_a_ledger_of_one_scope_that_cannot_be_read_is_named_and_the_others_listed(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene(gate: Gate) -> None:
        assert await allowed(gate, "a")

    lives(scene, folder=folder)
    with contextlib.closing(sqlite3.connect(file_of(folder), isolation_level=None)) as other:
        other.execute("INSERT INTO ledger VALUES ('XX', 999, '{\"format\": 99}')")
    assert main(["ledger", "--objects", str(folder)]) == 2
    told = capsys.readouterr()
    assert "Pod vision-training/a  8 h100-sxm" in told.out
    assert told.err == "computegate ledger: the ledger of XX is newer and cannot be read\n"


def test_metrics_say_what_is_held_and_whether_the_file_can_be_used(folder: pathlib.Path) -> None:
    async def scene(gate: Gate) -> None:
        await allowed(gate, "a")
        sample = gate._metrics.registry.get_sample_value
        assert sample("computegate_ledger_inflight", {"scope": "DE"}) == 1
        assert sample("computegate_ledger_usable") == 1
        with locked(folder):
            await _until(lambda: sample("computegate_ledger_usable") == 0)

    lives(scene, folder=folder)


def test_device_hours_are_paid_given_back_and_put_into_the_archive(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standalone, "ARCHIVE_SECONDS", 0.0)
    quota = {"jurisdictions": ["DE"], "limits": {"deviceHours": 10, "longestHold": "1d"}}
    named = {"apiVersion": "computegate.io/v1alpha1", "kind": "ComputeQuota", "metadata": {"name": "hours"}}
    (folder / "hours.yaml").write_text(yaml.safe_dump(named | {"spec": quota}))

    async def scene(gate: Gate) -> None:
        assert await allowed(gate, "a", activeDeadlineSeconds=3000)
        assert "hours" in (await ask(gate, "b", activeDeadlineSeconds=3000))["status"]["message"]
        store = gate._ledger._store

        def hours(scope: str) -> Hours:
            snapshot = store.cached(scope)
            assert snapshot is not None
            return snapshot.state.hours

        await _until(lambda: hours("DE").holds)
        await asyncio.sleep(1)  # so that there is something to spend: it is counted in seconds
        assert await allowed(gate, "a", "DELETE", activeDeadlineSeconds=3000)
        assert await allowed(gate, "c", activeDeadlineSeconds=3000)
        await _until(lambda: hours(archive_of("DE")).spent)
        await _until(lambda: hours("DE").past[30 * 24 * HOUR] and not hours("DE").spent)

    lives(scene, folder=folder)


async def _until(holds: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends, "it never came"
        await asyncio.sleep(0.02)
