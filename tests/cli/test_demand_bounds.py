"""Documents that are made to be misread, or never to be read to their end: answered or refused, in work for their size.

Neither a reference to itself nor an object inside an object nor a key that stands twice hides demand.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from admission.cli.main import main
from admission.demand.workloads.answer import answer
from admission.demand.workloads.table import builtin
from tests.effort import lines_run

if TYPE_CHECKING:
    import pathlib

AMD = "amd.com/gpu"
CONTAINER = {"name": "c", "resources": {"limits": {AMD: 2}}}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p"},
    "spec": {"containers": [CONTAINER]},
}


def _wrapped(times: int) -> dict[str, Any]:
    """Return a pod in an AppWrapper in an AppWrapper ..."""
    inner: dict[str, Any] = POD
    for _ in range(times):
        spec = {"components": [{"template": inner}]}
        inner = {"apiVersion": "workload.codeflare.dev/v1beta2", "kind": "AppWrapper", "spec": spec}
    return inner


def _deep(levels: int) -> dict[str, Any]:
    """Return an object of a kind that nobody knows, with a pod's spec so many maps below its own."""
    inner: dict[str, Any] = POD["spec"]
    for _ in range(levels):
        inner = {"x": inner}
    return {"apiVersion": "example.com/v1", "kind": "Odd", "spec": inner}


def _circle(number: int) -> str:
    """Return TrainJobs each of which has the next one for a runtime, and the last one the first."""
    trainer = {"numNodes": 2, "resourcesPerNode": {"limits": {AMD: 1}}}
    jobs = (
        {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {"name": f"j{place}"},
            "spec": {"runtimeRef": {"kind": "TrainJob", "name": f"j{(place + 1) % number}"}, "trainer": trainer},
        }
        for place in range(number)
    )
    return "\n---\n".join(map(json.dumps, jobs))


def _pod(**spec: Any) -> str:
    return json.dumps({**POD, "spec": {**POD["spec"], **spec}})


def _machine(name: str) -> str:
    spec = {
        "instancetype": {"kind": "VirtualMachine", "name": name},
        "template": {"spec": {"domain": {"devices": GPUS}}},
    }
    return json.dumps(
        {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": name}, "spec": spec}
    )


GPUS = {"gpus": [{"name": "g", "deviceName": AMD}]}
SIDECARS = [
    {"name": f"s{n}", "restartPolicy": "Always", "resources": {"limits": {f"example.com/{n}-{m}": 1 for m in range(4)}}}
    for n in range(400)
]
DOCUMENTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a runtime that is the job itself": (_circle(1), {AMD: 2}, "runtimeRef.name=j0"),
    "runtimes in a circle": (_circle(100), {AMD: 2}, "runtimeRef.name=j1"),
    "an instance type that is the machine itself": (_machine("v"), {AMD: 1}, "instancetype.name=v"),
    "claims that are not there": (
        _pod(resourceClaims=[{"name": f"c{n}", "resourceClaimName": f"c{n}"} for n in range(1000)]),
        {AMD: 2, "shared:?:c7": 1},
        "the claim c7 is not among the files",
    ),
    "a claim without a source": (_pod(resourceClaims=[{"name": "c"}]), {AMD: 2, "?:c": 1}, "the claim c is not among"),
    "4 objects inside one another": (json.dumps(_wrapped(4)), {AMD: 2}, ""),
    "5 objects inside one another": (json.dumps(_wrapped(5)), {}, "error: more than 4 objects inside one another"),
    "9 objects inside one another": (json.dumps(_wrapped(9)), {}, "error: more than 4 objects inside one another"),
    "64 levels": (json.dumps(_deep(58)), {AMD: 2}, "found by their shape"),
    "65 levels": (json.dumps(_deep(59)), {}, "64 levels"),
    "one container by three aliases": (
        f"apiVersion: v1\nkind: Pod\nx: &c {json.dumps(CONTAINER)}\nspec: {{containers: [*c, *c, *c]}}",
        {AMD: 6},
        "",
    ),
    "a limit that stands twice": (
        _pod().replace(f'"{AMD}": 2', f'"{AMD}": 1, "{AMD}": 7'),
        {AMD: 7},
        "the key 'amd.com/gpu' stands twice; the last one is read, a strict API server refuses it",
    ),
    "containers that stand twice": (
        _pod().replace('"containers":', '"containers": [], "containers":'),
        {AMD: 2},
        "the key 'containers' stands twice",
    ),
    "1500 containers": (_pod(containers=[CONTAINER] * 1500), {AMD: 3000}, ""),
    "5000 containers": (_pod(containers=[CONTAINER] * 5000), {}, "error: spec.containers: more than 4096 containers"),
    "sidecars of different resources": (_pod(initContainers=SIDECARS), {}, "error: spec: more than 128 extended"),
    "1000 templates": (json.dumps([[POD["spec"]]] * 1000).join(('{"kind": "Odd", "spec": ', "}")), {AMD: 2000}, ""),
    "a list of 500 pods": (json.dumps({"kind": "List", "items": [POD] * 500}), {AMD: 2}, ""),
    "huge quantities": (_pod().replace("2}", '"' + "9" * 100 + '"}'), {AMD: 2**63 - 1}, ""),
    "a quantity of a million digits": (_pod().replace("2}", "9" * 1_000_000 + "}"), {}, "error: "),
}
"""Text, what the total must hold ({} for none), and what a note says."""

FEWEST_LINES = 100_000
"""Most of them make the parsers of all commands' arguments."""

LINES_PER_BYTE = 30
"""About twenty are run for each byte of a plain pod, most of them by PyYAML."""


@pytest.mark.parametrize(("text", "total", "says"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_is_answered_or_refused_in_work_for_its_size(
    text: str, total: dict[str, Any], says: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(text)
    answer(POD, builtin(), lambda _kind, _name: None)  # the table of kinds is read once, whatever is asked first
    code, lines = lines_run(lambda: main(["demand", "-o", "json", "-f", str(tmp_path)]))
    row = json.loads(capsys.readouterr().out.splitlines()[0])
    found = {**row["total"], **row["dra_total"]}
    assert {name: found.get(name) for name in total} == total if total else not found
    assert code == (0 if total else 1)
    assert says in " ".join(row["notes"])
    assert lines < LINES_PER_BYTE * len(text) + FEWEST_LINES
