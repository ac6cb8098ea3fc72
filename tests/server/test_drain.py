"""Going down without losing a request: a real process and real signals."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from admission.server import selfsigned
from admission.server.serving import SlowServerError, require_fast_loop
from tests.loops import Loops
from tests.server.webserver import JSON, PATIENCE, Running, now, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent


class Process:
    """A serving process and a client's way to it."""

    def __init__(self, folder: Path, drain_seconds: float, keep_seconds: float) -> None:
        authority = selfsigned.Authority.make(now())
        selfsigned.write(folder, *authority.issue(["localhost"], now()))
        self.context = ssl.create_default_context(cadata=authority.pem().decode())
        command = [sys.executable, str(HERE / "draining.py"), str(folder), str(drain_seconds), str(keep_seconds)]
        environment = os.environ | {"PYTHONPATH": str(HERE.parent.parent)}
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        self.port = int(self.line())

    def line(self) -> str:
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().decode().strip()

    def client(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("localhost", self.port, context=self.context, timeout=PATIENCE)

    def send(self, number: signal.Signals) -> None:
        """Send a signal and wait until it has been taken note of."""
        self.popen.send_signal(number)
        assert self.line() == "drain"


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(drain_seconds: float, keep_seconds: float = 0.0) -> Process:
        started.append(Process(tmp_path, drain_seconds, keep_seconds))
        return started[-1]

    yield start
    for process in started:
        process.popen.kill()
        process.popen.communicate()


def ask(connection: http.client.HTTPSConnection, body: bytes = b"{}") -> http.client.HTTPResponse:
    connection.request("POST", "/validate/enforced", body, JSON)
    response = connection.getresponse()
    response.read()
    return response


class Callers(Loops):
    """Ask as the API server does: on a kept connection, on a new one after ``Connection: close``, never again."""

    def __init__(self, process: Process) -> None:
        super().__init__(*[self._ask] * 8)
        self._process = process
        self.answers: list[int] = []

    def _ask(self) -> None:
        connection = self._process.client()
        while not self.over.is_set():
            try:
                self.answers.append(ask(connection).status)  # http.client reconnects by itself after Connection: close
            except (OSError, http.client.HTTPException):
                self.answers.append(0)
        connection.close()


def test_no_request_is_lost_between_sigterm_and_the_end(begin: Callable[..., Process]) -> None:
    process = begin(PATIENCE)
    with Callers(process) as callers:
        wait(lambda: len(callers.answers) > 100)
        process.send(signal.SIGTERM)
        before = len(callers.answers)
        wait(lambda: len(callers.answers) > before + 100)
    process.popen.send_signal(signal.SIGTERM)  # the endpoints are updated, nobody comes any more: drained enough
    assert set(callers.answers) == {200}
    assert process.popen.wait(PATIENCE) == 0


def ask_on_each(kept: list[http.client.HTTPSConnection], pause: float, statuses: list[int]) -> None:
    """Use each kept connection once more, one after another, as a client does that has been told nothing."""
    for connection in kept:
        time.sleep(pause)
        connection.auto_open = 0  # what the server has closed is lost, not opened anew
        try:
            statuses.append(ask(connection).status)
        except (OSError, http.client.HTTPException):
            statuses.append(0)
        connection.close()


@pytest.mark.parametrize("number", range(3))
def test_a_kept_connection_is_answered_once_more_whenever_it_is_used(
    begin: Callable[..., Process], number: int
) -> None:
    process, statuses = begin(0.3 * number, PATIENCE), list[int]()
    kept = [[process.client() for _ in range(100)] for _ in range(8)]
    for connection in itertools.chain(*kept):
        ask(connection)
    threads = [threading.Thread(target=ask_on_each, args=(each, 0.01, statuses)) for each in kept]
    for thread in threads:
        thread.start()
    wait(lambda: len(statuses) > 100)
    process.popen.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(PATIENCE * 3)
    assert (len(statuses), set(statuses)) == (800, {200})
    assert process.popen.wait(PATIENCE) == 0, "told each of its clients, it need not wait for them"


@pytest.mark.parametrize(("keep", "signals"), [(0.5, 1), (PATIENCE * 9, 2)], ids=["idle too long", "second signal"])
def test_the_wait_for_a_client_that_never_comes_back_ends(
    begin: Callable[..., Process], keep: float, signals: int
) -> None:
    process = begin(0.1, keep)
    kept = process.client()
    ask(kept)
    for number in range(signals):
        process.popen.send_signal(signal.SIGTERM)
        if number == 0:
            wait(lambda: _refuses(process))
    assert process.popen.wait(PATIENCE) == 0
    kept.close()


def _refuses(process: Process) -> bool:
    """Whether the port is closed."""
    try:
        ask(process.client())
    except ConnectionRefusedError:
        return True
    except (OSError, http.client.HTTPException):
        pass
    return False


def test_while_draining_it_is_unready_and_every_answer_is_the_last_of_its_connection(
    begin: Callable[..., Process],
) -> None:
    process = begin(PATIENCE)
    kept = process.client()
    assert ask(kept).getheader("connection") is None
    process.send(signal.SIGTERM)
    assert ask(kept).getheader("connection") == "close"
    fresh = process.client()
    fresh.request("GET", "/readyz")
    assert (fresh.getresponse().status, kept.sock) == (503, None)
    process.popen.send_signal(signal.SIGTERM)  # the second one cuts the drain short
    assert process.popen.wait(PATIENCE) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_what_is_in_work_when_the_port_closes_is_still_answered(
    begin: Callable[..., Process], number: signal.Signals
) -> None:
    process = begin(0.1)
    idle, slow = process.client(), process.client()
    slow.request("POST", "/validate/enforced", b"sleep 2", JSON)
    ask(idle)  # what was sent before has been read when this is answered
    process.send(number)
    assert slow.getresponse().status == 200
    assert process.popen.wait(PATIENCE) == 0
    with pytest.raises(ConnectionRefusedError):
        ask(process.client())
    idle.close()


def test_whoever_has_connected_before_the_port_closes_is_answered(server: Running) -> None:
    clients, connected = [server.client() for _ in range(40)], threading.Event()

    async def stop() -> None:
        connected.wait(PATIENCE)  # the event loop stands: all of them wait to be accepted
        await server.server.stop()

    stopping = asyncio.run_coroutine_threadsafe(stop(), server.loop)
    for client in clients:
        client.sock = socket.create_connection(("127.0.0.1", server.server.port), timeout=PATIENCE)
    connected.set()
    for client in clients:
        client.sock = server.client_context().wrap_socket(client.sock, server_hostname="localhost")
    assert [ask(client).status for client in clients] == [200] * 40
    stopping.result(PATIENCE)


def test_the_wait_for_a_review_that_hangs_is_bounded(start: Callable[..., Running]) -> None:
    server = start(finish_seconds=0.5)
    outcome: list[object] = []

    def hang() -> None:
        try:
            outcome.append(server.post(b"sleep 25"))
        except (OSError, http.client.HTTPException) as error:
            outcome.append(error)

    thread = threading.Thread(target=hang)
    thread.start()
    wait(lambda: server.counts.in_flight["enforced"] == 1)
    server.stop()
    thread.join(PATIENCE)
    assert isinstance(outcome[0], OSError | http.client.HTTPException)


def test_another_event_loop_than_uvloop_is_refused() -> None:
    async def check() -> None:
        require_fast_loop()

    with pytest.raises(SlowServerError, match=r"uvloop\.run"):
        asyncio.run(check())
