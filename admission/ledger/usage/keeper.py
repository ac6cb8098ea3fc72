"""Keeps the usage record for one term of leadership: follows what is held, writes lines, and then the journal.

A line is written before its interval leaves the journal, so that each life is in the record at least once, whoever
leads when.  Nothing here is waited for by an admission or a fold.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from admission.cluster.client import ApiError, ClusterError
from admission.ledger.seen import ENDED
from admission.ledger.store import StoreError
from admission.ledger.usage.holdings import Holdings, charged, finished_at
from admission.ledger.usage.interval import How, midnight_after, millis, written
from admission.ledger.usage.meter import Meter
from admission.ledger.usage.outbox import Outbox
from admission.ledger.usage.scribe import Pace, Scribe
from admission.ledger.usage.story import Story

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from admission.cluster.client import Client
    from admission.cluster.reflector import Reflector
    from admission.decide.registry import Registry
    from admission.ledger.pods import PodCensus
    from admission.ledger.usage.interval import Interval
    from admission.ledger.usage.journal import Head, Journal
    from admission.ledger.usage.outbox import Lines
    from admission.review.claim import ResourceClaim
    from admission.review.pod import Pod

_BATCH = 200  # intervals between two turns of the loop

logger = logging.getLogger(__name__)


class Found(NamedTuple):
    """What a term began from: the journal's head, its intervals of what is not there, and what is.

    All of it at these versions of pods and claims.
    """

    head: Head
    missing: list[Interval]
    present: frozenset[str]
    pods: int
    claims: int


class Keeper:
    """Told of each pod and claim after the census was; run ``run`` as a task.

    ``emit`` writes lines and returns once they are handed over for good; an exception is that some were not.
    ``attributed`` says whether the census knows by now where records and reservations charge what is there.
    """

    def __init__(
        self,
        client: Client,
        journal: Journal,
        registry: Registry,
        census: PodCensus,
        *,
        pods: Reflector[Pod],
        claims: Reflector[ResourceClaim],
        attributed: Callable[[], bool],
        emit: Callable[[Lines], asyncio.Future[None]],
        now: Callable[[], dt.datetime],
        pace: Pace | None = None,
    ) -> None:
        self.unseen = self.gaps = 0
        self._client, self._registry, self._account = client, registry, census.account
        self._scribe = Scribe(journal, pace or Pace())
        self._pods, self._claims, self._attributed = pods, claims, attributed
        self._wall, self._pace = now, pace or Pace()
        self._outbox = Outbox(emit, registry)
        self._holdings = Holdings(registry, census.account, charged(census))
        self._meter = Meter(0)
        self._begun = self._complete = False
        self._changed: dict[str, float] = {}
        self._midnight = 0
        self._relists, self._heard = (0, 0), 0

    @property
    def lines(self) -> int:
        """How many lines were written."""
        return self._outbox.lines

    @property
    def since(self) -> float:
        """Since when use is recorded, by any leader (unix seconds); 0 while that is not known."""
        return self._meter.since / 1000

    @property
    def open_intervals(self) -> int:
        """How many objects hold devices."""
        return len(self._meter.open)

    @property
    def waiting(self) -> int:
        """How many lines are not written yet."""
        return len(self._meter.ended)

    @property
    def journal_writes(self) -> int:
        """How many objects of the journal were written."""
        return self._scribe.journal.writes

    # -- what is told ----------------------------------------------------------------------------

    def take(self, pod: Pod) -> None:
        """Take in a pod that exists."""
        self._scribe.stirred = True
        if pod.status.phase in ENDED:
            how = How.SUCCEEDED if pod.status.phase == "Succeeded" else How.FAILED
            self._end(pod.metadata.uid, how, finished_at(pod))
        elif self._holdings.take(pod):
            self._look(pod.metadata.uid)

    def lose(self, uid: str) -> None:
        """Take out a pod that is gone."""
        self._scribe.stirred = True
        self._end(uid, How.DELETED, "")

    def take_claim(self, claim: ResourceClaim) -> None:
        """Take in a claim that exists."""
        self._scribe.stirred = True
        self._changed |= dict.fromkeys(self._holdings.take_claim(claim), self._clock())

    def lose_claim(self, uid: str) -> None:
        """Take out a claim that is gone."""
        self._scribe.stirred = True
        self._changed |= dict.fromkeys(self._holdings.lose_claim(uid), self._clock())

    def _look(self, uid: str) -> None:
        if not self._begun:
            return
        holding = self._holdings.of(uid)
        if holding is not None:
            self._meter.see(uid, holding, self._now())
        else:
            self._meter.end(uid, self._now(), How.RELEASED)

    def _end(self, uid: str, how: How, finished: str) -> None:
        if self._begun:
            holding = self._holdings.of(uid)
            if holding is not None:
                self._meter.complete(uid, holding, self._now())
            # What a list does not name any more was last known to be there before the watch was lost.
            known = None if self._is_settled() else self._heard
            self._meter.end(uid, self._now(), how, known=known, finished=finished)
        self._changed |= dict.fromkeys(self._holdings.lose(uid), self._clock())
        self._changed.pop(uid, None)

    # -- how a term begins -----------------------------------------------------------------------

    async def run(self) -> None:
        """Go on until cancelled; what fails is begun again from the journal."""
        while True:
            try:
                await self._term()
            except (StoreError, ClusterError) as error:
                logger.warning("%s; reading the usage journal again", error)
            await asyncio.sleep(self._pace.retry)

    async def _term(self) -> None:
        found = await self._begin()
        catching = asyncio.create_task(self._catch_up(found))
        try:
            await self._see_all()
            while True:
                if catching.done():
                    catching.result()
                await self._turn()
                await asyncio.sleep(self._pace.turn)
        finally:
            catching.cancel()

    async def _begin(self) -> Found:
        """Go on from the journal, with what it says of objects that are there."""
        head, intervals = await self._scribe.journal.load()
        while not (self._is_settled() and self._attributed()):  # noqa: ASYNC110  (a watch may begin again at any time)
            await asyncio.sleep(0.1)
        meter = Meter(head.since or self._meter.since or self._now())
        present = frozenset(self._holdings.uids())
        missing = [each for each in intervals if each.how is None and each.uid not in present]
        meter.resume(each for each in intervals if each.how is not None or each.uid in present)
        meter.take_over(self._meter.ended.values())
        self._meter, self._begun, self._complete, self._midnight = meter, True, False, 0
        self._relists, self._heard, self._scribe.stirred = self._listed(), self._now(), True
        if self._scribe.journal.lost:
            self._note_gap(head.at)
        return Found(head, missing, present, self._pods.resource_version, self._claims.resource_version)

    async def _see_all(self) -> None:
        """Look at everything that is there, a few at a time; what changes meanwhile is told besides."""
        for count, uid in enumerate(self._holdings.uids(), 1):
            if uid in self._holdings:
                self._look(uid)
            if count % _BATCH == 0:
                await asyncio.sleep(0)

    async def _catch_up(self, found: Found) -> None:
        """Learn how what is missing ended; until then the journal does not say that it is complete."""
        while not self._complete:
            try:
                ended = await self._told(found)
            except ClusterError as error:
                logger.warning("usage record: %s", error)
                await asyncio.sleep(self._pace.retry)
            else:
                self.unseen += sum(each.how is How.UNSEEN for each in ended)
                self._meter.take_over(ended)
                self._complete = True

    async def _told(self, found: Found) -> list[Interval]:
        """Return the intervals of what is missing, by events if there are any, and what came and went besides."""
        story = self._story(found)
        try:
            if found.head.since:  # else the record only begins
                await story.follow(self._client, found.pods, found.claims)
        except ApiError as error:
            if error.status != HTTPStatus.GONE:
                raise
            story = self._story(found)
            story.guess(self._pods.items.values())
            self._note_gap(found.head.at)
        return story.ended()

    def _story(self, found: Found) -> Story:
        return Story(
            self._registry,
            self._account,
            found.head,
            missing=found.missing,
            present=found.present,
            now=self._now(),
        )

    def _note_gap(self, first: int) -> None:
        now = self._now()
        logger.warning("usage record: between %s and %s nobody watched", written(first), written(now))
        self.gaps += 1
        self._outbox.note_gap(first, now)

    # -- what is due -----------------------------------------------------------------------------

    async def _turn(self) -> None:
        """Look again at what claims changed, cut at midnight, write lines, write the journal."""
        await self._look_again()
        await self._cut()
        self._watch_the_watches()
        await self._outbox.write(self._meter, self._now(), self._pace.turn)
        await self._scribe.write(self._meter, self._now, self._versions)

    async def _look_again(self) -> None:
        ripe = self._clock() - self._pace.claims
        for count, uid in enumerate([uid for uid, since in self._changed.items() if since <= ripe], 1):
            if self._changed.pop(uid, None) is not None:
                self._look(uid)
            if count % _BATCH == 0:
                await asyncio.sleep(0)

    async def _cut(self) -> None:
        now = self._now()
        if now < self._midnight:
            return
        for count, uid in enumerate(self._meter.due(now), 1):
            if uid in self._holdings:
                self._look(uid)
            self._meter.cut(uid, now)
            if count % _BATCH == 0:
                await asyncio.sleep(0)
        self._midnight = midnight_after(now)

    def _watch_the_watches(self) -> None:
        """Note a gap where a watch had to begin again from a list: what came and went before was not told."""
        if self._listed() != self._relists:
            self._relists = self._listed()
            self._note_gap(self._heard)
        if self._is_settled():
            self._heard = self._now()

    def _versions(self) -> tuple[int, int] | None:
        """Versions of pods and claims up to which the meter was told everything; None while nobody knows."""
        if not (self._complete and self._is_settled()) or self._outbox.gaps:
            return None
        return self._pods.resource_version, self._claims.resource_version

    def _is_settled(self) -> bool:
        return self._pods.settled and self._claims.settled

    def _listed(self) -> tuple[int, int]:
        return self._pods.relists, self._claims.relists

    def _clock(self) -> float:
        return asyncio.get_running_loop().time()

    def _now(self) -> int:
        return millis(self._wall())
