"""The API server takes a Tenant of the largest size that its schema allows: its rules are affordable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.objects import of

if TYPE_CHECKING:
    from tests.e2e.world import World


def _largest(longest: int) -> dict[str, Any]:
    """Return 200 parties with ids of this length; each owns some of the tenant and of one that is found last."""
    ids = [f"{'p' * (longest - 4)}-{number:03}" for number in range(200)]
    share = {"exclusiveMinimum": 0.25, "maximum": 2}
    owned = ("tenant", ids[-1])
    return {
        "legalName": "Large",
        "kind": "Company",
        "parties": [{"id": each, "name": each} for each in ids],
        "ownership": [
            {"owner": ids[0] if owner == of_ else owner, "owned": of_, "share": share} for owner in ids for of_ in owned
        ],
    }


@pytest.mark.parametrize("longest", [12, 63])
def test_a_tenant_of_200_parties_and_400_statements_is_taken(world: World, longest: int) -> None:
    created = world.try_create(of("Tenant", "large", _largest(longest)), "--dry-run=server")
    assert (created.returncode, created.stderr) == (0, "")
