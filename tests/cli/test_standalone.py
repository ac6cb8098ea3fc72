"""A folder in place of a cluster: what was good stays while something is broken."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from admission.api.quota import ComputeQuota
from admission.catalogue.catalogue import Catalogue
from admission.cli import standalone
from admission.cli.files import FileError
from admission.cli.standalone import FolderSource
from admission.decide.registry import Registry
from admission.server.settings import Settings, SettingsError

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

QUOTA = """
apiVersion: computegate.io/v1alpha1
kind: ComputeQuota
metadata: {name: NAME}
spec: {jurisdictions: [DE], limits: {devices: 4}}
"""
SETTINGS = Settings(stale_seconds=0.3, tls={"certFile": "/nowhere/tls.crt"})


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder with one quota, looked at often."""
    monkeypatch.setattr(standalone, "POLL_SECONDS", 0.02)
    inside = tmp_path / "objects"
    inside.mkdir()
    (inside / "a.yaml").write_text(QUOTA.replace("NAME", "a"))
    return inside


async def _until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends, "it never came"
        await asyncio.sleep(0.02)


def _names(registry: Registry) -> set[str]:
    return {quota.name for quota in registry.every(ComputeQuota)}


def test_what_changes_in_the_folder_changes_as_a_whole_or_not_at_all(folder: pathlib.Path) -> None:
    registry = Registry(Catalogue.builtin())

    async def watched() -> None:
        async with FolderSource(folder, registry, SETTINGS) as source:
            assert _names(registry) == {"a"}
            (folder / "b.yml").write_text(QUOTA.replace("NAME", "b"))
            await _until(lambda: _names(registry) == {"a", "b"})
            (folder / "a.yaml").unlink()
            (folder / "c.yaml").write_text("kind: [")
            await _until(lambda: bool(source.unready()))
            assert _names(registry) == {"a", "b"}
            assert "c.yaml" in source.unready()
            (folder / "c.yaml").unlink()
            await _until(lambda: _names(registry) == {"b"})
            assert source.unready() == ""

    asyncio.run(watched())


def test_a_folder_that_goes_away_leaves_what_was_read_and_says_so(folder: pathlib.Path) -> None:
    registry = Registry(Catalogue.builtin())

    async def watched() -> None:
        async with FolderSource(folder, registry, SETTINGS) as source:
            kept = await asyncio.to_thread(folder.rename, folder.parent / "elsewhere")
            await _until(lambda: bool(source.unready()))
            assert _names(registry) == {"a"}
            await asyncio.to_thread(kept.rename, folder)
            await _until(lambda: not source.unready())

    asyncio.run(watched())


def test_a_folder_that_is_broken_from_the_start_is_an_error(folder: pathlib.Path) -> None:
    (folder / "c.yaml").write_text("kind: [")

    async def opened() -> None:
        async with FolderSource(folder, Registry(Catalogue.builtin()), SETTINGS):
            pass

    with pytest.raises(FileError, match=r"c\.yaml"):
        asyncio.run(opened())


def test_the_key_of_references_outlives_the_process_and_is_nobody_elses(folder: pathlib.Path) -> None:
    first = FolderSource(folder, Registry(Catalogue.builtin()), SETTINGS).reference_key
    again = FolderSource(folder, Registry(Catalogue.builtin()), SETTINGS).reference_key
    assert first == again
    assert len(first) == 32
    key = next(folder.rglob("reference.key"))
    assert key.stat().st_mode & 0o077 == 0
    shutil.rmtree(key.parent)
    assert FolderSource(folder, Registry(Catalogue.builtin()), SETTINGS).reference_key != first


def test_an_authority_in_a_secret_is_refused_where_there_is_no_cluster(folder: pathlib.Path) -> None:
    managed = {"secret": "tls", "names": ["localhost"], "webhookConfigurations": ["gate"]}
    settings = Settings.model_validate({"tls": {"selfManaged": managed}})
    source = FolderSource(folder, Registry(Catalogue.builtin()), settings)
    with pytest.raises(SettingsError, match=r"tls\.selfManaged keeps its authority in a Secret of a cluster"):
        asyncio.run(source.certificate())


def test_what_the_server_makes_in_the_folder_is_not_read_as_objects(folder: pathlib.Path) -> None:
    registry = Registry(Catalogue.builtin())

    async def opened() -> None:
        async with FolderSource(folder, registry, SETTINGS) as source:
            await source.certificate()
            (folder / ".computegate" / "x.yaml").write_text("kind: [")
            (folder / "notes.txt").write_text("kind: [")
            await asyncio.sleep(0.2)
            assert source.unready() == ""

    asyncio.run(opened())
