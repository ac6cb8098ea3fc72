"""Tenants spread over several ledgers: who stands where, and what a change of their number may do."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime as dt
import random
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admission.api.ledger import QuotaLedgerSpec
from admission.api.quota import ComputeQuota
from admission.catalogue.catalogue import Catalogue
from admission.decide.compute import limits_of
from admission.decide.limits import Charge, Limit, Parties, whole
from admission.decide.registry import Registry
from admission.decide.shards import MOST, Shard, account_of, is_used, shard_of, shards_beside
from admission.ledger.codec import decode, encode
from admission.ledger.draft import Ask, Caps, Drafter
from admission.ledger.fold import fold, rebuilt
from admission.ledger.hours import HOUR, Stay, Terms
from admission.ledger.ledger import Ledger
from admission.ledger.limits import Exceeded, Granted, Request, Unavailable
from admission.ledger.membership import membership, scopes_of
from admission.ledger.memory import MemoryStore
from admission.ledger.objects import object_name
from admission.ledger.state import Entry, Hours, State
from admission.review.reasons import Reason
from tests.ledger.renumbered import LIMITS, ONE, Renumbered
from tests.ledger.simulation import ApiServer, Faults, Pod, Watch, now, run, watched

if TYPE_CHECKING:
    from tests.ledger.world import World

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
NAMES = st.text("abcdefgh-0123456789", min_size=1, max_size=12).map(lambda text: f"t{text}")
PARTIES = st.one_of(NAMES, st.tuples(NAMES, NAMES).map("/".join))
NUMBERS = st.sampled_from((0, 2, 3, 16, MOST))


def registry_of(shards: int, *specs: dict[str, Any]) -> Registry:
    registry = Registry(Catalogue.builtin(), shards=shards)
    for number, spec in enumerate(specs):
        known = {"jurisdictions": ["DE"], "limits": {}, **spec}
        registry.put(ComputeQuota.model_validate({"metadata": {"name": f"quota-{number}"}, "spec": known}))
    return registry


PARTS = st.dictionaries(
    st.sampled_from(("limits", "perTenant", "perReseller", "perGroup")),
    st.fixed_dictionaries({}, optional={"devices": st.just(4), "tpp": st.just(9000), "deviceHours": st.just(10)}),
)
QUOTAS = st.lists(st.tuples(PARTS, st.sampled_from((["DE"], ["FR"], ["DE", "FR"]))), min_size=1, max_size=3)


@given(NUMBERS, QUOTAS, PARTIES)
def test_a_request_is_counted_in_the_very_ledgers_in_which_a_fold_counts_its_object(
    shards: int, quotas: list[tuple[dict[str, Any], list[str]]], party: str
) -> None:
    registry = registry_of(shards, *({**parts, "jurisdictions": where} for parts, where in quotas))
    rules = registry.rules(NOW)
    asked = {
        scope
        for quota in registry.every(ComputeQuota)
        if "DE" in quota.spec.jurisdictions
        for scope, limit in limits_of(rules, quota, party, registry.group, shards)
        if limit.counts(party)
    }
    counted = {scope for scope in scopes_of(registry) if membership(registry, scope, NOW)(party, frozenset({"DE"}))}
    assert asked <= counted
    if shards:
        assert asked == counted


@given(NUMBERS.filter(bool), st.sampled_from(("DE", "ear-d5", "country", "quota-0123456789abcdef")), PARTIES)
def test_a_shards_name_is_no_jurisdictions_and_tells_what_it_is(shards: int, total: str, party: str) -> None:
    for kind in ("tenants", "resellers", "groups"):
        shard = Shard.of(total, kind, party, shards)
        assert shard.has(party, shards)
        assert shard.name in shards_beside(total, shards, kind)
        assert shard_of(shard.name) == shard
        assert QuotaLedgerSpec(scope=shard.name).scope == shard.name
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", object_name(shard.name))
        assert is_used(shard.name, shards)
        assert not is_used(shard.name, 0)
    names = [name for kind in ("tenants", "resellers", "groups") for name in shards_beside(total, shards, kind)]
    assert len(set(map(object_name, names))) == len(names)


def test_customers_stand_with_their_own_name_and_with_their_resellers() -> None:
    alone, supplied = Shard.of("DE", "tenants", "acme", 16), Shard.of("DE", "tenants", "cloud/acme", 16)
    assert alone == supplied
    reseller, sibling = Shard.of("DE", "resellers", "cloud", 16), Shard.of("DE", "resellers", "cloud/acme", 16)
    assert reseller == sibling
    assert Shard.of("DE", "groups", "acme", 16) == Shard.of("DE", "groups", "zeta", 16)


def test_only_a_scopes_own_ledger_sums_up_and_only_where_there_are_shards() -> None:
    kept = {
        (scope, number): account_of(scope, "acme", number)
        for scope in ("DE", "quota-0123456789abcdef", "DE.tenants.1", "DE.groups", "authorization-0123456789abcdef")
        for number in (0, 4)
    }
    assert [each for each, party in kept.items() if not party] == [("DE", 4), ("quota-0123456789abcdef", 4)]


def test_a_ledger_with_shards_is_one_that_older_versions_leave_alone() -> None:
    state = State(epoch=1, initialized=True, used={("", "h100-sxm"): 3}, shards=4)
    assert decode(encode(state)) == state
    assert (encode(state).format, encode(dataclasses.replace(state, shards=0)).format) == (2, 1)


@pytest.mark.parametrize(("counted_for", "asked_for"), [(0, 0), (0, 4), (4, 0), (4, 8), (4, 4)])
def test_nothing_is_granted_on_a_ledger_that_was_counted_for_another_number(counted_for: int, asked_for: int) -> None:
    charge = Charge("acme", (("h100", 1),))
    limit = Limit("q", "devices", 4, {"h100": 1}, None, Parties.of(whole, "acme"))
    held = Entry("again", "ns", "pod", charge, 1, "r.1")
    state = State(initialized=True, inflight={"again": held}, shards=counted_for)
    asks = [Ask(uid, "ns", "pod", charge, (limit,), "r.1", shards=asked_for) for uid in ("new", "again")]
    draft = Drafter(state, Caps(), 1).draft(asks, [])
    if counted_for == asked_for:
        assert all(isinstance(outcome, Granted) for outcome in draft.outcomes)
    else:
        assert (draft.outcomes, draft.state) == ((Unavailable(Reason.NotSynced),) * 2, None)


def test_who_is_at_its_own_limit_takes_nothing_from_others_even_for_a_moment() -> None:
    """In the ledger of all first, its request would for a moment leave no room there for anybody else's."""

    async def play() -> None:
        server = ApiServer(random.Random(1), Faults(), LIMITS)  # noqa: S311 (no secret)
        store = watched(server)
        for scope in LIMITS:
            found = await store.read(scope, 1.0)
            await store.write(scope, State(initialized=True, shards=2), found.version, 1.0)
        versions = {scope: (await store.read(scope, 1.0)).version for scope in LIMITS}
        charge = Charge(ONE, (("h100", 5),))
        caps = {
            s: Limit("q", "devices", amount, {"h100": 1}, None, Parties.of(whole, "acme"))
            for s, amount in LIMITS.items()
        }
        scopes = tuple((scope, (caps[scope],)) for scope in ("DE", "DE.tenants.0"))
        outcome = await Ledger(store, clock=now).reserve(Request("u", "ns", "p", charge, scopes, shards=2), now() + 5)
        assert isinstance(outcome, Exceeded)
        assert [short.limit.amount for short in outcome.shortfalls] == [LIMITS["DE.tenants.0"]]
        assert {scope: (await store.read(scope, 1.0)).version for scope in LIMITS} == versions

    run(play())


