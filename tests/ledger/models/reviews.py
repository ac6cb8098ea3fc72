"""One object whose review reaches two replicas at once, over two ledgers: whose entry is it to take back?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.ledger.models.explorer import Case, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST, SECOND, ALLOWED, DENIED, ASIDE = range(5)
NOBODY = -1
FREE = -2
UNCOUNTED = "an object that was allowed is not counted"


class Reviews(NamedTuple):
    """Two attempts for one uid, at ledgers of one place each, in which another object may stand."""

    stages: tuple[int, int] = (FIRST, FIRST)
    owners: tuple[int, ...] = (FREE, FREE)
    others: tuple[bool, bool] = (False, True)
    """Whether the place is taken by another object: it comes when there is room and leaves when it likes."""


def two_reviews(policy: str) -> Callable[[Reviews], Iterator[Reviews]]:
    def steps(r: Reviews) -> Iterator[Reviews]:
        for ledger in range(2):
            if r.others[ledger] or r.owners[ledger] == FREE:
                yield r._replace(others=put(r.others, ledger, not r.others[ledger]))
        for attempt, stage in enumerate(r.stages):
            if stage in (FIRST, SECOND):
                yield from _reserve(r, attempt, stage, policy)
            elif stage == DENIED:
                yield _take_back(r, attempt, policy)

    return steps


def _reserve(r: Reviews, attempt: int, stage: int, policy: str) -> Iterator[Reviews]:
    owner = r.owners[stage]
    onward = r._replace(stages=put(r.stages, attempt, ALLOWED if stage == SECOND else SECOND))
    if owner == FREE and r.others[stage]:
        yield r._replace(stages=put(r.stages, attempt, DENIED))
    elif owner == FREE or (owner != attempt and policy == "the last owns it"):
        yield onward._replace(owners=put(r.owners, stage, attempt))
    elif owner != attempt and policy == "nobody owns it":
        yield onward._replace(owners=put(r.owners, stage, NOBODY))
    else:
        yield onward
    # The write was made and its answer lost: the attempt reads, and finds itself here again.
    if owner == FREE and not r.others[stage]:
        yield r._replace(owners=put(r.owners, stage, attempt))
    # Past its deadline: denied, whatever it holds.
    yield r._replace(stages=put(r.stages, attempt, DENIED))


def _take_back(r: Reviews, attempt: int, policy: str) -> Reviews:
    mine = tuple(owner != FREE if policy == "by uid" else owner == attempt for owner in r.owners)
    owners = tuple(FREE if own else owner for own, owner in zip(mine, r.owners, strict=True))
    return r._replace(stages=put(r.stages, attempt, ASIDE), owners=owners)


def _promised_for_nothing(r: Reviews) -> str:
    """An attempt was answered "allowed", and a ledger does not count the object."""
    return UNCOUNTED if ALLOWED in r.stages and FREE in r.owners else ""


def _case(variant: str, policy: str, states: int | None = None) -> Case[Reviews]:
    return Case(
        "two reviews of one object",
        variant,
        Reviews(),
        two_reviews(policy),
        _promised_for_nothing,
        lambda r: r.stages == (ALLOWED, ALLOWED),
        states,
        "" if states else UNCOUNTED,
    )


CASES = (
    _case("protocol: nobody owns what two rely on", "nobody owns it", 151),
    _case("taken back by uid", "by uid"),
    _case("the first attempt owns it", "the first owns it"),
    _case("the last attempt owns it", "the last owns it"),
)
