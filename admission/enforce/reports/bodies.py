"""Reports as bodies: one of a namespace for who may read there, one of the cluster for operators.  Pure.

A namespace's Report says what its Allowance says and no more: public codes, never an operator's reason.  Both are
bounded by the number of reasons, and say the same for as long as the same was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from admission.api.enforcement import Action
from admission.review import notices

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from admission.api.allowance import OwnFinding
    from admission.enforce.sweep.found import Found
    from admission.enforce.sweep.steps import Policy
    from admission.review.reasons import Reason

API = "openreports.io/v1alpha1"
NAME = SOURCE = "computegate"
MANAGED = {"app.kubernetes.io/managed-by": SOURCE}
"""By this our own are known again."""

MOST_NAMESPACES = 50
"""Namespaces that one result names."""

_CATEGORY = "Accelerator access"
_SEVERITIES = {Action.Report: "info", Action.Warn: "low", Action.StopAdmitting: "medium", Action.Evict: "high"}
_FAILS = frozenset({Action.StopAdmitting, Action.Evict})
"""What is acted on fails; what is only told of warns, and is not scored."""

Body = dict[str, Any]


def of_namespace(name: str, entries: Mapping[Reason, OwnFinding]) -> Body | None:
    """Return what a namespace's Report is to say; None where there is to be none."""
    results = [
        _result(entry.code, entry.action, notices.finding_reported(entry.code, entry.pods))
        | {"timestamp": {"seconds": int(entry.since.timestamp()), "nanos": 0}, "properties": _properties(entry)}
        for entry in sorted(entries.values(), key=lambda each: each.reference)
    ]
    scope = {"apiVersion": "v1", "kind": "Namespace", "name": name}
    return _body("Report", results) | {"scope": scope} if results else None


def of_cluster(found: Mapping[str, Found], policy: Policy) -> Body | None:
    """Return what the ClusterReport is to say: each reason with its pods and namespaces."""
    totals: dict[Reason, dict[str, int]] = {}
    for name in sorted(found):
        for reason, pods in found[name].by_reason().items():
            totals.setdefault(reason, {})[name] = pods
    results = [_of_reason(reason, totals[reason], policy.of(reason).action) for reason in sorted(totals)]
    return _body("ClusterReport", results) if results else None


def _of_reason(reason: Reason, namespaces: Mapping[str, int], action: Action) -> Body:
    pods = sum(namespaces.values())
    named = list(namespaces)[:MOST_NAMESPACES]
    properties = {"pods": str(pods), "namespaces": str(len(namespaces)), "code": str(reason.code)}
    return _result(str(reason), action, notices.finding_reported(reason, pods)) | {
        "resources": [{"apiVersion": "v1", "kind": "Namespace", "name": name} for name in named],
        "properties": {**properties, "action": str(action)},
    }


def _properties(entry: OwnFinding) -> dict[str, str]:
    known = {"pods": str(entry.pods), "action": str(entry.action), "reference": entry.reference}
    return known | ({"deadline": entry.deadline.isoformat()} if entry.deadline else {})


def _result(rule: str, action: Action, message: str) -> Body:
    return {
        "source": SOURCE,
        "policy": "running-pods",
        "rule": rule,
        "category": _CATEGORY,
        "severity": _SEVERITIES[action],
        "result": "fail" if action in _FAILS else "warn",
        "scored": action in _FAILS,
        "message": message,
    }


def _body(kind: str, results: Iterable[Body]) -> Body:
    results = list(results)
    counts = {
        word: sum(each["result"] == word for each in results) for word in ("pass", "fail", "warn", "error", "skip")
    }
    return {
        "apiVersion": API,
        "kind": kind,
        "metadata": {"name": NAME, "labels": MANAGED},
        "source": SOURCE,
        "summary": counts,
        "results": results,
    }


def said(stored: Mapping[str, Any]) -> Body:
    """Return what a stored report says, to compare it with a body."""
    return {key: value for key, value in stored.items() if key not in {"metadata", "apiVersion", "kind"}}
