"""What a tenant can read tells it of itself alone: no reason, list, owner or match, and nobody else's figures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from admission.review.reasons import Reason
from tests.e2e.objects import deployment, gpu_pod, namespace, quota, tenant
from tests.e2e.world import eventually

if TYPE_CHECKING:
    from tests.e2e.world import World

READER = "reader-at-the-tenant"
OPERATORS = ("tenants.computegate.io", "computequotas", "accesspolicies", "quotaledgers", "usagejournals")
"""Kinds of which no tenant reads any."""

GOLDEN = (Path(__file__).parent / "golden" / "denials.txt").read_text()
LINES = [line.partition("\t")[2] for line in GOLDEN.splitlines()[1:]]

SECRETS = (
    *(str(reason) for reason in Reason),
    # The owner, the match and the list that stand behind the denial.
    *(
        "redgate",
        "Redgate Holding",
        "founder",
        "Founder",
        "hit-77",
        "Entity List",
        "part 744",
        "case-2001",
        "example-kyc",
    ),
    # The rules of the examples.
    *(
        "listed-parties",
        "owned-by-listed",
        "owned-from-headquarters",
        "parent-headquarters",
        "screening",
        "ear-",
        "ownership",
    ),
)


@pytest.fixture(scope="module")
def reader(world: World) -> str:
    """A namespace of a tenant that is refused, as someone with the role view in it; a neighbour shares its quota."""
    owners = {
        "independent": False,
        "ultimateParent": "redgate",
        "parties": [
            {"id": "redgate", "name": "Redgate Holding", "headquarters": "MX", "othersBelow": 25},
            {"id": "founder", "name": "A. Founder", "type": "NaturalPerson"},
        ],
        "ownership": [
            {"owner": "redgate", "owned": "tenant", "share": {"exact": 60}},
            {"owner": "founder", "owned": "tenant", "share": {"exact": 40}},
        ],
    }
    match = {"state": "Match", "matchedParties": ["redgate"], "reference": "hit-77"}
    kyc = {"provider": "example-kyc", "reference": "case-2001"}
    world.apply(
        *(quota("shared-mx", "MX", 11, perTenant={"devices": 9}), tenant("refused", "MX", kyc, match, **owners)),
        *(tenant("neighbour", "MX"), tenant("cleared", "MX")),
        *(namespace("refused-lab", "refused"), namespace("neighbour-lab", "neighbour")),
        *(namespace("cleared-lab", "cleared"), namespace("warned-lab", "refused", "warn")),
    )
    for where in ("refused-lab", "cleared-lab", "warned-lab"):
        view = ("create", "rolebinding", "reader", "--clusterrole=view", f"--user={READER}")
        world.kubectl(*view, "-n", where)
    world.admit(gpu_pod("theirs", "neighbour-lab", 7))
    return READER


def _readable(world: World, reader: str, where: str) -> dict[str, str]:
    """Return everything in a namespace that the reader may list, by resource, as JSON."""
    ours = world.kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name").stdout.split()
    found = {}
    for resource in (*ours, *OPERATORS):
        done = world.kubectl("get", resource, "-n", where, "-o", "json", user=reader, check=False)
        if done.returncode == 0:
            found[resource] = done.stdout
    return found


def _assert_discreet(text: str) -> None:
    told = [secret for secret in SECRETS if re.search(rf"(?<![A-Za-z]){re.escape(secret)}", text)]
    assert told == []


def test_no_golden_line_tells_more_than_its_public_code() -> None:
    for line in LINES:
        _assert_discreet(line)
    behind = {"KYCExpired", "KYCRejected", "KYCSuspended", "KYCStale", "JurisdictionNotAllowed", "OwnershipNotCleared"}
    behind |= {"ListedParty", "EndUseNotCleared"}
    alike = {line.partition("\t")[2] for line in GOLDEN.splitlines() if line.partition("\t")[0] in behind}
    assert len(alike) == 1, "behind one public code every line is the same"


def test_a_refused_tenant_reads_its_code_its_reference_and_whom_to_ask(world: World, reader: str) -> None:
    where = "refused-lab"
    world.kubectl("create", "-f", "-", stdin=json.dumps(deployment("server", where, gpu_pod("any", where))))
    eventually(lambda: _events(world, where))
    own = eventually(
        lambda: world.get("allowances", "compute", "-n", where).get("status", {}),
        lambda own: bool(own.get("lastDenial")),
    )
    assert own["lastDenial"]["code"] == "NotCleared"
    texts = _readable(world, reader, where)
    assert {"allowances.computegate.io", "events"} <= texts.keys()
    assert texts.keys().isdisjoint(OPERATORS)
    assert own["lastDenial"]["reference"] in texts["events"], "the case in the Allowance is the one in the events"
    for text in texts.values():
        _assert_discreet(text)
        assert "neighbour" not in text
    printed = world.kubectl("get", "allowance", "-n", where, user=reader).stdout
    assert printed.split()[:7] == ["NAME", "TENANT", "CLEARANCE", "USE", "EXPIRES", "LAST-DENIAL", "REFERENCE"]


def test_a_cleared_tenant_reads_its_own_figures_and_not_its_neighbours(world: World, reader: str) -> None:
    where = "cleared-lab"
    world.admit(gpu_pod("first", where, 1))
    line = world.denial(gpu_pod("second", where, 4))
    assert line.startswith(
        "exceeded quota: shared-mx, requested: nvidia.com/gpu=4, used: nvidia.com/gpu=1, limited: nvidia.com/gpu=4 "
        "[LimitReached: tenant cleared, class h100-sxm, 3 left for you; "
    ), "it holds 1 and 3 are left; 7 are held by another"
    own = eventually(
        lambda: world.get("allowances", "compute", "-n", where).get("status", {}), lambda own: bool(own.get("use"))
    )
    assert own["use"] == [{"acceleratorClass": "h100-sxm", "used": 1}]
    for text in (line, *_readable(world, reader, where).values()):
        _assert_discreet(text)
        assert "neighbour" not in text


def test_a_warning_is_as_discreet_as_a_denial(world: World, reader: str) -> None:
    created = world.try_create(gpu_pod("tolerated", "warned-lab"))
    assert created.returncode == 0
    assert "Warning: would be denied when enforced: [NotCleared] tenant refused is not cleared" in created.stderr
    for text in (created.stderr, *_readable(world, reader, "warned-lab").values()):
        _assert_discreet(text)
        assert "neighbour" not in text


def _events(world: World, where: str) -> list[str]:
    """Return what the events of a namespace say of denials."""
    return [each["message"] for each in world.items("events", "-n", where) if "denied" in each["message"]]
