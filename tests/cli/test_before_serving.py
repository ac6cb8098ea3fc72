"""Before the server serves: how it is stopped, what it leaves behind, and which keys of references it takes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import json
import re
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from admission.cli import serve
from admission.cli.main import main
from admission.cli.referencekey import AWAY, LEAST_BYTES, key_in, reference_keys
from admission.review.reference import Keys
from admission.server.settings import Settings, SettingsError
from tests.cluster.scripted import connected
from tests.e2e.world import eventually
from tools.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tools.controlplane import ControlPlane


def probe(port: int, path: str) -> tuple[int, str]:
    """Ask as a kubelet does, who believes any certificate; status 0 is no answer."""
    context = ssl._create_unverified_context()  # noqa: S323
    try:
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/{path}", context=context, timeout=5) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().strip()
    except OSError:
        return 0, ""


def test_a_server_that_waits_for_its_api_server_is_live_and_says_why_it_is_not_ready_and_stops_when_told(
    tmp_path: Path,
) -> None:
    config, settings, log = tmp_path / "kubeconfig", tmp_path / "settings.yaml", tmp_path / "log"
    port = free_port()
    managed = {"secret": "s", "names": ["localhost"], "webhookConfigurations": ["w"]}
    files = {"certFile": str(tmp_path / "tls.crt"), "keyFile": str(tmp_path / "tls.key")}
    listen = {"host": "127.0.0.1", "port": port, "metricsHost": "127.0.0.1", "metricsPort": 0}
    settings.write_text(json.dumps({"tls": {**files, "selfManaged": managed}, "listen": listen}))
    cluster = {"server": f"https://127.0.0.1:{free_port()}", "insecure-skip-tls-verify": True}
    config.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "away",
                "contexts": [{"name": "away", "context": {"cluster": "away", "user": "away", "namespace": "default"}}],
                "clusters": [{"name": "away", "cluster": cluster}],
                "users": [{"name": "away", "user": {"token": "t"}}],
            }
        )
    )
    command = [
        sys.executable,
        "-m",
        "admission.cli.main",
        "serve",
        "--config",
        str(settings),
        "--kubeconfig",
        str(config),
    ]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as server:
        try:
            assert eventually(lambda: probe(port, "healthz"), lambda answer: answer[0] != 0) == (200, "ok")
            status, said = probe(port, "readyz")
            assert (status, said.splitlines()[0]) == (503, AWAY)
            assert probe(port, "validate/enforced")[0] == 404
            assert AWAY in log.read_text()
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
        finally:
            server.kill()


def test_a_signal_that_comes_while_a_probe_is_answered_stops_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer() -> None:
        with contextlib.suppress(SystemExit):  # as what runs an ASGI application takes all that comes out of it
            signal.raise_signal(signal.SIGTERM)

    async def serving(*_: object) -> None:
        await asyncio.create_task(answer())
        await asyncio.sleep(5)
        pytest.fail("it was told to stop, and goes on")

    monkeypatch.setattr(serve, "_serve", serving)
    assert main(["serve", "--standalone", str(tmp_path)]) == 0


def test_a_server_that_ends_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    def own() -> object:
        return signal.getsignal(signal.SIGTERM), list(gc.callbacks)

    before = own()
    assert main(["serve", "--standalone", str(tmp_path / "missing")]) == 2
    assert own() == before


@pytest.mark.parametrize("length", [0, 16, LEAST_BYTES - 1])
def test_a_key_that_could_be_guessed_is_not_taken(tmp_path: Path, length: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"k" * length)
    said = f"{path}: a key of references has 32 random bytes or more, not {length}"
    with pytest.raises(SettingsError, match=re.escape(said)):
        key_in(path)
    path.write_bytes(b"k" * LEAST_BYTES)
    assert len(key_in(path)) == LEAST_BYTES


@pytest.mark.parametrize("given", [("key",), ("key", "previous"), ("key", "previous", "next")])
def test_keys_that_stand_beside_the_key_are_known_from_a_file_and_from_the_secret(
    tmp_path: Path, control_plane: ControlPlane, namespace: str, given: tuple[str, ...]
) -> None:
    keys = {name: name[:1].encode() * LEAST_BYTES for name in given}
    for name, key in keys.items():
        (tmp_path / name).write_bytes(key)
    data = {name: base64.b64encode(key).decode() for name, key in keys.items()}
    secret = {"metadata": {"name": "computegate-reference"}, "data": data}

    async def read(settings: Settings) -> Keys:
        async with connected(control_plane.kubeconfig) as client:
            return await reference_keys(client, settings, namespace, contextlib.nullcontext)

    async def made() -> Keys:
        async with connected(control_plane.kubeconfig) as client:
            first = await reference_keys(client, Settings(), namespace, contextlib.nullcontext)
            path = f"/api/v1/namespaces/{namespace}/secrets/computegate-reference"
            await client.merge_patch(path, json.dumps(secret).encode())
        return first

    assert asyncio.run(made()).accepted == ()
    own, *accepted = keys.values()
    expected = Keys(own, tuple(accepted))
    assert asyncio.run(read(Settings())) == expected
    assert asyncio.run(read(Settings(reference_key_file=tmp_path / "key"))) == expected
