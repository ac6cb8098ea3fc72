"""From the table of kinds to the rules by which the API server sends workloads to the webhook.

``python -m admission.demand.workloads.registration FILE`` writes them for the chart.  The table knows kinds, rules
name resources: for Kubernetes' own groups the plural is the kind in lower case with an s; for any other group every
resource is named, as what is no workload costs one answer and a wrong plural would be a gap.  No rule names a
subresource.
"""

from __future__ import annotations

import pathlib
import sys
from typing import TYPE_CHECKING, Any

import yaml

from admission.demand.workloads.table import builtin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.demand.workloads.table import Table

OWN_GROUPS = ("", "apps", "batch")
"""Kubernetes' own groups, which have more resources than workloads."""

ELSEWHERE = frozenset({"/Pod", "/DeploymentConfig", "/Template"})
"""Kinds of the first group that have no rule here: pods have their own, OpenShift serves its kinds in its groups."""

GONE = frozenset({"extensions"})
"""Groups that no supported API server serves; manifests may still name them."""


def rules_of(table: Table) -> list[dict[str, Any]]:
    """Return rules for each kind of the table that makes pods; what others use as a template has none to foresee."""
    makes_pods = (name for name, kind in table.kinds.items() if not (kind.other or kind.template))
    names = [name for name in makes_pods if name not in ELSEWHERE]
    groups = sorted({name.partition("/")[0] for name in names})
    rules = [_rule([group], sorted(_plurals(names, group))) for group in groups if group in OWN_GROUPS]
    return [*rules, _rule([group for group in groups if group not in {*OWN_GROUPS, *GONE}], ["*"])]


def _plurals(names: Iterable[str], group: str) -> Iterable[str]:
    return (name.removeprefix(f"{group}/").lower() + "s" for name in names if name.startswith(f"{group}/"))


def _rule(groups: list[str], resources: list[str]) -> dict[str, Any]:
    return {
        "apiGroups": groups,
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": resources,
        "scope": "Namespaced",
    }


def rendered() -> str:
    """Return the text of the chart's file."""
    header = "# Generated from admission/demand/workloads/kinds.toml by `make workloads`; do not edit.\n"
    return header + yaml.safe_dump(rules_of(builtin()), sort_keys=False, default_flow_style=None, width=120)


if __name__ == "__main__":
    pathlib.Path(sys.argv[1]).write_text(rendered(), encoding="utf-8")
