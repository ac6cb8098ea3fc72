"""Screens a tenant by a list: what its ``status.screening`` is to say, with what was known of it before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from admission.api.clearance import Screening
from admission.api.screening import ScreeningHit
from admission.screening.entry import bound
from admission.screening.likeness import THRESHOLD
from admission.screening.parties import parties_of
from admission.tenants.identity import identity_digest, screened_digest
from admission.tenants.kyc import judge_clearance
from admission.tenants.ownership import graph_of
from admission.tenants.screening import judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from admission.api.dismissal import ScreeningDismissal
    from admission.api.tenant import Tenant
    from admission.screening.index import Found, Index
    from admission.screening.parties import Searched

MOST_HITS = 200


class Searchable(NamedTuple):
    """A list to screen by, and how alike names must be, in percent."""

    listed: Index
    as_of: datetime
    digest: str
    """Of the list, and of how it is searched: what was found by an equal one need not be searched for again."""
    entries: int
    threshold: int = THRESHOLD
    names: int = 0
    numbers: int = 0
    """Names and numbers of the entries that somebody can be."""


def screen(
    tenant: Tenant, by: Searchable, dismissals: Iterable[ScreeningDismissal], now: datetime, reference: str
) -> Screening:
    """Return the tenant's screening by a list.

    Hits that were known keep the instant at which they were first seen, and what somebody said of them.  A match that
    nobody dismissed stays while the list has the entry, whatever the names and identifiers are now: a new name makes no
    other company.
    """
    before = tenant.status.screening or Screening(state="Clear")
    covers, about = screened_digest(tenant.spec), tuple(dismissals)
    hits, more = before.hits, before.more_hits
    if (before.covers, before.list_digest) != (covers, by.digest):
        waiting = _open(tenant, before, about, now)
        found = [(party, each) for party in parties_of(tenant.spec) for each in by.listed.search(party, by.threshold)]
        again = [_hit(party, each, before.hits, waiting, now) for party, each in found]
        every = sorted((*again, *_kept(waiting, again, by.listed)), key=_rank)
        hits, more = every[:MOST_HITS], len(every[MOST_HITS:])
    drawn = Screening(
        state="Clear",
        lists_as_of=by.as_of,
        hits=hits,
        more_hits=more,
        cleared_since=_cleared_since(tenant, by, now),
        covers=covers,
        list_digest=by.digest,
        list_entries=by.entries,
        list_names=by.names,
        list_numbers=by.numbers,
        reference=before.reference or reference,
    )
    return _summed(drawn, _open(tenant, drawn, about, now))


def _cleared_since(tenant: Tenant, by: Searchable, now: datetime) -> datetime | None:
    """Since when the tenant has been seen cleared; None while it is not.

    One that is screened for the first time is new, unless it was there, by the API server's word, before the list was.
    """
    kyc, before = tenant.status.kyc, tenant.status.screening
    if kyc is None or judge_clearance(kyc, identity_digest(tenant.spec), now, None) is not None:
        return None
    if before is not None:
        return before.cleared_since or now
    created = tenant.metadata.creation_timestamp
    return created if created is not None and created < by.as_of else now


def _open(
    tenant: Tenant, screening: Screening, dismissals: Iterable[ScreeningDismissal], now: datetime
) -> tuple[ScreeningHit, ...]:
    """The hits of a screening that nobody dismissed."""
    status = tenant.status.model_copy(update={"screening": screening})
    judged = judge(tenant.model_copy(update={"status": status}), graph_of(tenant.spec), dismissals)
    return judged.open(now) if judged else ()


def _summed(drawn: Screening, standing: Iterable[ScreeningHit]) -> Screening:
    """Say in a word what the hits come to that nobody dismissed, and since when somebody should judge."""
    undismissed = tuple(standing)
    waiting = [hit.seen_at for hit in undismissed if not hit.is_match]
    matched = sorted({hit.party for hit in undismissed if hit.is_match})
    state = "Match" if matched else "Candidate" if waiting or drawn.more_hits else "Clear"
    since = min(waiting, default=None)
    return drawn.model_copy(update={"state": state, "matched_parties": matched, "candidate_since": since})


def _hit(
    party: Searched, found: Found, before: Iterable[ScreeningHit], waiting: Iterable[ScreeningHit], now: datetime
) -> ScreeningHit:
    """A hit with what was known of it; a party under review stays so since then, whatever entry is found of it now."""
    covers = bound(party, found.entry)
    same = [each for each in before if (each.party, each.entry) == (party.party, found.entry.id)]
    known = [each.seen_at for each in same if each.covers == covers]
    since = known or [each.seen_at for each in waiting if each.party == party.party]
    confirmed = [each.confirmed for each in same]
    was_identified = any(_key(each) == (party.party, found.entry.id) and each.by == "Identifier" for each in waiting)
    return ScreeningHit(
        party=party.party,
        entry=found.entry.id,
        source=found.entry.source[:256],
        name=found.name[:512],
        by="Identifier" if was_identified else found.by,
        score=found.score,
        covers=covers,
        seen_at=min(since, default=now),
        confirmed=confirmed[0] if confirmed else None,
    )


def _kept(waiting: Iterable[ScreeningHit], again: Iterable[ScreeningHit], listed: Index) -> Iterator[ScreeningHit]:
    """The matches that the search did not find again, of entries that the list still has."""
    found = {_key(each) for each in again}
    return (each for each in waiting if each.is_match and each.entry in listed and _key(each) not in found)


def _key(hit: ScreeningHit) -> tuple[str, str]:
    return hit.party, hit.entry


def _rank(hit: ScreeningHit) -> tuple[bool, int, str, str]:
    return (not hit.is_match, -hit.score, hit.party, hit.entry)
