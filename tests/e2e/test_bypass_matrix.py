"""The matrix of docs/bypass.md: each way to a device, by each operation, in each kind of container, on a real cluster.

Each cell is what the API server with the webhook answers to the request; ``make bypass`` writes the page from it.
"""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from admission.demand import access
from admission.demand import pod as demand
from admission.demand.pod import demand_of
from admission.review.pod import Pod
from tests.demand.cluster import inventory
from tests.e2e.bypass import KINDS, OF_CONTAINERS, OF_PODS, POD, base, shows, with_fields
from tests.e2e.objects import namespace, tenant
from tools.direct import Direct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.bypass import Fields, Way
    from tests.e2e.world import World
    from tools.direct import Answer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bypass.md"
BEGIN, END = "<!-- make bypass writes from here -->\n", "<!-- to here -->"
WHERE = "bypass"
PODS = f"/api/v1/namespaces/{WHERE}/pods"
DRY = "?dryRun=All"
WEBHOOK = '.computegate.io" denied the request: [NotPermitted] this pod can reach devices'
GUARDS = ("annotations that give a pod devices", "a binding cannot give a pod annotations")
REFUSED = 400
OPERATIONS = ("create", "apply", "update", "ephemeralcontainers", "resize", "status", "binding")


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[Direct]:
    """The API server, with a cleared tenant's namespace in which a plain pod runs and another waits."""
    world.apply(tenant(WHERE, "JP"), namespace(WHERE, WHERE))
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": WHERE}}
    with Direct(world.installed.plane) as server:
        server("POST", "/apis/node.k8s.io/v1/runtimeclasses", {**runtime, "handler": "nvidia"})
        server("POST", "/api/v1/nodes", node)  # a pod of a node that is not there is collected
        for name, where in (("running", {"nodeName": WHERE}), ("waiting", {})):
            pod = base(name)
            made = server("POST", PODS, {**pod, "spec": {**pod["spec"], **where}})
            assert made.code == 201, made.message  # the pod that each way is put into is itself admitted
        yield server
        server("DELETE", f"/api/v1/nodes/{WHERE}")


def test_the_matrix_is_what_a_cluster_answers(server: Direct) -> None:
    rows = [
        (way, kind, [_cell(server, way, kind, operation) for operation in OPERATIONS])
        for group, kinds in ((OF_CONTAINERS, tuple(KINDS)), (OF_PODS, (POD,)))
        for way in group
        for kind in kinds
    ]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page = before + BEGIN + _table(rows) + END + after
    if os.environ.get("BYPASS") == "write":
        PAGE.write_text(page)
    assert PAGE.read_text() == page
    assert {cell for _, _, cells in rows for cell in cells if cell.startswith("ADMITTED")} == set()


def test_every_way_that_the_code_finds_has_a_row() -> None:
    rows = (
        (way, kind) for group, kinds in ((OF_CONTAINERS, KINDS), (OF_PODS, (POD,))) for way in group for kind in kinds
    )
    pods = [with_fields(base("made"), kind, fields) for way, kind in rows for fields in way.fields]
    found = {each.way for pod in pods for each in demand_of(msgspec.convert(pod, Pod), inventory()).access}
    named = {way for module in (access, demand) for way in re.findall(r'Access\("(\w+)"', inspect.getsource(module))}
    assert found == named


def _cell(server: Direct, way: Way, kind: str, operation: str) -> str:
    """What comes of all fields of a way, each tried alone: they must agree."""
    found = {_outcome(_tried(server, kind, fields, operation), way, kind, fields) for fields in way.fields}
    return " / ".join(sorted(found))


def _tried(server: Direct, kind: str, fields: Fields, operation: str) -> Answer | None:
    """Put the fields into a pod by the operation; None where it has no place for them."""
    if operation == "create":
        return server("POST", PODS + DRY, with_fields(base("made"), kind, fields))
    if operation == "apply":
        path = f"{PODS}/made{DRY}&fieldManager=tests"
        return server("PATCH", path, with_fields(base("made"), kind, fields), "application/apply-patch+yaml")
    if operation == "binding":
        return _bound(server, fields)
    path = f"{PODS}/running" + ("" if operation == "update" else f"/{operation}")
    stored = server("GET", f"{PODS}/running").body
    return server("PUT", path + DRY, with_fields(stored, kind, fields))


def _bound(server: Direct, fields: Fields) -> Answer | None:
    """A binding has metadata and a node, and no place for anything else."""
    if "metadata" not in fields:
        return None
    metadata = {"name": "waiting", **fields["metadata"]}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": {"kind": "Node", "name": "n"}}
    return server("POST", f"{PODS}/waiting/binding{DRY}", binding)


def _outcome(answer: Answer | None, way: Way, kind: str, fields: Fields) -> str:
    if answer is None:
        return ""
    if WEBHOOK in answer.message and way.removes and way.removes in answer.message.partition("remove ")[2]:
        return "denied"
    if any(guard in answer.message for guard in GUARDS):
        return "denied by a guard"
    if answer.code >= REFUSED:
        assert "webhook" not in answer.message, answer.message
        return "refused"
    is_object = answer.body["kind"] == "Pod"  # a binding that was done is answered by a Status
    if is_object and not shows(answer.body, kind, fields):
        return "ignored"
    return f"[limitation](limitations.md#{way.limitation})" if way.limitation else f"ADMITTED {way.name}"


def _table(rows: list[tuple[Way, str, list[str]]]) -> str:
    """Return the rows in Markdown; kinds of containers that share all their cells share a line."""
    merged: dict[tuple[str, ...], list[str]] = {}
    for way, kind, cells in rows:
        merged.setdefault((way.name, *cells), []).append(kind)
    header = ["way", "in", *OPERATIONS]
    lines = [[key[0], ", ".join(kinds), *(cell or "-" for cell in key[1:])] for key, kinds in merged.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in [header, ["---"] * len(header), *lines])
