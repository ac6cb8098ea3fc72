"""AdmissionReviews as no API server sends them: a sentence, never another exception."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.review import wire
from admission.review.pod import Pod
from admission.review.wire import BadReview

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "train-0", "namespace": "lab", "uid": "p", "creationTimestamp": None, "labels": None},
    "spec": {
        "containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "8"}, "requests": None}}],
        "initContainers": None,
        "volumes": None,
        "nodeSelector": None,
        "tolerations": None,
        "affinity": None,
    },
    "status": {},
}
REVIEW: dict[str, Any] = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": "r",
        "operation": "CREATE",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "train-0",
        "namespace": "lab",
        "userInfo": {"username": "alice", "groups": None, "extra": None},
        "object": POD,
        "oldObject": None,
        "dryRun": None,
        "options": None,
    },
}
BODY = json.dumps(REVIEW).encode()


def _with(path: str, value: Any) -> bytes:
    review = json.loads(BODY)
    *parents, last = path.split(".")
    at = review
    for name in parents:
        at = at[name]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return json.dumps(review).encode()


def _read(body: bytes) -> Pod:
    request = wire.parse_review(body)
    return wire.parse_pod(request.object)


def test_nulls_for_empty_lists_and_maps_are_empty() -> None:
    pod = _read(BODY)
    assert pod.metadata.uid == "p"
    assert pod.spec.containers is not None
    assert pod.spec.containers[0].resources is not None
    assert pod.spec.containers[0].resources.limits == {"nvidia.com/gpu": "8"}


def test_of_a_key_that_stands_twice_the_last_counts_as_in_kubernetes() -> None:
    body = BODY.replace(b'"namespace": "lab", "userInfo"', b'"namespace": "lab", "namespace": "other", "userInfo"')
    assert wire.parse_review(body).namespace == "other"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "truncated"),
        (b"null", "object"),
        (b"[]", "object"),
        (b"hello", "malformed"),
        (BODY[:-1], "truncated"),
        (BODY[: len(BODY) // 2], "truncated"),
        (BODY + b"}", "malformed"),
        (BODY + BODY, "malformed"),
        (BODY.decode().encode("utf-16"), "malformed"),
        (BODY.replace(b'"pods"', b'"\xff\xfe"'), "utf-8"),
        (BODY.replace(b'"pods"', b'"\\ud800"'), "malformed"),
        (b"[" * 100_000, "expected `object`"),
        (BODY.replace(b'"options": null', b'"options": ' + b'{"a":' * 100_000), "nested too deeply"),
        (BODY.replace(b'"options": null', b'"options": ' + b"[" * 100_000 + b"]" * 100_000), "nested too deeply"),
        (_with("apiVersion", "admission.k8s.io/v1beta1"), "v1beta1"),
        (_with("apiVersion", "x" * 10_000), "expected an AdmissionReview"),
        (_with("apiVersion", 1), "apiVersion"),
        (_with("apiVersion", ...), "apiVersion"),
        (_with("kind", "TokenReview"), "TokenReview"),
        (_with("kind", None), "kind"),
        (_with("request", None), "request"),
        (_with("request", ...), "request"),
        (_with("request", []), "request"),
        (_with("request.uid", ...), "uid"),
        (_with("request.uid", ""), "uid"),
        (_with("request.uid", None), "uid"),
        (_with("request.uid", 7), "uid"),
        (_with("request.operation", ...), "operation"),
        (_with("request.namespace", {}), "namespace"),
        (_with("request.dryRun", "yes"), "dryRun"),
        (_with("request.userInfo", "alice"), "userInfo"),
        (_with("request.object", None), "request.object"),
        (_with("request.object", "pod"), "request.object"),
        (_with("request.object.metadata", None), "metadata"),
        (_with("request.object.metadata.uid", 1), "uid"),
        (_with("request.object.metadata.annotations", {"a": 1}), "annotations"),
        (_with("request.object.spec", None), "spec"),
        (_with("request.object.spec.containers", {}), "containers"),
        (_with("request.object.spec.containers", [None]), "containers"),
        (_with("request.object.spec.containers", [{"resources": {"limits": {"a/b": None}}}]), "limits"),
        (_with("request.object.spec.containers", [{"resources": {"limits": {"a/b": True}}}]), "limits"),
        (_with("request.object.spec.overhead", [1]), "overhead"),
        (_with("request.object.spec.activeDeadlineSeconds", "1h"), "activeDeadlineSeconds"),
        (BODY.replace(b'"8"', b"1e9999"), "out of range"),
        (BODY.replace(b'"8"', b"1" * 5000), "out of range"),
        (BODY.replace(b'"8"', b"NaN"), "malformed"),
        (BODY.replace(b'"8"', b"0x8"), "malformed"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, str) else "",
)
def test_a_review_that_is_none_gets_a_sentence(body: bytes, says: str) -> None:
    with pytest.raises(BadReview, match=f"(?i){says}") as caught:
        _read(body)
    assert len(str(caught.value)) < 300
    str(caught.value).encode()  # the sentence goes out as UTF-8


def _paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, child in children for path in _paths(child, (*at, key)))]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(_paths(REVIEW)[1:]), ANY_JSON)
def test_anything_in_place_of_any_part_is_read_or_refused(path: tuple[Any, ...], value: Any) -> None:
    review = json.loads(BODY)
    at = review
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    try:
        assert isinstance(_read(msgspec.json.encode(review)), Pod)
    except BadReview as bad:
        str(bad).encode()


@given(st.integers(0, len(BODY) - 1), st.binary(max_size=8), st.integers(0, 20))
def test_bytes_changed_anywhere_are_read_or_refused(place: int, inserted: bytes, removed: int) -> None:
    try:
        _read(BODY[:place] + inserted + BODY[place + removed :])
    except BadReview as bad:
        str(bad).encode()


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (wire.allowed("u"), {"uid": "u", "allowed": True}),
        (
            wire.allowed("u", ("w",), {"a": "b"}),
            {"uid": "u", "allowed": True, "warnings": ["w"], "auditAnnotations": {"a": "b"}},
        ),
        (
            wire.denied("u", 429, "m", wire.Details("pods", "p", "", (wire.Cause("TryAgain", "m"),))),
            {
                "uid": "u",
                "allowed": False,
                "status": {
                    "code": 429,
                    "message": "m",
                    "reason": "TooManyRequests",
                    "details": {"kind": "pods", "name": "p", "causes": [{"reason": "TryAgain", "message": "m"}]},
                },
            },
        ),
    ],
    ids=["allowed", "warned", "try again, without retryAfterSeconds"],
)
def test_an_answer_is_an_admission_review(response: wire.Response, expected: dict[str, Any]) -> None:
    answer = json.loads(wire.encode(response))
    assert answer.pop("response") == expected
    assert answer == {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}


def test_an_environment_variable_from_elsewhere_reads_from_json_and_from_yaml_alike() -> None:
    pod = {
        "spec": {"containers": [{"env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]}]}
    }
    assert msgspec.json.decode(json.dumps(pod), type=Pod) == msgspec.convert(pod, Pod)
