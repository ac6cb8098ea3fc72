"""A file of clearances: every problem with its line and field, and no row while there is one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.api.clearance import KYCState
from admission.cli import files, rows
from admission.cli.attesting import day
from admission.cli.main import main

NOW = datetime(2026, 11, 26, tzinfo=UTC)
DIGEST = f"sha256:{'a' * 64}"


def table(folder: Path, text: str | bytes) -> rows.Table:
    file = folder / "kyc.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return rows.read(file, NOW)


def test_rows_are_read_whatever_the_order_of_the_columns(tmp_path: Path) -> None:
    text = (
        "\ufeffstate,tenant,level,expiresAt,verifiedAt,covers,reason\r\n"
        f'Verified,acme,2,2027-11-01T00:00:00Z,2026-11-01T00:00:00+00:00,{DIGEST},"by hand,\nin person"\r\n'
        "\r\n"
        "Pending,beta,,,,,\r\n"
    )
    read = table(tmp_path, text)
    assert read.problems == []
    acme, beta = (row.verification for row in read.rows)
    assert (acme.tenant, acme.state, acme.level, acme.reason) == ("acme", KYCState.Verified, 2, "by hand,\nin person")
    assert acme.as_of == acme.verified_at == datetime(2026, 11, 1, tzinfo=UTC)
    assert (beta.tenant, beta.state, beta.as_of) == ("beta", KYCState.Pending, NOW)


PROBLEMS: list[tuple[str | bytes, list[str]]] = [
    ("", ["1: tenant: missing", "1: state: missing"]),
    (
        "tenant,state,score,tenant\n",
        ["1: tenant: stands twice", "1: 'score': no such column", "1: tenant: stands twice"],
    ),
    ("tenant,state\nacme,Cleared\n,Pending\n", ["2: state: Input should be 'Unverified'", "3: tenant: Field required"]),
    ("tenant,state\nAcme,Pending\n", ["2: tenant: String should match"]),
    ("tenant,state\nacme,Pending\nbeta,Pending\nacme,Pending\n", ["4: tenant: acme stands on line 2 already"]),
    ("tenant,state\nacme\nbeta,Pending,x\n", ["2: 1 cells too few", "3: 1 cells too many"]),
    ("tenant,state,level\nacme,Pending,9\n", ["2: level: Input should be less than or equal to 4"]),
    ("tenant,state,covers\nacme,Pending,sha256:1\n", ["2: covers: String should match"]),
    ("tenant,state,asOf\nacme,Pending,2026-11-26\n", ["2: asOf: Input should have timezone info"]),
    ("tenant,state,asOf\nacme,Pending,2027-01-01T00:00:00Z\n", ["2: asOf: 2027-01-01T00:00:00+00:00 lies ahead"]),
    ("tenant,state,asOf\nacme,Pending,1795000000\n", ["2: asOf: Value error, write an instant such as 2026-11-26T"]),
    (
        "tenant,state,verifiedAt,expiresAt\nacme,Verified,2026-11-01T00:00:00Z,9999-11-01T00:00:00Z\n",
        ["2: expiresAt: 9999-11-01T00:00:00+00:00 is more than 3660 days after it was verified"],
    ),
    ("tenant,state\nacme,Verified\n", ["2: expiresAt: a clearance needs an end"]),
    ('tenant,state\n"acme,Pending\n', ["2: unexpected end of data"]),
    ('tenant,state,reason\nacme,Pending,""\nbeta,Pending,"cut\n', ["3: unexpected end of data"]),
    (b"tenant,state\nacme\xff,Pending\n", ["kyc.csv:2: not UTF-8"]),
    (b"x" * (files.LARGEST + 1), [" larger than 8388608 bytes; split it"]),
    ("tenant,state\n" + "x" * 200_000 + ",Pending\n", ["2: field larger than field limit"]),
    (
        "tenant,state\n" + "".join(f"?{number},Pending\n" for number in range(500)),
        [*["tenant: String should match"] * 100, "102: more than 10000 rows, or 100 problems"],
    ),
]


@pytest.mark.parametrize(("text", "problems"), PROBLEMS)
def test_a_problem_names_its_line_and_field(tmp_path: Path, text: str | bytes, problems: list[str]) -> None:
    read = table(tmp_path, text)
    assert [part in said for part, said in zip(problems, read.problems, strict=True)] == [True] * len(problems), (
        read.problems
    )


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"tenant,state\n{text}".encode()))
def test_whatever_stands_in_a_file_is_read_or_named(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        read = table(Path(folder), content)
        assert all(row.verification.tenant for row in read.rows)


def test_an_end_at_the_edge_of_the_calendar_is_shown() -> None:
    edge = datetime.fromisoformat("9999-12-31T23:59:59-14:00")
    assert [day(each) for each in (edge, edge.replace(year=2026), None)] == ["9999-12-31", "2027-01-01", "-"]


def test_a_bad_file_reaches_no_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kyc.csv"
    file.write_text("tenant,state\nacme,Pending\nbeta,Cleared\n")
    assert main(["kyc", "import", str(file), "--kubeconfig", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert f"{file}:3: state: " in said
    assert "1 problems; nothing was written" in said


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kyc", "import", str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err