# -- the same verdicts ----------------------------------------------------------------------------

AMOUNTS = st.fixed_dictionaries(
    {},
    optional={
        "devices": st.integers(1, 9),
        "tpp": st.integers(1, 9).map((15_824).__mul__),
        "deviceHours": st.integers(1, 9).map((3).__mul__),
    },
)
LIMITED = st.fixed_dictionaries(
    {"limits": AMOUNTS}, optional=dict.fromkeys(("perTenant", "perReseller", "perGroup"), AMOUNTS)
)
FEW = st.sampled_from(("acme", "zeta", "kumo", "kumo/acme", "kumo/beta", "nimbus/beta"))
STEPS = st.lists(st.one_of(st.tuples(FEW, st.integers(1, 4)), st.none()), min_size=4, max_size=25)


async def _verdicts(shards: int, specs: list[dict[str, Any]], steps: list[tuple[str, int] | None]) -> list[bool]:
    """Whether each step's pod is granted; None folds all that was promised."""
    registry, store, granted = registry_of(shards, *specs), MemoryStore(initialized=True), list[bool]()
    ledger = Ledger(store)
    for scope in scopes_of(registry):
        found = await store.read(scope, 1)
        await store.write(scope, dataclasses.replace(found.state, shards=shards), found.version, 1)
    for number, step in enumerate(steps):
        if step is None:
            await ledger.close()  # what was refused later is taken back by now
            await _fold_all(store, shards)
            continue
        outcome = await ledger.reserve(_request(registry, str(number), *step), time.monotonic() + 60)
        assert isinstance(outcome, Granted | Exceeded)
        granted.append(isinstance(outcome, Granted))
    return granted


