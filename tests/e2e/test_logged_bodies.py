"""Each line of a replica's log is one JSON object, and no body of an object is in any, however broken or huge."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.objects import gpu_pod
from tests.e2e.wire import review, send

if TYPE_CHECKING:
    from tests.e2e.world import World

MARK = "invented-secret-of-a-tenant"
DEEP = b'{"request":' * 100_000
REFUSED = (400, 413)


def _odd(**metadata: object) -> bytes:
    pod = gpu_pod(MARK, "nowhere", 1)
    pod["metadata"] |= metadata
    return json.dumps(review(pod)).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(MARK.encode(), id="no JSON"),
        pytest.param(b"\xff" + MARK.encode(), id="no text"),
        pytest.param(DEEP, id="deep"),
        pytest.param(json.dumps({"request": MARK}).encode(), id="another shape"),
        pytest.param(_odd(annotations={MARK: MARK * 50_000}), id="huge"),
        pytest.param(_odd(annotations=[MARK]), id="a list for a map"),
        pytest.param(_odd(uid=[MARK]), id="an uid that is none"),
        pytest.param(_odd(annotations={"a": "\ud800" + MARK}), id="half a character"),
        pytest.param(_odd()[:-1] + MARK.encode() * 1_000_000, id="larger than the bound"),
    ],
)
@pytest.mark.parametrize("entry", ["enforced", "workloads"])
def test_a_body_that_is_broken_or_huge_leaves_nothing_of_itself_in_the_log(
    world: World, body: bytes, entry: str
) -> None:
    (replica,) = world.installed.replicas
    send(replica, body, entry)
    assert replica.get("/healthz") == "ok"
    written = replica.log.read_text()
    assert MARK not in written
    lines = [json.loads(line) for line in written.splitlines()]
    assert all({"at", "level", "logger", "message", "template"} <= line.keys() for line in lines)
    assert all(len(line) < 20_000 for line in written.splitlines())
