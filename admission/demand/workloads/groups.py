"""What a table cannot say of RoleBasedGroup: templates by reference, and patches of them for leaders and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from admission.demand.workloads.count import Count, less, times
from admission.demand.workloads.expand import Role
from admission.demand.workloads.fields import listed, mapped, number, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.demand.workloads.expand import Workload
    from admission.demand.workloads.fields import Others


def role_based_group(document: dict[str, Any], workload: Workload, _: Others) -> Workload:
    """RoleBasedGroup, in each version: single pods, a leader with workers, or components; a set has copies of all."""
    spec = mapped(document, "spec")
    inner = mapped(spec, "groupTemplate", "spec") or mapped(spec, "template", "spec") or mapped(spec, "template")
    group, copies = (inner, number(spec, "replicas", 1)) if "roles" in inner else (spec, 1)
    bases = {text(each, "name"): mapped(each, "template") for each in listed(group.get("roleTemplates"))}
    roles = (role for part in listed(group.get("roles")) for role in _roles(part, bases, copies))
    return workload.with_roles(*roles)


def _roles(part: dict[str, Any], bases: dict[str, dict[str, Any]], copies: Count) -> Iterator[Role]:
    name, pods = text(part, "name"), times(copies, number(part, "replicas", 1))
    leaders = mapped(part, "leaderWorkerPattern")
    older = mapped(part, "leaderWorkerSet")
    own = leaders or mapped(part, "standalonePattern") or mapped(part)
    base, parts = _template(own, bases)
    components = listed(mapped(part, "customComponentsPattern").get("components")) or listed(
        mapped(part).get("components")
    )
    for each in components:
        size = times(pods, number(each, "size", 1))
        yield Role(f"{name}/{text(each, 'name')}", mapped(each, "template"), pods=size)
    if leaders or older:
        size = number(leaders or older, "size", 1)
        patches = {
            "leader": (pods, ("leaderTemplatePatch", "leaderPatch", "patchLeaderTemplate")),
            "worker": (times(pods, less(size, 1)), ("workerTemplatePatch", "workerPatch", "patchWorkerTemplate")),
        }
        for role, (count, fields) in patches.items():
            patch = next((mapped(leaders or older, field) for field in fields if mapped(leaders or older, field)), {})
            yield Role(f"{name}/{role}", _patched(base, patch), pods=count, parts=(*parts, patch))
    elif base or not components:
        yield Role(name, base, pods=pods, parts=parts)


def _template(
    own: dict[str, Any], bases: dict[str, dict[str, Any]]
) -> tuple[dict[str, Any], tuple[dict[str, Any], ...]]:
    """Return the template, its own or one by name with a patch, and what it was put together from."""
    reference = mapped(own, "templateRef")
    base = mapped(own, "template") or bases.get(text(reference, "name"), {})
    patch = mapped(own, "templatePatch") or mapped(reference, "patch")
    return _patched(base, patch), (base, patch)


def _patched(template: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return the template with the patch: containers of a name are one, what the patch says goes before."""
    if not patch:
        return template
    spec, changes = mapped(template, "spec"), mapped(patch, "spec")
    merged = {**spec, **changes}
    for where in ("containers", "initContainers"):
        if listed(changes.get(where)):
            merged[where] = _merged(listed(spec.get(where)), listed(changes.get(where)))
    return {"metadata": _metadata(template, patch), "spec": merged}


def _metadata(template: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    sides = mapped(template, "metadata"), mapped(patch, "metadata")
    annotations = {name: value for side in sides for name, value in mapped(side, "annotations").items()}
    return {**sides[0], **sides[1], "annotations": annotations}


def _merged(own: list[Any], patches: list[Any]) -> list[Any]:
    changes = {text(each, "name"): mapped(each) for each in patches}
    names = {text(each, "name") for each in own}
    kept = [_container(mapped(each), changes.get(text(each, "name"), {})) for each in own]
    return [*kept, *(each for each in patches if text(each, "name") not in names)]


def _container(own: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    resources = {
        where: {**mapped(own, "resources", where), **mapped(patch, "resources", where)}
        for where in ("limits", "requests")
    }
    env = [*listed(own.get("env")), *listed(patch.get("env"))]
    return {**own, **patch, "resources": resources, "env": env}
