"""``computegate check`` on rules: whole decisions at instants, and what somebody should look at, by line and field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from admission.cli.main import main
from admission.cli.profile import profiles
from tests.decide.questions import policy, rule, tenant

if TYPE_CHECKING:
    import pathlib

POOL = """
apiVersion: computegate.io/v1alpha1
kind: AcceleratorPool
metadata: {name: mixed}
spec: {nodeLabels: {pool: a800}, acceleratorClass: a800, resources: [nvidia.com/gpu], place: {country: DE}}
---
apiVersion: v1
kind: Namespace
metadata: {name: lab, labels: {computegate.io/tenant: acme}}
---
apiVersion: v1
kind: Pod
metadata: {name: train, namespace: lab}
spec:
  nodeSelector: {pool: a800}
  containers: [{name: c, resources: {limits: {nvidia.com/gpu: "1"}}}]
"""


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A tenant seated in China, cleared for long, and a pod that asks for an A800 in Germany."""
    kyc = {"verifiedAt": "2020-01-01T00:00:00Z", "expiresAt": "2099-01-01T00:00:00Z", "level": 3}
    made = tenant(headquarters="CN", incorporation="CN", status={"kyc": kyc}).model_dump(mode="json", by_alias=True)
    (tmp_path / "tenant.yaml").write_text(yaml.safe_dump({**made, "metadata": {"name": "acme"}}))
    (tmp_path / "world.yaml").write_text(POOL)
    (tmp_path / "rules.yaml").write_text(profiles()["transfer-tests"].text)
    return tmp_path


def own(folder: pathlib.Path, *rules: dict[str, Any], name: str = "own") -> None:
    """Put a policy of the operator's own beside the profile."""
    dumped = policy(*rules, name=name).model_dump(mode="json", by_alias=True, exclude_none=True)
    dumped["metadata"] = {"name": name}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(dumped, sort_keys=False))


