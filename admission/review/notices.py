"""Every sentence about namespaces, quotas and pods that run: events and conditions on the objects they concern.

They keep the rules of ``review.messages``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.review.fitting import LONGEST_CONTACT, many, printable

if TYPE_CHECKING:
    from datetime import datetime


def counted_late(devices: int) -> str:
    """Of an event on a quota: pods exist that no reservation had announced."""
    return (
        f"{devices} devices of running or pending pods had been counted nowhere, and are counted now: they were "
        "created while no review was asked for, or their namespace came under this quota only now"
    )


def weakened() -> str:
    """Of an event on a namespace: it is less enforced than before."""
    return "less is enforced here than before; annotations computegate.io/weaken-* say who asked for it"


def finding_told(code: str, pods: int, reference: str, contact: str, *, stops: bool) -> str:
    """Of an event on an Allowance: pods of the namespace run that would be denied now."""
    stopped = "; no new ones are admitted meanwhile" if stops else ""
    return f"[{code}] {many(pods, 'pod')} of this namespace would be denied now{stopped}; {_asked(reference, contact)}"


def evicted_at(code: str, pods: int, deadline: datetime, reference: str, contact: str) -> str:
    """Of an event on an Allowance: such pods are evicted at an instant."""
    return (
        f"[{code}] {many(pods, 'pod')} of this namespace would be denied now, and no new ones are admitted; these are "
        f"evicted from {deadline.isoformat()} on; {_asked(reference, contact)}"
    )


def finding_reported(what: str, pods: int) -> str:
    """Of a result in an OpenReport: ``what`` is a public code where tenants read it, else the operator's reason."""
    verb = "runs" if pods == 1 else "run"
    return f"[{what}] {many(pods, 'pod')} {verb} that would be denied now"


def finding_over(code: str) -> str:
    """Of an event on an Allowance: no pod is left that would be denied for it."""
    return f"[{code}] no pod of this namespace would be denied any more for what was told before"


def breaker_open(pods: int, of: int, share: int, token: str, ended: int = 0) -> str:
    """Of an event on an Enforcement: too many pods would be evicted."""
    before = f", {ended} more were within the hour" if ended else ""
    return (
        f"{pods} of {of} pods with controlled accelerators are to be evicted{before}, more than {share} percent: "
        f"nothing is evicted until spec.confirmed is {token}, and spec.confirmedBy who says so; see whether a rule, a "
        "list or a clearance is wrong first"
    )


def breaker_would_open(share: int) -> str:
    """Of a condition of an Enforcement in dry run."""
    return (
        f"what is found is more than {share} percent of the pods with controlled accelerators: once their deadlines "
        "have passed, nothing would be evicted until somebody confirms it"
    )


def breaker_waits(pods: int, token: str) -> str:
    """Of a condition of an Enforcement: what has them evicted."""
    return f"write {token} into spec.confirmed, your name into confirmedBy: {pods} pods are evicted"


def not_granted(what: str) -> str:
    """Of a condition of an Enforcement: the installation may not do what it says."""
    return f"install with enforcement.{what}=true: without it nothing of that is done, and no deadline is told"


def _asked(reference: str, contact: str) -> str:
    whom = printable(contact)[:LONGEST_CONTACT]
    return f"ref {reference}; {whom}" if whom else f"ref {reference}"
