"""The arithmetic of use against limits, and what one batch does with it."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from admission.decide.limits import Charge, Limit, Part, Parties, Unit, whole
from admission.ledger.accounts import Sums
from admission.ledger.draft import Ask, Caps, Drafter, Withdrawal
from admission.ledger.limits import Exceeded, Granted, Kind, Origin, Outcome, Tally, Unavailable, judge
from admission.ledger.state import SHARED, Entry, State
from admission.review.reasons import Reason

DEVICES = {"h100": 1, "a100": 1}
TPP = {"h100": 15824, "a100": 4992}


def limit(amount: int, *, weights: dict[str, int] | None = None, only: str = "", own: str = "acme") -> Limit:
    weights = DEVICES if weights is None else weights
    parties = Parties.of(whole, only) if only else None
    unit: Unit = "tpp" if weights is TPP else "devices"
    return Limit(f"{unit}-{only}", unit, amount, weights, parties, Parties.of(whole, own))


def charge(party: str = "acme", **counts: int) -> Charge:
    return Charge(party, tuple((key.replace("_or_", "|"), count) for key, count in counts.items()))


def ask(uid: str, asked: Charge, *limits: Limit, owner: str = "a.1", namespace: str = "ns") -> Ask:
    return Ask(uid, namespace, uid, asked, limits, owner)


def state(*entries: Entry, **used: int) -> State:
    accounts = {("rival", key): count for key, count in used.items()}
    return State(initialized=True, used=accounts, inflight={entry.uid: entry for entry in entries})


@pytest.mark.parametrize(
    ("asked", "bound", "held", "requested", "used", "fits"),
    [
        pytest.param(charge(h100=8), limit(8), {}, 8, 0, True, id="exactly full"),
        pytest.param(charge(h100=8), limit(15), {("rival", "h100"): 8}, 8, 8, False, id="one over"),
        pytest.param(charge(h100=1, a100=1), limit(2), {}, 2, 0, True, id="classes of one limit add up"),
        pytest.param(charge(b200=9), limit(2), {("rival", "b200"): 9}, 0, 0, True, id="other classes weigh nothing"),
        pytest.param(charge(h100=1), limit(15824, weights=TPP), {}, 15824, 0, True, id="TPP exactly full"),
        pytest.param(
            charge(h100=1), limit(20815, weights=TPP), {("x", "a100"): 1}, 15824, 4992, False, id="TPP one over"
        ),
        pytest.param(
            charge(a100_or_h100=1), limit(15824, weights=TPP), {}, 15824, 0, True, id="alternatives weigh the most"
        ),
        pytest.param(
            charge(h100=1), limit(15824, weights=TPP), {("x", "a100|h100"): 1}, 15824, 15824, False, id="held ones too"
        ),
        pytest.param(
            charge(b200_or_h100=3), limit(2), {}, 3, 0, False, id="an alternative outside the limit hides none inside"
        ),
        pytest.param(
            charge(h100=4), limit(4, only="acme"), {("rival", "h100"): 9}, 4, 0, True, id="another party's use"
        ),
        pytest.param(
            charge(h100=4), limit(4, only="rival"), {("rival", "h100"): 9}, 0, 9, True, id="another party's limit"
        ),
        pytest.param(
            charge(h100=1), limit(4), {("rival", "h100"): 9}, 1, 9, False, id="lowered below use denies new ones"
        ),
        pytest.param(
            charge(b200=1), limit(4), {("rival", "h100"): 9}, 0, 9, True, id="lowered below use, nothing asked"
        ),
        pytest.param(charge(), limit(0), {}, 0, 0, True, id="nothing asked of nothing"),
    ],
)
def test_use_is_held_against_a_limit(  # noqa: PLR0917 (the columns of the table)
    asked: Charge, bound: Limit, held: dict[tuple[str, str], int], requested: int, used: int, fits: bool
) -> None:
    verdict = judge(asked, [bound], Tally([Sums(held.items())]))
    levels = verdict.levels if isinstance(verdict, Granted) else verdict.shortfalls
    assert isinstance(verdict, Granted) is fits
    assert [(level.requested, level.used_all) for level in levels] == [(requested, used)]


def test_only_the_limits_that_fall_short_are_named_with_the_tenants_own_use_apart() -> None:
    held = {("acme", "h100"): 3, ("rival", "h100"): 5, ("acme", "b200"): 7}
    verdict = judge(charge(h100=2), [limit(9), limit(10), limit(4, only="acme")], Tally([Sums(held.items())]))
    assert isinstance(verdict, Exceeded)
    assert [(s.limit.amount, s.used_all, s.used_own) for s in verdict.shortfalls] == [(9, 8, 3), (4, 3, 3)]


def test_a_charge_is_whole_devices_in_one_order() -> None:
    assert Charge("p", (("h100", 2), ("a100", 1), ("h100", 1))) == Charge("p", (("a100", 1), ("h100", 3)))
    with pytest.raises(ValueError, match="one or more"):
        Charge("p", (("h100", 0),))


def test_sums_follow_what_a_batch_takes_and_gives_back() -> None:
    tally, bound = Tally([Sums({("rival", "h100"): 1}.items())]), limit(99)
    for step, expected in (("add", 3), ("add", 5), ("remove", 3)):
        getattr(tally, step)(charge(h100=2))
        assert (tally.level(bound, charge(h100=1)).used_all, tally.level(bound, charge()).used_own) == (
            expected,
            expected - 1,
        )


ACME = ask("u1", charge(h100=4), limit(8))
HELD = ACME.entry(100)


@pytest.mark.parametrize(
    ("stood", "asks", "withdrawals", "outcomes", "owners"),
    [
        pytest.param(state(), [ACME], [], ["granted"], {"u1": "a.1"}, id="fits"),
        pytest.param(state(h100=5), [ACME], [], ["exceeded"], None, id="does not fit"),
        pytest.param(
            state(),
            [ACME, ask("u2", charge(h100=5), limit(8)), ask("u3", charge(h100=4), limit(8))],
            [],
            ["granted", "exceeded", "granted"],
            {"u1": "a.1", "u3": "a.1"},
            id="in order of arrival, a denied one takes nothing",
        ),
        pytest.param(
            state(),
            [ACME, ask("u2", charge(h100=5), limit(8)), ask("u3", charge(h100=5), limit(5, only="acme"))],
            [],
            ["granted", "exceeded", "exceeded"],
            {"u1": "a.1"},
            id="a limit met first in mid batch counts what went before",
        ),
        pytest.param(state(HELD), [ACME], [], ["granted"], None, id="the same attempt again writes nothing"),
        pytest.param(
            state(HELD, h100=90),
            [msgspec.structs.replace(ACME, owner="b.1")],
            [],
            ["granted"],
            {"u1": SHARED},
            id="another attempt for the uid makes it nobody's own",
        ),
        pytest.param(
            state(HELD),
            [msgspec.structs.replace(ACME, owner="b.1", charge=charge(h100=3))],
            [],
            ["LedgerBusy"],
            None,
            id="another charge for the uid is refused",
        ),
        pytest.param(
            state(),
            [ACME, msgspec.structs.replace(ACME, owner="a.2")],
            [],
            ["granted", "granted"],
            {"u1": SHARED},
            id="twice in one batch counts once",
        ),
        pytest.param(state(HELD), [], [Withdrawal("u1", "a.1")], [], {}, id="its own entry is taken back"),
        pytest.param(state(HELD), [], [Withdrawal("u1", "b.1")], [], None, id="another's entry is not"),
        pytest.param(state(HELD.shared()), [], [Withdrawal("u1", SHARED)], [], None, id="a shared one is nobody's"),
        pytest.param(state(HELD.shared()), [], [Withdrawal("u1", None)], [], {}, id="what is gone is released"),
        pytest.param(
            state(HELD),
            [ask("u2", charge(h100=8), limit(8))],
            [Withdrawal("u1", "a.1")],
            ["granted"],
            {"u2": "a.1"},
            id="what is taken back serves the same batch",
        ),
        pytest.param(
            dataclasses.replace(state(HELD), initialized=False),
            [ACME],
            [Withdrawal("u1", None)],
            ["NotSynced"],
            None,
            id="an uncounted ledger grants and writes nothing",
        ),
        pytest.param(
            state(), [ask("u1", charge(), limit(0))], [], ["granted"], None, id="nothing asked, nothing written"
        ),
        pytest.param(
            state(*(dataclasses.replace(HELD, uid=f"x{i}", charge=charge("other", h100=1)) for i in range(2))),
            [ask("u1", charge(h100=1), limit(9)), ask("u2", charge(h100=1), limit(9), namespace="n2")],
            [],
            ["LedgerBusy", "granted"],
            {"x0": "a.1", "x1": "a.1", "u2": "a.1"},
            id="a namespace at its cap stops nobody else",
        ),
        pytest.param(
            state(*(dataclasses.replace(HELD, uid=f"x{i}", namespace=f"x{i}") for i in range(3))),
            [ask("u1", charge(h100=1), limit(99)), ask("u2", charge("other", h100=1), limit(99), namespace="n2")],
            [],
            ["LedgerBusy", "granted"],
            {"x0": "a.1", "x1": "a.1", "x2": "a.1", "u2": "a.1"},
            id="a party at its cap stops nobody else",
        ),
        pytest.param(
            state(
                *(
                    dataclasses.replace(HELD, uid=f"x{i}", namespace=f"x{i}", charge=charge(f"p{i}", h100=1))
                    for i in range(4)
                )
            ),
            [ask("u1", charge(h100=1), limit(99))],
            [],
            ["LedgerBusy"],
            None,
            id="the ledger at its cap",
        ),
    ],
)
def test_a_batch_is_drafted_against_one_state(
    stood: State, asks: list[Ask], withdrawals: list[Withdrawal], outcomes: list[str], owners: dict[str, str] | None
) -> None:
    drafted = Drafter(stood, Caps(namespace=2, party=3, ledger=4), 100).draft(asks, withdrawals)
    assert [_word(outcome) for outcome in drafted.outcomes] == outcomes
    assert (drafted.state and {uid: e.owner for uid, e in drafted.state.inflight.items()}) == owners


def _word(outcome: Outcome) -> str:
    return str(outcome.reason) if isinstance(outcome, Unavailable) else type(outcome).__name__.lower()


def test_a_repeat_is_shown_the_use_without_itself() -> None:
    drafted = Drafter(state(HELD, h100=3), Caps(), 100).draft([ACME], [])
    (outcome,) = drafted.outcomes
    assert isinstance(outcome, Granted)
    assert [(level.requested, level.used_all, level.used_own) for level in outcome.levels] == [(4, 3, 0)]


def test_both_reasons_without_a_verdict_ask_to_try_again() -> None:
    assert {Reason.NotSynced.code, Reason.LedgerBusy.code} == {"TryAgain"}


PARTS = Part("gpu", "digest", (("h100", 2),)), Part("other", "digest", (("a100", 1),))
POD = ask("pod", Charge("acme", (("a100", 1), ("h100", 3)), PARTS)).entry(0)


def _claims(origin: Origin | None, *, uid: str = "claim", devices: int = 2) -> Ask:
    return msgspec.structs.replace(ask(uid, charge(h100=devices), limit(4)), kind=Kind.Claim, origin=origin)


@pytest.mark.parametrize(
    ("origins", "outcomes", "held"),
    [
        pytest.param([Origin("pod", "gpu", "digest")], ["granted"], {"pod": 2, "claim-0": 2}, id="its part"),
        pytest.param(
            [Origin("pod", "gpu", "digest")] * 2, ["granted", "exceeded"], {"pod": 2, "claim-0": 2}, id="its part once"
        ),
        pytest.param([Origin("pod", "gpu", "else")], ["differs"], {"pod": 4}, id="a part that asks for something else"),
        pytest.param([Origin("pod", "none", "digest")], ["exceeded"], {"pod": 4}, id="a part that there is none of"),
        pytest.param([Origin("gone", "gpu", "digest")], ["exceeded"], {"pod": 4}, id="of an object that is not there"),
        pytest.param([None], ["exceeded"], {"pod": 4}, id="nobody's part"),
    ],
)
def test_a_part_of_a_charge_goes_over_to_the_object_that_is_made_for_it(
    origins: list[Origin | None], outcomes: list[str], held: dict[str, int]
) -> None:
    asks = [_claims(origin, uid=f"claim-{number}") for number, origin in enumerate(origins)]
    drafted = Drafter(state(POD), Caps(), 100).draft(asks, [])
    assert [_word(outcome) for outcome in drafted.outcomes] == outcomes
    entries = (drafted.state or state(POD)).inflight
    assert {uid: sum(count for _, count in entry.charge.counts) for uid, entry in entries.items()} == held
    assert all(entry.owner == SHARED for uid, entry in entries.items() if uid == "pod" and "claim-0" in entries)


@pytest.mark.parametrize(("devices", "outcome", "held"), [(1, "granted", 3), (2, "granted", 4), (3, "exceeded", 4)])
def test_a_claim_that_leaves_more_open_by_now_must_fit_the_limit(devices: int, outcome: str, held: int) -> None:
    drafted = Drafter(state(POD), Caps(), 100).draft([_claims(Origin("pod", "gpu", "digest"), devices=devices)], [])
    assert [_word(each) for each in drafted.outcomes] == [outcome]
    assert sum((drafted.state or state(POD)).reserved().values()) == held


def test_what_weighs_nothing_under_a_limit_stands_in_no_ledger() -> None:
    drafted = Drafter(state(), Caps(), 100).draft([ask("pod", charge(b200=9), limit(1))], [])
    assert (_word(drafted.outcomes[0]), drafted.state) == ("granted", None)


def test_each_part_of_an_entry_counts_towards_the_most_in_flight() -> None:
    parts = tuple(Part(f"claim-{number}", "digest", (("h100", 1),)) for number in range(3))
    pods = [ask(f"pod-{number}", Charge("acme", (("h100", 3),), parts), limit(100)) for number in range(3)]
    drafted = Drafter(state(), Caps(namespace=8, party=99, ledger=99), 100).draft(pods, [])
    assert [_word(each) for each in drafted.outcomes] == ["granted", "granted", "LedgerBusy"]


def test_an_entry_leaves_when_all_of_it_has_gone_over_and_repeats_change_nothing() -> None:
    only = dataclasses.replace(POD, charge=Charge("acme", PARTS[0].counts, PARTS[:1]))
    first = Drafter(state(only), Caps(), 100).draft([_claims(Origin("pod", "gpu", "digest"))], [])
    assert first.state is not None
    assert set(first.state.inflight) == {"claim"}
    again = Drafter(first.state, Caps(), 100).draft([_claims(Origin("pod", "gpu", "digest"))], [])
    assert (_word(again.outcomes[0]), again.state) == ("granted", None)
