"""The debug port: not there unless asked for, on the loopback alone, bounded, one profile at a time."""

from __future__ import annotations

import http.client
import re
import threading
from typing import TYPE_CHECKING

import pytest

from admission.cli.main import main
from admission.server.profile import PATH, folded
from tests.server.webserver import PATIENCE, wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server.webserver import Running


def ask(running: Running, path: str, method: str = "GET") -> tuple[int, str]:
    port = running.server.debug_port
    assert port is not None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_there_is_no_port_unless_one_is_asked_for(server: Running) -> None:
    assert server.server.debug_port is None
    assert server.get(PATH)[0] == 404


def test_a_profile_shows_where_each_thread_is(
    start: Callable[..., Running], capsys: pytest.CaptureFixture[str]
) -> None:
    running = start(debug_port=0)
    over, begun = threading.Event(), threading.Event()

    def waits_in_vain() -> None:
        begun.set()
        over.wait(PATIENCE)

    thread = threading.Thread(target=waits_in_vain, name="waiting")
    thread.start()
    begun.wait(PATIENCE)
    try:
        status, told = ask(running, f"{PATH}?seconds=1")
        assert main(["debug", "profile", "--port", str(running.server.debug_port), "--seconds", "1"]) == 0
    finally:
        over.set()
        thread.join()
    assert status == 200
    for text in (told, capsys.readouterr().out):
        assert re.search(
            r"^waiting;.*test_profile\.py:\S*waits_in_vain;threading\.py:Event\.wait;.* \d+$", text, re.MULTILINE
        )
        assert all(re.fullmatch(r"\S.* \d+", line) for line in text.splitlines())


@pytest.mark.parametrize(
    ("path", "method", "status", "words"),
    [
        (f"{PATH}?seconds=0", "GET", 400, "seconds is a whole number from 1 to 60"),
        (f"{PATH}?seconds=61", "GET", 400, "seconds is a whole number from 1 to 60"),
        (f"{PATH}?seconds=1e9", "GET", 400, "seconds is a whole number from 1 to 60"),
        (f"{PATH}?seconds={'9' * 5000}", "GET", 400, "seconds is a whole number from 1 to 60"),
        (f"{PATH}?seconds=%C2%B2", "GET", 400, "seconds is a whole number from 1 to 60"),
        ("/metrics", "GET", 404, f"the profile is at {PATH}"),
        (PATH, "POST", 405, "send a GET"),
    ],
)
def test_what_is_no_question_for_a_profile_is_told_so(
    start: Callable[..., Running], path: str, method: str, status: int, words: str
) -> None:
    found, told = ask(start(debug_port=0), path, method)
    assert found == status
    assert words in told


def test_a_second_profile_waits_for_nobody_and_the_end_of_the_server_ends_the_first(
    start: Callable[..., Running],
) -> None:
    running = start(debug_port=0)
    found: list[int] = []
    first = threading.Thread(target=lambda: found.append(ask(running, f"{PATH}?seconds=60")[0]))
    first.start()
    wait(lambda: running.server._profile._busy)
    assert ask(running, f"{PATH}?seconds=1") == (409, "a profile is being taken; ask again when it is done\n")
    running.server._profile.close()
    first.join(PATIENCE)
    assert found == [200]


def test_stacks_are_looked_at_for_no_longer_than_asked() -> None:
    assert folded(0, threading.Event()) == ""
