"""Licences by the ledger: what each covers, all of a tenant's together, over time, and for many who ask at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.decide import grants
from admission.decide.grants import MOST_AT_ONCE, grant_limits, scope_of_grant, valid_grants
from admission.enforce.shown import authorization_uses
from tests.decide.questions import ALLOW, NOW, World, grant, policy, pool, rule, tenant, world
from tests.gate.reviews import Door, review

SCOPE = scope_of_grant(grant())
ASK = policy(ALLOW, rule("licence", "Authorization"))
H100, H200, A100 = "h100-sxm", "h200-sxm", "a100-80gb"
POOLS = tuple(pool(chip, chip, "DE") for chip in (H100, H200, A100))


def one(chip: str, devices: int = 1) -> dict[str, Any]:
    limits = {"nvidia.com/gpu": str(devices)}
    return {"nodeSelector": {"pool": chip}, "containers": [{"name": "main", "resources": {"limits": limits}}]}


def licensed(*licences: Any, **fields: Any) -> World:
    return world(ASK, *POOLS, *licences, nodes=(), **fields)


def answers(door: Door, *asked: str) -> list[str]:
    """Ask for one device of each class, one after the other; return "" for what was admitted, else the reason."""

    async def ask() -> list[str]:
        found = []
        for number, chip in enumerate(asked):
            await door.ask(review(one(chip), uid=f"{len(door.records)}-{number}"))
            found.append(", ".join(door.records[-1].reasons))
        return found

    return asyncio.run(ask())


NO, FULL = "AuthorizationRequired", "AuthorizationExhausted"


@pytest.mark.parametrize(
    ("licences", "asked", "expected"),
    [
        ([grant(devices=2)], [H100, H200, H100], ["", "", FULL]),
        ([grant(devices=1, classes=[H100])], [H200, H100, H100], [NO, "", FULL]),
        ([grant("a", devices=1), grant("b", devices=2)], [H100] * 4, ["", "", "", FULL]),
        (
            [grant("a", devices=1, classes=[H100]), grant("b", devices=1, classes=[H200])],
            [H100, H100, H200, H200],
            ["", FULL, "", FULL],
        ),
        (
            [grant("a", devices=1, classes=[H100]), grant("b", devices=1, classes=["Controlled"])],
            [H100, H200, H100, H200],
            ["", "", FULL, FULL],
        ),
        (
            [grant("a", devices=1, classes=[H100, H200]), grant("b", devices=1, classes=[H200, A100])],
            [H200, H100, A100],
            ["", "", FULL],
        ),
        ([grant(devices=1, classes=["3A090.a.1"]), grant("b", holder="other", devices=9)], [H100, H100], ["", FULL]),
    ],
    ids=["one", "of one class", "two add up", "each its class", "one for all", "they overlap", "another's counts not"],
)
def test_a_tenants_licences_cover_what_they_say_together(
    licences: list[Any], asked: list[str], expected: list[str]
) -> None:
    assert answers(Door(licensed(*licences)), *asked) == expected


def test_however_many_ask_at_once_the_licences_cover_exactly_what_they_say() -> None:
    door = Door(licensed(grant("a", devices=3), grant("b", devices=4, classes=[H100])))

    async def crowd() -> int:
        asked = (door.ask(review(one(H100), uid=f"pod-{number}")) for number in range(20))
        return sum(answer["allowed"] for answer in await asyncio.gather(*asked))

    assert asyncio.run(crowd()) == 7
    assert door.held(SCOPE) == 7


def test_two_licences_that_have_no_room_are_both_named() -> None:
    door = Door(licensed(grant("a", devices=1, number="D-1"), grant("b", devices=1, number="D-2")))
    answers(door, H100)
    told = asyncio.run(door.ask(review(one(H100, 2), uid="more")))["status"]["message"]

    assert told.startswith("[LimitReached] authorizations D-1, D-2 cover 2 at once: 1 in use, 2 asked;")


def test_what_is_held_when_a_licence_ends_stays_and_counts_under_the_next() -> None:
    """The pods run on; what the tenant asks for next needs a licence that covers all it holds of the class."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    first = grant("a", devices=2, validUntil=soon.isoformat())
    door = Door(licensed(first))
    assert answers(door, H100, H100, H100) == ["", "", FULL]
    ended = datetime.now(UTC) - timedelta(seconds=1)
    door.registry.put(grant("a", devices=2, validUntil=ended.isoformat()))
    assert answers(door, H100) == [NO]
    assert door.held(SCOPE) == 2
    door.registry.put(grant("b", devices=3))
    assert answers(door, H100, H100) == ["", FULL]


