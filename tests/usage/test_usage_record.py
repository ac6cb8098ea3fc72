"""The usage record on a real API server: each life is in it, whoever leads, and however an end is learned."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import pytest

from admission.cluster.client import Client
from admission.ledger.store import Conflict
from admission.ledger.usage.interval import DAY, How, Interval, millis_of, written
from admission.ledger.usage.journal import Head, Journal
from tests.usage.cluster import Cluster, Leader, bound_of, cluster_of, eventually, registry_of
from tests.usage.holdings import MIDNIGHT, gpus

if TYPE_CHECKING:
    from admission.ledger.usage.line import UsageLine
    from tools.controlplane import ControlPlane

Scenario: TypeAlias = Callable[[Cluster], Awaitable[None]]
Play: TypeAlias = Callable[[Scenario], None]


@pytest.fixture
def play(usage_plane: ControlPlane, team: str) -> Play:
    """Return what plays a scenario in a namespace of its own, in a cluster without a journal."""

    async def within(scenario: Scenario) -> None:
        async with cluster_of(usage_plane.kubeconfig, team) as cluster:
            await scenario(cluster)

    return lambda scenario: asyncio.run(within(scenario))


def leader(cluster: Cluster) -> Leader:
    return Leader(cluster.client, registry_of(cluster.namespace))


def ends(lines: list[UsageLine]) -> list[tuple[str, str]]:
    return [(each.key, each.how) for each in lines]


def certain(line: UsageLine) -> bool:
    """Whether the end was observed as it came."""
    return line.known_until == line.last


async def has_open(leads: Leader, number: int = 1) -> None:
    await eventually(lambda: leads.usage.open_intervals == number)


def test_a_pods_line_says_who_held_what_where_and_until_when(play: Play) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with leader(cluster) as leads:
            await cluster.create("cpu", 0)
            await cluster.bind("cpu")
            pod = await cluster.run("trainer", 2)
            ids = [
                {
                    "name": "nvidia.com/gpu",
                    "resources": [{"resourceID": name, "health": "Healthy"} for name in ("GPU-7", "GPU-3")],
                }
            ]
            status = {"name": "c", "image": "x", "imageID": "x", "ready": False, "restartCount": 0}
            ended = {"terminated": {"exitCode": 0, "finishedAt": "2020-01-01T00:00:00Z"}}
            await cluster.tell(
                "trainer", containerStatuses=[status | {"allocatedResourcesStatus": ids, "state": ended}]
            )
            await cluster.tell("trainer", phase="Succeeded")
            await eventually(lambda: bool(leads.lines))
            (line,) = leads.lines
            assert line.key == await cluster.key_of(pod)
            assert (line.tenant, line.end_customer) == ("acme", "")
            assert line.group == registry_of(cluster.namespace).group_of("acme")
            assert (line.holder.resource, line.holder.name) == ("pods", "trainer")
            assert (line.node, line.country, line.how) == ("n1", "DE", "succeeded")
            assert [(each.accelerator_class, each.count, each.tpp) for each in line.held] == [("h100-sxm", 2, 15832)]
            assert line.devices == ("nvidia.com/gpu/GPU-3", "nvidia.com/gpu/GPU-7")
            assert line.bound == bound_of(pod)
            assert certain(line)
            assert line.finished == "2020-01-01T00:00:00Z", "the node's clock shortens nothing"
            held = dt.datetime.fromisoformat(line.last) - dt.datetime.fromisoformat(line.first)
            assert line.device_hours == pytest.approx(2 * held.total_seconds() / 3600, abs=1e-6)
            assert line.tpp_hours == pytest.approx(15832 * line.device_hours, abs=0.01)
            await leads.rest()
            assert {each["spec"].get("intervals", "") for each in (await cluster.journal()).values()} == {""}

    play(scenario)


@pytest.mark.parametrize("kept", [True, False], ids=["the end in the journal", "the end not in the journal"])
@pytest.mark.parametrize("end", ["deleted", "failed"])
def test_a_leader_that_is_killed_between_an_end_and_its_line_loses_nothing(play: Play, end: str, kept: bool) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with leader(cluster) as first:
            pod = await cluster.run("trainer")
            await has_open(first)
            await first.rest()
            first.blocked = True
            if not kept:
                first.stop_writing_the_journal()
            await (cluster.delete("trainer") if end == "deleted" else cluster.tell("trainer", phase="Failed"))
            await eventually(lambda: first.usage.waiting == 1)
            if kept:
                await first.rest()
        assert first.lines == []
        async with leader(cluster) as second:
            await eventually(lambda: bool(second.lines))
            await second.rest()
        assert ends(second.lines) == [(await cluster.key_of(pod), end)]
        assert certain(second.lines[0]) is kept
        async with leader(cluster) as third:
            await third.rest()
        assert third.lines == []

    play(scenario)


def test_what_ends_while_nobody_leads_is_told_by_the_next_leader_with_both_bounds(play: Play) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with leader(cluster) as first:
            pods = [await cluster.run(name) for name in ("deleted", "ended", "goes-on")]
            await has_open(first, 3)
            await first.rest()
        await cluster.delete("deleted")
        await cluster.tell("ended", phase="Succeeded")
        async with leader(cluster) as second:
            await eventually(lambda: len(second.lines) == 2)
            await second.rest()
            expected = {(await cluster.key_of(pods[0]), "deleted"), (await cluster.key_of(pods[1]), "succeeded")}
            assert set(ends(second.lines)) == expected
            for line in second.lines:
                assert line.first <= line.known_until < line.last
            assert (second.usage.open_intervals, second.usage.unseen, second.gaps) == (1, 0, [])

    play(scenario)


def test_a_pod_that_comes_and_goes_while_nobody_leads_has_its_line(play: Play) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with leader(cluster) as first:
            await first.rest()
        pod = await cluster.run("brief")
        await cluster.claim("gpus", [{"name": "user", "uid": "0"}], "gpu-9")
        await cluster.create("user", 0, resourceClaims=[{"name": "gpus", "resourceClaimName": "gpus"}])
        await cluster.drop_claim("gpus")
        await cluster.delete("brief")
        await cluster.delete("user")
        async with leader(cluster) as second:
            await eventually(lambda: bool(second.lines))
            await second.rest()
        assert ends(second.lines) == [(await cluster.key_of(pod), "deleted")]
        assert second.lines[0].held[0].count == 2

    play(scenario)


async def _never(_: object) -> None:
    await asyncio.Event().wait()


def test_a_leader_that_is_killed_before_it_has_caught_up_leaves_that_to_the_next(play: Play) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with leader(cluster) as first:
            await first.rest()
        pod = await cluster.run("brief")
        await cluster.delete("brief")
        second = leader(cluster)
        second.usage._told = _never  # type: ignore[method-assign, assignment]
        second.start()
        await cluster.run("trainer")
        await eventually(lambda: second.usage.journal_writes > 0)
        await second.kill()
        async with leader(cluster) as third:
            await eventually(lambda: bool(third.lines))
        assert ends(third.lines) == [(await cluster.key_of(pod), "deleted")]

    play(scenario)


def test_of_two_writers_of_the_journal_one_is_told_of_the_other(play: Play) -> None:
    async def scenario(cluster: Cluster) -> None:
        journals = [Journal(cluster.client), Journal(cluster.client)]
        for each in journals:
            await each.load()
        kept = [Interval(f"u{number}", MIDNIGHT, gpus()) for number in range(2)]
        lost = Interval("other", MIDNIGHT, gpus())
        for number in (1, 2):  # where there was no object, and where there was another version of it
            journals[0].note((each.key, each) for each in kept[:number])
            await journals[0].flush(Head(MIDNIGHT, MIDNIGHT, number, number))
            journals[1].note([(lost.key, lost)])
            with pytest.raises(Conflict):
                await journals[1].flush(Head(MIDNIGHT, MIDNIGHT, 9, 9))
            assert await Journal(cluster.client).load() == (Head(MIDNIGHT, MIDNIGHT, number, number), kept[:number])
            await journals[1].load()

    play(scenario)


@pytest.mark.parametrize("seen", [True, False], ids=["still there", "gone meanwhile"])
def test_who_was_charged_is_named_whatever_the_label_says_to_the_next_leader(play: Play, seen: bool) -> None:
    async def scenario(cluster: Cluster) -> None:
        await cluster.charge("acme")
        async with leader(cluster) as first:
            await first.rest()
            first.stop_writing_the_journal()
            await cluster.run("trainer")
            await has_open(first)
        if not seen:
            await cluster.delete("trainer")
        relabelled = {"computegate.io/tenant": "rival"}
        async with Leader(cluster.client, registry_of(cluster.namespace, relabelled)) as second:
            if seen:
                await has_open(second)
                await cluster.delete("trainer")
            await eventually(lambda: bool(second.lines))
        (line,) = second.lines
        assert (line.tenant, line.group) == ("acme", registry_of(cluster.namespace).group_of("acme"))

    play(scenario)


def test_without_events_ends_are_unseen_and_the_gap_is_told(play: Play, usage_plane: ControlPlane) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with leader(cluster) as first:
            gone, failed = [await cluster.run(name) for name in ("gone", "failed")]
            await cluster.run("long-ended")
            await cluster.tell("long-ended", phase="Succeeded")
            await has_open(first, 2)
            await first.rest()
        await cluster.delete("gone")
        await cluster.tell("failed", phase="Failed")
        known = (await cluster.journal())["head"]["spec"]["at"]
        await asyncio.to_thread(usage_plane.restart_apiserver)  # it then remembers no events
        async with leader(cluster) as second:
            await eventually(lambda: len(second.lines) == 2)
            await second.rest()
            expected = {(await cluster.key_of(gone), "unseen"), (await cluster.key_of(failed), "failed")}
            assert set(ends(second.lines)) == expected, "what ended before the journal knew has its line already"
            assert {line.known_until for line in second.lines} == {known}
            assert ([each.first for each in second.gaps], second.usage.unseen) == ([known], 1)

    play(scenario)


def test_midnight_cuts_what_runs_and_the_next_leader_goes_on_from_there(play: Play) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with leader(cluster) as first:
            pod = await cluster.run("trainer")
            await has_open(first)
            now = millis_of(dt.datetime.now(dt.UTC).isoformat())
            assert now is not None
            midnight = (now // DAY + 1) * DAY
            first.ahead = dt.timedelta(milliseconds=midnight - now + 60_000)
            await eventually(lambda: bool(first.lines))
            assert [(each.key, each.last, each.how) for each in first.lines] == [
                (await cluster.key_of(pod), written(midnight), "day")
            ]
            await first.rest()
        async with leader(cluster) as second:
            second.ahead = first.ahead
            await cluster.delete("trainer")
            await eventually(lambda: bool(second.lines))
        assert ends(second.lines) == [(f"{pod['metadata']['uid']}/{written(midnight)}", "deleted")]

    play(scenario)


def test_two_leaders_at_once_say_the_same_and_lose_nothing(play: Play) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with leader(cluster) as one, leader(cluster) as other:
            pods = [await cluster.run(f"trainer-{number}") for number in range(6)]
            await has_open(one, 6)
            await has_open(other, 6)
            for pod in pods[:5]:
                await cluster.delete(pod["metadata"]["name"])
            keys = {await cluster.key_of(pod) for pod in pods[:5]}
            await eventually(lambda: {each.key for each in one.lines} | {each.key for each in other.lines} >= keys)
        async with leader(cluster) as third:
            await third.rest()
            assert {each.key for each in (*one.lines, *other.lines, *third.lines)} == keys
            assert third.usage.open_intervals == 1

    play(scenario)


def test_a_line_that_could_not_be_written_is_written_again(play: Play) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with leader(cluster) as leads:
            pod = await cluster.run("trainer")
            await has_open(leads)
            leads.broken = True
            await cluster.delete("trainer")
            await eventually(lambda: leads.usage.waiting == 1)
            await leads.rest()
            assert leads.lines == []
            leads.broken = False
            await eventually(lambda: bool(leads.lines))
            assert ends(leads.lines) == [(await cluster.key_of(pod), "deleted")]

    play(scenario)


def test_claimed_devices_stand_once_with_the_pod_and_with_the_claim_of_a_group(play: Play) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with leader(cluster) as leads:
            reference = [{"name": "gpus", "resourceClaimName": "gpus"}]
            pods = [await cluster.create(name, 0, resourceClaims=reference) for name in ("one", "two")]
            await cluster.claim("gpus", [each["metadata"] for each in pods], "gpu-0", "gpu-1")
            for name in ("one", "two"):
                await cluster.bind(name)
            await eventually(lambda: leads.usage._changed == {})
            assert leads.usage.open_intervals == 1, "two pods share the devices, and the first has them"
            group = await cluster.claim("shared", [{"name": "group", "uid": "g1"}], "gpu-2", resource="podgroups")
            await has_open(leads, 2)
            await cluster.delete("one")
            await cluster.drop_claim("shared")
            await eventually(lambda: len(leads.lines) == 2)
            lines = {line.holder.name: line for line in leads.lines}
            assert lines["one"].devices == ("gpu.example.com/n1/gpu-0", "gpu.example.com/n1/gpu-1")
            assert [(each.accelerator_class, each.count) for each in lines["one"].held] == [("unknown", 2)]
            assert (lines["shared"].holder.resource, lines["shared"].how) == ("resourceclaims", "released")
            assert lines["shared"].holder.uid == group["metadata"]["uid"]
            await has_open(leads)
            await cluster.delete("two")
            await eventually(lambda: len(leads.lines) == 3)
            assert (leads.lines[2].holder.name, leads.lines[2].held[0].count) == ("two", 2), "it went on with them"

    play(scenario)


def test_an_idle_cluster_writes_nothing(play: Play) -> None:
    async def scenario(cluster: Cluster) -> None:
        async with leader(cluster) as leads:
            await cluster.run("trainer")
            await has_open(leads)
            await leads.rest()
            before = await cluster.journal()
            await asyncio.sleep(5 * leads.usage._pace.refresh)
            assert await cluster.journal() == before

    play(scenario)


def test_ten_thousand_pods_fit_into_small_objects(play: Play, usage_plane: ControlPlane) -> None:
    devices = tuple(f"GPU-{number:08}-0000-0000-0000-000000000000" for number in range(8))

    def interval(number: int, first: int) -> Interval:
        holding = msgspec.structs.replace(
            gpus(
                namespace="team-of-researchers", name=f"trainer-worker-{number}", node=f"gpu-node-{number}.example.com"
            ),
            devices=devices,
        )
        return Interval(f"00000000-0000-0000-0000-{number:012}", first, holding)

    async def scenario(cluster: Cluster) -> None:
        client = await Client.connect(usage_plane.kubeconfig)
        try:
            journal = Journal(client)
            await journal.load()
            journal.note((each.key, each) for each in (interval(number, MIDNIGHT) for number in range(10_000)))
            await journal.flush(Head(MIDNIGHT, MIDNIGHT, 1, 1))
            ended = interval(7, MIDNIGHT).until(MIDNIGHT + DAY, MIDNIGHT + DAY, How.DAY)
            journal.note([(ended.key, ended)])
            await journal.flush(None)
            head, found = await Journal(client).load()
            assert (head.since, len({each.key for each in found}), len(found)) == (MIDNIGHT, 10_000, 10_000)
            assert ended in found
            objects = (await cluster.journal()).values()
            assert max(len(msgspec.json.encode(each)) for each in objects) < 100_000
        finally:
            await client.close()

    play(scenario)
