"""``computegate usage``: what an invoice rests on counts each interval once, whatever else stands in the logs."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from admission.catalogue.catalogue import Catalogue
from admission.cli.main import main
from admission.ledger.usage.interval import DAY, How, Interval, millis_of
from admission.ledger.usage.line import gap_of, line_of
from tests.usage.holdings import HOUR, gpus

if TYPE_CHECKING:
    from pathlib import Path

    from admission.ledger.usage.interval import Holding

NOVEMBER = millis_of("2026-11-30T00:00:00Z") or 0
ACME, CUSTOMER = gpus(8), gpus(2, party="reseller/customer")


def line(uid: str, holding: Holding, *hours: int, known: int | None = None, how: How = How.DELETED) -> bytes:
    """Return the line of an interval between two hours of the last day of November."""
    first, last = (NOVEMBER + hour * HOUR for hour in hours)
    ended = Interval(uid, first, holding).until(last, last if known is None else NOVEMBER + known * HOUR, how)
    return msgspec.json.encode(line_of(ended, Catalogue.builtin(), last))


LOG = [
    b"INFO something else",
    line("u1", ACME, 1, 24, how=How.DAY),
    line("u1", ACME, 24, 26),
    line("u1", ACME, 1, 24, how=How.DAY),
    b'{"schema":"computegate.io/decision/v1","message":"computegate.io/usage/v1"}',
    line("u2", CUSTOMER, 3, 9, known=4, how=How.UNSEEN),
    line("u2", CUSTOMER, 3, 5),
    msgspec.json.encode(gap_of(NOVEMBER, NOVEMBER + DAY, NOVEMBER)),
]


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["usage", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("turn", [1, -1], ids=["in order", "backwards"])
def test_each_key_counts_once_with_its_earliest_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], turn: int
) -> None:
    for number, lines in enumerate((LOG[:3], LOG[3:])):
        (tmp_path / str(number)).write_bytes(b"\n".join(lines[::turn]) + b"\n")
    status, out, err = told(capsys, str(tmp_path / "0"), str(tmp_path / "1"), "-o", "json")
    assert (status, err) == (0, "gap: between 2026-11-30T00:00:00.000Z and 2026-12-01T00:00:00.000Z nobody watched\n")
    found = json.loads(out)
    assert (len(found["gaps"]), found["unreadable"]) == (1, 0)
    sums = {
        (each["month"], each["tenant"], each["endCustomer"], each["class"]): (
            each["deviceHours"],
            each["uncertainDeviceHours"],
            each["tppHours"],
            each["intervals"],
        )
        for each in found["rows"]
    }
    assert sums == {
        ("2026-11", "acme", "", "h100-sxm"): (184, 0, 184 * 15832, 1),
        ("2026-11", "reseller", "customer", "h100-sxm"): (4, 0, 4 * 15832, 1),
        ("2026-12", "acme", "", "h100-sxm"): (16, 0, 16 * 15832, 1),
    }


def test_the_table_says_how_much_of_the_hours_is_only_an_upper_bound(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LOG[5])))
    assert told(capsys, "-") == (
        0,
        (
            "MONTH    TENANT    END CUSTOMER  CLASS     DEVICE-HOURS  OF THEM UNCERTAIN  TPP-HOURS  INTERVALS\n"
            "2026-11  reseller  customer      h100-sxm  12.000        10.000             189984     1\n"
        ),
        "",
    )


@pytest.mark.parametrize(
    "broken",
    [
        LOG[1][:80],
        LOG[1].replace(b'"last":"2026-12', b'"last":"2026-10'),
        LOG[1].replace(b'"count":8', b'"count":"8"'),
        b'{"schema":"computegate.io/usage/v1"}',
    ],
    ids=["cut", "ends before it begins", "a text for a number", "nothing in it"],
)
def test_a_line_that_cannot_be_read_is_told_and_not_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: bytes
) -> None:
    (tmp_path / "log").write_bytes(broken + b"\n" + LOG[5])
    status, out, err = told(capsys, str(tmp_path / "log"), "-o", "json")
    assert (status, len(json.loads(out)["rows"])) == (1, 1)
    assert err == "1 lines of the usage record cannot be read and are not in the sums\n"


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = told(capsys, str(tmp_path / "none"))
    assert (status, out) == (2, "")
    assert f"No such file or directory: '{tmp_path / 'none'}'" in err
