"""Clients that are slow, greedy, early or not speaking HTTP at all, on raw sockets."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from typing import TYPE_CHECKING

import pytest

from admission.server.config import Limits
from tests.server.webserver import JSON, PATIENCE, Running, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = b"POST /validate/enforced HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
SHORT = Limits(handshake_seconds=0.5, head_seconds=0.5, body_seconds=0.5, idle_seconds=0.5, linger_seconds=0.2)


@contextlib.contextmanager
def plain(server: Running) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.server.port), timeout=PATIENCE) as connection:
        yield connection


@contextlib.contextmanager
def secure(server: Running) -> Iterator[ssl.SSLSocket]:
    with plain(server) as raw, server.client_context().wrap_socket(raw, server_hostname="localhost") as connection:
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    """Return all that the server sends until it closes; a time-out of the test fails it."""
    received = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while chunk := connection.recv(65536):
            received += chunk
    return received


def whole(body: bytes, *headers: bytes) -> bytes:
    return HEAD + b"".join(h + b"\r\n" for h in headers) + b"content-length: %d\r\n\r\n" % len(body) + body


def test_a_client_that_never_shakes_hands_is_cut(start: Callable[..., Running]) -> None:
    server = start(SHORT)
    with plain(server) as connection:
        assert read_to_end(connection) == b""
    wait(lambda: server.counts.handshakes_failed == 1)
    wait(lambda: server.counts.connections == 0)


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (b"", "idle"),
        (b"POST /validate", "head"),
        (HEAD, "head"),
        (b"\r\n\r\n", "head"),
        (HEAD + b"content-length: 10\r\n\r\n12345", "body"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n", "body"),
        (whole(b"{}"), "idle"),
        (whole(b"{}") + b"\r\n", "idle"),
        (whole(b"{}") + b"POST /validate", "head"),
    ],
    ids=[
        "silent",
        "half a line",
        "half a head",
        "blank lines",
        "half a body",
        "half a chunked body",
        "idle",
        "idle with a blank line",
        "half of a second request",
    ],
)
def test_a_client_that_stops_is_cut_and_counted(start: Callable[..., Running], sent: bytes, cause: str) -> None:
    server = start(SHORT)
    with secure(server) as connection:
        connection.sendall(sent)
        read_to_end(connection)
    assert server.counts.closed == {cause: 1}


def test_a_client_that_drips_its_head_is_cut(start: Callable[..., Running]) -> None:
    server = start(SHORT)
    with secure(server) as connection:
        connection.settimeout(0.05)
        connection.sendall(b"POST / HTTP/1.1\r\n")
        with contextlib.suppress(OSError):
            while server.counts.closed["head"] == 0:
                connection.sendall(b"x-drip: drop\r\n")
                with contextlib.suppress(TimeoutError):
                    connection.recv(1)
    assert server.counts.closed["head"] == 1


def test_a_client_that_does_not_read_its_answers_is_cut(start: Callable[..., Running]) -> None:
    server = start(SHORT)
    with secure(server) as connection:
        connection.sendall(whole(b"large") * 20)
        wait(lambda: server.counts.closed["unread"] == 1)
        wait(lambda: server.counts.connections == 0)


def test_a_review_may_take_longer_than_any_timeout_of_the_client(start: Callable[..., Running]) -> None:
    assert start(SHORT).post(b"sleep 1.5")[0] == 200


def test_a_head_without_end_is_refused(start: Callable[..., Running]) -> None:
    server = start(Limits(head_bytes=10_000, linger_seconds=1.0))
    with secure(server) as connection:
        connection.sendall(HEAD + b"x-long: " + b"x" * 20_000)
        assert read_to_end(connection).startswith(b"HTTP/1.1 431 ")
    assert server.counts.closed["head_bytes"] == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /ü HTTP/1.1\r\nhost: x\r\n\r\n".encode(),
        HEAD + b"content-length: many\r\n\r\n",
        HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["words", "version", "connect", "path", "length", "two lengths", "length and chunks", "chunk"],
)
def test_what_is_not_http_gets_a_400_and_the_server_goes_on(server: Running, sent: bytes) -> None:
    with secure(server) as connection:
        connection.sendall(sent)
        assert read_to_end(connection).startswith(b"HTTP/1.1 400 ")
    assert server.post()[0] == 200


def test_plain_http_on_the_tls_port_is_cut(server: Running) -> None:
    with plain(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        read_to_end(connection)
    assert server.post()[0] == 200
    wait(lambda: server.counts.handshakes_failed == 1)


def test_pipelined_requests_are_answered_in_their_order(server: Running) -> None:
    bodies = [b"sleep 0.3", b"", b"bad", b"x" * 100_000, b"x"]
    with secure(server) as connection:
        connection.sendall(b"".join(map(whole, bodies[:-1])) + whole(bodies[-1], b"connection: close"))
        answers = [answer.partition(b"\r\n\r\n")[2] for answer in read_to_end(connection).split(b"HTTP/1.1 ")[1:]]
    lengths = [json.loads(answer)["bytes"] if answer.startswith(b"{") else None for answer in answers]
    assert lengths == [9, 0, None, 100_000, 1]


def test_expect_100_continue_is_honoured_and_refused_early_when_too_large(server: Running) -> None:
    for length, line in ((5, b"HTTP/1.1 100 "), (1 << 30, b"HTTP/1.1 413 ")):
        with secure(server) as connection:
            connection.sendall(HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % length)
            assert connection.recv(1000).startswith(line)


def test_an_upgrade_is_ignored(server: Running) -> None:
    with secure(server) as connection:
        connection.sendall(whole(b"{}", b"upgrade: websocket", b"connection: upgrade"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert server.post()[0] == 200


def test_at_the_bound_the_longest_idle_connection_makes_room(start: Callable[..., Running]) -> None:
    server = start(Limits(connections=2, linger_seconds=0.2))
    first, second = server.client(), server.client()
    for connection in (first, second):
        connection.request("POST", "/validate/enforced", b"{}", JSON)
        connection.getresponse().read()
    assert server.post()[0] == 200
    assert server.counts.closed["evicted"] == 1
    second.request("POST", "/validate/enforced", b"{}", JSON)
    assert second.getresponse().status == 200
    first.close()
    second.close()


def test_a_connection_that_is_closing_already_makes_no_further_room(start: Callable[..., Running]) -> None:
    server = start(Limits(connections=1, linger_seconds=PATIENCE), finish_seconds=0.1)
    with secure(server) as idle:
        idle.sendall(whole(b"{}"))
        assert idle.recv(1000).startswith(b"HTTP/1.1 200 ")
        with secure(server), plain(server) as third:
            assert read_to_end(third) == b""
    assert server.counts.closed == {"evicted": 1, "full": 1}


def test_at_the_bound_with_none_idle_a_new_connection_is_closed(start: Callable[..., Running]) -> None:
    server = start(Limits(connections=1, linger_seconds=0.2))
    with secure(server) as only:
        with plain(server) as further:
            assert read_to_end(further) == b""
        only.sendall(whole(b"{}"))
        assert only.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert server.counts.closed["full"] == 1


def test_a_connection_leaves_nothing_behind(server: Running) -> None:
    for sent in (b"", b"POST", HEAD + b"content-length: 10\r\n\r\n123", whole(b"sleep 0.1")):
        with secure(server) as connection:
            connection.sendall(sent)
    server.post()
    server.stop()
    assert server.counts.connections == 0
    assert server.counts.in_flight["enforced"] == 0
