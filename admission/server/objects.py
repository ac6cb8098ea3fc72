"""The webhook's work on a write of one of our own objects: refused for what it breaks, warned of what is worth a look.

It denies nobody an accelerator, and nothing rests on it: what passes unseen, as while this server is away, is found
when it is read (``decide.lastgood``).  So its entry lets pass whatever it cannot judge.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import pydantic

from admission.api import GROUP
from admission.cluster.clock import machines
from admission.decide.written import Write, consequences_of
from admission.demand.registration.objects import JUDGED
from admission.review import fitting, messages, wire
from admission.server.settings import explain_validation

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import msgspec

    from admission.api.object import Object
    from admission.decide.dangling import Dangling
    from admission.decide.registry import Registry
    from admission.decide.written import Consequences
    from admission.review.wire import Request
    from admission.server.metrics import Metrics

OBJECTS = "objects"
"""The entry."""

SETTLE_SECONDS = 0.5
"""How long a refusal waits for what was written a moment before: the watches bring it after its write was answered."""

MOST_WARNINGS = 8
MOST_CAUSES = 8

_LOOK_SECONDS = 0.05
_KINDS = {kind.crd.plural: kind for kind in JUDGED}

logger = logging.getLogger(__name__)


class ObjectGate:
    """Answers AdmissionReviews of our own objects."""

    def __init__(
        self,
        registry: Registry,
        *,
        metrics: Metrics,
        unready: Callable[[], str],
        now: Callable[[], datetime] = machines,
    ) -> None:
        self._registry, self._metrics, self._unready, self._now = registry, metrics, unready, now

    async def review(self, budget: float, body: bytes) -> bytes:
        """Answer a review within ``budget`` seconds.  Raises ``BadReview`` for what is none."""
        request = wire.parse_review(body)
        kind = _KINDS.get(request.resource.resource) if request.resource.group == GROUP else None
        if kind is None or request.operation not in {"CREATE", "UPDATE", "DELETE"}:
            what = f"{request.operation[:20]} of {request.resource.resource[:40]}"
            raise wire.BadReview(f"{what} is not judged here; remove it from the rules of the webhook configuration")
        response, outcome = await self._judged(kind, request, min(SETTLE_SECONDS, budget / 2))
        self._metrics.wrote(kind.__name__, outcome)
        return wire.encode(response)

    async def _judged(self, kind: type[Object], request: Request, patience: float) -> tuple[wire.Response, str]:
        (before, unread), (after, problem) = _read(kind, request.old_object), _read(kind, request.object)
        whose = f"{kind.__name__} {request.name}"
        if problem and not unread:
            return self._refused(request, [("", messages.object_unread(whose, problem))])
        if waiting := problem or self._unready():
            return wire.allowed(request.uid, (messages.object_unjudged(waiting),)), "unjudged"
        found = await self._settled(Write(kind, request.name, before, after), patience)
        if found.broken:
            return self._refused(request, [_said(each, kind, request) for each in found.broken])
        warnings = _warnings(found, kind.__name__, request.name)
        return wire.allowed(request.uid, warnings), "warned" if warnings else "allowed"

    async def _settled(self, write: Write, patience: float) -> Consequences:
        """Find what a write leads to; what it breaks is found anew when an object changes within the patience."""
        until, seen = time.monotonic() + patience, self._registry.generation
        found = consequences_of(write, self._registry, self._now())
        while found.broken and time.monotonic() < until:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._registry.generation is not seen:
                seen = self._registry.generation
                found = consequences_of(write, self._registry, self._now())
        return found

    def _refused(self, request: Request, problems: list[tuple[str, str]]) -> tuple[wire.Response, str]:
        line = fitting.fitted("; ".join(said for _, said in problems))
        logger.info("%s of %s refused: %s", request.operation, request.resource.resource, line)
        causes = tuple(wire.Cause("FieldValueInvalid", fitting.fitted(said), at) for at, said in problems[:MOST_CAUSES])
        details = wire.Details(request.resource.resource, request.name, request.resource.group, causes)
        return wire.denied(request.uid, wire.FORBIDDEN, line, details), "refused"


def _read(kind: type[Object], raw: msgspec.Raw) -> tuple[Object | None, str]:
    """Read one of the objects of a review: none where there is none, or, with the reason, where it cannot be read."""
    text = bytes(raw)
    if text in {b"", b"null"}:
        return None, ""
    try:
        return kind.model_validate_json(text), ""
    except pydantic.ValidationError as error:
        return None, explain_validation(error)


def _said(found: Dangling, kind: type[Object], request: Request) -> tuple[str, str]:
    """The field, where it is one of the object that is written, and the sentence."""
    whose = f"{found.kind} {found.name}"
    if (found.kind, found.name) == (kind.__name__, request.name):
        return fitting.field(found.field), messages.object_broken(found.sentence, found.field)
    if found.is_of(kind.__name__, request.name):
        return "", messages.object_broken(found.sentence, found.field, whose)
    return "", messages.breaks_another(found.sentence, whose, found.field)


def _warnings(found: Consequences, kind: str, name: str) -> tuple[str, ...]:
    unmended = [messages.object_unmended(each.sentence, each.field) for each in found.unmended]
    remarks = [
        messages.object_remark(
            each.sentence, "" if (each.kind, each.name) == (kind, name) else f"{each.kind} {each.name}", each.field
        )
        for each in found.remarks
    ]
    told = [*unmended, *remarks]
    if len(told) <= MOST_WARNINGS:
        return tuple(told)
    return (*told[: MOST_WARNINGS - 1], messages.remarks_more(len(told) - MOST_WARNINGS + 1))
