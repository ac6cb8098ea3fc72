"""What the API server does not send to us has no demand: proved with its own evaluation of the chart's conditions.

The server is down, so a review that is sent fails with the entry's name.  What is created instead is parsed as the
webhook would have parsed it.  Manifests are the project's own and, where CORPUS names a folder, those in it
(``make test CORPUS=DIR ARGS="-k soundness"``).
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis.errors import NoSuchExample

from admission.cli.documents import Document, read_each
from admission.cli.surroundings import Surroundings
from admission.demand import ways
from admission.demand.access import find_access
from admission.demand.pod import demand_of, demand_of_claim
from admission.demand.request import effective_request
from admission.demand.workloads.answer import workload_of
from admission.demand.workloads.table import builtin
from admission.review.claim import ResourceClaim
from admission.review.pod import Pod
from tests.chart.conftest import ENFORCED
from tests.chart.generated import RUNTIMES, VOLUMES, claims, containers, device_annotations, pods
from tests.demand.cluster import inventory
from tools.direct import Direct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.direct import Answer
    from tools.kubectl import Kubectl

SENT = 'failed calling webhook "enforced.computegate.io"'
ROOT = Path(__file__).resolve().parents[2]
OWN = (ROOT / "tests" / "demand" / "manifests", ROOT / "examples")
PODS = f"/api/v1/namespaces/{ENFORCED}/pods"
CLAIMS = f"/apis/resource.k8s.io/v1/namespaces/{ENFORCED}/resourceclaims"
DRY = "?dryRun=All"
REFUSED = 400
CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"
NODE = "generated"
STORED = f"{PODS}/stored"
EMPTY = inventory()


@pytest.fixture(scope="module")
def server(installed: Kubectl) -> Iterator[Direct]:
    """The API server, with the runtime classes that pods name and a pod that updates are tried on."""
    with Direct(installed.plane) as server:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
        assert server("POST", "/api/v1/nodes", node).code == 201  # a pod of a node that is not there is collected
        for name, overhead in RUNTIMES.items():
            made = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": name}
            assert server("POST", CLASSES, {**made, "overhead": {"podFixed": overhead}}).code == 201
        spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": NODE, **VOLUMES}
        made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stored"}, "spec": spec}
        assert server("POST", PODS, made).code == 201
        yield server
        for path in (f"/api/v1/nodes/{NODE}", *(f"{CLASSES}/{name}" for name in RUNTIMES)):
            server("DELETE", path)


def was_sent(answer: Answer) -> bool | None:
    """Whether the webhook was called; None where the API server refused before it came to that."""
    if answer.code < REFUSED:
        return False
    return True if SENT in answer.message else None


def parsed(answer: Answer) -> Pod:
    return msgspec.convert(answer.body, Pod)


def unsound(server: Direct, manifest: dict[str, Any]) -> bool:
    """Whether a pod would be created unseen, and has demand or a way around asking."""
    answer = server("POST", PODS + DRY, manifest)
    return was_sent(answer) is False and not demand_of(parsed(answer), EMPTY).is_empty


def test_a_generated_pod_that_is_not_sent_has_no_demand(server: Direct) -> None:
    seen: Counter[bool | None] = Counter()

    @settings(max_examples=2000)
    @given(pods())
    def each(manifest: dict[str, Any]) -> None:
        answer = server("POST", PODS + DRY, manifest)
        seen[was_sent(answer)] += 1
        if was_sent(answer) is False:
            demand = demand_of(parsed(answer), EMPTY)
            assert (demand.devices, demand.access) == ((), ())

    each()
    assert min(seen[True], seen[False]) >= 300, f"too few were judged either way: {seen}"


def test_a_generated_ephemeral_container_that_is_not_sent_adds_no_way_to_a_device(server: Direct) -> None:
    stored = server("GET", STORED)
    before = parsed(stored)
    seen: Counter[bool | None] = Counter()

    @settings(max_examples=300)
    @given(containers("debug"))
    def each(added: list[dict[str, Any]]) -> None:
        full = [{**each, "terminationMessagePolicy": "File", "imagePullPolicy": "Always"} for each in added]
        changed = {**stored.body, "spec": {**stored.body["spec"], "ephemeralContainers": full}}
        answer = server("PUT", f"{STORED}/ephemeralcontainers{DRY}", changed)
        seen[was_sent(answer)] += 1
        if was_sent(answer) is False:
            after = parsed(answer)
            assert set(find_access(after, granted=False)) <= set(find_access(before, granted=False))
            assert effective_request(after.spec) == effective_request(before.spec)

    each()
    assert min(seen[True], seen[False]) >= 30, f"too few were judged either way: {seen}"


def test_a_generated_claim_that_is_not_sent_has_no_demand(server: Direct) -> None:
    seen: Counter[bool | None] = Counter()

    @settings(max_examples=400)
    @given(claims())
    def each(manifest: dict[str, Any]) -> None:
        answer = server("POST", CLAIMS + DRY, manifest)
        seen[was_sent(answer)] += 1
        if was_sent(answer) is False:
            assert demand_of_claim(msgspec.convert(answer.body, ResourceClaim), EMPTY).is_empty

    each()
    assert min(seen[True], seen[False]) >= 30, f"too few were judged either way: {seen}"


@pytest.mark.parametrize("path", [STORED, f"{STORED}/status"], ids=["pods", "pods/status"])
def test_a_generated_annotation_that_an_update_may_write_opens_no_device(server: Direct, path: str) -> None:
    seen: Counter[bool] = Counter()

    @settings(max_examples=150)
    @given(device_annotations())
    def each(keys: dict[str, str]) -> None:
        change = {"metadata": {"annotations": keys}}
        answer = server("PATCH", path + DRY, change, "application/merge-patch+json")
        seen[answer.code == 200] += 1
        if answer.code == 200:
            assert find_access(parsed(answer), granted=False) == ()

    each()
    assert min(seen.values()) >= 15, f"too few were judged either way: {seen}"


def test_the_pods_of_a_manifest_that_are_not_sent_have_no_demand(server: Direct) -> None:
    folders = [*OWN, *(Path(name) for name in [os.environ.get("CORPUS", "")] if name)]
    seen: Counter[bool | None] = Counter()
    found = []
    for template in templates(folders):
        answer = server("POST", PODS + DRY, template)
        seen[was_sent(answer)] += 1
        if was_sent(answer) is False and not demand_of(parsed(answer), EMPTY).is_empty:
            found.append(template)
    assert found == []
    assert seen[True] > seen[None], f"too few were judged: {seen}"
    assert seen[False] > 0


def templates(folders: list[Path]) -> Iterator[dict[str, Any]]:
    """Yield the pod templates of the manifests, with what a template may leave out and a pod may not."""
    files = sorted(path for folder in folders for path in folder.rglob("*.y*ml"))
    documents = [each for each in read_each(files) if isinstance(each, Document) and isinstance(each.content, dict)]
    at_hand = Surroundings((each.file, each.content) for each in documents)
    for document in documents:
        for each in workload_of(document.content, builtin(), at_hand.around(document.file, document.content)).roles:
            spec = each.template.get("spec")
            if isinstance(spec, dict):
                metadata = each.template.get("metadata") or {}
                kept = {"name": "template", "annotations": metadata.get("annotations")}
                yield {"apiVersion": "v1", "kind": "Pod", "metadata": kept, "spec": _complete(spec)}


def _complete(spec: dict[str, Any]) -> dict[str, Any]:
    filled = {**spec, "restartPolicy": "Never"}
    filled.pop("serviceAccountName", None)  # it would have to exist
    filled.pop("serviceAccount", None)
    for kind in ("containers", "initContainers"):
        if isinstance(spec.get(kind), list):
            filled[kind] = [
                {"name": f"{kind[0]}{place}", "image": "i", **each} for place, each in enumerate(spec[kind])
            ]
    return filled


@pytest.mark.parametrize(
    ("table", "entry"),
    [
        ("DEVICE_ANNOTATIONS", "devices.example.com"),
        ("FRACTION_ANNOTATIONS", "gpu-share"),
        ("VISIBLE_DEVICES", "_SEEN_DEVICES"),
        ("FURTHER_VARIABLES", "NVIDIA_SOMETHING_NEW"),
        ("NODE_CAPABILITIES", "MKNOD"),
    ],
)
def test_a_table_that_the_conditions_were_not_written_from_is_noticed(
    server: Direct, monkeypatch: pytest.MonkeyPatch, table: str, entry: str
) -> None:
    monkeypatch.setattr(ways, table, (*getattr(ways, table), entry))
    assert found_unsound(server)


@pytest.mark.parametrize(("table", "entry"), [("NO_DEVICES", "void"), ("HARMLESS_RUNTIMES", "gvisor")])
def test_a_table_of_harmless_names_that_shrank_is_noticed(
    server: Direct, monkeypatch: pytest.MonkeyPatch, table: str, entry: str
) -> None:
    monkeypatch.setattr(ways, table, tuple(each for each in getattr(ways, table) if each != entry))
    assert found_unsound(server)


def found_unsound(server: Direct) -> bool:
    generating = settings(max_examples=3000, phases=[Phase.generate], database=None, derandomize=True)
    try:
        hypothesis.find(pods(), lambda manifest: unsound(server, manifest), settings=generating)
    except NoSuchExample:
        return False
    return True
