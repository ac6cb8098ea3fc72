"""Every sentence about a clearance that is delivered: by a provider's delivery, by hand, or from an export.

Answers of the KYC receiver and of the commands.  They keep the rules of ``review.messages``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


def transition_refused(was: str, state: str, after: Iterable[str]) -> str:
    """A clearance does not lead from one state to another; what it leads to."""
    known = tuple(after)
    begin = "; begin with Pending: computegate kyc request NAME" if "Pending" in known and state != "Pending" else ""
    return f"{was} does not become {state}, only {', '.join(known)}{begin}"


def clearance_held(was: str) -> str:
    """A state that a person has to end."""
    return f"{was} is not lifted by a provider or an import; whoever lifts it begins anew: computegate kyc request NAME"


def refused_late(provider: str, state: str, at: datetime, reference: str, reason: str) -> str:
    """Why a clearance is reviewed: a refusal came after an event that is later than it."""
    why = f": {reason}" if reason else ""
    return (
        f"provider {provider} said {state} at {at.isoformat()}, heard after a later event; reference {reference}{why}"
    )


def refused_beside(provider: str, state: str, at: datetime, reference: str, reason: str) -> str:
    """What is noted of a refusal that the state of a clearance does not lead to."""
    why = f": {reason}" if reason else ""
    said = f"provider {provider} said {state} at {at.isoformat()}"
    return f"{said}, no step from the state that stands; reference {reference}{why}"


def covers_nothing(tenant: str) -> str:
    """Nobody said which facts were verified."""
    return (
        f"nobody says which facts of {tenant} were verified; give the provider the subject NAME@DIGEST that "
        "computegate kyc request prints"
    )


def cluster_newer(known: datetime | None) -> str:
    """What is to be written is no newer than what is known."""
    since = f" of {known.isoformat()}" if known else ""
    return f"the cluster's clearance{since} is not older than this one; leave it out, or have it verified anew"


def facts_differ(digest: str) -> str:
    """A clearance of other facts than those of the Tenant in the cluster."""
    return f"the Tenant in the cluster has other facts ({digest}); verify these, or restore its spec first"


def export_changed(digest: str) -> str:
    """An export whose facts are not those that were exported."""
    return f"its facts are not those that were exported ({digest}); take the file as it was written"


def instant_ahead(instant: datetime) -> str:
    """An instant in the future."""
    return f"{instant.isoformat()} lies ahead; correct the sender's clock, or the date"


def clearance_without_end() -> str:
    """A clearance must end."""
    return "a clearance needs an end; give expiresAt, or validDays of the provider"


def ends_before(expires_at: datetime, verified_at: datetime) -> str:
    """An end before the beginning."""
    return f"{expires_at.isoformat()} is not after {verified_at.isoformat()}, when it was verified"


def ends_late(expires_at: datetime, days: int) -> str:
    """An end that no verification reaches."""
    return f"{expires_at.isoformat()} is more than {days} days after it was verified; verify anew before"


def not_signed(header: str) -> str:
    """A delivery without a signature of ours."""
    return f"{header}: missing, or not by a secret of this provider"


def no_secret() -> str:
    """A provider without a secret."""
    return "this provider has no secret; deliver again later"


def stale(seconds: int) -> str:
    """A delivery that may be a replay."""
    return f"signed more than {seconds} s ago, or by a clock that is ahead; sign and deliver again"


def cluster_unavailable() -> str:
    """A clearance that could not be written now."""
    return "the clearance cannot be written now; deliver again"
