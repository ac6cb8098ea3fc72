"""The models of our objects, and the CRDs that are written from them."""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING, Any, get_args

import pydantic
import pytest
import yaml

from admission.api.accelerator import AcceleratorPool
from admission.api.attestation import AttestedFact
from admission.api.clearance import KYCState
from admission.api.crd import KINDS, definition, rendered, schema
from admission.api.exemption import Exemption
from admission.api.override import KYCOverride
from admission.api.policy import AccessPolicy
from admission.api.quota import Authorization, ComputeQuota
from admission.api.tenant import Tenant
from admission.cli.files import Document, FileError, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from admission.api.object import Object

COMMITTED = pathlib.Path(__file__).parents[2] / "charts/computegate/files/crds"
SPECS: dict[type[Object], dict[str, Any]] = {
    Tenant: {
        "legalName": "Acme",
        "kind": "Company",
        "parties": [{"id": "a", "name": "A"}, {"id": "b", "name": "B"}],
        "ownership": [{"owner": "a", "share": {"exact": 60}}],
        "attestations": [
            {
                "facts": ["Headquarters"],
                "by": "Operator",
                "at": "2026-01-01T00:00:00Z",
                "validUntil": "2027-01-01T00:00:00Z",
            }
        ],
    },
    AccessPolicy: {"rules": [{"name": "r", "basis": {"type": "Law", "title": "L"}, "effect": "Allow"}]},
    ComputeQuota: {"jurisdictions": ["DE"], "limits": {"devices": 1}},
    Authorization: {
        "number": "1",
        "tenant": "acme",
        "classes": ["*"],
        "devices": 1,
        "validFrom": "2026-01-01T00:00:00Z",
        "validUntil": "2027-01-01T00:00:00Z",
    },
    Exemption: {
        "namespace": "lab",
        "images": ["registry.example.com/agent@sha256:0"],
        "ways": ["hostPath=/dev"],
        "reason": "r",
        "requestedBy": "alice",
        "validUntil": "2027-01-01T00:00:00Z",
    },
    KYCOverride: {
        "tenant": "acme",
        "reasons": ["KYCExpired"],
        "covers": "sha256:" + "0" * 64,
        "reason": "r",
        "requestedBy": "alice",
        "validUntil": "2027-01-01T00:00:00Z",
    },
    AcceleratorPool: {"nodeLabels": {"a": "b"}, "acceleratorClass": "t4", "resources": ["nvidia.com/gpu"]},
}