def test_what_is_held_is_shown_under_the_licence_that_ends_first_and_the_rest_under_the_last() -> None:
    registry = licensed().registry()
    sooner, later = grant("sooner", devices=2, validUntil="2026-12-01T00:00:00Z"), grant("later", devices=4)

    def shown(held: dict[str, int], *licences: Any, at: datetime = NOW) -> dict[str, int]:
        return authorization_uses("acme", licences, [_Held(held)], registry, at)  # type: ignore[list-item]

    assert shown({H100: 5}, sooner, later) == {"sooner": 2, "later": 3}
    assert shown({H100: 7}, sooner, later) == {"sooner": 2, "later": 5}
    assert shown({H100: 3}, sooner, later, at=NOW + timedelta(days=20)) == {"sooner": 0, "later": 3}
    assert shown({H100: 3}, sooner, at=NOW + timedelta(days=20)) == {"sooner": 3}
    assert shown({"t4": 3}, sooner, later) == {"sooner": 0, "later": 0}


class _Held:
    """A view of a ledger in which one tenant holds devices."""

    def __init__(self, held: dict[str, int]) -> None:
        self.used = {("acme", key): count for key, count in held.items()} | {("other", H100): 99}


CLASSES = (H100, H200, A100)
COVERED = st.sets(st.sampled_from(CLASSES), min_size=1).map(sorted)
GRANTS = st.lists(st.tuples(COVERED, st.integers(1, 3)), min_size=1, max_size=4)


@given(GRANTS, st.lists(st.sampled_from(CLASSES), max_size=8))
def test_the_limits_admit_exactly_what_can_be_shared_out(drawn: list[tuple[list[str], int]], asked: list[str]) -> None:
    """Against a search: each device takes a place under some licence that covers it, moving others where need be."""
    those = tuple(grant(f"g{n}", classes=classes, devices=devices) for n, (classes, devices) in enumerate(drawn))
    rules = licensed().registry().rules(NOW)
    held: list[str] = []
    for chip in asked:
        limits = [*grant_limits(rules, valid_grants(those, "acme", NOW), {chip}, "acme")]
        wanted = [("t4", 5), *((each, 1) for each in (*held, chip))]  # what needs no licence takes none
        fits = bool(limits) and all(limit.measure(wanted) <= limit.amount for limit in limits)
        assert fits is _shared_out([*held, chip], drawn)
        held += [chip] * fits


def _shared_out(devices: list[str], drawn: list[tuple[list[str], int]]) -> bool:
    places = [classes for classes, count in drawn for _ in range(count)]
    taken: dict[int, str] = {}

    def place(device: str, tried: set[int]) -> bool:
        for spot, classes in enumerate(places):
            if device in classes and spot not in tried:
                tried.add(spot)
                if spot not in taken or place(taken[spot], tried):
                    taken[spot] = device
                    return True
        return False

    return all(place(device, set()) for device in devices)


def test_more_licences_than_are_taken_together_leave_the_last_for_later() -> None:
    many = [grant(f"g{n}", devices=1, classes=[H100]) for n in range(MOST_AT_ONCE + 2)]
    asked = [H100] * (MOST_AT_ONCE + 1)

    assert answers(Door(licensed(*many)), *asked) == [*[""] * MOST_AT_ONCE, FULL]


def test_however_many_licences_there_are_for_others_the_one_for_the_class_asked_for_is_seen() -> None:
    sooner = [grant(f"g{n}", devices=1, classes=[H100]) for n in range(MOST_AT_ONCE)]
    last = grant("last", devices=1, classes=[A100], validUntil="2027-06-01T00:00:00Z")

    assert answers(Door(licensed(*sooner, last)), A100, A100, H100) == ["", FULL, ""]


@given(st.lists(st.tuples(COVERED, st.integers(1, 2)), min_size=3, max_size=6), st.lists(st.sampled_from(CLASSES)))
def test_licences_that_are_left_out_never_let_more_in(drawn: list[tuple[list[str], int]], asked: list[str]) -> None:
    held: list[str] = []
    those = tuple(grant(f"g{n}", classes=classes, devices=devices) for n, (classes, devices) in enumerate(drawn))
    rules = licensed().registry().rules(NOW)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(grants, "MOST_AT_ONCE", 2)
        for chip in asked[:8]:
            limits = [*grant_limits(rules, valid_grants(those, "acme", NOW), {chip}, "acme")]
            wanted = [(each, 1) for each in (*held, chip)]
            held += [chip] * (bool(limits) and all(limit.measure(wanted) <= limit.amount for limit in limits))
            assert _shared_out(held, drawn)


def test_a_reseller_uses_its_own_licences_for_its_customers() -> None:
    reseller, customer = tenant("kumo", kind="Reseller"), tenant("tanuki", suppliedBy="kumo")
    labels = {"computegate.io/tenant": "kumo", "computegate.io/end-customer": "tanuki"}
    own, others = grant(holder="kumo", devices=1), grant("b", holder="tanuki", devices=9)

    assert answers(Door(licensed(reseller, customer, own, others, labels=labels)), H100, H100) == ["", FULL]
