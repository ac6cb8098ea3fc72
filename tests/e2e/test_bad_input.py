"""Whatever is sent to a live replica: a clear answer, no crash, nothing reserved."""

from __future__ import annotations

import copy
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.objects import Object, gpu_pod, namespace, quota, tenant
from tests.e2e.wire import Line, review, send
from tools.installation import pod

if TYPE_CHECKING:
    from tests.e2e.world import World

WHERE, COUNTRY = "bad-input", "ZA"
GOOD = json.dumps(review(gpu_pod("good", WHERE))).encode()


@pytest.fixture(scope="module")
def target(world: World) -> World:
    """The installation with a tenant that is cleared and has room."""
    world.apply(quota(WHERE, COUNTRY, 100), tenant(WHERE, COUNTRY), namespace(WHERE, WHERE))
    return world


def _changed(path: str, value: Any, base: Object | None = None) -> bytes:
    """Return a good review with one value replaced; None removes it."""
    whole = copy.deepcopy(base or review(gpu_pod("bad", WHERE)))
    *steps, last = (step.replace(";", ".") for step in path.split("."))
    part: Any = whole
    for step in steps:
        part = part[int(step) if step.isdigit() else step]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return json.dumps(whole).encode()


def _nested(depth: int) -> bytes:
    return b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":' + b'{"a":' * depth + b"1"