def _object(kind: type[Object], /, **spec: Any) -> dict[str, Any]:
    """Return a good object with fields of its spec replaced; ``__`` steps into lists and maps."""
    content: dict[str, Any] = yaml.safe_load(yaml.safe_dump(SPECS[kind]))
    for path, value in spec.items():
        *parents, last = (int(name) if name.isdigit() else name for name in path.split("__"))
        at: Any = content
        for name in parents:
            at = at[name]
        at[last] = value
    return {
        "apiVersion": "computegate.io/v1alpha1",
        "kind": kind.__name__,
        "metadata": {"name": "acme"},
        "spec": content,
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_committed_crd_is_the_generated_one(kind: type[Object]) -> None:
    assert (COMMITTED / f"{kind.crd.plural}.yaml").read_text() == rendered(kind)


def test_no_crd_is_committed_that_no_model_has() -> None:
    assert {path.name for path in COMMITTED.iterdir()} == {f"{kind.crd.plural}.yaml" for kind in KINDS}


def test_names_are_distinct() -> None:
    names = [name for kind in KINDS for name in (kind.crd.plural, kind.__name__.lower(), *kind.crd.short_names)]
    assert len(names) == len(set(names))


def _nodes(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, value in node.get("properties", {}).items():
        yield from _nodes(value, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if inner in node:
            yield from _nodes(node[inner], f"{path}.{inner}")


NODES = [pair for kind in KINDS for pair in _nodes(schema(kind), kind.__name__)]


def test_every_part_of_every_schema_has_a_type_and_is_structural() -> None:
    assert [
        path
        for path, node in NODES
        if node.get("type") not in {"object", "array", "string", "integer", "number", "boolean"}
    ] == []
    foreign = {"$ref", "$defs", "anyOf", "allOf", "oneOf", "const", "title", "examples"}
    assert [path for path, node in NODES if foreign & set(node)] == []


def test_every_field_reads_as_documentation() -> None:
    fields = [
        (path, node) for path, node in NODES if not path.endswith((".metadata", ".items", ".additionalProperties"))
    ]
    assert [path for path, node in fields if len(node.get("description", "")) < 2] == []


def test_every_default_is_of_its_type_and_allowed() -> None:
    types: dict[str, type] = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list}
    for path, node in NODES:
        if "default" in node:
            assert isinstance(node["default"], types[node["type"]]), path
            assert node["default"] in node.get("enum", [node["default"]]), path


def test_every_map_list_has_keys_that_its_items_require() -> None:
    for path, node in NODES:
        if node.get("x-kubernetes-list-type") == "map":
            for key in node["x-kubernetes-list-map-keys"]:
                assert key in node["items"]["required"], path


def test_every_list_and_text_under_a_cel_rule_is_bounded() -> None:
    """The API server estimates what a rule costs from the bounds; an unbounded list makes it refuse the CRD."""
    specs = [(path, node) for path, node in NODES if ".spec." in path]
    assert [path for path, node in specs if node["type"] == "array" and "maxItems" not in node] == []
    unbounded = [
        path
        for path, node in specs
        if node["type"] == "string" and "maxLength" not in node and "enum" not in node and "format" not in node
    ]
    assert unbounded == []


def test_printer_columns_lead_to_fields_that_are_there() -> None:
    paths = {path for path, _ in NODES}
    for kind in KINDS:
        for _, _, json_path, _ in kind.crd.columns:
            assert kind.__name__ + re.sub(r"\[\?\(@\.type=='\w+'\)\]", ".items", json_path) in paths


def test_a_definition_is_cluster_scoped_but_for_what_belongs_to_one_namespace() -> None:
    scopes = {kind.__name__: definition(kind)["spec"]["scope"] for kind in KINDS}
    assert [name for name, scope in scopes.items() if scope == "Namespaced"] == ["Allowance", "ComputeGate"]


REFUSED: list[tuple[type[Object], dict[str, Any], str]] = [
    (Tenant, {"ultimateParent": "tenant"}, "cannot be its own parent"),
    (Tenant, {"ultimateParent": "nobody"}, "is not among parties"),
    (Tenant, {"ultimateParent": "a", "independent": True}, "there is no parent"),
    (Tenant, {"suppliedBy": "acme"}, "cannot supply itself"),
    (Tenant, {"parties__0__id": "tenant"}, "stands for the tenant itself"),
    (Tenant, {"parties__0__id": "b"}, "stands twice"),
    (Tenant, {"parties__0__headquarters": "cn"}, "headquarters"),
    (Tenant, {"ownership__0__owner": "nobody"}, "not among parties"),
    (Tenant, {"ownership__0__owned": "a"}, "cannot own itself"),
    (Tenant, {"ownership__0__owned": "nobody"}, "neither the tenant nor among parties"),
    (Tenant, {"ownership__0__directness": "Perhaps"}, "directness"),
    (Tenant, {"parties__0__othersBelow": 101}, "less than or equal to 100"),
    (Tenant, {"ownership__0__share": {"exact": 10, "minimum": 5}}, "either exact"),
    (Tenant, {"ownership__0__share": {"minimum": 60, "maximum": 50}}, "minimum is above maximum"),
    (Tenant, {"ownership__0__share": {"exact": 10, "exclusiveMaximum": 20}}, "either exact"),
    (Tenant, {"ownership__0__share": {"minimum": 1, "exclusiveMinimum": 1}}, "either minimum or exclusiveMinimum"),
    (Tenant, {"ownership__0__share": {"maximum": 1, "exclusiveMaximum": 1}}, "either maximum or exclusiveMaximum"),
    (Tenant, {"ownership__0__share": {"exclusiveMinimum": 50, "maximum": 50}}, "nothing lies between"),
    (Tenant, {"ownership__0__share": {"minimum": 50, "exclusiveMaximum": 50}}, "nothing lies between"),
    (Tenant, {"ownership__0__share": {"exclusiveMinimum": 100}}, "nothing lies between"),
    (Tenant, {"ownership__0__share": {"exclusiveMaximum": 0}}, "nothing lies between"),
    (Tenant, {"ownership__0__share": {"exact": 100.1}}, "less than or equal to 100"),
    (Tenant, {"ownership__0__share": {"minimum": -1}}, "greater than or equal to 0"),
    (Tenant, {"kind": "Friend"}, "kind"),
    (Tenant, {"legalName": ""}, "legalName"),
    (Tenant, {"headquarters": "DEU"}, "headquarters"),
    (Tenant, {"attestations__0__validUntil": "2026-01-01T00:00:00Z"}, "not before validUntil"),
    (Tenant, {"attestations__0__facts": ["Screening"]}, "facts"),
    (Tenant, {"attestations__0__facts": []}, "facts"),
    (Tenant, {"attestations__0__at": "2026-01-01"}, "at"),
    (AccessPolicy, {"rules__0__effect": "Level"}, "needs level"),
    (AccessPolicy, {"rules__0__effect": "Maybe"}, "effect"),
    (
        AccessPolicy,
        {"rules__0__effective": "2026-02-01T00:00:00Z", "rules__0__expires": "2026-02-01T01:00:00+01:00"},
        "not before expires",
    ),
    (AccessPolicy, {"rules__0__effective": "2026-02-01T00:00:00"}, "effective"),
    (AccessPolicy, {"rules__0__classes": []}, "classes"),
    (AccessPolicy, {"rules__0__classes": ["3A090.c.9"]}, "classes"),
    (AccessPolicy, {"rules__0__when": [{"fact": "Place", "operator": "In"}]}, "need values"),
    (AccessPolicy, {"rules__0__when": [{"fact": "Place", "operator": "Exists", "values": ["DE"]}]}, "need values"),
    (AccessPolicy, {"rules__0__when": [{"fact": "Mood", "operator": "Exists"}]}, "fact"),
    (AccessPolicy, {"rules": [SPECS[AccessPolicy]["rules"][0]] * 2}, "stands twice"),
    (AccessPolicy, {"groups": [{"name": "gg", "countries": ["DE"]}] * 2}, "stands twice"),
    (AccessPolicy, {"mode": "strict"}, "mode"),
    (AccessPolicy, {"factAges": [{"fact": "Place", "maxAge": "1d"}]}, "fact"),
    (AccessPolicy, {"factAges": [{"fact": "Payment", "maxAge": "1 day"}]}, "maxAge"),
    (AccessPolicy, {"factAges": [{"fact": "Payment", "maxAge": "1d"}] * 2}, "stands twice"),
    (AccessPolicy, {"reverification": {"overdue": "Allow"}}, "overdue"),
    (AccessPolicy, {"rules__0__levels": [{"devices": 2, "level": 3}]}, "more compute only raises it"),
    (
        AccessPolicy,
        {
            "rules__0__effect": "Level",
            "rules__0__level": 3,
            "rules__0__levels": [{"devices": 2, "level": 3}],
        },
        "more compute only raises it",
    ),
    (
        AccessPolicy,
        {
            "rules__0__effect": "Level",
            "rules__0__level": 1,
            "rules__0__levels": [{"devices": 2, "tpp": 9, "level": 3}],
        },
        "give either devices or tpp",
    ),
    (AccessPolicy, {"beneficialOwnerThreshold": 0}, "beneficialOwnerThreshold"),
    (ComputeQuota, {"jurisdictions": []}, "jurisdictions"),
    (ComputeQuota, {"jurisdictions": ["de "]}, "jurisdictions"),
    (ComputeQuota, {"limits": {"devices": -1}}, "devices"),
    (ComputeQuota, {"limits": {"longestHold": "2w"}}, "longestHold"),
    (Authorization, {"validUntil": "2026-01-01T00:00:00Z"}, "not before validUntil"),
    (Authorization, {"devices": 0}, "devices"),
    (Exemption, {"images": []}, "give serviceAccountName or images"),
    (Exemption, {"ways": []}, "ways"),
    (Exemption, {"ways": ["hostPath="]}, "ways"),
    (Exemption, {"reason": ""}, "reason"),
    (Exemption, {"validUntil": "2027-01-01"}, "validUntil"),
    (KYCOverride, {"reasons": ["ListedParty"]}, "reasons"),
    (KYCOverride, {"reasons": []}, "reasons"),
    (KYCOverride, {"covers": ""}, "covers"),
    (KYCOverride, {"reason": ""}, "reason"),
    (AcceleratorPool, {"nodeLabels": {}}, "nodeLabels"),
    (AcceleratorPool, {"place": {"country": "Germany"}}, "country"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "change", "says"), REFUSED, ids=[f"{kind.__name__} {change}"[:60] for kind, change, _ in REFUSED]
)
def test_a_model_refuses_what_the_crd_refuses_and_says_why(
    kind: type[Object], change: dict[str, Any], says: str
) -> None:
    with pytest.raises(pydantic.ValidationError, match=says):
        kind.model_validate(_object(kind, **change))


@pytest.mark.parametrize("kind", SPECS, ids=lambda kind: kind.__name__)
def test_the_objects_above_are_good_before_they_are_changed(kind: type[Object]) -> None:
    assert kind.model_validate(_object(kind)).name == "acme"


@pytest.mark.parametrize("kind", SPECS, ids=lambda kind: kind.__name__)
def test_a_field_of_a_newer_version_is_ignored_in_a_cluster_and_refused_in_a_file(kind: type[Object]) -> None:
    newer = _object(kind, newField=1)
    assert kind.model_validate(newer) == kind.model_validate(_object(kind))
    with pytest.raises(FileError, match=r"a\.yaml\[3\].*spec\.newField: Extra inputs"):
        parse(Document("a.yaml", 3, newer))


def test_metadata_of_a_file_may_carry_what_we_do_not_read() -> None:
    content = _object(ComputeQuota)
    content["metadata"]["finalizers"] = ["a/b"]
    assert parse(Document("a.yaml", 0, content)).name == "acme"


def test_an_object_never_changes_in_memory() -> None:
    quota = ComputeQuota.model_validate(_object(ComputeQuota))
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        quota.spec = quota.spec  # type: ignore[misc]  # that it cannot be set is the test


def test_every_kyc_state_has_its_transitions_in_the_crd() -> None:
    state = next(node for path, node in NODES if path == "Tenant.status.kyc.state")
    rule = state["x-kubernetes-validations"][0]["rule"]
    assert all(f"'{each}': [" in rule for each in KYCState)
    assert state["enum"] == [str(each) for each in KYCState]


def test_one_attestation_may_be_of_all_that_can_be_attested() -> None:
    all_of_them = list(get_args(AttestedFact))
    said = {**SPECS[Tenant]["attestations"][0], "facts": all_of_them}
    (kept,) = Tenant.model_validate({"spec": {**SPECS[Tenant], "attestations": [said]}}).spec.attestations
    assert kept.facts == all_of_them
    drawn = schema(Tenant)["properties"]["spec"]["properties"]["attestations"]["items"]["properties"]["facts"]
    assert drawn["maxItems"] == len(all_of_them)
