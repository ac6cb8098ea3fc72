"""Pods that workloads make: where the template stands, and how many pods at once.

The kinds of Kubernetes itself.  A pod made from a template is judged again, one by one, when it is created.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from admission.review.pod import Pod


class Template(NamedTuple):
    """A pod template and the pods that are made of it at once; None where the object alone does not say."""

    pod: Pod
    pods: int | None


class _Kind(NamedTuple):
    path: tuple[str, ...]
    counts: tuple[str, ...]


_TEMPLATE = ("spec", "template")
KINDS: dict[tuple[str, str], _Kind] = {
    ("", "Pod"): _Kind((), ()),
    ("apps", "Deployment"): _Kind(_TEMPLATE, ("replicas",)),
    ("apps", "ReplicaSet"): _Kind(_TEMPLATE, ("replicas",)),
    ("apps", "StatefulSet"): _Kind(_TEMPLATE, ("replicas",)),
    ("", "ReplicationController"): _Kind(_TEMPLATE, ("replicas",)),
    ("apps", "DaemonSet"): _Kind(_TEMPLATE, ()),
    ("batch", "Job"): _Kind(_TEMPLATE, ("parallelism", "completions")),
    ("batch", "CronJob"): _Kind(("spec", "jobTemplate", "spec", "template"), ("parallelism", "completions")),
}
"""Group and kind to the path of the template and the fields, beside it, of which the least is the count of pods."""


class TemplateError(ValueError):
    """The template cannot be read; the message names the field."""


def template_of(document: dict[str, Any]) -> Template | None:
    """Return the template of a workload of Kubernetes itself, or None for any other object."""
    group, _, version = str(document.get("apiVersion", "")).rpartition("/")
    kind = KINDS.get((group, str(document.get("kind", "")))) if version else None
    if kind is None:
        return None
    template = _at(document, kind.path)
    if not isinstance(template, dict):
        raise TemplateError(f"{'.'.join(kind.path)} is missing")
    try:
        pod = msgspec.convert(template, Pod)
    except msgspec.ValidationError as error:
        raise TemplateError(f"{'.'.join(kind.path) or 'the pod'}: {error}") from None
    return Template(pod, _pods(document, kind))


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _pods(document: dict[str, Any], kind: _Kind) -> int | None:
    """The least of the fields that are given, 1 where none is; a DaemonSet's count is the number of its nodes."""
    if kind.path and not kind.counts:
        return None
    beside = _at(document, kind.path[:-1])
    given = {name: beside[name] for name in kind.counts if isinstance(beside, dict) and beside.get(name) is not None}
    for name, count in given.items():
        if type(count) is not int or count < 0:
            raise TemplateError(f"{'.'.join((*kind.path[:-1], name))}: {str(count)[:40]!r} is no count of pods")
    return min(given.values(), default=1)
