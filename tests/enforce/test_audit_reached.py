"""What a webhook configuration says of whether reviews reach us; and when what the audit finds counts."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from admission.cluster.rights import Right
from admission.enforce.audit.reached import Told, distrusted, passed_over, uncovered
from admission.server.handshake import doubt, server_context
from tools.authority import Authority

if TYPE_CHECKING:
    from pathlib import Path

NAMESPACES: dict[str, dict[str, str]] = {"a": {"name": "a", "mode": "enforce"}, "b": {"name": "b", "mode": "enforce"}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, **({"values": values} if values else {})}]}


@pytest.mark.parametrize(
    ("selectors", "left_out"),
    [
        ([], ["a", "b"]),
        ([{}], []),
        ([{"matchLabels": {"name": "a"}}], ["b"]),
        ([{"matchLabels": {"name": "a"}}, {"matchLabels": {"name": "b"}}], []),
        ([expression("mode", "In", "enforce")], []),
        ([expression("name", "NotIn", "a")], ["a"]),
        ([expression("team", "NotIn", "x")], []),
        ([expression("team", "In", "x")], ["a", "b"]),
        ([expression("team", "Exists")], ["a", "b"]),
        ([expression("team", "DoesNotExist")], []),
        ([expression("mode", "DoesNotExist")], ["a", "b"]),
    ],
)
def test_namespaces_that_no_selector_covers_are_found(selectors: list[dict[str, Any]], left_out: list[str]) -> None:
    assert left_out == uncovered([{"namespaceSelector": each} for each in selectors], NAMESPACES)


NAME, MODE = "kubernetes.io/metadata.name", "computegate.io/mode"


@pytest.mark.parametrize(
    ("selectors", "told", "passed"),
    [
        ([], Told(["a"], by_default=False), []),
        ([expression(NAME, "NotIn", "a", "b")], Told(["b", "a"], by_default=True), []),
        ([expression(NAME, "NotIn", "a", "b")], Told(["a"], by_default=True), []),
        ([expression(NAME, "NotIn", "a")], Told(["c", "b", "a"], by_default=True), ["b", "c"]),
        ([expression(NAME, "In", "a")], Told(["a"], by_default=True), ["a"]),
        ([{}], Told(["a"], by_default=True), ["a"]),
        ([expression(MODE, "In", "enforce")], Told([], by_default=False), []),
        ([expression(MODE, "NotIn", "observe", "warn")], Told([], by_default=True), []),
        (
            [expression(MODE, "NotIn", "observe", "warn")],
            *(Told(["a"], by_default=False), ["a", "namespaces without a mode"]),
        ),
    ],
)
def test_what_a_replica_lets_pass_beside_the_selector_is_found(
    selectors: list[dict[str, Any]], told: Told, passed: list[str]
) -> None:
    assert passed == passed_over([{"namespaceSelector": each} for each in selectors], told)


@pytest.mark.parametrize(
    ("client", "trusted", "why"),
    [
        ({"url": "https://127.0.0.1:8443/validate/enforced"}, "own", ""),
        ({"url": "https://127.0.0.2:8443/validate/enforced"}, "own", "IP address mismatch"),
        ({"service": {"name": "gate", "namespace": "system"}}, "own", ""),
        ({"service": {"name": "gate", "namespace": "other"}}, "own", "Hostname mismatch"),
        ({"service": {"name": "gate", "namespace": "system"}}, "another", "unable to get local issuer"),
        ({"service": {"name": "gate", "namespace": "system"}}, "", ""),
        ({"service": {"name": "gate", "namespace": "system"}}, "!", "the caBundle cannot be read"),
    ],
)
def test_what_an_api_server_would_not_believe_is_found(
    tmp_path: Path, client: dict[str, Any], trusted: str, why: str
) -> None:
    own, another = Authority(tmp_path / "own"), Authority(tmp_path / "another")
    served = own.issue("gate", ("gate.system.svc", "127.0.0.1"))
    context = server_context()
    context.load_cert_chain(served.certificate, served.key)
    bundles = {each: base64.b64encode(pem.pem.encode()).decode() for each, pem in (("own", own), ("another", another))}
    entry = {"clientConfig": {**client, "caBundle": bundles.get(trusted, trusted)}}
    said = distrusted(entry, lambda bundle, name: doubt(context, bundle, name))
    assert bool(why) == bool(said)
    assert why in said


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (Right("create", "", "pods", "canary"), "create pods in namespace canary"),
        (Right("patch", "computegate.io", "tenants/status"), "patch tenants.computegate.io/status"),
        (Right("get", "", "secrets", "system", "key"), "get secrets key in namespace system"),
    ],
)
def test_a_right_is_said_as_it_is_asked_about(right: Right, said: str) -> None:
    assert said == str(right)
