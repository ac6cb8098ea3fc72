"""What befalls a simulated cluster, once a run, at some instant of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from admission.ledger.archive import archive_of
from admission.ledger.objects import object_name
from tests.ledger.simulation import now, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.ledger.world import World

    Happening: TypeAlias = Callable[[World], Coroutine[None, None, None]]

AGE = 12
"""Revisions that a backup is old: more than those that the reconcilers write when they notice."""


async def crash(world: World) -> None:
    """Kill one replica at any instant; its requests under way are never answered "allowed"."""
    await asyncio.sleep(world.rng.uniform(0, world.span))
    replace(world, world.rng.randrange(3))


def replace(world: World, slot: int) -> None:
    """Start another replica in the place of one that is dead from now on."""
    victim, world.replicas[slot] = world.replicas[slot], world.replica()
    for committer in victim._committers.values():
        if committer._worker:
            committer._worker.cancel()
        committer._start = lambda: None  # type: ignore[method-assign]  # the dead do not get up


async def lose_a_ledger(world: World) -> None:
    """Delete a ledger's object: the next read makes it again."""
    await asyncio.sleep(world.rng.uniform(5, 40))
    world.server.lose(object_name(world.rng.choice(tuple(world.allowed))))


async def lose_an_archive(world: World) -> None:
    """Delete an archive of hours, its ledger being there."""
    await asyncio.sleep(world.rng.uniform(20, world.span))
    world.server.lose(object_name(archive_of(world.rng.choice(tuple(world.allowed)))))


async def wake_an_old_leader(world: World) -> None:
    """Let one go on that has stood still, with all that it knew then, beside whoever leads now."""
    await asyncio.sleep(world.rng.uniform(0, world.span / 2))
    watch, store = world.watch(), watched(world.server)
    await asyncio.sleep(world.rng.uniform(16, 60))
    keeper = world.keeper(store, watch)
    tasks = [asyncio.create_task(watch.follow()), asyncio.create_task(keeper.run())]
    failed, _ = await asyncio.wait(tasks, timeout=20, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*(task for task in tasks if task not in failed), return_exceptions=True)
    for task in failed:
        task.result()


async def restore_a_backup(world: World) -> None:
    """Put back an etcd snapshot; replicas start anew, creates begin when all has started.

    A replica that went on could hold a ledger at a version that is given out a second time.  And a backup that is
    no older than what noticing it writes is not noticed by everybody: both are why revisions should be bumped.
    """
    await asyncio.sleep(world.rng.uniform(20, world.span - 60))
    backup = world.server.backup()
    await asyncio.sleep(world.rng.uniform(3, 30))
    while world.server.revision < backup.revision + AGE and now() < world.span:  # noqa: ASYNC110 (virtual time)
        await asyncio.sleep(0.1)
    if now() >= world.span:
        return
    world.server.restore(backup)
    for slot in range(len(world.replicas)):
        replace(world, slot)
    world.quiet = now() + 10


async def change_limits(world: World) -> None:
    """Raise and lower limits, below what is in use too; never above what the run allows at most."""
    for _ in range(8):
        await asyncio.sleep(world.rng.uniform(0, world.span / 4))
        scope, most = world.rng.choice(tuple(world.server.limits.items()))
        world.limits[scope] = world.rng.randint(0, most)
        world.change_terms(scope)


async def leap(world: World) -> None:
    """Let the reconcilers' clocks leap ahead, as those of a machine that was suspended do."""
    for _ in range(3):
        await asyncio.sleep(world.rng.uniform(0, world.span / 3))
        world.skew += world.rng.uniform(20, 200)


RARE: tuple[Happening, ...] = (lose_a_ledger, restore_a_backup, change_limits, leap)
OVER_TIME: tuple[Happening, ...] = (*RARE, lose_an_archive, wake_an_old_leader)
