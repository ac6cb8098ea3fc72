"""Writes of our own objects that the webhook looks at, and which of them are sent.

Each by its spec alone, so that neither a status nor a label waits for us; a deletion where others may refer to what
goes.  The entry lets pass what it cannot ask about: a bad object must be mendable while no server runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from admission.api import GROUP
from admission.api.accelerator import AcceleratorClass, AcceleratorPool
from admission.api.dismissal import ScreeningDismissal
from admission.api.enforcement import Enforcement
from admission.api.exemption import Exemption
from admission.api.override import KYCOverride
from admission.api.policy import AccessPolicy
from admission.api.quota import Authorization, ComputeQuota
from admission.api.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.api.object import Object

REFERRED_TO: tuple[type[Object], ...] = (AcceleratorClass, AccessPolicy)
"""Kinds whose names, or groups, stand in others; a deletion of any other breaks nothing."""

JUDGED: tuple[type[Object], ...] = (
    *REFERRED_TO,
    AcceleratorPool,
    Authorization,
    ComputeQuota,
    Enforcement,
    Exemption,
    KYCOverride,
    ScreeningDismissal,
    Tenant,
)
"""What an operator writes; what computegate keeps itself is not among them."""


def objects() -> dict[str, Any]:
    """Return the rules and match conditions of the entry, as the chart takes them up."""
    return {
        "rules": [_rule(["CREATE", "UPDATE"], JUDGED), _rule(["DELETE"], REFERRED_TO)],
        "matchConditions": [
            {
                "name": "says-something-else",
                "expression": "request.operation != 'UPDATE'\n|| object.?spec != oldObject.?spec",
            },
            {
                "name": "not-being-deleted",
                "expression": "request.operation == 'DELETE'\n|| !has(object.metadata.deletionTimestamp)",
            },
        ],
    }


def _rule(operations: list[str], kinds: Iterable[type[Object]]) -> dict[str, Any]:
    return {
        "apiGroups": [GROUP],
        "apiVersions": ["*"],
        "operations": operations,
        "resources": [kind.crd.plural for kind in kinds],
        "scope": "Cluster",
    }
