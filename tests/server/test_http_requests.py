"""What is answered to whom: routes, budgets, bounds, faults."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from typing import TYPE_CHECKING

import pytest

from admission.server.config import Limits
from admission.server.duration import seconds
from tests.server.webserver import JSON, PATIENCE, Running, wait

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("entry", ["enforced", "observed"])
def test_each_entry_reaches_the_review_under_its_name(server: Running, entry: str) -> None:
    status, body = server.post(path=f"/validate/{entry}")
    assert (status, json.loads(body)["entry"]) == (200, entry)
    assert server.counts.requests[entry, "answered"] == 1


@pytest.mark.parametrize(
    ("query", "budget"),
    [
        ("", 9.9),
        ("?timeout=10s", 9.9),
        ("?timeout=500ms", 0.4),
        ("?timeout=1m30s", 29.9),
        ("?timeout=100ms", 0.05),
        ("?other=1&timeout=1.5s", 1.4),
    ],
    ids=["none", "10s", "500ms", "longer than allowed", "shorter than the margin", "fraction"],
)
def test_the_budget_is_the_callers_timeout_less_a_margin(server: Running, query: str, budget: float) -> None:
    _, body = server.post(path=f"/validate/enforced{query}")
    assert 0 < json.loads(body)["budget"] <= budget
    assert json.loads(body)["budget"] == pytest.approx(budget, abs=budget / 2)


@pytest.mark.parametrize(
    ("method", "path", "content_type", "expected"),
    [
        ("POST", "/validate/nothing", "application/json", (404, "no such path")),
        ("POST", "/validate/enforced/", "application/json", (404, "no such path")),
        ("GET", "/validate/enforced", "application/json", (405, "send a POST")),
        ("POST", "/healthz", "application/json", (405, "send a GET")),
        ("POST", "/validate/enforced", "text/yaml", (415, "content-type must be application/json")),
        ("POST", "/validate/enforced?timeout=soon", "application/json", (400, "timeout: write a positive duration")),
        ("POST", "/validate/enforced?timeout=-1s", "application/json", (400, "timeout: write a positive duration")),
        ("POST", "/validate/enforced?timeout=0s", "application/json", (400, "timeout: write a positive duration")),
    ],
    ids=["path", "trailing slash", "method", "method of health", "type", "no duration", "negative", "zero"],
)
def test_what_is_no_review_request_gets_one_plain_line(
    server: Running, method: str, path: str, content_type: str, expected: tuple[int, str]
) -> None:
    connection = server.client()
    connection.request(method, path, b"{}", {"content-type": content_type})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    assert (response.status, text[: len(expected[1])]) == expected
    assert (text.count("\n"), response.getheader("content-type")) == (1, "text/plain; charset=utf-8")


@pytest.mark.parametrize("text", ["", "1", "s", "1d", "1s ", "1s\n", "٣s", "1" * 50 + "s", "1e3s", "--1s", "0s"])
def test_a_text_that_is_no_positive_go_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a positive duration"):
        seconds(text)


def test_a_malformed_review_is_a_400_with_the_message_in_one_line(server: Running) -> None:
    assert server.post(b"bad") == (400, b"not a review: write one\n")
    assert server.counts.requests["enforced", "malformed"] == 1


@pytest.mark.parametrize("body", [b"bug", b"timeout"], ids=["any exception", "a TimeoutError of its own"])
def test_a_fault_of_ours_is_a_500_logged_once_and_the_server_goes_on(
    server: Running, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert [server.post(body)[0] for _ in range(3)] == [500, 500, 500]
    assert server.counts.requests["enforced", "error"] == 3
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert server.post()[0] == 200


def test_a_review_over_its_budget_is_told_to_try_again_before_the_caller_gives_up(server: Running) -> None:
    assert server.post(b"sleep 60", "/validate/enforced?timeout=1s") == (200, b"try again enforced 8")
    assert server.counts.requests["enforced", "overrun"] == 1
    assert server.counts.in_flight["enforced"] == 0


def test_a_review_whose_shared_work_was_cancelled_is_told_to_try_again(server: Running) -> None:
    assert server.post(b"shared") == (200, b"try again enforced 6")
    assert server.counts.requests["enforced", "overrun"] == 1


def test_a_full_entry_says_try_again_at_once_and_leaves_the_others_alone(start: Callable[..., Running]) -> None:
    server = start(entries=(("enforced", 2), ("observed", 1)))
    threads = [threading.Thread(target=server.post, args=(b"sleep 3", "/validate/observed"))]
    threads[0].start()
    wait(lambda: server.counts.in_flight["observed"] == 1)
    assert server.post(b"12345", "/validate/observed") == (200, b"try again observed 5")
    assert server.post(b"12345", "/validate/enforced")[0] == 200
    assert server.counts.requests["observed", "busy"] == 1
    threads[0].join(PATIENCE)
    assert server.post(b"12345", "/validate/observed")[1] != b"try again observed 5"


@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
def test_a_body_over_the_bound_gets_a_413_that_the_client_can_read(
    start: Callable[..., Running], *, chunked: bool
) -> None:
    server = start(Limits(body_bytes=100_000, linger_seconds=2.0))
    piece = b"x" * 50_000
    body = iter([piece] * 20) if chunked else piece * 20
    assert server.post(body)[0] == 413
    assert server.post(piece * 2)[0] == 200
    assert server.counts.requests["enforced", "refused"] == 1


def test_bodies_together_are_bounded_and_the_caller_is_told_when_to_come_back(start: Callable[..., Running]) -> None:
    server = start(Limits(held_bytes=150_000))
    slow = threading.Thread(target=server.post, args=(b"sleep 3" + b" " * 100_000,))
    slow.start()
    wait(lambda: server.counts.in_flight["enforced"] == 1)
    connection = server.client()
    connection.request("POST", "/validate/enforced", b"x" * 100_000, JSON)
    response = connection.getresponse()
    assert (response.status, response.getheader("retry-after")) == (503, "1")
    connection.close()
    slow.join(PATIENCE)
    assert server.post(b"x" * 100_000)[0] == 200


def test_the_bodies_of_other_entries_leave_room_to_the_one_that_denies(start: Callable[..., Running]) -> None:
    server = start(Limits(held_bytes=200_000))
    slow = threading.Thread(target=server.post, args=(b"sleep 3" + b" " * 90_000, "/validate/workloads"))
    slow.start()
    wait(lambda: server.counts.in_flight["workloads"] == 1)
    assert server.post(b"x" * 50_000, "/validate/observed")[0] == 503
    assert server.post(b"x" * 50_000, "/validate/enforced")[0] == 200
    slow.join(PATIENCE)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe\x00", b"[" * 200_000, b'{"a":' * 50_000, b'{"uid": "x"', b"\x00" * 1000],
    ids=["empty", "not UTF-8", "nested arrays", "nested objects", "truncated", "zeroes"],
)
def test_any_body_reaches_the_review_untouched(server: Running, body: bytes) -> None:
    status, answer = server.post(body)
    assert (status, json.loads(answer)["bytes"]) == (200, len(body))


def test_health_and_readiness_say_why_not(server: Running) -> None:
    assert (server.get("/healthz"), server.get("/readyz")) == ((200, "ok\n"), (200, "ok\n"))
    server.reasons.extend(["pods not synced", "tenants not synced"])
    assert server.get("/healthz") == (200, "ok\n")
    assert server.get("/readyz") == (503, "pods not synced\ntenants not synced\n")


def test_an_answer_of_a_server_that_cannot_decide_is_the_last_of_its_connection(server: Running) -> None:
    said = {}
    for reasons in ([], ["nothing heard of tenants"]):
        server.reasons[:] = reasons
        with contextlib.closing(server.client()) as connection:
            connection.request("POST", "/validate/enforced", b"{}", JSON)
            response = connection.getresponse()
            said[bool(reasons)] = (response.status, response.getheader("connection"))
    assert said == {False: (200, None), True: (200, "close")}


def test_metrics_are_on_a_plain_port_of_their_own(server: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server.metrics_port, timeout=PATIENCE)
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    assert (response.status, b"things_total 1.0" in response.read()) == (200, True)
    connection.request("GET", "/validate/enforced")
    assert connection.getresponse().status == 404
    connection.close()
    assert server.get("/metrics")[0] == 404
