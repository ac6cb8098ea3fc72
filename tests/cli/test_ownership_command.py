"""``computegate ownership import`` as a shell sees it, and what ``check`` says of ownership that contradicts itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from admission.api.tenant import Tenant
from admission.cli.files import Document, FileError, parse
from admission.cli.main import main

if TYPE_CHECKING:
    import pathlib


def _bods(exact: float) -> list[dict[str, Any]]:
    """Acme, and a holding that owns so much of it."""
    common = {"declarationSubject": "acme", "recordStatus": "new"}
    entity = {"isComponent": False, "entityType": {"type": "registeredEntity"}}
    held = {"type": "shareholding", "directOrIndirect": "direct", "share": {"exact": exact}}
    details = {
        "acme": ("entity", {**entity, "name": "Acme Ltd."}),
        "top": ("entity", {**entity, "name": "Top\x1b[31m Ltd."}),
        "held": ("relationship", {"subject": "acme", "interestedParty": "top", "interests": [held]}),
    }
    return [
        {**common, "statementId": f"s-{key}", "recordId": key, "recordType": kind, "recordDetails": each}
        for key, (kind, each) in details.items()
    ]


def test_the_fragment_goes_into_a_tenant_as_it_is(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bods.json"
    path.write_text(json.dumps(_bods(60)))
    assert main(["ownership", "import", "--format", "bods", "--for", "acme", str(path)]) == 0
    told = capsys.readouterr()
    assert "\x1b" not in told.out
    spec = {"legalName": "Acme Ltd.", "kind": "Company", **yaml.safe_load(told.out)}
    content = {"apiVersion": "computegate.io/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme"}, "spec": spec}
    tenant = parse(Document("acme.yaml", 0, content))
    assert isinstance(tenant, Tenant)
    assert [each.share.exact for each in tenant.spec.ownership] == [60]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--format", "bods", "--for", "nobody"), "0 open records are meant by 'nobody'"),
        (("--format", "gleif", "--for", "ACME0000000000000012"), "line 1: "),
        (("--format", "bods", "--for", "acme", "/nowhere/x.json"), "/nowhere/x.json: of this format one file"),
    ],
    ids=["nobody", "another format", "two files"],
)
def test_a_file_of_no_use_exits_2_and_says_why(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    path = tmp_path / "bods.json"
    path.write_text(json.dumps(_bods(60)))
    assert main(["ownership", "import", *arguments[:4], str(path), *arguments[4:]]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("computegate ownership: ")
    assert says in told.err
    assert told.out == ""


def test_remarks_stand_beside_the_fragment(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    acme, top, held = _bods(60)
    held["recordDetails"]["interestedParty"] = {"reason": "unknown", "description": "x\ny"}
    path = tmp_path / "bods.jsonl"
    path.write_text("\n".join(map(json.dumps, (acme, top, held))))
    assert main(["ownership", "import", "--format", "bods", "--for", "acme", str(path)]) == 0
    told = capsys.readouterr()
    assert yaml.safe_load(told.out) == {}
    assert told.err == f"note: {path}: statement 3: nobody is named (unknown); what is held stays unaccounted for\n"


def test_a_tenant_in_a_file_whose_ownership_contradicts_itself_is_refused() -> None:
    owners = [{"owner": each, "owned": "top", "share": {"exact": 60}} for each in ("a", "b")]
    spec = {
        "legalName": "Acme",
        "kind": "Company",
        "parties": [{"id": each, "name": each} for each in ("top", "a", "b")],
        "ownership": [{"owner": "top", "share": {"exact": 100}}, *owners],
    }
    content = {"apiVersion": "computegate.io/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme"}, "spec": spec}
    with pytest.raises(FileError, match=r"a\.yaml\[3\] Tenant: spec\.ownership: 120 percent of top are held directly"):
        parse(Document("a.yaml", 3, content))


@pytest.mark.parametrize("command", ["check", "digest"])
def test_shares_of_more_than_everything_are_told_with_their_lines(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    path = tmp_path / "tenant.yaml"
    path.write_text("""
apiVersion: computegate.io/v1alpha1
kind: Tenant
metadata: {name: acme}
spec:
  legalName: Acme
  kind: Company
  parties: [{id: top, name: Top}, {id: one, name: One}, {id: two, name: Two}]
  ownership:
    - {owner: one, owned: top, share: {exact: 60}}
    - {owner: top, share: {exact: 100}}
    - owner: two
      owned: top
      share: {exact: 60}
""")
    assert main([command, "-f", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"computegate {command}: {path}[0] Tenant: spec.ownership: 120 percent of top are held directly together; "
        "correct it, or state ranges (line 10, 12)\n"
    )
