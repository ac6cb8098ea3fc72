"""``computegate demand`` over bad input: a clear error for each document, the rest answered, in bounded time."""

from __future__ import annotations

import io
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from admission.cli.main import main

if TYPE_CHECKING:
    import pathlib

POD = """apiVersion: v1
kind: Pod
metadata: {name: good}
spec: {containers: [{name: a, resources: {limits: {amd.com/gpu: 2}}}]}
"""
KEYS = [
    *("file", "doc", "kind", "apiVersion", "name", "namespace", "expected", "per_pod", "pods", "total"),
    *("max_pods", "max_total", "dra_total", "roles", "access", "notes"),
]
BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(9)
)
JOB = "apiVersion: batch/v1\nkind: Job\n"
BAD = {
    "no YAML": ("a: [", "while parsing a flow node"),
    "a scalar": ("hello", "not an object"),
    "a list": ("- a", "not an object"),
    "a bomb of aliases": (BOMB, "more than 1000000 nodes"),
    "an alias of itself": ("a: &a [*a]", "more than 64 levels"),
    "65 levels": ("a: " + "{a: " * 65 + "}" * 65, "64 levels"),
    "200000 brackets": ("a: " + "[" * 200_000, "nested too deeply"),
    "200000 dashes": ("- " * 200_000 + "x", "nested too deeply"),
    "another program's tag": ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    "no such instant": ("a: 2026-99-99", "month must be in 1..12"),
    "half a character": ('a: "\\ud800"', "error: "),
    "a negative count": (JOB + "spec: {parallelism: -1, template: {spec: {}}}", "spec.parallelism: '-1' is no count"),
    "a count that is a map": (
        JOB + "spec: {parallelism: {}, template: {spec: {}}}",
        "spec.parallelism: '{}' is no count",
    ),
    "10000 containers": (
        "apiVersion: v1\nkind: Pod\nspec: {containers: [" + "{name: a}," * 10_000 + "]}",
        "more than 4096 containers",
    ),
    "20000 templates": (
        "apiVersion: example.com/v1\nkind: X\nspec: [" + "{containers: [{name: a}]}," * 20_000 + "]",
        "more than 4096 pod templates",
    ),
}


