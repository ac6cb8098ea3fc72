"""Whether the scheduler could put a pod on a target: selector, required affinity, taints.

Semantics of k8s.io/component-helpers/scheduling/corev1: terms are alternatives, the expressions of a term must
all hold, a term without any matches nothing.  Preferences do not bind and are not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.catalogue.recognition import GENERIC_LABELS
from admission.demand.presence import HOSTNAME

if TYPE_CHECKING:
    from admission.catalogue.catalogue import Catalogue
    from admission.demand.inventory import Taint, Target
    from admission.review.pod import NodeSelectorTerm, PodSpec, Requirement, Toleration


def can_land(spec: PodSpec, target: Target, catalogue: Catalogue) -> bool:
    """Whether nothing that binds the scheduler keeps the pod off the target."""
    return (
        all(_holds(key, "In", (value,), target, catalogue) for key, value in (spec.node_selector or {}).items())
        and _affinity_allows(spec, target, catalogue)
        and all(_tolerated(taint, spec.tolerations or ()) for taint in target.taints)
    )


def _affinity_allows(spec: PodSpec, target: Target, catalogue: Catalogue) -> bool:
    affinity = spec.affinity and spec.affinity.node_affinity and spec.affinity.node_affinity.required
    if not affinity:
        return True
    return any(_term_allows(term, target, catalogue) for term in affinity.node_selector_terms or ())


def _term_allows(term: NodeSelectorTerm, target: Target, catalogue: Catalogue) -> bool:
    expressions, fields = term.match_expressions or (), term.match_fields or ()
    if not expressions and not fields:
        return False
    return all(_field_allows(field, target) for field in fields) and all(
        _holds(each.key, each.operator, each.values or (), target, catalogue) for each in expressions
    )


def _field_allows(field: Requirement, target: Target) -> bool:
    """``metadata.name`` is the only field there is; a pool's nodes have names that nobody knows yet."""
    if target.seen is not None:
        return target.seen.may_be_named(field.operator, field.values or ())
    if not target.is_node:
        return True
    named = target.name in (field.values or ())
    return named if field.operator == "In" else not named


def _holds(key: str, operator: str, values: tuple[str, ...], target: Target, catalogue: Catalogue) -> bool:
    """Whether the requirement holds for the target, or cannot be excluded for nodes of the pool."""
    if target.seen is not None:
        return _may_hold(key, operator, values, target, catalogue)
    label = target.labels.get(key)
    if label is None and not target.is_node:
        return not _contradicts_class(key, operator, values, target, catalogue)
    return _meets(label, operator, values)


def _may_hold(key: str, operator: str, values: tuple[str, ...], target: Target, catalogue: Catalogue) -> bool:
    """Whether the requirement held for some of the nodes that are remembered."""
    assert target.seen is not None
    if key == HOSTNAME and not target.seen.may_be_named(operator, values):
        return False
    known = target.seen.values(key)
    if known is None:
        return not _contradicts_class(key, operator, values, target, catalogue)
    return any(_meets(label, operator, values) for label in known)


def _meets(label: str | None, operator: str, values: tuple[str, ...]) -> bool:
    outcomes = {
        "In": label is not None and label in values,
        "NotIn": label is None or label not in values,
        "Exists": label is not None,
        "DoesNotExist": label is None,
    }
    return outcomes[operator] if operator in outcomes else _compares(label, operator, values)


def _contradicts_class(key: str, operator: str, values: tuple[str, ...], target: Target, catalogue: Catalogue) -> bool:
    """Whether every value asks for a chip that is known and is not the pool's; a family's name may mean either."""
    if operator != "In" or key in GENERIC_LABELS:
        return False
    asked = [catalogue.by_node_labels({key: value}) for value in values]
    return all(name is not None and name not in target.classes for name in asked)


def _compares(label: str | None, operator: str, values: tuple[str, ...]) -> bool:
    try:
        mine, bound = int(label or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return mine > bound if operator == "Gt" else mine < bound


def _tolerated(taint: Taint, tolerations: tuple[Toleration, ...]) -> bool:
    if taint.effect == "PreferNoSchedule" or taint.is_transient:
        return True
    return any(_tolerates(toleration, taint) for toleration in tolerations)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator not in {None, "", "Equal"}:
        return True  # Exists, and what newer schedulers compare numerically (Gt, Lt): it may tolerate
    return bool(toleration.key) and (toleration.value or "") == taint.value
