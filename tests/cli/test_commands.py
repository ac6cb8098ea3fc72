"""The commands as a shell sees them: exit codes, lines, and what bad input gets."""

from __future__ import annotations

import functools
import io
import json
import pathlib
import sys
import time
from typing import Any

import msgspec
import pytest
import yaml

from admission.cli.main import main
from admission.enforce.sweep.record import Line, Step
from admission.tenants.identity import identity_digest
from tests.decide.questions import exemption, tenant, world
from tests.gate.reviews import Door, review, run

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
AT = "2026-11-22T12:00:00Z"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "train", "namespace": "lab"},
    "spec": {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/h100": "1"}}}]},
}
WORLD = """
apiVersion: v1
kind: Namespace
metadata: {name: lab, labels: {computegate.io/tenant: acme}}
---
apiVersion: computegate.io/v1alpha1
kind: AccessPolicy
metadata: {name: open}
spec: {rules: [{name: all, basis: {type: Law, title: x}, effect: Allow}]}
---
apiVersion: computegate.io/v1alpha1
kind: ComputeQuota
metadata: {name: home}
spec: {jurisdictions: [DE], limits: {devices: 4}}
"""


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with a cleared tenant, its namespace, a policy and a quota of four devices."""
    (tmp_path / "world.yaml").write_text(WORLD)
    content = {
        "apiVersion": "computegate.io/v1alpha1",
        "kind": "Tenant",
        **tenant().model_dump(mode="json", by_alias=True),
    }
    content["metadata"] = {"name": "acme"}
    (tmp_path / "tenant.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


def _check(folder: pathlib.Path, *documents: Any, name: str = "work.yaml", options: tuple[str, ...] = ()) -> int:
    path = folder / name
    path.write_text(documents[0] if isinstance(documents[0], str) else yaml.safe_dump_all(documents))
    return main(["check", "-f", str(folder), "--at", AT, "-o", "json", *options])


def _rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def _deployment(replicas: Any, gpus: str = "1") -> dict[str, Any]:
    pod = {"spec": {"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/h100": gpus}}}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"d{replicas}", "namespace": "lab"},
        "spec": {"replicas": replicas, "template": pod},
    }


def test_all_admitted_exits_0(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check(folder, POD) == 0
    (row,) = _rows(capsys.readouterr().out)
    assert {key: row[key] for key in ("decision", "kind", "name", "tenant", "pods", "admitted")} == {
        "decision": "allowed",
        "kind": "Pod",
        "name": "train",
        "tenant": "acme",
        "pods": 1,
        "admitted": 1,
    }


def test_some_denied_exits_1_and_says_how_many_fit(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check(folder, _deployment(0), _deployment(3), _deployment(2), options=("--contact", "ops@example.com")) == 1
    zero, three, two = _rows(capsys.readouterr().out)
    assert [(row["decision"], row["admitted"], row["pods"]) for row in (zero, three, two)] == [
        ("allowed", 0, 0),
        ("allowed", 3, 3),
        ("denied", 1, 2),
    ]
    assert two["reasons"] == ["QuotaExceeded"]
    assert "requested: nvidia.com/h100=1, used: nvidia.com/h100=4, limited: nvidia.com/h100=4" in two["message"]
    assert two["message"].endswith("ops@example.com]")


def test_a_kind_of_the_operators_is_judged_as_its_table_says(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = folder / "kinds.toml"
    kinds.write_text(
        '[[workload]]\nkinds = ["example.com/Fleet"]\n[[workload.role]]\nname = "ship"\nlimits = "spec.guns"'
    )
    metadata = {"name": "home", "namespace": "lab"}
    spec = {"guns": {"nvidia.com/h100": 5}}
    fleet = {"apiVersion": "example.com/v1", "kind": "Fleet", "metadata": metadata, "spec": spec}
    assert _check(folder, fleet, options=("--kinds", str(kinds))) == 1
    assert [(row["role"], row["reasons"]) for row in _rows(capsys.readouterr().out)] == [("ship", ["QuotaExceeded"])]


def _dynamic(name: str, spec: dict[str, Any], kind: str = "ResourceClaim") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "lab"}
    return {"apiVersion": "resource.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def test_claims_are_judged_with_the_classes_and_devices_of_the_files(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asks = {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu", "count": 3}}]}}
    user = {"containers": [{"name": "c"}], "resourceClaims": [{"name": "r", "resourceClaimTemplateName": "three"}]}
    lost = {**user, "resourceClaims": [{"name": "r", "resourceClaimTemplateName": "lost"}]}
    device_class = {**_dynamic("gpu", {"selectors": []}, "DeviceClass"), "metadata": {"name": "gpu"}}
    devices = [{"name": "d", "attributes": {"productName": {"string": "NVIDIA H100 80GB HBM3"}}}]
    published = _dynamic("slice", {"driver": "d", "nodeName": "n", "devices": devices}, "ResourceSlice")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    template = _dynamic("three", {"spec": asks}, "ResourceClaimTemplate")
    documents = (device_class, published, node, template, {**POD, "spec": user}, {**POD, "spec": lost})
    assert _check(folder, *documents, _dynamic("own", asks)) == 1
    rows = _rows(capsys.readouterr().out)
    assert [(row["kind"], row["decision"], row["reasons"]) for row in rows] == [
        ("Pod", "allowed", []),
        ("Pod", "denied", ["ClaimMissing"]),
        ("ResourceClaim", "denied", ["QuotaExceeded"]),
    ]


def test_a_namespace_that_is_observed_is_judged_though_nothing_was_reserved_yet(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world_ = (folder / "world.yaml").read_text().replace("tenant: acme}", "tenant: acme, computegate.io/mode: observe}")
    (folder / "world.yaml").write_text(world_)
    assert _check(folder, POD) == 0
    assert _rows(capsys.readouterr().out)[0]["reasons"] == []


def test_a_namespace_may_be_given_and_an_instant(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    pod = {**POD, "metadata": {"name": "train"}}
    assert _check(folder, pod, options=("-n", "lab")) == 0
    assert _check(folder, pod) == 1
    assert _check(folder, pod, options=("-n", "lab", "--at", "2027-06-01T00:00:00Z")) == 1
    assert [row["reasons"] for row in _rows(capsys.readouterr().out)[1:]] == [["TenantUnknown"], ["KYCExpired"]]


def test_a_place_may_be_given_for_nodes_that_declare_none(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at_home = (
        (folder / "world.yaml")
        .read_text()
        .replace("effect: Allow", "effect: Allow, when: [{fact: Place, operator: In, values: [DE]}]")
    )
    (folder / "world.yaml").write_text(at_home)
    node = {"metadata": {"name": "n"}, "status": {"allocatable": {"nvidia.com/h100": "8"}}}
    documents = ({"apiVersion": "v1", "kind": "Node", **node}, POD)
    assert _check(folder, *documents, options=("--place", "DE")) == 0
    assert _check(folder, *documents, options=("--place", "SG")) == 1
    assert _check(folder, *documents) == 1
    denied = ["JurisdictionNotAllowed"]
    assert [row["reasons"] for row in _rows(capsys.readouterr().out)] == [[], denied, denied]


def test_an_exemption_among_the_files_counts_until_it_ends(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = {**POD, "spec": {"containers": [{"name": "c", "image": "a:1", "securityContext": {"privileged": True}}]}}
    given = exemption(images=["a:1"]).model_dump(mode="json", by_alias=True, exclude_none=True)
    given["metadata"] = {"name": "agents"}
    assert _check(folder, agent) == 1
    assert _check(folder, agent, given) == 0
    late = ("--at", "2027-01-01T00:00:00Z")
    assert _check(folder, agent, given, options=late) == 1
    assert [row["reasons"] for row in _rows(capsys.readouterr().out)] == [["DeviceBypass"], [], ["DeviceBypass"]]


def test_the_table_shows_the_line(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "work.yaml").write_text(yaml.safe_dump_all([POD, _deployment(9)]))
    assert main(["check", "-f", str(folder / "work.yaml"), "-f", str(folder / "world.yaml"), "--at", AT]) == 1
    first, line, *_ = capsys.readouterr().out.splitlines()
    assert first == "denied     0/1 pods  Pod lab/train (tenant acme)"
    assert line.startswith("           [InfoNeeded] namespace lab belongs to no known tenant")


def test_the_examples_are_good_input_and_every_tenants_digest_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(EXAMPLES / folder) for folder in ("objects", "workloads")]
    assert main(["check", "-f", files[0], "-f", files[1], "--at", AT, "-o", "json"]) in {0, 1}
    rows = _rows(capsys.readouterr().out)
    assert rows
    assert not {"KYCStale", "ClassUnknown", "TenantUnknown"} & {reason for row in rows for reason in row["reasons"]}
    assert main(["digest", "-f", str(EXAMPLES / "objects/tenants.yaml")]) == 0
    digests = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    written = (EXAMPLES / "objects/tenants.yaml").read_text()
    assert digests
    assert all(digest in written for digest in digests)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(9)
)
OURS = "apiVersion: computegate.io/v1alpha1\n"
BAD: dict[str, tuple[str, str]] = {
    "no YAML": ("a: [", "expected the node content"),
    "a tab": ("a:\n\t- b", "cannot start any token"),
    "a scalar": ("hello", "work.yaml[0]: not an object"),
    "a list": ("- a\n- b", "work.yaml[0]: not an object"),
    "the second document": ("a: 1\n---\n- b", "work.yaml[1]: not an object"),
    "an item of a List": ("kind: List\nitems: [1]", "work.yaml[0]: not an object"),
    "a key twice": ("a: 1\nb:\n  c: 1\n  c: 2", "key 'c' stands twice"),
    "a bomb of aliases": (BOMB, "work.yaml[0]: more than 100000 nodes"),
    "an alias of itself": ("a: &a [*a]", "work.yaml[0]: more than 64 levels"),
    "65 levels": ("a: " + "[" * 65 + "]" * 65, "64 levels"),
    "100000 levels": ("a: " + "[" * 100_000, "work.yaml"),
    "too large": ("a: " + "x" * (9 << 20), "larger than"),
    "too large, in fewer characters": ("a: 1\n#" + "\u6f22" * (3 << 20) + "\n---\nb: 1\n", "larger than"),
    "another program's tag": ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    "no such instant": ("a: 2026-99-99", "month must be in 1..12"),
    "a number of thousands of digits": ("a: " + "9" * 9000, "4300 digits"),
    "half a character": ('kind: "\\ud800"', "surrogate"),
    "an unknown kind": (OURS + "kind: Tennant\nmetadata: {name: a}", "work.yaml[0]: there is no kind 'Tennant'"),
    "an unknown version": (
        "apiVersion: computegate.io/v9\nkind: ComputeQuota\nmetadata: {name: a}\nspec: {jurisdictions: [DE]}",
        "work.yaml[0] ComputeQuota: apiVersion: ",
    ),
    "a misspelt field": (
        OURS + "kind: ComputeQuota\nmetadata: {name: a}\nspec: {jurisdictions: [DE], limit: {}, limits: {}}",
        "work.yaml[0] ComputeQuota: spec.limit: Extra inputs",
    ),
    "a wrong value": (
        OURS + "kind: ComputeQuota\nmetadata: {name: a}\nspec: {jurisdictions: [de!], limits: {devices: -1}}",
        "work.yaml[0] ComputeQuota: spec.jurisdictions.0: ",
    ),
    "no name": (OURS + "kind: ComputeQuota\nspec: {jurisdictions: [DE], limits: {}}", "metadata.name is missing"),
    "metadata of no use": (
        OURS + "kind: ComputeQuota\nmetadata: 3\nspec: {jurisdictions: [DE], limits: {}}",
        "metadata",
    ),
    "a tenant that is its own parent": (
        OURS + "kind: Tenant\nmetadata: {name: a}\nspec: {legalName: A, kind: Company, ultimateParent: tenant}",
        "a tenant cannot be its own parent",
    ),
    "Norway": (
        OURS + "kind: Tenant\nmetadata: {name: a}\nspec: {legalName: A, kind: Company, headquarters: NO}",
        'Input should be a valid string (line 4); write it in quotes, as YAML takes NO for a no: "NO"',
    ),
    "a country that is none": (
        OURS + "kind: Tenant\nmetadata: {name: a}\nspec: {legalName: A, kind: Company, headquarters: UK}",
        "work.yaml[0] Tenant: spec.headquarters: UK is no country code of ISO 3166-1; GB is (line 4)",
    ),
    "a party's country that is none": (
        OURS + "kind: Tenant\nmetadata: {name: a}\nspec:\n  legalName: A\n  kind: Company\n  parties:\n"
        "  - {id: a, name: A}\n  - {id: b, name: B, incorporation: ZZ}",
        "spec.parties.1.incorporation: ZZ is no country code of ISO 3166-1 (line 9)",
    ),
    "a country of log-ins that is none": (
        OURS + "kind: Tenant\nmetadata: {name: a}\nspec: {legalName: A, kind: Company}\n"
        "status:\n  access:\n    countries: [DE, XX]",
        "work.yaml[0] Tenant: status.access.countries.1: XX is no country code of ISO 3166-1 (line 7)",
    ),
    "an attestation that nobody would have to renew": (
        OURS + "kind: Tenant\nmetadata: {name: a}\nspec:\n  legalName: A\n  kind: InferenceProvider\n  attestations:\n"
        '  - {facts: [TenantKind], by: Tenant, at: "2010-01-01T00:00:00Z", validUntil: "2126-01-01T00:00:00Z"}',
        "spec.attestations.0.validUntil: 2126-01-01T00:00:00+00:00 is more than 366 days after 2010-01-01",
    ),
    "a pool's country that is none": (
        OURS + "kind: AcceleratorPool\nmetadata: {name: a}\nspec:\n  nodeLabels: {a: b}\n"
        "  acceleratorClass: t4\n  resources: [nvidia.com/gpu]\n  place: {country: ZZ}",
        "work.yaml[0] AcceleratorPool: spec.place.country: ZZ is no country code of ISO 3166-1 (line 8)",
    ),
    "an owner that is denied": (
        OURS + "kind: Tenant\nmetadata: {name: a}\nspec: {legalName: A, kind: Company, independent: true, "
        "parties: [{id: b, name: B}], ownership: [{owner: b, share: {exact: 100}}]}",
        "spec.independent: b owns half or more, or controls, by what spec.ownership states",
    ),
    "a namespace without a name": ("apiVersion: v1\nkind: Namespace\nmetadata: {}", "metadata.name is missing"),
    "a namespace with a number": (
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {a: 1}}",
        "work.yaml[0] Namespace: Expected `str`, got `int`",
    ),
    "a workload without a template": (
        "apiVersion: apps/v1\nkind: Deployment",
        "work.yaml[0] Deployment: spec.template",
    ),
    "replicas of no use": (yaml.safe_dump(_deployment("3")), "spec.replicas: '3' is no count of pods"),
    "no workload": ("apiVersion: v1\nkind: Service\nmetadata: {name: a}", "no pod and no workload"),
}


@pytest.mark.parametrize(("text", "says"), BAD.values(), ids=BAD)
def test_bad_input_exits_2_at_once_and_names_the_place(
    text: str, says: str, folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    assert _check(folder, text) == 2
    told = capsys.readouterr()
    assert says in told.err
    assert told.out == ""
    assert len(told.err) < 1000
    assert told.err.count("work.yaml[0]: work.yaml") == 0
    assert time.monotonic() - begun < 20


def test_a_map_of_tens_of_thousands_of_keys_is_read_in_time(folder: pathlib.Path) -> None:
    begun = time.monotonic()
    labels = ", ".join(f"k{number}: v" for number in range(40_000))
    _check(folder, f"apiVersion: v1\nkind: Secret\nmetadata: {{labels: {{{labels}}}}}")
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check", "-f", "/nowhere/x.yaml"], "No such file"),
        (["check", "-f", str(EXAMPLES), "--at", "yesterday"], "'yesterday' is no instant"),
        (["check", "-f", str(EXAMPLES), "--at", "2026-01-01T00:00:00"], "has no time zone"),
        (["check", "-f", str(EXAMPLES), "--place", "Germany"], "no country of ISO 3166-1"),
        (["check", "-f", str(EXAMPLES), "--place", "UK"], "such as GB"),
        (["check", "-f", str(EXAMPLES), "--kinds", "/nowhere/kinds.toml"], "/nowhere/kinds.toml: No such file"),
        (["check", "-f", str(EXAMPLES), "--kinds", str(EXAMPLES / "objects/policy.yaml")], "policy.yaml: "),
        (["digest", "-f", str(EXAMPLES / "objects/policy.yaml")], "no Tenant in these files"),
        (["digest", "-f", "/nowhere/x.yaml"], "No such file"),
        (["explain", "abc", "--from", "/nowhere/x"], "No such file"),
        (["serve", "--standalone", "/nowhere"], "no such folder"),
        (["serve", "--config", "/nowhere/x.yaml"], "No such file"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_a_wrong_argument_exits_2(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err
    if arguments[0] == "serve":  # what it says is its log
        told = json.loads(told)["message"]
    assert says in told
    assert told.startswith(f"computegate {arguments[0]}: ")


def test_manifests_come_from_standard_input_too(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": [POD, _deployment(2)]}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(items).encode())))
    assert main(["check", "-f", str(folder), "-f", "-", "--at", AT, "-o", "json"]) == 0
    assert [row["kind"] for row in _rows(capsys.readouterr().out)] == ["Pod", "Deployment"]


def test_a_digest_is_that_of_the_tenant(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["digest", "-f", str(folder / "tenant.yaml")]) == 0
    assert capsys.readouterr().out == f"acme {identity_digest(tenant().spec)}\n"


def _log(*bodies: bytes) -> tuple[list[str], bytes]:
    """Return the references and the log of a server that denied these, other lines between."""
    door = Door(world(tenant(status={"kyc": {"state": "Rejected"}})))
    run(*bodies, door=door)
    lines = [msgspec.json.encode(record) for record in door.records]
    noise = [
        b"INFO serving",
        b"{",
        b"\xff\xfe",
        b'{"schema":"computegate.io/decision/v1"}',
        b'{"schema":"computegate.io/decision/v2"}',
    ]
    return [record.reference for record in door.records], b"\n".join([*noise, *lines, b""])


class _Stdin:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_explain_prints_every_check_of_a_reference_out_of_a_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (reference, _), log = _log(review(uid="a"), review(uid="b"))
    monkeypatch.setattr(sys, "stdin", _Stdin(log))
    assert main(["explain", reference, "--from", "-"]) == 0
    told = capsys.readouterr().out
    for part in (
        "denied at ",
        f"reference  {reference}",
        "object     pods lab/b uid b",
        "caller     alice",
        "tenant     acme (charged as acme, governed by DE)",
        "reasons    KYCRejected",
        "demand     1 x nvidia.com/h100: h100-sxm in DE on h",
        "finding    KYCRejected [NotCleared] acme: KYC: KYCRejected",
        "  fail    kyc acme: state=Rejected",
        "  pass    rule access/allow Allow acme: class=h100-sxm",
        "2 decisions have this reference",
    ):
        assert part in told


def test_explain_exits_1_for_a_reference_that_is_not_there(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").write_bytes(_log(review())[1])
    assert main(["explain", "0000000000", "--from", str(tmp_path / "log")]) == 1
    assert "no decision or step with reference 0000000000" in capsys.readouterr().err


def test_explain_tells_the_steps_about_pods_that_run(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (reference,), log = _log(review())
    step = functools.partial(Line, tenant="acme", namespace="lab", reasons=("KYCExpired",), pods=2)
    steps = (
        step(at="2026-11-27T00:00:00Z", step=Step.GraceBegun, reference="7f3a9c41d2", deadline="2026-11-30T00:00:00Z"),
        step(at="2026-11-28T00:00:00Z", step=Step.Resolved, reference="7f3a9c41d2"),
        step(at="2026-11-29T00:00:00Z", step=Step.Warned, reference=reference),
    )
    (tmp_path / "log").write_bytes(b"\n".join([log, *map(msgspec.json.encode, steps)]))
    assert main(["explain", "7f3a9c41d2", "--from", str(tmp_path / "log")]) == 0
    whose = "2 pods of namespace lab of tenant acme: KYCExpired"
    assert capsys.readouterr().out.splitlines() == [
        "steps about pods that run",
        f"  2026-11-27T00:00:00Z GraceBegun: {whose}; evicted from 2026-11-30T00:00:00Z on",
        f"  2026-11-28T00:00:00Z Resolved: {whose}",
    ]
    assert main(["explain", reference, "--from", str(tmp_path / "log")]) == 0
    decision, steps_told = capsys.readouterr().out.split("\n\n")
    assert decision.startswith("denied at ")
    assert "Warned: 2 pods" in steps_told


def test_explain_never_lets_a_tenant_write_to_the_operators_terminal(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volume = {"name": "v", "hostPath": {"path": "/dev/\x1b]0;owned\x07\nreasons    none"}}
    (reference,), log = _log(review({"containers": [{"name": "c"}], "volumes": [volume]}))
    (tmp_path / "log").write_bytes(log)
    assert main(["explain", reference, "--from", str(tmp_path / "log")]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "\nreasons    none" not in told


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mode: strict", "mode: Input should be 'observe', 'warn' or 'enforce'"),
        ("modus: warn", "modus: Extra inputs"),
        ("listen: {port: 70000}", "listen.port: "),
        ("- a", "the object: Input should be"),
        ("a: [", "expected the node content"),
        ("a: 2026-99-99", "month must be in"),
        ("[" * 5000, "recursion"),
        (b"\xff\xfe\x00", "decode"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_used_exit_2_and_name_the_key(
    text: str | bytes, says: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["serve", "--config", str(path), "--standalone", str(tmp_path)]) == 2
    assert f"computegate serve: {path}: " in (told := capsys.readouterr().err)
    assert says in told


def test_a_table_of_kinds_that_cannot_be_used_stops_the_start(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds, config = tmp_path / "kinds.toml", tmp_path / "settings.yml"
    kinds.write_text('[[workload]]\nkinds = ["Fleet"]')
    config.write_text(f"workloads: {{kindsFile: {kinds}}}")
    folder = tmp_path / "objects"
    folder.mkdir()
    assert main(["serve", "--config", str(config), "--standalone", str(folder)]) == 2
    assert f"computegate serve: {kinds}: Fleet: a kind is written group/Kind" in capsys.readouterr().err