def _request(registry: Registry, uid: str, party: str, count: int) -> Request:
    scopes: collections.defaultdict[str, list[Limit]] = collections.defaultdict(list)
    for quota in registry.every(ComputeQuota):
        placed = limits_of(registry.rules(NOW), quota, party, registry.group, registry.shards)
        for scope, limit in placed:
            scopes[scope].append(limit)
    charge = Charge(party, (("h100-sxm", count),), seconds=HOUR - 60)
    limits = tuple((scope, tuple(each)) for scope, each in scopes.items())
    return Request(uid, "ns", uid, charge, limits, shards=registry.shards)


async def _fold_all(store: MemoryStore, shards: int) -> None:
    for scope in store.scopes():
        found = await store.read(scope, 1)
        used, paid = collections.Counter(found.state.used), collections.Counter(found.state.hours.prepaid)
        for (party, key), count in found.state.reserved().items():
            used[account_of(scope, party, shards), key] += count
            paid[party, key] += count * HOUR
        hours = dataclasses.replace(found.state.hours, prepaid=dict(paid))
        state = dataclasses.replace(found.state, used=dict(used), inflight={}, hours=hours)
        await store.write(scope, state, found.version, 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(LIMITED, min_size=1, max_size=2), STEPS, st.sampled_from((2, 3, 16)))
def test_whoever_asks_in_whatever_order_is_answered_as_without_shards(
    specs: list[dict[str, Any]], steps: list[tuple[str, int] | None], shards: int
) -> None:
    assert asyncio.run(_verdicts(shards, specs, steps)) == asyncio.run(_verdicts(0, specs, steps))


# -- use over time ------------------------------------------------------------------------------


class _Ended(Watch):
    """A census in which nothing is left: what had paid for its hours has ended, and nobody saw it."""

    def __init__(self) -> None:
        self.resource_version = self.claims_version = 10
        self.lists = 1
        self._live, self._ended, self._seen = {}, list[tuple[Pod, Stay]](), set[str]()
        self._newest = dict.fromkeys(self._positions_of(), 10)

    @staticmethod
    def _positions_of() -> tuple[Any, ...]:
        return tuple(type(Entry("", "", "", Charge("", ()), 0, "").kind))


def test_hours_of_a_ledger_that_was_lost_are_counted_from_what_runs_and_its_archive() -> None:
    terms, archive = Terms(frozenset({24 * HOUR})), Hours(spent={("acme", "h100", 9): 5 * HOUR}, archived=1)
    state = rebuilt(State(), "DE", _Ended(), archive=archive, terms=terms, now=10 * HOUR, shards=4)
    assert state.hours.past == {24 * HOUR: {("acme", "h100"): 5 * HOUR}}


def test_what_was_used_outlives_a_change_of_the_number() -> None:
    """Counted from nothing, a tenant with 90 of its 100 hours used would have 100 again."""
    terms, paid = Terms(frozenset({24 * HOUR})), Charge("zeta", (("h100", 1),), seconds=HOUR - 60)
    before = State(
        epoch=3,
        initialized=False,
        inflight={"u": Entry("u", "ns", "pod", paid, 1, "r.1")},
        hours=Hours(prepaid={("acme", "h100"): 40 * HOUR}, spent={("acme", "h100", 1): 50 * HOUR}, archived=2),
    )
    state = rebuilt(before, "DE", _Ended(), terms=terms, now=10 * HOUR, shards=4)
    assert state.hours.prepaid == {("acme", "h100"): 40 * HOUR, ("zeta", "h100"): HOUR}
    after = fold(state, "DE", _Ended(), (), terms=terms, now=10 * HOUR)
    assert after is not None
    assert after.hours.spent == {
        ("acme", "h100", 1): 50 * HOUR,
        ("acme", "h100", 10): 40 * HOUR,
        ("zeta", "h100", 10): HOUR,
    }
    assert (after.shards, after.hours.archived) == (4, 2)


# -- the simulated cluster ------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_change_of_the_number_under_way_never_lets_a_limit_be_passed(seed: int) -> None:
    run(Renumbered(seed, happens=()).play())


async def _midway(world: World) -> None:
    """Note for what number the ledger is counted by the end of the time in which it is 0."""
    await asyncio.sleep(299)
    state = world.server.state("DE")
    assert isinstance(world, Renumbered)
    world.counted_midway = state is not None and state.initialized and state.shards == 0


def test_the_change_is_lived_through_with_grants_under_both_numbers() -> None:
    kinds: collections.Counter[object] = collections.Counter()
    for seed in range(6):
        world = Renumbered(seed, happens=(_midway,))
        run(world.play())
        kinds += collections.Counter(o.reason if isinstance(o, Unavailable) else type(o) for o in world.outcomes)
        kinds["midway"] += world.counted_midway
    assert min(kinds[kind] for kind in (Granted, Reason.NotSynced)) >= 20
    assert kinds["midway"] >= 4
