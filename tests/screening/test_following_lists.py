"""A list in the place of another: it finds what it would find alone, and compares only what differs."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from rapidfuzz import fuzz

from admission.screening.bylength import ByLength
from admission.screening.entry import Entry, Number
from admission.screening.index import Index
from admission.screening.parties import Searched

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = (
    "Tolmavir",
    "Quellgrund",
    "Greyharrow",
    "Vasterby",
    "Okelund",
    "Zherekov",
    "Jerekoff",
    "Technology",
    "Institute",
)
FORMS = ("Ltd", "GmbH", "OOO", "")


def name(chance: random.Random) -> str:
    return " ".join([*chance.sample(WORDS, chance.randint(1, 3)), chance.choice(FORMS)]).strip()


def entry(key: str, chance: random.Random) -> Entry:
    kind = "Vessel" if chance.random() < 0.1 else "Entity"
    numbers = (Number("LEI", f"529900EXAMPLE{chance.randint(0, 30):07}"),)
    return Entry(key, "list", kind, (name(chance), name(chance)), numbers)


@pytest.mark.parametrize("seed", range(8))
def test_a_list_after_another_finds_what_it_would_find_alone(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  chance, no secret
    numbered = [(Number("LEI", f"529900EXAMPLE{chance.randint(0, 30):07}"),) for _ in range(20)]
    parties = [Searched("tenant", name(chance), numbers) for numbers in numbered]
    entries = [entry(f"e{number}", chance) for number in range(60)]
    index = Index(entries)
    for _ in range(3):
        asked = chance.sample(parties, 15)
        assert [index.search(each) for each in asked] == [Index(entries).search(each) for each in asked]
        for place in chance.sample(range(len(entries)), 8):
            entries[place] = entry(entries[place].id, chance)
        entries = chance.sample(entries, len(entries) - 3)
        index = Index(entries, index)


def test_of_entries_that_stay_nothing_is_compared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    alike = ByLength.alike

    def counting(of: ByLength, mine: str, least: int) -> Iterator[tuple[str, int]]:
        compared.extend(name for names in vars(of)["_names"].values() for name in names)
        return alike(of, mine, least)

    monkeypatch.setattr(ByLength, "alike", counting)
    stays, comes = (Entry(each, "list", "Entity", (f"{each} Quellgrund Werke",), ()) for each in ("Vast", "Okel"))
    first, party = Index([stays]), Searched("tenant", "Okul Quellgrund Werke", ())
    first.search(party)
    assert any("vast" in each for each in compared)
    compared.clear()
    assert [each.entry.id for each in Index([stays, comes], first).search(party)] == ["Okel"]
    assert compared
    assert not any("vast" in each for each in compared)


@pytest.mark.parametrize("least", [60, 85, 90, 100])
def test_no_name_that_is_alike_is_left_out_for_its_length(least: int) -> None:
    chance = random.Random(least)  # noqa: S311  chance, no secret
    names = {"".join(chance.choices("abc", k=chance.randint(1, 30))) for _ in range(400)}
    by_length = ByLength(names)
    for mine in sorted(names)[:40]:
        alike = {each for each in names if fuzz.ratio(mine, each) >= least}
        assert {theirs for theirs, _ in by_length.alike(mine, least)} == alike
