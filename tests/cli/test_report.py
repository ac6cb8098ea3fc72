"""Letters to tenants before they are enforced, and the account of what passed, out of decision records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from admission.cli.main import main
from admission.review import fitting, letters, messages
from admission.review.finding import Finding
from admission.review.reasons import PublicCode, Reason

if TYPE_CHECKING:
    import pathlib

OWNER = "Quarzwind Holding AG"
AT = "2026-11-02T10:00:00.000+00:00"
CONTACT = "compute-access@example.com"


def line(at: str = AT, reason: Reason = Reason.ListedParty, **fields: Any) -> dict[str, Any]:
    """A line of the record: something passed that a listed owner stood in the way of."""
    sentence = fields.pop("sentence", messages.not_cleared("acme", "class h100-sxm"))
    reference = fields.pop("reference", "7f3a9c41d2")
    finding = {"reason": reason, "code": reason.code, "party": "acme", "rule": "access/listed", "detail": OWNER}
    return {
        "schema": "computegate.io/decision/v1",
        "at": at,
        "reference": reference,
        "decision": "would_deny",
        "mode": "observe",
        "origin": "observed",
        "operation": "CREATE",
        "dryRun": False,
        "caller": "alice",
        "tenant": "acme",
        "party": "acme",
        "governing": "DE",
        "object": {"resource": "pods", "namespace": "team-a", "name": "trainer-0", "uid": at},
        "demand": [{"resource": "nvidia.com/gpu", "count": 8, "classes": ["h100-sxm"], "places": [], "targets": []}],
        "access": [],
        "reasons": [reason],
        "message": fitting.denial([Finding(reason, sentence)], reference, CONTACT),
        "rules": ["access/listed"],
        "findings": [{**finding, "advisory": False}],
        "checks": [],
        "quota": [],
        "versions": {"rules": "v", "kyc": {}, "lists": {"acme": "2026-11-01"}},
        "durationMs": 1.0,
        **fields,
    }


def written(path: pathlib.Path, *lines: dict[str, Any]) -> str:
    noise = ['{"at":"x","logger":"admission"}', "{", '{"schema":"computegate.io/decision/v1"}']
    path.write_text("\n".join([*noise, *map(json.dumps, lines)]))
    return str(path)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["report", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_tenant_is_told_what_to_change_and_nothing_of_lists_or_owners(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = line("2026-11-09T09:30:00.000+00:00", reference="0a1b2c3d4e")
    beside = [line(f"2026-11-{day}T08:00:00Z", decision="denied", tenant="other") for day in ("02", "20")]
    path = written(tmp_path / "record", line(), later, *beside, line("2026-11-05T00:00:00.000+00:00"))
    code, letter, _ = told(capsys, "tenants", "--from", path, "--contact", CONTACT)
    assert code == 1
    assert letter.rstrip().splitlines() == [
        "Subject: Requests for accelerators of tenant acme that would be denied",
        "",
        "Between 2026-11-02 10:00 UTC and 2026-11-09 09:30 UTC, 3 requests of tenant",
        "acme for accelerators passed that would be denied in an enforced namespace.",
        "Nothing was denied yet, and pods that run are not touched. Once a namespace is",
        "enforced, such pods are not created any more.",
        "",
        "Looked at was the record of decisions from 2026-11-02 08:00 UTC to 2026-11-20",
        "08:00 UTC; what came before or since is not counted.",
        "",
        "1. namespace team-a: 3 requests for 24 accelerators, first 2026-11-02 10:00",
        "   UTC, last 2026-11-09 09:30 UTC, such as pods trainer-0",
        "   [NotCleared] tenant acme is not cleared for class h100-sxm; running pods",
        "   are unaffected; ask for clearance",
        "   Ask for clearance, with the reference.",
        "   reference 0a1b2c3d4e",
        "",
        "Write to compute-access@example.com when this is done, or where you cannot do",
        "it, and give the reference of the case.",
    ]
    for word in (OWNER, "ListedParty", "access/listed", "2026-11-01"):
        assert word not in letter


def test_cases_differ_by_what_is_said_and_not_by_its_numbers(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def short(used: int) -> str:
        return messages.quota_exceeded("acme", "h100-sxm", [messages.Shortage("de", "nvidia.com/gpu", 8, used, 0)])

    full = [line(reason=Reason.QuotaExceeded, sentence=short(used)) for used in (16, 24)]
    fields = [line(reason=Reason.DeviceBypass, sentence=messages.device_bypass([name])) for name in ("a.b", "a.c")]
    path = written(tmp_path / "record", line(), *full, *fields)
    code, rows, _ = told(capsys, "tenants", "--from", path, "-o", "json")
    assert code == 1
    found = {(tuple(row["codes"]), row["line"]): row["requests"] for row in json.loads(rows)}
    assert found == {
        (("NotCleared",), f"[NotCleared] {messages.not_cleared('acme', 'class h100-sxm')}"): 1,
        (("LimitReached",), short(24)): 2,
        (("NotPermitted",), f"[NotPermitted] {messages.device_bypass(['a.b'])}"): 1,
        (("NotPermitted",), f"[NotPermitted] {messages.device_bypass(['a.c'])}"): 1,
    }


@pytest.mark.parametrize(
    "passed",
    [
        pytest.param({"decision": "denied"}, id="it was denied, and the tenant told"),
        pytest.param({"decision": "allowed", "findings": [], "reasons": []}, id="nothing stood in its way"),
        pytest.param({"dryRun": True}, id="nothing was created"),
        pytest.param({"reason": Reason.NotSynced, "sentence": messages.not_synced()}, id="it passes by itself"),
        pytest.param({"decision": "allowed", "overrides": ["acme-week"]}, id="two people let it pass"),
        pytest.param({"at": "2026-10-31T23:59:59.999+00:00"}, id="before the time"),
        pytest.param({"at": "2026-11-30T00:00:00.000+00:00"}, id="at its end"),
        pytest.param({"at": "yesterday"}, id="at no instant"),
        pytest.param({"at": "2026-11-02T10:00:00"}, id="in no zone"),
        pytest.param({"tenant": "other"}, id="of another tenant"),
        pytest.param({"tenant": ""}, id="of no tenant"),
    ],
)
def test_there_is_no_letter_about_what_a_tenant_can_do_nothing_about(
    passed: dict[str, Any], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "record", line(**passed))
    within = ("--since", "2026-11-01", "--until", "2026-11-30")
    said = "computegate report tenants: nothing would be denied; 2 decision records read"
    other = written(tmp_path / "other", line(at="2025-01-01T00:00:00Z"))
    code, out, err = told(capsys, "tenants", "--from", path, "--from", other, "-t", "acme", *within)
    assert (code, out) == (0, "")
    assert err.startswith(said)
    assert err.endswith(", 0 running pods judged\n")
    is_within = "2026-11-01" <= passed.get("at", AT) < "2026-11-30" and "+" in passed.get("at", AT)
    assert (", of 2026-11-02T10:00:00.000+00:00 to " in err) == is_within


def test_letters_are_files_of_their_own_and_a_namespace_of_nobody_is_the_operators_matter(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = line(tenant="beta", message="[NotCleared] x \x1b]0;owned\x07; ref 7f3a9c41d2")
    path = written(tmp_path / "record", line(), other, line(tenant=""))
    code, out, err = told(capsys, "tenants", "--from", path, "--directory", str(tmp_path / "out"))
    assert code == 1
    assert [each.rpartition("/")[2] for each in out.splitlines()] == ["acme.txt", "beta.txt"]
    assert "tenant beta" in (tmp_path / "out" / "beta.txt").read_text()
    assert "\x1b" not in (tmp_path / "out" / "beta.txt").read_text()
    assert err == "computegate report: no tenant to write to, for namespaces team-a\n"


def test_the_account_is_the_operators_and_has_what_people_let_pass(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lifted = [{"exemption": "acme-dcgm", "field": "spec.hostPID"}]
    allowed = line(
        decision="allowed", mode="enforce", exempted=lifted, findings=[], reasons=[], message="", reference=""
    )
    elsewhere = line(object={"resource": "pods", "namespace": "team-b", "name": "b", "uid": "b"})
    path = written(tmp_path / "record", line(), allowed, elsewhere, line(decision="denied"))
    code, out, _ = told(capsys, "admitted", "--from", path, "-n", "team-a", "--since", "2026-11-01")
    assert code == 1
    assert out.splitlines() == [
        "recorded: 2 requests passed that something stood in the way of",
        f"  acme  team-a  requests: 1  devices: 8  {AT} to {AT}  ref 7f3a9c41d2  such as pods trainer-0",
        "      ListedParty",
        f"  acme  team-a  requests: 1  devices: 8  {AT} to {AT}  such as pods trainer-0",
        "      by acme-dcgm",
        "in the cluster, and in no record: 0 pods would be denied now",
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tenants"], "give --from FILE, --cluster, or both"),
        (["admitted", "--from", "/nowhere/record"], "No such file"),
        (["admitted", "--from", "-", "--since", "yesterday"], "--since 'yesterday' is no instant"),
        (["tenants", "--from", "-", "--since", "2026-11-02", "--until", "2026-11-01"], "is not before --until"),
        (["tenants", "--cluster", "--kubeconfig", "/nowhere/config"], "/nowhere/config"),
    ],
)
def test_what_cannot_be_read_is_said(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(capsys, *arguments)
    assert code == 2
    assert err.startswith(f"computegate report {arguments[0]}: ")
    assert says in err


def test_a_file_without_a_record_and_a_tenant_of_nobody_are_no_good_news(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.write_text("a line of something else\n")
    code, _, err = told(capsys, "tenants", "--from", str(empty))
    assert (code, err) == (2, f"computegate report tenants: {empty}: no decision record in it\n")
    code, _, err = told(capsys, "tenants", "--from", written(tmp_path / "record", line()), "-t", "acne")
    assert code == 2
    assert "no such tenant: acne; 1 decision records read" in err


def test_every_public_code_has_its_advice() -> None:
    assert [code for code in PublicCode if not letters.advice(code)] == []
