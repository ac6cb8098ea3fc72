"""Before the server serves: how it is stopped, what it leaves behind, and which keys of references it takes."""

from __future__ import annotations

import gc
import json
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from admission.cli.main import main
from admission.cli.referencekey import LEAST_BYTES, key_in
from admission.server.settings import SettingsError
from tests.e2e.world import eventually
from tools.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path


def test_a_server_that_waits_for_its_api_server_stops_when_told(tmp_path: Path) -> None:
    config, log = tmp_path / "kubeconfig", tmp_path / "log"
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
    command = [sys.executable, "-m", "admission.cli.main", "serve", "--kubeconfig", str(config)]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as server:
        try:
            eventually(log.read_text, lambda text: "this replica starts once it does" in text)
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
        finally:
            server.kill()


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