NO_REVIEW: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "the body cannot be read"),
    "not JSON": (b"hello", 400, "the body cannot be read"),
    "a list": (b"[]", 400, "the body cannot be read"),
    "truncated": (GOOD[: len(GOOD) // 2], 400, "the body cannot be read"),
    "not UTF-8": (GOOD.replace(b'"good"', b'"\xff\xfe"'), 400, "cannot be read"),
    "deeply nested": (_nested(200_000), 400, ""),
    "deeply nested and closed": (_nested(200_000) + b"}" * 200_001, 400, ""),
    "larger than 8 MiB": (GOOD + b" " * (8 << 20), 413, "body larger than 8388608 bytes"),
    "another version": (_changed("apiVersion", "admission.k8s.io/v1beta1"), 400, "expected an AdmissionReview of"),
    "another kind": (_changed("kind", "Pod"), 400, "expected an AdmissionReview of"),
    "no request": (_changed("request", None), 400, "request"),
    "no uid": (_changed("request.uid", None), 400, "uid"),
    "an empty uid": (_changed("request.uid", ""), 400, "request.uid is empty"),
    "a numeric uid": (_changed("request.uid", 7), 400, "uid"),
    "an unknown operation": (_changed("request.operation", "DREAM"), 400, "DREAM of pods is not judged here"),
    "another resource": (_changed("request.resource.resource", "secrets"), 400, "CREATE of secrets is not judged here"),
    "a pod that is a list": (_changed("request.object", [1]), 400, "request.object cannot be read"),
    "a pod without a uid": (_changed("request.object.metadata.uid", None), 400, "metadata.uid is missing"),
    "a uid of a megabyte": (_changed("request.object.metadata.uid", "f" * (1 << 20)), 400, "metadata.uid has 1048576"),
    "a name of a megabyte": (_changed("request.name", "n" * (1 << 20)), 400, "longer than 253 characters"),
    "containers of text": (_changed("request.object.spec.containers", "all"), 400, "request.object cannot be read"),
}
"""What is no review: body, status, words of the answer."""


@pytest.mark.parametrize(("body", "status", "says"), NO_REVIEW.values(), ids=NO_REVIEW)
def test_what_is_no_review_is_answered_in_words(target: World, body: bytes, status: int, says: str) -> None:
    answer = send(target.installed.replicas[0], body)
    assert answer.status == status
    assert says in answer.body.decode()
    assert answer.body.count(b"\n") == 1, "one line"
    _unharmed(target)


LIMITS = "request.object.spec.containers.0.resources.limits"
ABSURD: dict[str, tuple[bytes, str]] = {
    "a negative quantity": (_changed(f"{LIMITS}.nvidia;com/gpu", "-1"), "[NotPermitted]"),
    "no number": (_changed(f"{LIMITS}.nvidia;com/gpu", "many"), "[NotPermitted]"),
    "an empty quantity": (_changed(f"{LIMITS}.nvidia;com/gpu", ""), "[NotPermitted]"),
    "more than there is": (
        _changed(f"{LIMITS}.nvidia;com/gpu", "9E"),
        "[NotPermitted] this pod cannot be judged: it asks for 9000000000000000000 of",
    ),
    "a googol": (_changed(f"{LIMITS}.nvidia;com/gpu", "1e100"), ""),
    "an exponent without end": (_changed(f"{LIMITS}.nvidia;com/gpu", "1e999999999"), ""),
    "ten thousand digits": (_changed(f"{LIMITS}.nvidia;com/gpu", "9" * 10_000), ""),
    "an unknown resource": (_changed(LIMITS, {"example.com/unheard-of": "1"}), "[NotPermitted]"),
    "control characters": (_changed(LIMITS, {"example.com/\u001b[2J\nfake": "1"}), "[NotPermitted]"),
}
"""What is a review and asks for nonsense: body, what the denial must say."""


@pytest.mark.parametrize(("body", "says"), ABSURD.values(), ids=ABSURD)
def test_what_asks_for_nonsense_is_denied_in_one_line(target: World, body: bytes, says: str) -> None:
    answer = send(target.installed.replicas[0], body)
    assert answer.status == 200
    response = answer.response
    assert response["allowed"] is False
    status = response["status"]
    assert status["code"] == 403
    assert says in status["message"]
    assert status["message"].isascii()
    assert status["message"].isprintable()
    assert len(status["message"]) <= 1000
    _unharmed(target)


UNKNOWN = {
    "restart policy": ("request.object.spec.restartPolicy", "Sometimes"),
    "dns policy": ("request.object.spec.dnsPolicy", "Maybe"),
    "a field of tomorrow": ("request.object.spec.fieldOfTomorrow", {"a": [1, 2, {"b": None}]}),
    "a field of the review": ("request.fieldOfTomorrow", True),
    "half a device, which counts as one": (f"{LIMITS}.nvidia;com/gpu", "500m"),
}


@pytest.mark.parametrize(("path", "word"), UNKNOWN.values(), ids=UNKNOWN)
def test_words_of_tomorrow_do_not_stop_a_good_request(target: World, path: str, word: Any) -> None:
    answer = send(target.installed.replicas[0], _changed(path, word, _dry_run()))
    assert answer.response["allowed"] is True
    _unharmed(target)


def test_an_unknown_operator_of_an_affinity_clears_nobody(target: World) -> None:
    expression = {"key": "nvidia.com/gpu.product", "operator": "Perhaps", "values": ["Tesla-T4"]}
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    asked = pod("bad", WHERE, {"nvidia.com/gpu": "1"}, {"affinity": affinity})
    response = send(target.installed.replicas[0], review(asked)).response
    assert response["allowed"] is False
    _unharmed(target)


def test_a_thousand_bad_bodies_leave_memory_and_connections_alone(target: World) -> None:
    replica = target.installed.replicas[0]
    chance = [GOOD[:cut] for cut in range(0, len(GOOD), max(1, len(GOOD) // 1000))]
    with Line(replica) as line:
        answers = {line.send(body).status for body in chance}
    assert answers == {400}
    _unharmed(target)


def _dry_run() -> Object:
    return review(gpu_pod("bad", WHERE), dryRun=True, uid=str(uuid.uuid4()))


def _unharmed(target: World) -> None:
    """The process lives, answers a good request, and has reserved nothing."""
    (replica,) = target.installed.replicas
    assert replica.popen is not None
    assert replica.popen.poll() is None
    assert replica.get("/healthz") == "ok"
    assert send(replica, _dry_run()).response["allowed"] is True
    assert target.ledger(COUNTRY).get("inflight", "") == ""
    assert "Traceback" not in replica.log.read_text()
