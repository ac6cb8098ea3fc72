"""Ports that are taken are named."""

import asyncio
from pathlib import Path

import pytest

from admission.server.config import Counts, Limits
from admission.server.listener import Listener
from admission.server.settings import SettingsError, read_settings
from tools.ports import free_port

EVERYWHERE, LOCAL = "0.0.0.0", "127.0.0.1"  # noqa: S104 (as in a pod)


async def nobody(_scope: object, _receive: object, _send: object) -> None:
    """An app that is never asked."""


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("debugPort: 9090", "listen.metricsPort and debugPort"),
        ("debugPort: 8443", "listen.port and debugPort"),
        ("listen: {port: 9090}", "listen.port and listen.metricsPort"),
    ],
)
def test_two_keys_that_name_one_port_are_refused_by_name(tmp_path: Path, text: str, keys: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=f"{keys} are the same port: choose another"):
        read_settings(path)


def test_a_free_port_may_be_asked_for_more_than_once(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("debugPort: 0\nlisten: {port: 0, metricsPort: 0}")
    assert read_settings(path).debug_port == 0


def test_a_port_at_which_something_else_listens_is_named() -> None:
    port = free_port()

    async def both() -> None:
        wide, narrow = (
            Listener(nobody, (host, port), limits=Limits(), counts=Counts()) for host in (EVERYWHERE, LOCAL)
        )
        wide.start()
        with pytest.raises(OSError, match=f"cannot listen on {LOCAL} port {port}: Address already in use"):
            narrow.start()
        await wide.stop(0)

    asyncio.run(both())
