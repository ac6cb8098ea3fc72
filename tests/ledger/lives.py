"""The lives of pods and claims in a simulated cluster, from their reviews to their ends."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import msgspec

from admission.decide.limits import Charge, Part
from admission.ledger.limits import Differs, Exceeded, Granted, Kind, Origin
from tests.ledger.invariants import DRY, size
from tests.ledger.simulation import BOUND, Pod, now

if TYPE_CHECKING:
    from admission.ledger.limits import Outcome
    from tests.ledger.world import World

ATTEMPTS = 8
"""How often the API server tries a generated name anew (maxNameGenerationCreateAttempts)."""

HUGE = 2**63
"""Devices that fit under no limit, and into no signed 64-bit number."""


async def of_a_pod(world: World, number: int) -> None:
    """One pod, with the claims that are made for it."""
    rng = world.rng
    await asyncio.sleep(rng.uniform(0, world.span) if number % 2 else rng.choice((1, 50, 100)))
    pod = await _create(world, world.pod(number), generated=rng.random() < 0.3)
    if pod is None:
        return
    async with asyncio.TaskGroup() as group:
        for part in pod.charge.parts:
            group.create_task(_claims(world, pod, part))
        await _end(world, pod, stays=number % 10 == 0)


async def _create(world: World, pod: Pod, *, generated: bool) -> Pod | None:
    """Create a pod; under a generated name, as the API server does: with another uid each time, and reviewed anew."""
    for attempt in range(ATTEMPTS if generated else 1):
        again = dataclasses.replace(pod, uid=f"{pod.uid}.{attempt}", name=f"generated-{world.rng.randrange(4)}")
        trying = again if generated else pod
        if not await _admitted(world, trying):
            return None
        if await _committed(world, trying):
            return trying
        if not world.server.bears(trying.name):
            return None
    return None


async def _admitted(world: World, pod: Pod) -> bool:
    """Ask one replica, or several about the same uid, of which only one's answer is heard."""
    begun = world.server.terms
    reviews = [asyncio.create_task(review(world, pod)) for _ in range(3 if pod.twice else 1)]
    outcome = await world.rng.choice(reviews)
    world.outcomes.append(outcome)
    if not isinstance(outcome, Granted) or world.server.terms != begun:
        return False
    world.server.promise(pod)
    return True


async def _committed(world: World, pod: Pod) -> bool:
    """Let a create that was allowed take its time, and succeed or not."""
    rng, server = world.rng, world.server
    await asyncio.sleep(rng.choice((0.01, 0.2, rng.uniform(0, 1), BOUND - 9)))
    if pod.uid not in server.promised:  # the API servers were stopped meanwhile
        return False
    if rng.random() < 0.15 or server.bears(pod.name):
        server.refuse(pod)
        return False
    server.commit(pod)
    return True


async def _end(world: World, pod: Pod, *, stays: bool) -> None:
    await asyncio.sleep(world.holding(pod))
    if (pod.charge.seconds or not stays) and pod.uid in world.server.live:
        world.server.delete(pod)


def any_pod(world: World, number: int) -> Pod:
    """Return a pod of any size, party and scopes, at times with a part for a claim."""
    rng = world.rng
    scopes = ("CN", "group") if rng.random() < 0.6 else ("CN",)
    count = HUGE if rng.random() < 0.02 else rng.choice((1, 1, 2, 4))
    parts = (
        (Part("gpus", "digest", (("h100", rng.randint(1, count)),)),) if count != HUGE and rng.random() < 0.25 else ()
    )
    charge = Charge(rng.choice(("acme", "zeta")), (("h100", count),), parts)
    return Pod(f"uid-{number}", f"pod-{number}", charge, scopes, twice=rng.random() < 0.2)


async def review(world: World, pod: Pod) -> Outcome:
    await asyncio.sleep(world.rng.choice((0.0, world.rng.expovariate(10))) + max(0.0, world.quiet - now()))
    replica, wanted = world.replicas[world.rng.randrange(3)], world.request(pod)
    before = world.server.writes
    replica.evaluate(msgspec.structs.replace(wanted, uid=DRY + pod.uid))
    assert world.server.writes == before
    outcome = await replica.reserve(wanted, now() + world.rng.choice((0.05, 1.0, 8.0)))
    _assert_truthful(outcome, pod)
    return outcome


def _assert_truthful(outcome: Outcome, pod: Pod) -> None:
    if isinstance(outcome, Exceeded):
        assert all(s.used_all + s.requested > s.limit.amount for s in outcome.shortfalls)
        assert all(s.requested == size(pod) for s in outcome.shortfalls if s.limit.unit == "devices")


# -- claims -------------------------------------------------------------------------------------


async def _claims(world: World, pod: Pod, part: Part) -> None:
    """What is made for a part of a pod: at times one that asks for something else first, at times one too many."""
    await asyncio.sleep(world.rng.choice((0.1, world.rng.uniform(0, 20))))
    if world.rng.random() < 0.3:
        await _swapped(world, pod, part)
    for number in range(world.rng.choice((1, 1, 2))):
        if pod.uid not in world.server.live:
            return
        claim = claim_of(world, pod, part, str(number))
        if await _admitted(world, claim) and await _committed(world, claim):
            await _end(world, claim, stays=world.rng.random() < 0.1)


async def _swapped(world: World, pod: Pod, part: Part) -> None:
    """A claim whose template was changed after its pod was charged is never taken for the one that was charged."""
    before = _stands(world, pod, part)
    outcome = await review(world, claim_of(world, pod, part._replace(digest="else"), "swapped"))
    if before and _stands(world, pod, part):
        assert not isinstance(outcome, Granted | Exceeded)
    assert not isinstance(outcome, Differs) or outcome.part == part


def _stands(world: World, pod: Pod, part: Part) -> bool:
    """Say whether a part of a pod's charge stands in all its ledgers."""
    states = [world.server.state(scope) for scope in pod.scopes]
    return all(state and pod.uid in state.inflight and part in state.inflight[pod.uid].charge.parts for state in states)


def claim_of(world: World, pod: Pod, part: Part, name: str) -> Pod:
    claim = Pod(
        f"{pod.uid}-{part.name}-{name}",
        f"{pod.name}-{part.name}-{name}",
        Charge(pod.charge.party, part.counts),
        pod.scopes,
        twice=world.rng.random() < 0.2,
        kind=Kind.Claim,
        origin=Origin(pod.uid, part.name, part.digest),
    )
    world.server.claims[claim.uid] = (pod.uid, part.name)
    return claim
