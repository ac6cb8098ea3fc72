"""What a webhook's entry, or a policy, is asked about, and what of it narrows that: as short words to compare.

What is added here may leave requests out, whatever it says: expressions are not understood, only told apart.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

MODE, NAME = "computegate.io/mode", "kubernetes.io/metadata.name"
_BINDINGS = frozenset({"ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding"})
_POLICIES = frozenset({"ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"})
_RULES = ("rules", "resourceRules")
_BOUNDS = ("apiVersions", "resourceNames")
_SELECTORS = ("namespaceSelector", "objectSelector")


def terms_of(entry: Mapping[str, Any], selector: str = "namespaceSelector") -> list[dict[str, Any]]:
    """Return the terms of a selector."""
    return list((entry.get(selector) or {}).get("matchExpressions") or ())


def rules_of(rules: Iterable[dict[str, Any]] | None) -> Iterator[str]:
    """Yield what rules name, such as ``CREATE pods`` or ``UPDATE jobs.batch``."""
    for rule in rules or ():
        for group in rule["apiGroups"]:
            named = [f"{resource}.{group}" if group else resource for resource in rule["resources"]]
            yield from (f"{operation} {name}" for operation in rule["operations"] for name in named)


def narrowing(asked: Mapping[str, Any]) -> Iterator[str]:
    """Yield what narrows an entry or the constraints of a policy: words, and a digest at their end."""
    for condition in asked.get("matchConditions") or ():
        yield f"matchCondition {condition['name']} {_digest(condition['expression'])}"
    for selector in _SELECTORS:
        yield from (f"{selector} {words} {_digest(words)}" for words in _selecting(asked, selector))
    if asked.get("failurePolicy", "Fail") != "Fail":
        yield f"failurePolicy {asked['failurePolicy']} -"
    if asked.get("matchPolicy", "Equivalent") != "Equivalent":
        yield f"matchPolicy {asked['matchPolicy']} -"
    yield from (f"excludeResourceRules {rule} -" for rule in rules_of(asked.get("excludeResourceRules")))
    for rule in (rule for key in _RULES for rule in asked.get(key) or ()):
        bounds = {"scope": [rule.get("scope", "*")], **{key: rule.get(key) or ["*"] for key in _BOUNDS}}
        yield from (f"{key} {' '.join(values)} -" for key, values in bounds.items() if "*" not in values)


def _selecting(asked: Mapping[str, Any], selector: str) -> Iterator[str]:
    for key, value in ((asked.get(selector) or {}).get("matchLabels") or {}).items():
        yield f"{key} In {value}"
    for term in terms_of(asked, selector):
        values = sorted(term.get("values") or ())
        if term["operator"] == "NotIn":
            yield from (f"{term['key']} NotIn {value}" for value in values)
        else:
            yield " ".join([term["key"], term["operator"], *values])


def looks_of(objects: Iterable[dict[str, Any]], usual: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return what each policy and its binding look at; without what narrows the webhook's entry likewise."""
    found: dict[str, set[str]] = {}
    for each in objects:
        spec = each.get("spec") or {}
        if each["kind"] in _POLICIES:
            parts = _policy(spec)
        elif each["kind"] in _BINDINGS:
            parts = _binding(spec)
        else:
            continue
        kept = (part for part in parts if part.removeprefix("-") not in usual)
        found.setdefault(each["name"], set()).update(part[0] + _digest(part) for part in kept)
    return {name: tuple(sorted(parts)) for name, parts in sorted(found.items())}


def _policy(spec: Mapping[str, Any]) -> Iterator[str]:
    constraints = spec.get("matchConstraints") or {}
    yield from (f"+{rule}" for rule in rules_of(constraints.get("resourceRules")))
    beside = {key: spec[key] for key in ("matchConditions", "failurePolicy") if key in spec}
    yield from (f"-{part}" for part in narrowing({**constraints, **beside}))


def _binding(spec: Mapping[str, Any]) -> Iterator[str]:
    resources = spec.get("matchResources") or {}
    yield from (f"-of the binding: {part}" for part in narrowing(resources))
    yield from (f"-of the binding: {rule}" for rule in rules_of(resources.get("resourceRules")))
    yield f"-policy {spec.get('policyName')}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
