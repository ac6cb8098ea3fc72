"""Every sentence of the commands that take the gate out of the way and put it back.

They keep the rules of ``review.messages``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


def off(name: str, at: datetime) -> str:
    """The gate was taken out of the way."""
    return (
        f"off: ValidatingWebhookConfiguration {name} is deleted, and the API server stops asking within seconds; pods "
        f"are created unjudged since {at.isoformat()}; computegate on puts it back"
    )


def unrecorded(problem: str, reason: str) -> str:
    """What could not be kept of it."""
    return f"; not kept in the cluster ({problem}), so helm upgrade puts it back; note yourself who, and why: {reason}"


def unseen(name: str, problem: str) -> str:
    """Whether something refuses while the gate is missing could not be seen."""
    return (
        f"; bindings could not be looked at ({problem}): if pods are refused now for want of a parameter, "
        f"kubectl delete validatingadmissionpolicybinding {name}-narrowed"
    )


def refusing(bindings: Iterable[str]) -> str:
    """Bindings that the release did not install refuse while the configuration is missing."""
    return (
        "; pods are refused all the same for want of a parameter by what is not the release's: kubectl delete "
        f"validatingadmissionpolicybinding {' '.join(bindings)}"
    )


def on(name: str, since: datetime, until: datetime) -> str:
    """The gate is back."""
    return (
        f"on: ValidatingWebhookConfiguration {name} is back; what was created meanwhile: computegate report admitted "
        f"--cluster --since {since.isoformat()} --until {until.isoformat()}"
    )
