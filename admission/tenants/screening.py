"""What a screening says of a tenant at an instant: by its hits, by who dismissed them, by the age of the list.

A registered identifier on a list, or somebody's judgement, is a match.  A name that is alike is a candidate: it
holds up a tenant that is new, and one that was verified before only after the operator's review period.  What was
clear by a list that is too old, or for other names than today's, is not known; nor is then whether it is more than an
owner of less than half who is listed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from admission.tenants.holdings import SIGNIFICANT, amount
from admission.tenants.identity import screened_digest
from admission.tenants.ownership import UNNAMED
from admission.tenants.spell import Spell
from admission.tenants.ternary import Ternary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from admission.api.clearance import Screening
    from admission.api.dismissal import ScreeningDismissal
    from admission.api.screening import ScreeningHit
    from admission.api.tenant import Tenant
    from admission.tenants.ownership import OwnershipGraph

CLEAR, CANDIDATE = frozenset({"Clear"}), frozenset({"Candidate"})

MATCH_ITSELF, MATCH_OWNERS, MATCH_MINORITY = "MatchItself", "MatchOwners", "MatchMinority"
MATCH_SIGNIFICANT = "MatchSignificantMinority"
OF_WHOM = frozenset({MATCH_ITSELF, MATCH_OWNERS, MATCH_MINORITY, MATCH_SIGNIFICANT})
"""Beside Match, of whom it is: a rule may be about one of these."""

_MINORITY = frozenset({"Match", MATCH_MINORITY})

_TOLD = 3
"""Hits that the record names."""

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a candidate may wait, and how old a list may be, in seconds; no ``oldest`` means any age."""

    review: int = 0
    oldest: int | None = None
    significant: int = amount(SIGNIFICANT)
    """From how much on listed owners of less than half are significant, in billionths of a percent."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A tenant's screening with what was said of its hits."""

    tenant: Tenant
    screening: Screening
    graph: OwnershipGraph
    dismissals: Mapping[_Key, tuple[ScreeningDismissal, ...]]
    is_current: bool
    """Whether the names that were searched for are those of today."""
    _owned: dict[frozenset[str], Ternary] = field(default_factory=dict, compare=False, repr=False)
    _held: dict[frozenset[str], int] = field(default_factory=dict, compare=False, repr=False)
    worst: frozenset[str] = field(init=False, compare=False)
    """The value with nothing dismissed and no time to wait."""

    def __post_init__(self) -> None:
        """Find the worst: once, as it is asked for with each request."""
        object.__setattr__(self, "worst", self._value(self.screening.hits, waits=False))

    def at(self, now: datetime, terms: Terms, *, cleared: bool) -> frozenset[str] | None:
        """The value at ``now``: Clear, Candidate, Match; None where it is not known.

        ``cleared`` says whether the tenant's verification holds.  Neither that nor a dismissal makes it worse.
        """
        if self.worst == CLEAR:
            return CLEAR if self.is_known(Spell(now), terms) else None
        standing = self.open(now)
        value = self._value(standing, waits=cleared and self._is_in_review(standing, now, terms))
        if value in {CLEAR, _MINORITY} and not self.is_known(Spell(now), terms):
            return None
        is_significant = MATCH_MINORITY in value and self._held_by(self._listed(standing)) >= terms.significant
        return value | {MATCH_SIGNIFICANT} if is_significant else value

    @property
    def told(self) -> str:
        """List and hits in a line, for the operator's record; no names of it, and tenants read nothing of it."""
        screening = self.screening
        listed = f"list of {screening.lists_as_of.isoformat() if screening.lists_as_of else 'no date'}"
        hits = [f"{hit.party} is like entry {hit.entry} (by {hit.by})" for hit in screening.hits[:_TOLD]]
        return "; ".join(part for part in (screening.reference, listed, *hits) if part)

    def open(self, now: datetime) -> tuple[ScreeningHit, ...]:
        """The hits that nobody dismissed."""
        return tuple(hit for hit in self.screening.hits if not self._is_dismissed(hit, now))

    def _is_dismissed(self, hit: ScreeningHit, now: datetime) -> bool:
        about = self.dismissals.get((hit.party, hit.entry, hit.covers), ())
        confirmed = hit.confirmed.at if hit.confirmed else None
        return any(each.spec.confirmed_at == confirmed and in_force(each, now) for each in about)

    def _value(self, hits: Iterable[ScreeningHit], *, waits: bool) -> frozenset[str]:
        screening, standing = self.screening, tuple(hits)
        if screening.state == "Match" and not screening.matched_parties:
            return frozenset({"Match", MATCH_ITSELF})
        undecided = any(not hit.is_match for hit in standing) if screening.hits else screening.state == "Candidate"
        waiting = CANDIDATE if (undecided or screening.more_hits) and not waits else frozenset[str]()
        listed = self._listed(standing)
        of_whom = self._of_whom(listed) if listed else frozenset[str]()
        return of_whom | waiting if of_whom == _MINORITY else of_whom or waiting or CLEAR

    def _listed(self, hits: Iterable[ScreeningHit]) -> frozenset[str]:
        """Whom hits match, and whom the integration calls listed and shows no hit of.

        Nobody can have judged the latter, so its word stands.
        """
        without_hit = frozenset(self.screening.matched_parties) - {hit.party for hit in self.screening.hits}
        return without_hit | {hit.party for hit in hits if hit.is_match}

    def _of_whom(self, listed: frozenset[str]) -> frozenset[str]:
        """A listed party of whom nobody knows whether it owns half or more is to be reviewed, and that at once.

        One that is not, or no longer, among the parties counts as the tenant itself: another id makes no other owner.
        """
        itself = {MATCH_ITSELF} if listed - self.graph.parties.keys() else set()
        of_whom = itself | ({MATCH_OWNERS} if self._owned_by(listed) is Ternary.TRUE else set())
        if of_whom:
            return frozenset({"Match", *of_whom})
        return _MINORITY if self._is_minority(listed) else CANDIDATE

    def _is_minority(self, listed: frozenset[str]) -> bool:
        """Whether listed parties have less than half together for certain, and nothing says that they control it."""
        is_parent = self.tenant.spec.ultimate_parent in listed
        return self._owned_by(listed) is Ternary.FALSE and not is_parent and not self.graph.controlled_by(listed)

    def _owned_by(self, listed: frozenset[str]) -> Ternary:
        """Whether listed parties own half or more together; they may hold what no statement accounts for."""

        def is_listed(party: str) -> Ternary:
            return Ternary.UNKNOWN if party == UNNAMED else Ternary.TRUE if party in listed else Ternary.FALSE

        if listed not in self._owned:
            self._owned[listed] = self.graph.owned_by(is_listed)
        return self._owned[listed]

    def _held_by(self, listed: frozenset[str]) -> int:
        """The most that listed parties may have of the tenant by what is stated."""
        if listed not in self._held:
            self._held[listed] = self.graph.most_held(listed)
        return self._held[listed]

    def _is_in_review(self, hits: Iterable[ScreeningHit], now: datetime, terms: Terms) -> bool:
        """Whether the tenant was seen cleared before the oldest candidate was, and the time to judge it runs.

        A delivery may say anything of the past: `verifiedAt` is the provider's word, `clearedSince` what was seen.
        """
        seen = [hit.seen_at for hit in hits if not hit.is_match]
        since = min(seen) if seen else self.screening.candidate_since
        kyc = self.tenant.status.kyc
        cleared = self.screening.cleared_since
        if since is None or cleared is None or kyc is None or kyc.verified_at is None or self.screening.more_hits:
            return False
        return max(kyc.verified_at, cleared) < since <= now and (now - since).total_seconds() < terms.review

    def is_known(self, spell: Spell, terms: Terms) -> bool:
        """Whether what was found counts still: for these names, by a list that is not too old nor of tomorrow."""
        as_of = self.screening.lists_as_of
        if not self.is_current or (as_of is not None and not spell.has_come(as_of)):
            return False
        return terms.oldest is None or (as_of is not None and not spell.is_over(as_of, terms.oldest))


def judge(tenant: Tenant, graph: OwnershipGraph, dismissals: Iterable[ScreeningDismissal]) -> Judged | None:
    """Return a tenant's screening with the dismissals of its hits; None where it was never screened."""
    screening = tenant.status.screening
    if screening is None:
        return None
    about: dict[_Key, tuple[ScreeningDismissal, ...]] = {}
    for each in dismissals:
        if each.spec.tenant == tenant.name:
            key = (each.spec.party, each.spec.entry, each.spec.covers)
            about[key] = (*about.get(key, ()), each)
    is_current = screening.covers in {"", screened_digest(tenant.spec)}
    return Judged(tenant, screening, graph, about, is_current)


def in_force(dismissal: ScreeningDismissal, now: datetime) -> bool:
    """Whether somebody else than who asked has approved it, and it has not ended."""
    approval, until = dismissal.status.approval, dismissal.spec.valid_until
    is_approved = approval is not None and approval.counts(dismissal.spec.requested_by, now)
    return is_approved and (until is None or now < until)
