"""The reflector: whatever the API server and the network do, the copy becomes what the cluster holds."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import uvloop
from aiohttp import web

from admission.cluster.backoff import FIRST, LONGEST, LONGEST_ASKED, Backoff
from admission.cluster.change import Added, Event, Malformed, Modified
from admission.cluster.reflector import Reflector
from admission.cluster.wire import Namespace
from tests.cluster.scripted import api_server, connected, cut, made, open_watch, page, refusal, status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from admission.cluster.client import Client
    from tools.controlplane import ControlPlane

PATH = "/api/v1/namespaces"


def no_wait(low: float, _: float) -> float:
    """Draw the least: back-off without waiting, the shortest watch."""
    return low


class Log:
    """A reflector of namespaces and everything it reported, in words."""

    def __init__(self, client: Client, path: str = PATH, **options: Any) -> None:
        self.words: list[str] = []
        self.reflector = Reflector(client, path, Namespace, on_change=self._note, **{"uniform": no_wait, **options})

    def _note(self, event: Event[Namespace]) -> None:
        version = f" {event.item.metadata.resource_version}" if isinstance(event, Added | Modified) else ""
        self.words.append(f"{type(event).__name__} {event.key}{version}")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reflector.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def until(self, holds: Callable[[], bool], seconds: float = 30) -> None:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110  (what is awaited is the state of another process)
                await asyncio.sleep(0.01)


class Script:
    """Lists and watches, answered in turn; the last watch stays open.  Keeps the query of every request.

    It is done when that last watch is asked for: whoever asks has taken in all that came before.
    """

    def __init__(self, *answers: Callable[[web.BaseRequest], Any]) -> None:
        self._answers = list(answers)
        self.queries: list[dict[str, str]] = []
        self.done = False

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        if not self._answers:
            self.done = "watch" in request.query
            response = await open_watch(request)
            await asyncio.sleep(60)
            return response
        answer = self._answers.pop(0)(request)
        return answer if not asyncio.iscoroutine(answer) else await answer  # type: ignore[no-any-return]


def lists(version: int, *items: dict[str, Any], more: str = "") -> Callable[[web.BaseRequest], Any]:
    return lambda _: page(version, *items, more=more)


def watches(*events: tuple[str, dict[str, Any]] | bytes) -> Callable[[web.BaseRequest], Any]:
    return lambda request: open_watch(request, *events)


def refuses(code: int) -> Callable[[web.BaseRequest], Any]:
    return lambda _: refusal(code, "Expired")


async def breaks(request: web.BaseRequest) -> web.StreamResponse:
    """Send half a line of a watch, and end the connection; a reset could overtake what was sent before."""
    response = await open_watch(request, ("ADDED", made("c", 30)))
    await response.write(b'{"type":"ADD')
    assert request.transport is not None
    request.transport.close()
    return response


def follow(script: Script, directory: Path, settled: Callable[[Log], bool] = lambda _: True) -> Log:
    """Run a reflector through a script."""

    async def run() -> Log:
        async with api_server(script, directory) as client:
            log = Log(client)
            async with log.running():
                await log.until(lambda: script.done and settled(log))
            return log

    return asyncio.run(run())


a, b = made("a", 1), made("b", 2)
SNAPSHOT = lists(20, a, b)


def test_a_resource_that_is_not_served_has_no_objects_until_it_is(tmp_path: Path) -> None:
    script = Script(refuses(404), refuses(404), lists(20, a), refuses(404), lists(40, b))
    seen: list[bool] = []

    async def run() -> Log:
        async with api_server(script, tmp_path) as client:
            log = Log(client, optional=True, server_timeout=(0.01, 0.01))
            async with log.running():
                await log.reflector.wait_synced()
                seen.append(log.reflector.settled)
                await log.until(lambda: script.done)
            return log

    log = asyncio.run(run())
    assert seen == [True]
    assert log.words == ["Added a 1", "Deleted a", "Added b 2"]


@pytest.mark.parametrize(
    ("answers", "words", "held", "lists_read"),
    [
        ([SNAPSHOT, watches(("ADDED", made("c", 30)))], ["Added c 30"], {"a", "b", "c"}, 1),
        (
            [SNAPSHOT, breaks, lists(40, b, made("c", 30))],
            ["Added c 30", "Modified b 2", "Modified c 30", "Deleted a"],
            {"b", "c"},
            2,
        ),
        ([SNAPSHOT, cut, lists(10, a, b)], ["Modified a 1", "Modified b 2"], {"a", "b"}, 2),
        ([SNAPSHOT, refuses(503), lists(10, b)], ["Modified b 2", "Deleted a"], {"b"}, 2),
        ([SNAPSHOT, refuses(410), lists(40, b)], ["Deleted a"], {"b"}, 2),
        (
            [SNAPSHOT, watches(("ERROR", status(410, "Expired"))), lists(40, a, b, made("c", 39))],
            ["Added c 39"],
            {"a", "b", "c"},
            2,
        ),
        ([SNAPSHOT, watches(b"not json"), lists(40, made("a", 33), b)], ["Modified a 33"], {"a", "b"}, 2),
        ([SNAPSHOT, refuses(410), lists(40, made("a", 33, uid="x"), b)], ["Deleted a", "Added a 33"], {"a", "b"}, 2),
        ([SNAPSHOT, refuses(429), refuses(403)], [], {"a", "b"}, 1),
        ([SNAPSHOT, watches(("DELETED", made("a", 21)), ("BOOKMARK", made("", 90)))], ["Deleted a"], {"b"}, 1),
    ],
    ids=[
        "a watch that ended goes on where it was",
        "one that was cut leads to a new list",
        "so does an API server that cannot be reached: the same versions may have other contents",
        "so does a balancer that reaches none",
        "410 leads to a new list",
        "so does 410 inside a watch",
        "so does a line that is not JSON",
        "made again under the same name is another object",
        "other refusals are waited out",
        "a deletion and a bookmark",
    ],
)  # fmt: skip
def test_after_a_fault_nothing_is_missed(
    answers: list[Any], words: list[str], held: set[str], lists_read: int, tmp_path: Path
) -> None:
    script = Script(*answers)
    log = follow(script, tmp_path)
    assert log.words == ["Added a 1", "Added b 2", *words]
    assert set(log.reflector.items) == held
    assert sum("watch" not in query for query in script.queries) == lists_read


@pytest.mark.parametrize(
    ("answers", "goes_on_from"),
    [([SNAPSHOT, watches(("ADDED", made("c", 30)))], "30"), ([SNAPSHOT, watches(("BOOKMARK", made("", 90)))], "90")],
    ids=["last change", "bookmark"],
)
def test_a_watch_goes_on_from_the_last_version_heard(answers: list[Any], goes_on_from: str, tmp_path: Path) -> None:
    script = Script(*answers)
    follow(script, tmp_path)
    assert script.queries[-1]["resourceVersion"] == goes_on_from


def test_a_copy_is_not_settled_from_a_cut_until_it_was_listed_anew(tmp_path: Path) -> None:
    """What is summed over it meanwhile may be of a history that a restored backup has undone."""
    seen: list[bool] = []

    async def run() -> None:
        def listed(_: web.BaseRequest) -> web.Response:
            seen.append(log.reflector.settled)
            return page(10, b)

        script = Script(SNAPSHOT, cut, listed)
        async with api_server(script, tmp_path) as client:
            log = Log(client, on_cut=lambda: seen.append(True))
            async with log.running():
                await log.until(lambda: script.done)
                seen.append(log.reflector.settled)

    asyncio.run(run())
    assert seen == [True, False, True]


def test_a_list_is_a_consistent_read_in_pages_and_starts_over_when_its_token_expires(tmp_path: Path) -> None:
    script = Script(lists(20, a, more="x"), refuses(410), lists(40, b, more="y"), lists(40, made("c", 3)))
    log = follow(script, tmp_path)
    assert script.queries[:4] == [
        {"limit": "100"},
        {"limit": "100", "continue": "x"},
        {"limit": "100"},
        {"limit": "100", "continue": "y"},
    ]
    assert log.words == ["Added a 1", "Added b 2", "Added c 3", "Deleted a"]


def test_an_object_may_be_nested_as_deep_as_the_api_server_takes_it(tmp_path: Path) -> None:
    deep = {"spec": msgspec.Raw(b"[" * 10_000 + b"]" * 10_000)}
    listed = msgspec.json.encode({"metadata": {"resourceVersion": "20"}, "items": [a | deep, b]})
    changed = msgspec.json.encode({"type": "MODIFIED", "object": made("a", 21) | deep})
    changes = watches(changed, ("MODIFIED", made("b", 22)))
    script = Script(lambda _: web.Response(body=listed), changes)
    log = follow(script, tmp_path)
    assert log.words == ["Added a 1", "Added b 2", "Modified a 21", "Modified b 22"]
    assert sum("watch" not in query for query in script.queries) == 1


def test_a_malformed_object_is_dropped_and_reported_and_its_neighbours_go_on(tmp_path: Path) -> None:
    bad = made("a", 21, label=1)
    changes = watches(("MODIFIED", bad), ("MODIFIED", made("b", 22)), ("MODIFIED", made("a", 23)))
    log = follow(Script(SNAPSHOT, changes), tmp_path)
    assert log.words[2:] == ["Malformed a", "Modified b 22", "Added a 23"]
    assert log.reflector.malformed == {}


def test_a_malformed_object_in_a_list_is_reported_once_and_can_be_deleted(tmp_path: Path) -> None:
    bad = made("a", 1, label=1)
    script = Script(lists(20, bad, b), refuses(410), lists(30, bad, b), refuses(410), lists(40, b))
    log = follow(script, tmp_path)
    assert log.words == ["Malformed a", "Added b 2", "Deleted a"]
    assert log.reflector.synced


def test_a_malformed_event_says_the_error_and_what_was_held(tmp_path: Path) -> None:
    events: list[Event[Namespace]] = []

    async def run() -> None:
        script = Script(SNAPSHOT, watches(("MODIFIED", made("a", 21, label=1))))
        async with api_server(script, tmp_path) as client:
            log = Log(client)
            log.reflector._on_change = events.append
            async with log.running():
                await log.until(lambda: script.done)
                assert log.reflector.malformed.keys() == {"a"}

    asyncio.run(run())
    last = events[-1]
    assert isinstance(last, Malformed)
    assert "labels" in last.error
    assert last.old is not None
    assert last.old.metadata.resource_version == "1"


def test_silence_grows_until_something_is_heard_and_synced_stays(tmp_path: Path) -> None:
    seconds = 0.0

    async def run() -> tuple[float, float, bool]:
        nonlocal seconds
        gate = asyncio.Event()

        async def gated(request: web.BaseRequest) -> web.StreamResponse:
            response = await open_watch(request)
            await gate.wait()
            await response.write(b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"50"}}}\n')
            await asyncio.sleep(60)
            return response

        script = Script(SNAPSHOT, gated)
        async with api_server(script, tmp_path) as client:
            log = Log(client, clock=lambda: seconds)
            async with log.running():
                await log.until(lambda: len(script.queries) == 2 and log.reflector.silence() == 0)
                await asyncio.sleep(0.1)
                seconds += 95
                quiet = log.reflector.silence()
                gate.set()
                await log.until(lambda: log.reflector.resource_version == 50)
                return quiet, log.reflector.silence(), log.reflector.synced

    assert asyncio.run(run()) == (95, 0, True)


def test_nothing_is_synced_before_the_last_page(tmp_path: Path) -> None:
    async def run() -> bool:
        script = Script(lists(20, a, more="x"), refuses(503), lists(20, a, more="x"), refuses(503))
        async with api_server(script, tmp_path) as client:
            log = Log(client)
            async with log.running():
                await log.until(lambda: len(script.queries) >= 4)
                return log.reflector.synced

    assert asyncio.run(run()) is False


def test_an_exception_of_the_subscriber_ends_the_run(tmp_path: Path) -> None:
    def fail(_: Event[Namespace]) -> None:
        raise ZeroDivisionError

    async def run() -> None:
        async with api_server(Script(SNAPSHOT), tmp_path) as client:
            async with asyncio.timeout(10):
                await Reflector(client, PATH, Namespace, on_change=fail).run()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(run())


def test_pauses_double_are_bounded_and_drawn_from_the_whole_range() -> None:
    ranges: list[tuple[float, float]] = []
    backoff = Backoff(lambda low, high: ranges.append((low, high)) or high)  # type: ignore[func-returns-value]
    delays = [backoff.delay() for _ in range(9)]
    assert delays == [min(LONGEST, FIRST * 2**count) for count in range(9)]
    assert {low for low, _ in ranges} == {0.0}
    backoff.reset()
    assert backoff.delay() == FIRST
    assert backoff.delay(7.0) == 7.0
    assert backoff.delay(3600.0) == LONGEST_ASKED


async def _write(client: Client, collection: str, name: str, value: str | None = None, *, new: bool = False) -> None:
    if new:
        body = {"metadata": {"name": name, "labels": {"value": value}}}
        await client.create(collection, json.dumps(body).encode())
    elif value is None:
        await client.request("DELETE", f"{collection}/{name}")
    else:
        await client.merge_patch(
            f"{collection}/{name}", json.dumps({"metadata": {"labels": {"value": value}}}).encode()
        )


def _values(log: Log) -> dict[str, str]:
    labels = {key.split("/")[1]: item.metadata.labels for key, item in log.reflector.items.items()}
    return {key: of["value"] for key, of in labels.items() if of and "value" in of}


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_pages_and_changes_of_a_real_api_server_arrive(
    loop: Callable[[], asyncio.AbstractEventLoop],
    control_plane: ControlPlane,
    namespace: str,
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"

    async def run() -> tuple[dict[str, str], list[str]]:
        async with connected(control_plane.kubeconfig) as client:
            for count in range(5):
                await _write(client, path, f"c{count}", "old", new=True)
            log = Log(client, path, page=2)
            async with log.running():
                await log.reflector.wait_synced()
                assert _values(log) == {f"c{count}": "old" for count in range(5)}
                log.words.clear()
                await _write(client, path, "c5", "new", new=True)
                await _write(client, path, "c0", "new")
                await _write(client, path, "c1")
                await log.until(lambda: len(log.words) == 3)
                return _values(log), [word.rsplit(" ", 1)[0] if word[0] != "D" else word for word in log.words]

    with asyncio.Runner(loop_factory=loop) as runner:
        values, words = runner.run(run())
    assert values == {"c0": "new", "c2": "old", "c3": "old", "c4": "old", "c5": "new"}
    assert words == [f"Added {namespace}/c5", f"Modified {namespace}/c0", f"Deleted {namespace}/c1"]


def test_a_version_that_the_real_api_server_has_forgotten_leads_to_a_new_list(
    control_plane: ControlPlane,
    namespace: str,
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    control_plane.restart_apiserver()  # its watch cache begins at the version of its start

    async def run() -> tuple[dict[str, str], int]:
        async with connected(control_plane.kubeconfig) as client:
            await _write(client, path, "present", "yes", new=True)
            log = Log(client, path)
            log.reflector._listed, log.reflector.resource_version = True, 1
            async with log.running():
                await log.until(lambda: log.reflector.synced)
                return _values(log), log.reflector.resource_version

    values, version = asyncio.run(run())
    assert values == {"present": "yes"}
    assert version > 1


def test_a_restart_of_the_real_api_server_is_survived_and_nothing_is_missed(
    control_plane: ControlPlane,
    namespace: str,
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"

    async def run() -> tuple[dict[str, str], bool, list[str]]:
        async with connected(control_plane.kubeconfig) as client, connected(control_plane.kubeconfig) as writer:
            for name in ("kept", "changed", "deleted", "again"):
                await _write(writer, path, name, "old", new=True)
            log = Log(client, path, uniform=lambda _, high: min(high, 2.0))
            async with log.running():
                await log.reflector.wait_synced()
                log.words.clear()
                await asyncio.to_thread(control_plane.restart_apiserver)
                await _write(writer, path, "changed", "new")
                await _write(writer, path, "deleted")
                await _write(writer, path, "again")
                await _write(writer, path, "again", "new", new=True)
                expected = {"kept": "old", "changed": "new", "again": "new"}
                await log.until(lambda: _values(log) == expected and len(log.words) >= 4)
                return _values(log), log.reflector.synced, log.words

    values, synced, words = asyncio.run(run())
    assert synced
    assert values == {"kept": "old", "changed": "new", "again": "new"}
    again = [word.split(" ", maxsplit=1)[0] for word in words if f"{namespace}/again" in word]
    assert again[-2:] == ["Deleted", "Added"]
    assert f"Deleted {namespace}/deleted" in words
