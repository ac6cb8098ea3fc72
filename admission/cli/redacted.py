"""What a support bundle takes along of objects, logs and metrics: closed words, numbers, instants, and pseudonyms.

Everything is taken by name; what is not named here stays out, so that a field that is added somewhere is not told by
accident.  Sentences are never taken: they hold names.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from admission.api.policy import Mode
from admission.cli.pseudonyms import word
from admission.server.log import LogLine
from admission.server.record import SCHEMA, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from admission.cli.pseudonyms import Pseudonyms

FACTS = {
    "Tenant": (
        "spec.kind",
        "status.kyc.state",
        "status.kyc.level",
        "status.kyc.expiresAt",
        "status.screening.state",
        "status.screening.listsAsOf",
        "status.standing.cleared",
        "status.standing.reason",
    ),
    "AccessPolicy": ("spec.mode", "spec.ambiguousClass"),
    "ComputeQuota": (
        "status.devices.used",
        "status.devices.reserved",
        "status.devices.limit",
    ),
    "QuotaLedger": ("status.initialized", "status.format", "status.observedPods", "status.observedClaims"),
    "Authorization": ("spec.validFrom", "spec.validUntil"),
    "Exemption": ("spec.validUntil", "status.approval.at"),
    "KYCOverride": ("spec.validUntil", "status.approval.at"),
    "ScreeningDismissal": ("spec.validUntil", "status.approval.at"),
    "Enforcement": (
        "spec.mode",
        "spec.evictionsPerMinute",
        "spec.mostShare",
        "status.attempted",
        "status.breaker.pods",
        "status.breaker.of",
        "status.breaker.at",
    ),
}
"""Of each kind the fields that are told where they hold a word of an enum, a number or an instant."""

COUNTED = {
    "ComputeGate": ("status.replicas",),
    "AccessPolicy": ("spec.rules",),
    "Tenant": ("spec.parties", "spec.owners"),
    "ComputeQuota": ("spec.classes",),
}
"""Of each kind the lists of which the length is told."""

LABELS = frozenset(
    (
        "entry",
        "action",
        "mode",
        "decision",
        "reason",
        "outcome",
        "result",
        "cause",
        "resource",
        "state",
        "fact",
        "party",
        "figure",
        "le",
        "what",
        "version",
    )
)
"""Labels of metrics whose values are words of the code, or numbers."""

_KINDS_OF_LABELS = {"quota": "computequota", "override": "kycoverride"}
_VALUE = re.compile(r"[A-Za-z0-9_.+-]{1,64}")
_SYSTEM = re.compile(r"[0-9a-f-]{36}")
_records = msgspec.json.Decoder(Record)
_lines = msgspec.json.Decoder(LogLine)


def object_of(kind: str, stored: dict[str, Any], names: Pseudonyms) -> dict[str, Any]:
    """Return what is told of an object of ours."""
    metadata = stored["metadata"]
    name = names.scope(stored["spec"]["scope"]) if kind == "QuotaLedger" else names.of(kind.lower(), metadata["name"])
    told: dict[str, Any] = {
        "kind": kind,
        "name": name,
        "generation": metadata.get("generation", 0),
        "resourceVersion": metadata["resourceVersion"],
        "created": metadata["creationTimestamp"],
        "deleting": "deletionTimestamp" in metadata,
        "bytes": len(msgspec.json.encode(stored)),
    }
    if "namespace" in metadata:
        told["namespace"] = names.namespace(metadata["namespace"])
    facts = {path: _told(_at(stored, path)) for path in FACTS.get(kind, ())}
    facts |= {f"{path}#": len(_at(stored, path) or ()) for path in COUNTED.get(kind, ())}
    conditions = [_condition(each) for each in (stored.get("status") or {}).get("conditions") or ()]
    return told | {
        "facts": {path: value for path, value in facts.items() if value is not None},
        "conditions": conditions,
    }


def _at(stored: Any, path: str) -> Any:
    for part in path.split("."):
        stored = stored.get(part) if isinstance(stored, dict) else None
    return stored


def _told(value: Any) -> Any:
    """Return a number, a boolean, a word or an instant; None for any other text."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return dt.datetime.fromisoformat(value).isoformat()
        return value if value.isdecimal() or word(value) or value in set(Mode) else None
    return value if isinstance(value, int | float) else None


def _condition(condition: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": word(condition.get("type")),
        "status": word(condition.get("status")),
        "reason": word(condition.get("reason")),
        "since": _told(condition.get("lastTransitionTime")),
        "generation": _told(condition.get("observedGeneration")),
    }


def log_of(text: Iterable[bytes], names: Pseudonyms) -> Iterator[dict[str, Any]]:
    """Yield what is told of each line of a log; the last one says how many lines were neither ours nor readable."""
    others = 0
    for line in text:
        try:
            if SCHEMA.encode() in line:
                yield _decision(_records.decode(line), names)
            else:
                yield _said(_lines.decode(line))
        except (msgspec.MsgspecError, RecursionError):
            others += 1
    yield {"otherLines": others}


def _said(line: LogLine) -> dict[str, Any]:
    """The sentence before names were put in, and of an exception its class and where it was raised."""
    told: dict[str, Any] = {"at": line.at, "level": line.level, "logger": line.logger, "template": line.template}
    if _SYSTEM.fullmatch(line.uid):
        told["uid"] = line.uid
    if line.error is not None:
        told["error"] = {"type": line.error.type, "trace": line.error.trace}
    return told


def _decision(record: Record, names: Pseudonyms) -> dict[str, Any]:
    return {
        "at": record.at,
        "reference": record.reference,
        "decision": record.decision,
        "mode": record.mode,
        "origin": record.origin,
        "operation": record.operation,
        "dryRun": record.dry_run,
        "caller": names.user(record.caller),
        "tenant": names.of("tenant", record.tenant),
        "governing": names.scope(record.governing) if record.governing else "",
        "resource": record.object.resource,
        "namespace": names.namespace(record.object.namespace),
        "uid": record.object.uid,
        "demand": [
            {"count": each.count, "classes": [names.chip(name) for name in each.classes], "targets": len(each.targets)}
            for each in record.demand
        ],
        "access": len(record.access),
        "exempted": len(record.exempted),
        "overrides": len(record.overrides),
        "findings": [{"reason": word(each.reason), "advisory": each.advisory} for each in record.findings],
        "checks": [{"name": each.name.partition(" ")[0], "outcome": each.outcome} for each in record.checks],
        "quota": [
            {"name": names.of("computequota", each.name), "unit": each.unit, "limit": each.limit, "before": each.before}
            for each in record.quota
        ],
        "durationMs": record.duration_ms,
    }


def metrics_of(exposition: str, names: Pseudonyms) -> Iterator[str]:
    """Yield the samples of an exposition, one a line."""
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name.endswith("_created"):
                continue
            labels = ",".join(f'{label}="{_label(label, value, names)}"' for label, value in sample.labels.items())
            yield f"{sample.name}{{{labels}}} {sample.value!r}"


def _label(label: str, value: str, names: Pseudonyms) -> str:
    if label in LABELS and _VALUE.fullmatch(value):
        return value
    if label == "scope":
        return names.scope(value)
    if label == "accelerator_class":
        return names.chip(value)
    return names.of(_KINDS_OF_LABELS.get(label, label), value)
