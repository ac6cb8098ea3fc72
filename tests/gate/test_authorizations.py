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
from admission.decide.limits import Charge, Limit
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


def test_however_many_licences_there_are_for_one_class_another_that_is_asked_for_beside_it_has_a_limit() -> None:
    sooner = [grant(f"g{n}", devices=1, classes=[H100]) for n in range(MOST_AT_ONCE)]
    last = grant("last", devices=1, classes=[A100], validUntil="2027-06-01T00:00:00Z")
    limits = grant_limits(licensed().registry().rules(NOW), valid_grants((*sooner, last), "acme", NOW), CLASSES, "acme")

    assert [limit.amount for limit in limits if limit.measure([(A100, 2)]) == 2] == [1]


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


KUMO = tenant("kumo", kind="Reseller")
CUSTOMERS = tuple(tenant(name, suppliedBy="kumo") for name in ("tanuki", "kitsune"))


def resold(*licences: Any, customer: str = "tanuki") -> World:
    labels = {"computegate.io/tenant": "kumo", "computegate.io/end-customer": customer}
    return licensed(KUMO, *CUSTOMERS, *licences, labels=labels)


def answers_of(door: Door, *asked: tuple[str, str]) -> list[str]:
    """Ask for one device of a class for one of the customers, one after the other."""
    found = []
    for customer, chip in asked:
        door.registry.put_namespace("lab", resold(customer=customer).labels)
        found += answers(door, chip)
    return found


def test_licences_of_a_reseller_cover_the_customers_that_they_name_each_its_own() -> None:
    both = grant("a", holder="kumo", devices=1, endCustomers=["tanuki", "kitsune"])
    one_of_them = grant("b", holder="kumo", devices=1, endCustomers=["tanuki"])
    t, k = ("tanuki", H100), ("kitsune", H100)

    assert answers_of(Door(resold(both, one_of_them)), t, k, t, k) == ["", "", FULL, FULL]
    assert answers_of(Door(resold(both, one_of_them)), k, t, k, t) == ["", "", FULL, FULL]
    assert answers_of(Door(resold(both, one_of_them)), k, k, t, t) == ["", FULL, "", FULL]
    assert answers_of(Door(resold(one_of_them, grant("c", holder="kumo", devices=9))), k, t, t) == [NO, "", FULL]


def test_where_a_reseller_and_its_customer_need_one_each_both_their_ledgers_count() -> None:
    resellers, customers = grant("a", holder="kumo", devices=3), grant("b", holder="tanuki", devices=2)
    door = Door(resold(resellers, customers))

    assert answers(door, H100, H100, H100) == ["", "", FULL]
    assert (door.held(scope_of_grant(resellers)), door.held(scope_of_grant(customers))) == (2, 2)


@pytest.mark.parametrize("held_by", ["kumo", "tanuki"])
def test_a_licence_of_another_party_that_has_no_room_is_not_told_of_by_its_number(held_by: str) -> None:
    few = {"kumo": grant("a", holder="kumo", devices=1), "tanuki": grant("b", holder="tanuki", devices=1)}[held_by]
    many = grant("c", holder={"kumo": "tanuki", "tanuki": "kumo"}[held_by], devices=9)
    door = Door(resold(few, many)._replace(labels={"computegate.io/tenant": "tanuki"}))
    answers(door, H100)
    told = asyncio.run(door.ask(review(one(H100), uid="more")))["status"]["message"]

    assert ("D-1" in told) is (held_by == "tanuki")
    assert "[LimitReached]" in told


def test_what_customers_hold_is_shown_under_the_licences_that_name_them_and_under_their_own() -> None:
    registry = licensed().registry()
    names, itself = grant("names", holder="kumo", endCustomers=["tanuki"]), grant("itself", holder="kumo")
    held = _Held({})
    held.used = {("kumo/tanuki", H100): 3, ("kumo/kitsune", H100): 2, ("other", H100): 9}

    def shown(holder: str, *licences: Any) -> dict[str, int]:
        return authorization_uses(holder, licences, [held, held], registry, NOW)  # type: ignore[list-item]

    assert shown("kumo", names, itself) == {"names": 3, "itself": 2}
    assert shown("kumo", names) == {"names": 3}
    assert shown("tanuki", grant("own", holder="tanuki")) == {"own": 3}


CUSTOMER = st.sampled_from(["tanuki", "kitsune", "inari"])
NAMING = st.sets(CUSTOMER, min_size=1).map(sorted)


@given(
    st.lists(st.tuples(COVERED, NAMING, st.integers(1, 2)), min_size=1, max_size=4),
    st.lists(st.tuples(CUSTOMER, st.sampled_from(CLASSES)), max_size=8),
)
def test_licences_that_name_customers_admit_exactly_what_can_be_shared_out_among_them(
    drawn: list[tuple[list[str], list[str], int]], asked: list[tuple[str, str]]
) -> None:
    """Against the same search: a device is of a class and of a customer, and needs both to be covered."""
    those = tuple(
        grant(f"g{n}", holder="kumo", classes=classes, endCustomers=names, devices=devices)
        for n, (classes, names, devices) in enumerate(drawn)
    )
    places = [([f"{c}/{name}" for c in classes for name in names], count) for classes, names, count in drawn]
    rules, held = licensed().registry().rules(NOW), list[tuple[str, str]]()
    for customer, chip in asked:
        party = f"kumo/{customer}"
        limits = [*grant_limits(rules, valid_grants(those, "kumo", NOW), {chip}, party)]
        wanted = [*held, (customer, chip), ("another", chip)]  # who is named by none takes nothing
        fits = bool(limits) and all(_under(limit, wanted) <= limit.amount for limit in limits)
        assert fits is _shared_out([f"{c}/{name}" for name, c in (*held, (customer, chip))], places)
        held += [(customer, chip)] * fits


def _under(limit: Limit, wanted: list[tuple[str, str]]) -> int:
    return sum(limit.asked(Charge(f"kumo/{customer}", ((chip, 1),))) for customer, chip in wanted)