def test_the_clock_alone_changes_what_check_prints(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for at in ("2022-12-01", "2023-11-16T23:59:59Z", "2023-11-17", "2026-11-21"):
        main(["check", "-f", str(folder), "-o", "json", "--at", at])
        row = json.loads(capsys.readouterr().out)
        found[at] = row["decision"], row["reasons"]

    assert found == {
        "2022-12-01": ("allowed", []),
        "2023-11-16T23:59:59Z": ("allowed", []),
        "2023-11-17": ("denied", ["AuthorizationRequired"]),
        "2026-11-21": ("denied", ["AuthorizationRequired"]),
    }


def test_an_operators_rule_in_the_place_of_a_profiles_is_applied_and_told(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replaced = (
        f"transfer-tests/{name}" for name in ("headquarters", "destination-a", "presumption-of-denial-elsewhere")
    )
    own(folder, *(rule(f"r{n}", "Allow", replaces=name) for n, name in enumerate(replaced)))
    assert main(["check", "-f", str(folder), "--at", "2026-11-21"]) == 0
    told = capsys.readouterr()

    assert told.out.startswith("allowed ")
    first = "spec.rules.0.replaces: in place of transfer-tests/headquarters (Authorization) stands this one (Allow)"
    assert f"{folder}/own.yaml[0] line 9 AccessPolicy own: {first}; that is WEAKER" in told.err


def test_a_denial_is_told_with_the_rule_and_what_it_rests_on(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["check", "-f", str(folder), "-o", "json", "--at", "2026-11-21"])
    row = json.loads(capsys.readouterr().out)
    (found,) = (each for each in row["findings"] if each["rule"] == "transfer-tests/headquarters")
    assert (found["reason"], found["facts"]) == ("AuthorizationRequired", ["Headquarters"])
    assert found["basis"] == {
        "type": "ProviderPolicy",
        "title": "Headquarters test of 3A090, applied to access",
        "citation": "15 CFR 742.6(a)(6)(iii); 88 FR 73458; BIS guidance of 2026-05-31",
        "as_of": "2026-11-21",
        "status": "InForce",
        "certainty": "High",
    }
    assert "transfer-tests/otherwise Allow" in row["rules"]

    main(["check", "-f", str(folder), "--at", "2026-11-21"])
    told = "transfer-tests/headquarters: Headquarters test of 3A090, applied to access (ProviderPolicy; 15 CFR 742.6"
    assert told in capsys.readouterr().out


def test_what_would_be_denied_is_told_with_its_reason_and_rule(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "rules.yaml").write_text(profiles()["transfer-tests"].text.replace("spec:", "spec:\n  mode: observe", 1))
    own(folder, rule("open", "Allow"))
    main(["check", "-f", str(folder), "-o", "json", "--at", "2026-11-21"])
    row = json.loads(capsys.readouterr().out)
    (found,) = (each for each in row["findings"] if each["rule"] == "transfer-tests/headquarters")
    assert (row["decision"], row["reasons"]) == ("would_deny", ["AuthorizationRequired"])
    assert (found["advisory"], found["facts"], found["basis"]["type"]) == (True, ["Headquarters"], "ProviderPolicy")

    main(["check", "-f", str(folder), "--at", "2026-11-21"])
    told = "transfer-tests/headquarters (advisory): Headquarters test of 3A090, applied to access (ProviderPolicy; "
    assert told in capsys.readouterr().out


TWO_RULES = """
apiVersion: computegate.io/v1alpha1
kind: AccessPolicy
metadata: {name: two}
spec:
  jurisdictionOrder: [CN]
  rules:
    - {name: a, basis: {type: ProviderPolicy, title: t}, effect: Allow}
    - name: b
      basis: {type: ProviderPolicy, title: t}
      effect: Deny
      classes:
        - h100-sxm
      when:
        - {fact: Headquarters, operator: In, values: [DE]}
        - {fact: Payment, operator: In, values: [Cash]}
---
apiVersion: computegate.io/v1alpha1
kind: ComputeQuota
metadata: {name: q}
spec:
  jurisdictions: [DE]
  classes: [Controlled]
  limits: {devices: 4}
---
apiVersion: computegate.io/v1alpha1
kind: AcceleratorClass
metadata: {name: ours}
spec: {resources: [example.com/a]}
---
apiVersion: computegate.io/v1alpha1
kind: AcceleratorClass
metadata: {name: theirs}
spec:
  resources: [example.com/b]
"""
ALLOWED = "GB is ({}[0] line 8, spec.rules.0.when.0.values.0)"
MISSPELT = [
    ("[DE]}", "[DE, UK]}", "GB is ({}[0] line 15, spec.rules.1.when.0.values.1)"),
    ("[Cash]", "[Gold]", "Unknown, VirtualCurrency ({}[0] line 16, spec.rules.1.when.1.values.0)"),
    ("- h100-sxm", "- h100", "class h100, which nobody defines ({}[0] line 13, spec.rules.1.classes.0)"),
    ("[CN]", "[CN, d5]", "group d5, which nobody defines ({}[0] line 6, spec.jurisdictionOrder.1)"),
    ("jurisdictions: [DE]", "jurisdictions: [UK]", "GB is ({}[1] line 22, spec.jurisdictions.0)"),
    ("[Controlled]", "[controlled]", "which nobody defines ({}[1] line 23, spec.classes.0)"),
    ("effect: Allow", "effect: Allow, when: [{fact: Headquarters, operator: NotIn, values: [UK]}]", ALLOWED),
    ("[CN]", "[CN]\n  groups: [{name: ear-d5, countries: [BV]}]", "another ({}[0] line 7, spec.groups.0.name)"),
    ("effect: Deny", "effect: Deny\n      replaces: two/a", "change that ({}[0] line 12, spec.rules.1.replaces)"),
    ("example.com/b", "example.com/a", "ours, theirs; leave one ({}[3] line 35, spec.resources.0)"),
]


@pytest.mark.parametrize(("right", "wrong", "said"), MISSPELT)
def test_a_word_that_means_nothing_is_refused_with_file_line_and_field(
    tmp_path: pathlib.Path, right: str, wrong: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(TWO_RULES.replace(right, wrong, 1))
    assert main(["check", "-f", str(file), "--at", "2026-11-21"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(said.format(file)), line


OVERRIDING = {
    "weaker": (
        "h100-sxm",
        {"throughput": [{"bits": 16, "teraOps": 1}], "dieAreaMm2": 814, "source": "me"},
        "h100-sxm (entry a.1, TPP 15832) stands this one (entry none, TPP 16); that is WEAKER",
    ),
    "as strict": (
        "h100-sxm",
        {"throughput": [{"bits": 8, "teraOps": 2000}], "dieAreaMm2": 814, "source": "me"},
        "h100-sxm (entry a.1, TPP 15832) stands this one (entry a.1, TPP 16000)",
    ),
    "weaker by a line": (
        "h20",
        {
            "throughput": [{"bits": 8, "teraOps": 296}],
            "dieAreaMm2": 814,
            "memoryBandwidthGbPerSecond": 100,
            "interconnectGbPerSecond": 100,
        },
        "h20 (entry none, TPP 2368) stands this one (entry none, TPP 2368); that is WEAKER",
    ),
    "a chip of one's own": ("ours", {"throughput": [{"bits": 16, "teraOps": 1}]}, ""),
}


@pytest.mark.parametrize(("name", "spec", "said"), OVERRIDING.values(), ids=OVERRIDING)
def test_a_class_in_the_place_of_a_built_in_chip_is_told(
    folder: pathlib.Path, name: str, spec: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {"apiVersion": "computegate.io/v1alpha1", "kind": "AcceleratorClass"}
    text = yaml.safe_dump({**made, "metadata": {"name": name}, "spec": spec}, sort_keys=False)
    (folder / "chip.yaml").write_text(text)
    main(["check", "-f", str(folder), "--at", "2026-11-21"])
    where = f"computegate check: {folder}/chip.yaml[0] line 4 AcceleratorClass {name}: metadata.name"

    expected = [f"{where}: in place of the built-in chip {said}"] if said else []
    assert capsys.readouterr().err.splitlines() == expected


def put(folder: pathlib.Path, kind: str, name: str, spec: dict[str, Any]) -> None:
    """Put an object of ours into the folder, in a file of its kind."""
    made = {"apiVersion": "computegate.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    (folder / f"{kind.lower()}.yaml").write_text(yaml.safe_dump(made, sort_keys=False))


LABELS = {"pool.example.com/name": "own", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
TAME: dict[str, Any] = {"throughput": [{"bits": 16, "teraOps": 1}], "dieAreaMm2": 800, "source": "me"}
H100_TOLD = "h100-sxm (entry a.1, TPP 15832)"
TAKEN = {
    "its product label": (
        {"nodeLabels": [{"key": "nvidia.com/gpu.product", "values": ["NVIDIA-H100-80GB-HBM3"]}]},
        f"spec.nodeLabels.0.values.0: nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3 is what the built-in {H100_TOLD}",
    ),
    "a beginning of it": (
        {"nodeLabels": [{"key": "nvidia.com/gpu.product", "values": ["NVIDIA-H100-80*"]}]},
        f"spec.nodeLabels.0.values.0: nvidia.com/gpu.product=NVIDIA-H100-80* is what the built-in {H100_TOLD}",
    ),
    "an instance type": (
        {"nodeLabels": [{"key": "node.kubernetes.io/instance-type", "values": ["m7i.large", "p5.*"]}]},
        f"spec.nodeLabels.0.values.1: node.kubernetes.io/instance-type=p5.* is what the built-in {H100_TOLD}",
    ),
    "its resource": (
        {"resources": ["nvidia.com/h100"]},
        f"spec.resources.0: nvidia.com/h100 is what the built-in {H100_TOLD}",
    ),
}


@pytest.mark.parametrize(("recognised", "said"), TAKEN.values(), ids=TAKEN)
def test_a_class_that_takes_what_a_built_in_chip_is_recognised_by_is_told(
    folder: pathlib.Path, recognised: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put(folder, "AcceleratorClass", "lab-gpu", {**TAME, **recognised})
    main(["check", "-f", str(folder), "--at", "2026-11-21"])
    (line,) = capsys.readouterr().err.splitlines()

    assert said in line
    assert line.endswith(" is recognised by; it counts as this one (entry none, TPP 16); that is WEAKER")


@pytest.mark.parametrize("by", ["a label of one's own", "a pool"])
def test_a_chip_that_counts_as_another_on_its_node_or_in_its_pool_is_told(
    folder: pathlib.Path, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    key = {"key": "pool.example.com/name", "values": ["own"]}
    if by == "a pool":
        spec = {"nodeLabels": LABELS, "acceleratorClass": "t4", "resources": ["nvidia.com/gpu"]}
        put(folder, "AcceleratorPool", "own", spec)
        where, name, after = "AcceleratorPool own: spec.acceleratorClass", "t4", "entry none, TPP 1042"
    else:
        put(folder, "AcceleratorClass", "lab-gpu", {**TAME, "nodeLabels": [key]})
        where, name, after = "Node n1: metadata.labels", "lab-gpu", "entry none, TPP 16"
    nodes = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n{n}", "labels": LABELS}} for n in (1, 2)]
    (folder / "nodes.yaml").write_text(yaml.safe_dump_all(nodes))
    main(["check", "-f", str(folder), "--at", "2026-11-21"])
    (line,) = capsys.readouterr().err.splitlines()

    told = f"{where}: by its labels the chip is {H100_TOLD}; it counts as {name} ({after}); that is WEAKER"
    assert line.endswith(told)


GRANTED = {"number": "D-1", "tenant": "acme", "classes": ["Controlled"], "devices": 8}
GRANTED |= {"validFrom": "2026-01-01T00:00:00Z", "validUntil": "2027-01-01T00:00:00Z"}


def test_rules_of_which_none_allows_anything_are_told(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rules.yaml").unlink()
    own(folder, rule("level", "Level"), rule("quota", "Quota"))
    main(["check", "-f", str(folder), "--at", "2026-11-21"])
    (told,) = capsys.readouterr().err.splitlines()

    assert told.endswith("own: spec.rules: no rule that is enforced allows anything: every controlled class is denied")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, []),
        ({"tenant": "acne"}, ["spec.tenant: no Tenant acne is among these objects; nobody holds it"]),
        (
            {"endCustomers": ["acme", "acne"]},
            ["spec.endCustomers.1: no Tenant acne is among these objects; it covers nobody by that"],
        ),
        ({"classes": ["h100"]}, ["spec.classes.0: names the class h100, which nobody defines; it covers nothing by"]),
        ({"validUntil": "2026-11-21T00:00:00Z"}, ["spec.validUntil: it ended at 2026-11-21T00:00:00+00:00"]),
        ({"validFrom": "2026-12-01T00:00:00Z"}, ["spec.validFrom: it is valid from 2026-12-01T00:00:00+00:00 on"]),
    ],
    ids=["of use", "nobody's", "for a customer who is none", "a class that is none", "ended", "later"],
)
def test_an_authorization_that_nobody_can_use_is_told(
    folder: pathlib.Path, wrong: dict[str, Any], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    put(folder, "Authorization", "licence", {**GRANTED, **wrong})
    main(["check", "-f", str(folder), "--at", "2026-11-21"])
    told = capsys.readouterr().err.splitlines()

    assert len(told) == len(said)
    assert all(f"Authorization licence: {words}" in line for words, line in zip(said, told, strict=True))


REMARKS = {
    "not begun": (
        [rule("a", "Deny", effective="2062-01-01T00:00:00Z")],
        ["spec.rules.0.effective: the rule a applies from 2062-01-01T00:00:00+00:00 on, not now"],
    ),
    "over": (
        [rule("a", "Deny", expires="2025-11-21T00:00:00Z")],
        ["spec.rules.0.expires: the rule a ended at 2025-11-21T00:00:00+00:00"],
    ),
    "dated, and not applied anyway": ([rule("a", "Deny", status="Proposed", effective="2062-01-01T00:00:00Z")], []),
    "an allowance to nobody": (
        [rule("a", "Allow", ("Headquarters", "In", "UK", "ear-d55"), classes=["h100"])],
        [
            "spec.rules.0.classes.0: rule a names the class h100, which nobody defines; it allows nothing by that",
            "values.0: rule a names UK, which is no country code of ISO 3166-1; GB is; it allows nothing by that",
            "values.1: rule a names the group ear-d55, which nobody defines; it allows nothing by that",
        ],
    ),
    "stricter": (
        [rule("r", "Deny", replaces="transfer-tests/headquarters")],
        ["(Authorization) stands this one (Deny)"],
    ),
    "stricter, of whom it is about and more": (
        [rule("r", "Deny", ("Headquarters", "In", "ear-headquarters", "BV"), replaces="transfer-tests/headquarters")],
        ["(Authorization) stands this one (Deny)END"],
    ),
    "stricter, of others": (
        [rule("r", "Deny", ("Headquarters", "In", "BV"), replaces="transfer-tests/headquarters")],
        ["(Deny); that may be WEAKER: it is about other classes, or tests something else"],
    ),
    "stricter, of fewer classes": (
        [rule("r", "Deny", classes=["h20"], replaces="transfer-tests/headquarters")],
        ["(Deny); that may be WEAKER: it is about other classes, or tests something else"],
    ),
    "allowing fewer": (
        [rule("r", "Allow", ("Headquarters", "In", "DE"), replaces="transfer-tests/otherwise")],
        ["(Allow) stands this one (Allow)END"],
    ),
    "allowing more": (
        [rule("r", "Allow", classes=["*"], replaces="transfer-tests/otherwise")],
        ["(Allow); that may be WEAKER: it is about other classes, or tests something else"],
    ),
    "stayed": (
        [rule("r", "Deny", replaces="transfer-tests/headquarters", status="Stayed")],
        ["(Authorization) stands this one (not applied, Stayed); that is WEAKER"],
    ),
    "proposed": (
        [rule("r", "Deny", replaces="transfer-tests/headquarters", status="Proposed")],
        ["does not take the place of transfer-tests/headquarters now: Proposed"],
    ),
    "ended": (
        [rule("r", "Deny", replaces="transfer-tests/headquarters", expires="2026-01-01T00:00:00Z")],
        ["does not take the place of transfer-tests/headquarters now: outside its dates"],
    ),
    "misspelt": (
        [rule("r", "Deny", replaces="transfer-tests/headquarter")],
        ["spec.rules.0.replaces: no rule transfer-tests/headquarter is among these policies; nothing is replaced"],
    ),
    "ahead": (
        [rule("r", "Deny", basis={"type": "Law", "title": "x", "asOf": "2030-01-01T00:00:00Z"})],
        ["spec.rules.0.basis.asOf: 2030-01-01 lies ahead"],
    ),
    "unconfirmed": (
        [rule("r", "Deny", certainty="Unconfirmed")],
        ["spec.rules.0.certainty: applied, and nobody has confirmed its status"],
    ),
    "the same tests": (
        [rule("a", "Deny", ("Payment", "In", "Cash", "Card")), rule("b", "Level", ("Payment", "In", "Card", "Cash"))],
        ["spec.rules.1.when: tests what own/a tests, of the same classes at once: Deny holds"],
    ),
    "overlapping, one of which allows": (
        [rule("a", "Allow", ("Incorporation", "In", "CN")), rule("b", "Deny", ("Incorporation", "In", "CN", "RU"))],
        ["spec.rules.0.when: own/b applies too where Incorporation is CN, to "],
    ),
    "overlapping levels": (
        [
            rule("a", "Level", ("Incorporation", "In", "DE"), classes=["h100-sxm", "t4"], level=2),
            rule("b", "Level", ("Incorporation", "In", "DE", "FR"), classes=["h100-sxm"], level=3),
        ],
        ["spec.rules.0.when: own/b applies too where Incorporation is DE, to h100-sxm: there Level 3 governsEND"],
    ),
    "overlapping by a group and by what is excluded": (
        [
            rule("a", "Authorization", ("Incorporation", "NotIn", "DE"), classes=["h100-sxm"]),
            rule("b", "Deny", ("Incorporation", "In", "DE", "MO"), classes=["*"]),
        ],
        ["spec.rules.0.when: own/b applies too where Incorporation is MO, to h100-sxm: there Deny governsEND"],
    ),
    "overlapping in one of two facts": (
        [
            rule("a", "Level", ("Incorporation", "In", "DE"), ("Payment", "In", "Cash")),
            rule("b", "Deny", ("Incorporation", "In", "DE"), ("Payment", "In", "Card")),
        ],
        [],
    ),
    "overlapping at another time": (
        [
            rule("a", "Allow", ("Incorporation", "In", "DE"), expires="2026-12-01T00:00:00Z"),
            rule("b", "Deny", ("Incorporation", "In", "DE", "FR"), effective="2026-12-01T00:00:00Z"),
        ],
        ["spec.rules.1.effective: the rule b applies from"],
    ),
    "an allowance and what it asks for": (
        [rule("a", "Allow", ("Incorporation", "In", "DE")), rule("b", "Level", ("Incorporation", "In", "DE"))],
        [],
    ),
    "one after the other": (
        [
            rule("a", "Deny", ("Payment", "In", "Cash"), expires="2026-01-01T00:00:00Z"),
            rule("b", "Deny", ("Payment", "In", "Cash"), effective="2026-01-01T00:00:00Z"),
        ],
        [],
    ),
    "a level and a quota": ([rule("a", "Level"), rule("b", "Quota")], []),
    "of other classes": ([rule("a", "Deny", classes=["t4"]), rule("b", "Deny", classes=["l4"])], []),
}


@pytest.mark.parametrize(("rules", "words"), REMARKS.values(), ids=REMARKS)
def test_what_somebody_should_look_at_is_told_with_line_and_field(
    folder: pathlib.Path, rules: list[dict[str, Any]], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    own(folder, *rules)
    main(["check", "-f", str(folder), "--at", "2026-11-21"])
    told = capsys.readouterr().err.splitlines()

    assert len(told) == len(words), told
    told = [f"{line}END" for line in told]
    assert all(word in line and f"{folder}/own.yaml[0] line " in line for word, line in zip(words, told, strict=True))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"level": 9, "effect": "Level"}, "rules.0.level: Input should be less than or equal to 4 (line 20)"),
        ({"effective": "soon"}, "rules.0.effective: "),
        ({"effective": "2026-01-02T00:00:00Z", "expires": "2026-01-01T00:00:00Z"}, "effective is not before expires"),
        ({"when": [{"fact": "Place", "operator": "In", "values": ["UK"]}]}, "names UK, which is no country code"),
        ({"when": [{"fact": "Place", "operator": "In", "values": ["XQ"]}]}, "names XQ, which is no country code"),
        ({"when": [{"fact": "Place", "operator": "In", "values": ["ear-d6"]}]}, "names the group ear-d6, which nobody"),
        ({"replaces": "own/all"}, "rule all replaces one of its own policy"),
    ],
    ids=["level", "instant", "order of dates", "UK", "no country", "no group", "itself"],
)
def test_rules_that_cannot_be_applied_are_refused_with_their_line(
    folder: pathlib.Path, broken: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own(folder, rule("all", "Deny"))
    content = yaml.safe_load((folder / "own.yaml").read_text())
    content["spec"]["rules"][0].update(broken)
    (folder / "own.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    assert main(["check", "-f", str(folder), "--at", "2026-11-21"]) == 2
    (line,) = capsys.readouterr().err.splitlines()

    assert words in line
    assert f"{folder}/own.yaml[0]" in line
    assert " line " in line or "(line " in line
