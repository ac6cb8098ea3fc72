"""Every sentence about the gate itself: what it rests on, canaries, clocks, objects that are broken, certificates.

Events and conditions for the operator, and lines of the log.  They keep the rules of ``review.messages``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.review.fitting import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_RESTORE = "helm upgrade with the same values makes it again"
_UNDO = "delete what is changed, then helm upgrade with the same values makes again what is missing"


def released_weaker(what: Iterable[str]) -> str:
    """Of an event on the release: its values enforce less than those before."""
    said = printable("; ".join(what))
    return (
        f"the ConfigMap that says what was installed enforces less than before: {said}; helm history tells of an "
        "upgrade, or a rollback, and the audit log of a change by hand"
    )


def gate_missing(kind: str, name: str) -> str:
    """Something that the gate rests on is gone."""
    return f"{kind} {name} is gone: what it saw, or refused, passes now; {_RESTORE}"


def gate_changed(kind: str, name: str, detail: str) -> str:
    """Something that the gate rests on is no longer what was installed."""
    return f"{kind} {name} is not what was installed: {printable(detail)}; kubectl delete it, then {_RESTORE}"


def gate_unseen(kind: str, name: str, detail: str) -> str:
    """Nobody can tell whether the gate is what was installed."""
    what = f"{kind} {name}".strip()
    return f"whether the gate is what was installed cannot be told, for want of {what}: {printable(detail)}"


def gate_intact() -> str:
    """The gate is what was installed, again."""
    return "all webhooks and guards are again what was installed"


def canary_answered(canary: str, outcome: str, detail: str) -> str:
    """What the answer to a canary tells; ``outcome`` is one of ``reading.Outcome``, ``detail`` what was said."""
    said = f"; the API server says: {printable(detail)[:_LONGEST_SAID]}" if detail else ""
    return f"canary {canary}: {_CANARIES[outcome]}{said}"


def lacking(lack: str, detail: str) -> str:
    """What the audit of our own registration found; ``lack`` is one of ``audit.Lack``."""
    return f"{_LACKS[lack]}: {printable(detail)}"


def lacks_no_longer(lack: str) -> str:
    """It is no longer so."""
    return f"no longer so: {_LACKS[lack]}"


def clock_leapt(seconds: float) -> str:
    """The machine's clock was set while this process ran."""
    return f"the clock of this machine leapt by {seconds:+.0f} s; it is not followed; set it right"


def clock_back() -> str:
    """The machine's clock is ours again."""
    return "the clock of this machine is right again"


def clock_taken_over(seconds: float) -> str:
    """Our own clock was wrong, as after a suspension, and is set."""
    return f"the clock is set by {seconds:+.0f} s: this machine and the API server agree on the time"


def clock_doubtful(seconds: float) -> str:
    """Nobody knows what time it is."""
    return f"the clock is {seconds:+.0f} s off the API server's; set the clocks right; requests for accelerators wait"


def clock_sure() -> str:
    """The time is known again."""
    return "the clock and the API server's are the same again"


def trouble(replica: str, text: str) -> str:
    """Of an event on the release: what hinders a replica."""
    return f"{replica}: {printable(text)}"


def trouble_over(replica: str, reason: str) -> str:
    """It is no longer so."""
    return f"{replica}: {reason} is over"


def rules_broken(said: str, fields: Iterable[str], since: datetime, until: datetime | None) -> str:
    """Of the log, and of an event on the release: objects that do not fit together, and what is done meanwhile."""
    wait = "requests for accelerators wait"
    if until is None:
        held = f"no version is known that was good, so {wait}"
    else:
        held = f"their last good versions count beside them until {until.isoformat()}, then {wait}"
    return f"{said} ({', '.join(fields)}); since {since.isoformat()}; {held}"


def certificate_ends(kind: str, at: datetime) -> str:
    """Of a condition: a certificate should have been renewed by now; ``kind`` is one of ``Certificate.ends``."""
    return f"the certificate ({kind}) ends at {at.isoformat()} and was not renewed; see docs/certificates.md"


def unknown_yet() -> str:
    """Of a condition: no replica has said so."""
    return "no replica has told yet"


def no_replica() -> str:
    """Of a condition: every replica was told to stop."""
    return "the last replica was stopped"


_LONGEST_SAID = 600

_CANARIES = {
    "denied": "denied by this installation, as it must be: the gate stands",
    "passed": "passed all that is ours, as it must",
    "admitted": f"the gate is open: a pod that must be denied was admitted, and so are others; {_UNDO}",
    "foreign": "denied in our name, but not by this installation: see where the webhook configuration leads",
    "guarded": f"denied by a policy of ours, as the webhook configuration covers less than was installed; {_UNDO}",
    "obstructed": "a pod without accelerators does not pass what is ours, so that others do not start either",
    "unanswered": "the gate is closed, and the API server cannot ask us: pods that ask for accelerators are refused",
    "waiting": "the gate is closed, and we answer TryAgain",
    "obscured": "not known whether the gate stands: something that is not ours denied the pod before",
    "unreachable": "not known whether the gate stands: the API server does not answer",
}

_LACKS = {
    "rights": "the server's account is not granted",
    "trust": "API servers do not believe the certificate that is served",
    "endpoints": "no ready address stands behind the Service",
    "namespaces": "enforced namespaces are not selected by the webhook configuration",
    "settings": "this replica was told to let pass, by settings that are not the release's",
    "edited": "this replica was started with other settings than those of the release in ConfigMap",
    "release": "another release is said to be installed than the one of this replica, in ConfigMap",
    "unseen": "what is granted and registered cannot be told",
}