def _rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(("text", "says"), BAD.values(), ids=BAD)
def test_a_broken_document_is_reported_and_its_neighbours_answered(
    text: str, says: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(f"{POD}---\n{text}\n---\n{POD}")
    begun = time.monotonic()
    assert main(["demand", "-o", "json", "-f", str(tmp_path)]) == 1
    assert time.monotonic() - begun < 30
    first, broken, last = _rows(capsys)
    assert (first["per_pod"], last["per_pod"], last["doc"]) == ({"amd.com/gpu": 2}, {"amd.com/gpu": 2}, 2)
    assert broken["expected"] == "unknown-shape"
    assert broken["notes"][0].startswith("error: ")
    assert says in broken["notes"][0]


@pytest.mark.parametrize(
    "text",
    ["\n" * 4_000_000, "a: [" + "{{" * 1_000_000, "{{ a\n" * 500_000, "--- " * 1_000_000, "---\n" * 90_000],
    ids=["blank lines", "directives without end", "directives over lines", "dashes", "documents"],
)
def test_a_large_file_of_nothing_is_read_in_time(text: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    begun = time.monotonic()
    main(["demand", "-f", str(tmp_path)])
    assert time.monotonic() - begun < 30


def test_a_long_string_that_may_hold_a_manifest_is_searched_in_time(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("a." * 1_000_000, "a" * 2_000_000, "a.b/" * 500_000, "a.b/c" + " " * 2_000_000):
        data = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "data": {"x": f"apiVersion: v1 kind: Pod {text} amd.com/gpu: 1"},
        }
        (tmp_path / "a.json").write_text(json.dumps(data))
        begun = time.monotonic()
        assert main(["demand", "-o", "json", "-f", str(tmp_path)]) == 0
        assert time.monotonic() - begun < 30
        assert _rows(capsys)[0]["expected"] == "embedded-manifest"


def test_a_file_that_cannot_be_read_is_reported(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large.yaml").write_text("a: " + "x" * (9 << 20))
    (tmp_path / "good.json").write_text(json.dumps({"apiVersion": "v1", "kind": "Service"}))
    paths = [str(tmp_path / name) for name in ("binary.yaml", "large.yaml", "good.json", "absent.yaml")]
    assert main(["demand", "-o", "json", "-f", *paths]) == 1
    rows = _rows(capsys)
    assert [row["expected"] for row in rows] == ["unknown-shape", "unknown-shape", "not-a-workload", "unknown-shape"]
    assert ["codec" in rows[0]["notes"][0], "larger" in rows[1]["notes"][0], "No such" in rows[3]["notes"][0]] == [
        True
    ] * 3


def test_every_line_has_the_same_keys(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{POD}---\nkind: 3\n---\n\n---\na: 1\n---\nhello"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["demand", "-o", "json", "-f", "-"]) == 1
    rows = _rows(capsys)
    assert [list(row) for row in rows] == [KEYS] * 4
    assert [row["doc"] for row in rows] == [0, 1, 3, 4]


def test_huge_quantities_saturate_and_placeholders_are_kept_as_text(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = '{amd.com/gpu: "99999999999999999999999", nvidia.com/gpu: 1e99, google.com/tpu: "-3", habana.ai/gaudi: $N}'
    pod = f"{{containers: [{{name: a, resources: {{limits: {limits}}}}}]}}"
    spec = f"{{replicas: 99999999999999999999, template: {{spec: {pod}}}}}"
    (tmp_path / "a.yaml").write_text(f"apiVersion: apps/v1\nkind: Deployment\nspec: {spec}")
    assert main(["demand", "-o", "json", "-f", str(tmp_path)]) == 0
    (row,) = _rows(capsys)
    assert row["total"] == {
        "amd.com/gpu": 2**63 - 1,
        "nvidia.com/gpu": 2**63 - 1,
        "google.com/tpu": "?:-3",
        "habana.ai/gaudi": "?:$N",
    }


def test_a_template_of_wrong_types_is_read_as_far_as_it_can_be_and_the_rest_named(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = """
      containers:
      - 5
      - {name: a, env: [{name: 1}], securityContext: {privileged: "{{x}}"}, resources: {limits: {amd.com/gpu: 1}}}
      initContainers: {}
      volumes: [{hostPath: x}, {name: v, hostPath: {path: /dev/kfd}}]
    """
    (tmp_path / "a.yaml").write_text(f"apiVersion: v1\nkind: Pod\nspec:{spec}")
    assert main(["demand", "-o", "json", "-f", str(tmp_path)]) == 0
    (row,) = _rows(capsys)
    assert row["per_pod"] == {"amd.com/gpu": 1}
    assert row["access"] == ["hostPath: spec.volumes[v].hostPath (/dev/kfd)"]
    for field in (
        "containers[0]",
        "initContainers",
        "volumes[0].hostPath",
        "env[0].name",
        "securityContext.privileged",
    ):
        assert any(field in note and "is not read" in note for note in row["notes"]), field


def test_an_operators_table_is_given_by_a_flag(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "kinds.toml"
    table.write_text(
        '[[workload]]\nkinds = ["a.b/C"]\n[[workload.role]]\nname = "c"\nlimits = "spec.wants"\npods = ["spec.n"]'
    )
    manifest = tmp_path / "a.yaml"
    manifest.write_text("apiVersion: a.b/v1\nkind: C\nspec: {n: 3, wants: {amd.com/gpu: 2}}")
    assert main(["demand", "-o", "json", "-f", str(manifest), "--kinds", str(table)]) == 0
    assert _rows(capsys)[0]["total"] == {"amd.com/gpu": 6}
    table.write_text('[[workload]]\nkinds = ["C"]')
    assert main(["demand", "-f", str(manifest), "--kinds", str(table)]) == 2
    assert "a kind is written group/Kind" in capsys.readouterr().err


def test_the_table_shows_the_demand_and_how_it_is_reached(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(POD.replace("{containers", "{nodeName: n, hostPID: true, containers"))
    assert main(["demand", "-f", str(tmp_path / "a.yaml")]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{tmp_path / 'a.yaml'}  0  Pod  good  demand  2 x amd.com/gpu  1  2 x amd.com/gpu",
        "    access hostPID: spec.hostPID",
        "    access nodeName: spec.nodeName (n)",
    ]


def test_check_judges_each_role_of_a_workload(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(
        "apiVersion: ray.io/v1\nkind: RayCluster\nmetadata: {name: r}\nspec:\n"
        "  headGroupSpec: {template: {spec: {containers: [{name: h}]}}}\n"
        "  workerGroupSpecs: [{groupName: g, replicas: 2, template: {spec: {containers: "
        "[{name: w, resources: {limits: {nvidia.com/h100: 1}}}]}}}]\n"
    )
    assert main(["check", "-f", str(tmp_path), "-o", "json"]) == 1
    head, worker = _rows(capsys)
    assert (head["role"], head["decision"], head["admitted"], head["pods"]) == ("head", "allowed", 1, 1)
    assert (worker["role"], worker["decision"], worker["admitted"], worker["pods"]) == ("worker:g", "denied", 0, 2)


def _asking(**request: Any) -> dict[str, Any]:
    return {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu", **request}}]}}


@pytest.mark.parametrize(
    ("spec", "note"),
    [
        (_asking(adminAccess=True), "denied where enforced: {}.devices.requests[r].exactly.adminAccess"),
        (_asking(allocationMode="Most"), "refused where enforced: {}.devices.requests[r].allocationMode: 'Most'"),
        ({"resourceClassName": "gpu"}, "refused where enforced: {}.resourceClassName: this shape is gone"),
    ],
)
def test_what_the_webhook_refuses_of_a_claim_is_said_of_it_and_of_its_pods(
    spec: dict[str, Any], note: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "c"}, "spec": spec}
    reference = {"name": "gpus", "resourceClaimName": "c"}
    user = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"resourceClaims": [reference]}}
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump_all([kind, user]))
    assert main(["demand", "-f", str(tmp_path), "-o", "json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for row, where in zip(rows, ("spec", "claim gpus"), strict=True):
        assert any(each.startswith(note.format(where)) for each in row["notes"]), row["notes"]


def test_json_objects_one_after_the_other_are_documents_of_their_own(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pods = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {}} for name in ("a", "b")]
    (tmp_path / "pods.json").write_text("\n".join([*(json.dumps(pod, indent=1) for pod in pods), '{"kind": "Pod", ']))
    assert main(["demand", "-f", str(tmp_path), "-o", "json"]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["doc"], row["name"], row["expected"]) for row in rows] == [
        (0, "a", "none"),
        (1, "b", "none"),
        (2, "", "unknown-shape"),
    ]
