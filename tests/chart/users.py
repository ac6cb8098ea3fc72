"""Users of a cluster who hold a few verbs each, as RBAC objects."""

from __future__ import annotations

import json
import uuid

Grant = tuple[str, str, list[str], list[str], list[str]]
"""User, API group, resources, names (empty: all), verbs."""

GROUPS = frozenset({"deleters"})
"""Users in a grant that are groups."""


def granted(grants: list[Grant]) -> str:
    """Return the roles and bindings of all grants, as documents for kubectl."""
    return "\n---\n".join(map(_role, grants))


def _role(grant: Grant) -> str:
    user, group, resources, names, verbs = grant
    name = f"test-{user}-{uuid.uuid4().hex[:8]}"
    rule = {"apiGroups": [group], "resources": resources, "verbs": verbs} | ({"resourceNames": names} if names else {})
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group" if user in GROUPS else "User", "name": user}
    bound = {"kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [subject]}
    return json.dumps({"kind": "ClusterRole", "rules": [rule]} | rbac) + "\n---\n" + json.dumps(bound | rbac)
