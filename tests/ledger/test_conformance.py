"""What every backend must do, and what the ledger does on every backend."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admission.decide.limits import Charge
from admission.ledger.draft import Caps
from admission.ledger.ledger import Ledger, View
from admission.ledger.limits import Exceeded, Granted, Request, Unavailable
from admission.ledger.state import Entry, Hours, State
from admission.ledger.store import Conflict, Snapshot
from admission.review.reasons import Reason
from tests.ledger.wanted import wanted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from admission.ledger.limits import Outcome
    from admission.ledger.store import Store
    from tests.ledger.conftest import Backend

    Opener = Callable[[], AbstractAsyncContextManager[Backend]]

ENTRY = Entry("u1", "ns", "pod", Charge("acme", (("a100|h100", 2),)), 5, "a.1")
COUNTED = State(3, initialized=True, observed_pods=7, used={("acme", "h100"): 4}, inflight={"u1": ENTRY})
SOON = 5.0


def play(opener: Opener, scene: Callable[[Backend], Awaitable[None]]) -> None:
    async def main() -> None:
        async with opener() as backend:
            await scene(backend)

    asyncio.run(main())


async def counted(store: Store, *scopes: str, state: State | None = None) -> None:
    for scope in scopes or ("CN",):
        found = await store.read(scope, SOON)
        await store.write(scope, state or State(initialized=True, observed_pods=1), found.version, SOON)


async def reserve(ledger: Ledger, request: Request, *, within: float = SOON) -> Outcome:
    return await ledger.reserve(request, time.monotonic() + within)


def test_a_missing_ledger_is_created_uncounted_and_only_once(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        first, second = backend.replica(), backend.replica()
        created = await first.read("CN", SOON)
        assert created.state == State()
        assert await second.read("CN", SOON) == created
        assert list(first.scopes()) == ["CN"]

    play(backend, scene)


def test_what_is_written_is_read_by_everybody(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        first, second = backend.replica(), backend.replica()
        written = await first.write("CN", COUNTED, (await first.read("CN", SOON)).version, SOON)
        assert written.state == COUNTED
        assert await second.read("CN", SOON) == written
        assert first.cached("CN") == second.cached("CN") == written

    play(backend, scene)


def test_a_ledger_of_very_many_tenants_is_one_as_well(backend: Opener) -> None:
    """It is packed where it is stored."""
    accounts = {(f"tenant-{number:04}", "h100"): number for number in range(1, 2001)}
    hours = Hours(prepaid=accounts, past={2_592_000: accounts}, archived=3)
    many = dataclasses.replace(COUNTED, used=accounts, hours=hours)

    async def scene(backend: Backend) -> None:
        first, second = backend.replica(), backend.replica()
        written = await first.write("CN", many, (await first.read("CN", SOON)).version, SOON)
        assert (await second.read("CN", SOON)).state == many
        few = dataclasses.replace(many, used={}, hours=Hours())
        assert (await second.write("CN", few, written.version, SOON)).version > written.version
        assert (await first.read("CN", SOON)).state == few

    play(backend, scene)


def test_of_two_writers_at_one_version_the_second_conflicts(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        first, second = backend.replica(), backend.replica()
        version = (await first.read("CN", SOON)).version
        await first.write("CN", COUNTED, version, SOON)
        with pytest.raises(Conflict):
            await second.write("CN", State(initialized=True), version, SOON)
        assert (await second.read("CN", SOON)).state == COUNTED

    play(backend, scene)


def test_versions_grow_and_scopes_stand_apart(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        store = backend.replica()
        country, group = await store.read("CN", SOON), await store.read("cn", SOON)
        versions = [country.version]
        for epoch in range(1, 4):
            versions.append((await store.write("CN", State(epoch), versions[-1], SOON)).version)
        assert versions == sorted(set(versions))
        assert await store.read("cn", SOON) == group

    play(backend, scene)


def test_a_write_to_a_ledger_that_never_was_conflicts(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        with pytest.raises(Conflict):
            await backend.replica().write("CN", COUNTED, 5, SOON)

    play(backend, scene)


STEPS = st.lists(
    st.tuples(st.sampled_from((0, 1)), st.sampled_from(("CN", "cn")), st.sampled_from(("read", "write"))), max_size=20
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_two_replicas_do_a_ledger_is_one_value_with_a_version(
    backend: Opener, steps: list[tuple[int, str, str]]
) -> None:
    async def scene(backend: Backend) -> None:
        replicas, standing = (backend.replica(), backend.replica()), dict[str, Snapshot]()
        for number, (who, scope, what) in enumerate(steps):
            store, stands = replicas[who], standing.get(scope)
            cached = store.cached(scope)
            if what == "read":
                found = await store.read(scope, SOON)
                assert found == (stands or Snapshot(found.version, State()))
            elif stands is None or cached is None:
                continue  # nobody writes what was not read
            elif cached != stands:
                with pytest.raises(Conflict):
                    await store.write(scope, COUNTED, cached.version, SOON)
                continue
            else:
                found = await store.write(scope, State(number, initialized=True), stands.version, SOON)
                assert (found.state.epoch, found.version > stands.version) == (number, True)
            standing[scope] = found
            assert store.cached(scope) == found

    play(backend, scene)


def test_an_uncounted_ledger_answers_not_synced(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        ledger = Ledger(backend.replica())
        assert await reserve(ledger, wanted("u1")) == Unavailable(Reason.NotSynced)
        assert ledger.evaluate(wanted("u1")) == Unavailable(Reason.NotSynced)

    play(backend, scene)


def test_many_at_once_through_two_replicas_get_exactly_the_limit(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        stores = backend.replica(), backend.replica()
        await counted(stores[0])
        replicas = [Ledger(store) for store in stores]
        asks = (reserve(replicas[n % 2], wanted(f"u{n}", limit=50)) for n in range(200))
        outcomes = await asyncio.gather(*asks)
        assert sum(isinstance(outcome, Granted) for outcome in outcomes) == 50
        assert sum(isinstance(outcome, Exceeded) for outcome in outcomes) == 150
        assert len((await stores[0].read("CN", SOON)).state.inflight) == 50

    play(backend, scene)


def test_waiting_requests_share_one_write(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        store = backend.replica()
        await counted(store)
        ledger = Ledger(store)
        await asyncio.gather(*(reserve(ledger, wanted(f"u{n}", limit=64)) for n in range(64)))
        assert ledger.counters()["CN"].commits <= 2
        assert ledger.counters()["CN"].granted == 64

    play(backend, scene)


def test_a_repeat_of_a_uid_counts_once(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        store = backend.replica()
        await counted(store)
        first, second = Ledger(store), Ledger(backend.replica())
        for ledger in (first, first, second):
            assert isinstance(await reserve(ledger, wanted("u1", 4)), Granted)
        assert await reserve(second, wanted("u1", 3)) == Unavailable(Reason.LedgerBusy)
        await store.read("CN", SOON)
        view = first.view("CN")
        assert view == View(True, 1, {}, {("acme", "h100"): 4}, 1, Hours(), {})

    play(backend, scene)


def test_a_dry_run_says_the_same_and_writes_nothing(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        store = backend.replica()
        await counted(store, "CN", "group")
        ledger = Ledger(store)
        before = await store.read("CN", SOON)
        fits, not_so = wanted("u1", 4, scopes=("group", "CN")), wanted("u2", 5, scopes=("group", "CN"))
        dry = ledger.evaluate(fits)
        assert isinstance(dry, Granted)
        assert len(dry.levels) == 2
        both = ledger.evaluate(not_so)
        assert isinstance(both, Exceeded)
        assert [s.limit.key for s in both.shortfalls] == ["CN", "group"]
        assert await store.read("CN", SOON) == before

    play(backend, scene)


def test_a_denial_in_a_later_scope_takes_back_the_earlier_one(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        store = backend.replica()
        await counted(store, "CN", "group")
        ledger = Ledger(store)
        assert isinstance(await reserve(ledger, wanted("u1", 3, scopes=("group",))), Granted)
        denied = await reserve(ledger, wanted("u2", 2, scopes=("group", "CN")))
        assert isinstance(denied, Exceeded)
        assert [s.limit.key for s in denied.shortfalls] == ["group"]
        assert isinstance(await reserve(ledger, wanted("u3", 4)), Granted)
        assert set((await store.read("CN", SOON)).state.inflight) == {"u3"}

    play(backend, scene)


def test_what_is_released_is_free_in_every_scope(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        store = backend.replica()
        await counted(store, "CN", "group")
        ledger = Ledger(store)
        await reserve(ledger, wanted("u1", 4, scopes=("CN", "group")))
        await ledger.release("u1")
        await ledger.release("u1")
        assert isinstance(await reserve(ledger, wanted("u2", 4, scopes=("CN", "group"))), Granted)

    play(backend, scene)


def test_a_cache_that_lags_never_denies(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        stores = backend.replica(), backend.replica()
        await counted(stores[0], state=State(initialized=True, used={("acme", "h100"): 4}))
        lagging = Ledger(stores[1])
        assert isinstance(await reserve(lagging, wanted("u1")), Exceeded)
        newest = await stores[0].read("CN", SOON)
        await stores[0].write("CN", State(initialized=True), newest.version, SOON)
        assert isinstance(await reserve(lagging, wanted("u2")), Granted)

    play(backend, scene)


def test_past_its_deadline_a_request_is_told_to_try_again_and_holds_nothing(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        store = backend.replica()
        await counted(store)
        ledger = Ledger(store)
        assert await reserve(ledger, wanted("u1"), within=0.0) == Unavailable(Reason.LedgerBusy)
        assert isinstance(await reserve(ledger, wanted("u2", 4)), Granted)
        assert set((await store.read("CN", SOON)).state.inflight) == {"u2"}

    play(backend, scene)


def test_one_namespace_at_its_cap_does_not_stop_another(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        store = backend.replica()
        await counted(store)
        ledger = Ledger(store, caps=Caps(namespace=2))
        outcomes = [await reserve(ledger, wanted(f"u{n}")) for n in range(3)]
        assert outcomes[2] == Unavailable(Reason.LedgerBusy)
        elsewhere = msgspec.structs.replace(wanted("u9"), namespace="elsewhere")
        assert isinstance(await reserve(ledger, elsewhere), Granted)

    play(backend, scene)


def test_names_that_look_like_our_own_marks_break_nothing(backend: Opener) -> None:
    async def scene(backend: Backend) -> None:
        store = backend.replica()
        await counted(store)
        odd = Request("u;1,%", "n,s", "a:b+c\n", Charge("p;,:", (("h100", 1),)), wanted("x").scopes)
        assert isinstance(await reserve(Ledger(store), odd), Granted)
        (entry,) = (await backend.replica().read("CN", SOON)).state.inflight.values()
        assert (entry.uid, entry.namespace, entry.name, entry.charge.party) == ("u;1,%", "n,s", "a:b+c\n", "p;,:")

    play(backend, scene)
