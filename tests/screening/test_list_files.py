"""A list is read whole, or refused with the line and the field: half a list would clear whom the other half names."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.screening.csl import COLUMNS, read_list
from admission.screening.entry import ListError, Number
from tests.screening.lists import QUELLGRUND, SOURCE, TOLMAVIR, csv_text, json_text, write

if TYPE_CHECKING:
    import pathlib

GOOD = csv_text(TOLMAVIR, QUELLGRUND)
GOOD_JSON = json_text(TOLMAVIR, QUELLGRUND)


def test_csv_and_json_say_the_same(tmp_path: pathlib.Path) -> None:
    flat = read_list(write(tmp_path, GOOD)).entries
    deep = read_list(write(tmp_path, GOOD_JSON, "list.json")).entries
    assert flat == deep == read_list(write(tmp_path, f"\ufeff{GOOD}\n")).entries
    assert deep[0].names == ("OOO Tolmavir Vychisleniya", "Tolmavir Computing")
    assert deep[0].numbers == (Number("Tax ID No.", "7700000001"),)
    assert deep[1] == ("e2", SOURCE, "", ("Quellgrund Rechenwerke GmbH",), ())


def test_a_number_in_digits_of_full_width_is_the_same_number(tmp_path: pathlib.Path) -> None:
    wide = "7700 000 001".translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
    listed = {**TOLMAVIR, "ids": [{"type": "Tax ID No.", "number": wide}]}
    for text, name in ((csv_text(listed), "list.csv"), (json_text(listed), "list.json")):
        assert read_list(write(tmp_path, text, name)).entries[0].numbers == (Number("Tax ID No.", "7700000001"),)


BAD_CSV = {
    "cut within a line": (GOOD[: GOOD.rindex("Quellgrund")], "line 3, column title: the line ends before it"),
    "cut before the last newline": (GOOD[:-1], "line 3, column ids: the file ends within the line"),
    "cut within quotes": (GOOD + '"e3,', "line 4: unexpected end of data"),
    "a column renamed": (
        GOOD.replace("alt_names", "aliases", 1),
        "column alt_names is missing; column 'aliases' is new",
    ),
    "a column less": (csv_text(TOLMAVIR, columns=COLUMNS[:-1]), "line 1: column ids is missing"),
    "a column twice": (GOOD.replace("remarks", "ids", 1), "column remarks is missing; column ids stands twice"),
    "a field more": (GOOD.replace("\ne2,", "\ne2,x,", 1), "line 3: 30 fields for 29 columns"),
    "no name": (csv_text({**TOLMAVIR, "name": " "}), "line 2, column name: empty"),
    "no id": (csv_text(TOLMAVIR, {**QUELLGRUND, "id": ""}), "line 3, column _id: empty"),
    "a name without end": (csv_text({**TOLMAVIR, "name": "x" * 1001}), "column name: longer than 1000 characters"),
    "an id without end": (csv_text({**TOLMAVIR, "id": "x" * 129}), "column _id: longer than 128 characters"),
    "names without end": (csv_text({**TOLMAVIR, "alt_names": ["x;"] * 3000}), "alt_names: more than 2000 names"),
    "a field without end": (csv_text({**TOLMAVIR, "remarks": "x" * 200_000}), "line 2: field larger than field limit"),
    "a page of the web": ("<html>\n<body>404</body>\n", "line 1: column _id is missing"),
    "an id twice": (
        csv_text(TOLMAVIR, QUELLGRUND, {**QUELLGRUND, "id": "e1"}),
        "line 4, column _id: e1 stands in line 2 already",
    ),
    "only columns": (csv_text(), "no entry in it"),
    "nothing": ("", "line 1: column _id is missing"),
}
BAD_JSON = {
    "no JSON any more": (f"\n{GOOD_JSON[:20]}]", "line 2, byte 21: not the JSON of the list"),
    "cut short": (
        GOOD_JSON[:-30],
        f"line 1, byte {len(GOOD_JSON) - 30}: not the JSON of the list: Input data was truncated",
    ),
    "a number for a name": (json_text({**TOLMAVIR, "name": 7}), "entry 0, field name: Expected `str`, got `int`"),
    "no source": (
        json_text(TOLMAVIR, {"id": "e2", "name": "x"}),
        "entry 1: Object missing required field `source`",
    ),
    "aliases renamed": (
        json_text({**QUELLGRUND, "type": None, "ids": None, "aliases": []}),
        "no entry has the field alt_names",
    ),
    "numbers renamed": (json_text({**QUELLGRUND, "type": None, "alt_names": []}), "no entry has the field ids"),
    "types renamed": (
        json_text({**QUELLGRUND, "alt_names": [], "ids": [], "kind": "Entity"}),
        "no entry has the field type",
    ),
    "the number of an identifier renamed": (
        json_text(QUELLGRUND, {**TOLMAVIR, "ids": [{"type": "Tax ID No.", "value": "7700 000 001"}]}),
        "entry 1, field ids[0]: Object missing required field `number`",
    ),
    "the register of an identifier renamed": (
        json_text({**TOLMAVIR, "ids": [{"register": "Tax ID No.", "number": "7700 000 001"}]}),
        "entry 0, field ids[0]: Object missing required field `type`",
    ),
    "identifiers that say no number": (
        json_text({**TOLMAVIR, "ids": [{"type": "Tax ID No.", "number": None}]}),
        "no entry has a number in the field ids",
    ),
    "entries twice": (f'{{"results": [], {GOOD_JSON[1:]}', "field results: stands twice"),
    "an id twice": (
        json_text(TOLMAVIR, QUELLGRUND, {**QUELLGRUND, "id": "e1"}),
        "entry 2, field id: e1 stands in entry 0 already",
    ),
    "aliases that are a text": (json_text({**TOLMAVIR, "alt_names": "a; b"}), "entry 0, field alt_names: Expected"),
    "another document": ('{"items": []}', "Object missing required field `results`"),
    "deep": ("[" * 100_000, "not the JSON of the list"),
    "no entries": ('{"results": []}', "no entry in it"),
}


@pytest.mark.parametrize("case", BAD_CSV)
def test_a_broken_csv_is_refused_with_line_and_column(case: str, tmp_path: pathlib.Path) -> None:
    text, words = BAD_CSV[case]
    with pytest.raises(ListError) as refused:
        read_list(write(tmp_path, text))
    assert words in str(refused.value)


@pytest.mark.parametrize("case", BAD_JSON)
def test_a_broken_json_is_refused_with_entry_and_field(case: str, tmp_path: pathlib.Path) -> None:
    text, words = BAD_JSON[case]
    with pytest.raises(ListError) as refused:
        read_list(write(tmp_path, text, "list.json"))
    assert words in str(refused.value)


@given(end=st.integers(0, len(GOOD.encode()) - 1))
def test_a_csv_that_is_cut_anywhere_but_after_a_line_is_refused(
    end: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.csv"
    path.write_bytes(GOOD.encode()[:end])
    if GOOD[:end].count("\n") >= 2 and GOOD[end - 1] == "\n":
        assert len(read_list(path).entries) < 2  # which its length beside the last list's tells
    else:
        with pytest.raises(ListError):
            read_list(path)


@given(raw=st.binary(max_size=200), suffix=st.sampled_from([".csv", ".json"]))
def test_any_bytes_are_read_or_refused(raw: bytes, suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(csv_text().encode() + raw if suffix == ".csv" else raw)
    with contextlib.suppress(ListError):
        assert read_list(path).entries


def test_files_that_are_not_there_or_of_no_known_kind_are_refused(tmp_path: pathlib.Path) -> None:
    for path, words in ((tmp_path / "no.csv", "No such file"), (tmp_path / "list.xml", "name it .csv or .json")):
        with pytest.raises(ListError, match=words):
            read_list(path)
