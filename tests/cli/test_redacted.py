"""What a support bundle takes along: by name, and nothing that anybody could have written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.cli.pseudonyms import Pseudonyms, word
from admission.cli.redacted import log_of, metrics_of, object_of
from admission.cli.watches import DECIDING
from tests.cli.test_report import line

if TYPE_CHECKING:
    from admission.api.object import Object

NAMES = Pseudonyms("7b1c8a52-0000-4000-8000-000000000000")
MARK = "quarzwind holding"
KEPT = {
    *("schema", "at", "reference", "decision", "mode", "origin", "operation", "uid", "resource", "outcome", "unit"),
    *("level", "logger", "template", "trace", "type"),
}
"""Fields that the code fills with its own words: they are taken as they stand."""


def marked(value: Any, key: str = "") -> Any:
    """Put the mark into every text of a line that somebody else than the code may have written."""
    if isinstance(value, dict):
        return {name: marked(each, name) for name, each in value.items()} | ({MARK: MARK} if key == "kyc" else {})
    if isinstance(value, list):
        return [marked(each, key) for each in value]
    return f"{MARK} {value}" if isinstance(value, str) and key not in KEPT else value


def told(*lines: Any) -> list[dict[str, Any]]:
    text = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in lines]
    return list(log_of(text, NAMES))


def test_of_a_decision_nothing_is_told_that_a_person_wrote() -> None:
    quota = [{"name": "level/acme/x", "unit": "devices", "limit": 8, "before": 3, "after": 8}]
    checks = [{"name": "rule access/x", "party": "acme", "outcome": "fail", "inputs": {"a": "b"}}]
    record = line(quota=quota, checks=checks, access=["a"], overrides=["b"])
    found, others = told(marked(record))
    assert MARK not in json.dumps(found)
    assert (found["reference"], found["decision"], found["demand"][0]["count"]) == ("7f3a9c41d2", "would_deny", 8)
    assert (found["quota"][0]["limit"], found["durationMs"]) == (8, 1.0)
    assert others == {"otherLines": 0}


def test_of_a_log_line_the_template_is_told_and_of_any_other_that_it_was_there() -> None:
    error = {"type": "ValueError", "text": "a", "trace": ["admission/x.py:1 f"]}
    said = {
        "at": "t",
        "level": "error",
        "logger": "admission.x",
        "message": "a",
        "template": "tenant %s",
        "error": error,
    }
    usage = {"schema": "computegate.io/usage/v1", "tenant": MARK}
    found, others = told(marked(said), marked(said) | {"uid": MARK}, usage, MARK.encode(), b"\xff{")[::2]
    assert MARK not in json.dumps([found, others])
    assert found["template"] == "tenant %s"
    assert found["error"] == {"type": "ValueError", "trace": ("admission/x.py:1 f",)}
    assert others == {"otherLines": 3}


@pytest.mark.parametrize("kind", DECIDING, ids=lambda kind: kind.__name__)
def test_of_an_object_nothing_is_told_that_a_person_wrote(kind: type[Object]) -> None:
    texts = dict.fromkeys(("legalName", "tenant", "namespace", "reason", "requestedBy", "kind", "mode", "scope"), MARK)
    condition = {"type": "Cleared", "status": "True", "reason": "Cleared", "message": MARK, "lastTransitionTime": MARK}
    metadata = {
        "name": MARK,
        "labels": {MARK: MARK},
        "annotations": {"a": MARK},
        "generation": 2,
        "resourceVersion": "7",
        "creationTimestamp": "2026-11-01T00:00:00Z",
    }
    status = {"kyc": {"state": MARK, "provider": MARK}, "approval": {"by": MARK, "at": MARK}, "conditions": [condition]}
    found = object_of(kind.__name__, {"metadata": metadata, "spec": texts, "status": status}, NAMES)
    assert MARK not in json.dumps(found)
    assert (found["generation"], found["conditions"][0]["reason"]) == (2, "Cleared")


def test_of_metrics_the_labels_keep_words_of_the_code_alone() -> None:
    exposition = f"""
# TYPE computegate_quota_used_devices gauge
computegate_quota_used_devices{{quota="{MARK}"}} 3
# TYPE computegate_ledger_initialized gauge
computegate_ledger_initialized{{scope="DE"}} 1
computegate_ledger_initialized{{scope="DE.tenants.3"}} 1
computegate_ledger_initialized{{scope="{MARK}"}} 1
# TYPE computegate_devices_total counter
computegate_devices_total{{accelerator_class="h100-sxm",decision="denied"}} 2
computegate_devices_total{{accelerator_class="{MARK}",decision="{MARK}"}} 2
# TYPE computegate_new gauge
computegate_new{{of_tomorrow="{MARK}"}} 1
"""
    lines = list(metrics_of(exposition, NAMES))
    assert len(lines) == 7
    assert not any(MARK in each for each in lines)
    assert 'computegate_ledger_initialized{scope="DE.tenants.3"} 1' in lines
    assert 'computegate_devices_total{accelerator_class="h100-sxm",decision="denied"} 2' in lines


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_name_is_one_word_for_one_cluster_and_another_for_another(name: str, other: str) -> None:
    assert NAMES.of("tenant", name) == NAMES.of("tenant", name)
    assert (NAMES.of("tenant", name) == NAMES.of("tenant", other)) is (name == other)
    assert NAMES.of("tenant", name) != Pseudonyms("another").of("tenant", name)
    assert word(name) in {"", name}


@pytest.mark.parametrize(
    ("account", "shown"),
    [
        ("system:kube-scheduler", True),
        ("system:serviceaccount:kube-system:replicaset-controller", True),
        ("system:serviceaccount:acme:trainer", False),
        ("system:node:gpu-7.acme.example", False),
        ("helga@acme.example", False),
    ],
)
def test_accounts_of_kubernetes_itself_are_nobody(account: str, shown: bool) -> None:
    assert (NAMES.user(account) == account) is shown
