"""Every sentence of the letter to a tenant before its namespaces are enforced.

They keep the rules of ``review.messages``.
"""

from __future__ import annotations

from admission.review.fitting import LONGEST_CONTACT, many, printable
from admission.review.reasons import PublicCode


def subject(tenant: str) -> str:
    """The subject of the letter to a tenant before its namespaces are enforced."""
    return printable(f"Requests for accelerators of tenant {tenant} that would be denied")


def opening(tenant: str, requests: int, first: str, last: str) -> str:
    """What the letter is about, from the first to the last instant."""
    return (
        f"Between {first} and {last}, {many(requests, 'request')} of tenant {tenant} for accelerators passed that "
        "would be denied in an enforced namespace. Nothing was denied yet, and pods that run are not touched. Once a "
        "namespace is enforced, such pods are not created any more."
    )


def basis(first: str, last: str, judged: str) -> str:
    """What was looked at for a letter: records from the first to the last instant, and pods that ran at one."""
    records = f"the record of decisions from {first} to {last}" if first else ""
    pods = f"the pods that ran at {judged}" if judged else ""
    return f"Looked at was {' and '.join(filter(None, [records, pods]))}; what came before or since is not counted."


def case(namespace: str, requests: int, devices: int, *, such_as: str, first: str, last: str) -> str:
    """One case of the letter: what is concerned, and how often."""
    return (
        f"namespace {namespace}: {many(requests, 'request')} for {many(devices, 'accelerator')}, first {first}, "
        f"last {last}, such as {such_as}"
    )


def advice(code: PublicCode) -> str:
    """What a tenant does about a public code."""
    return _ADVICE[code]


def more(cases: int) -> str:
    """Cases that a letter leaves out."""
    return f"And {many(cases, 'further case')} with fewer requests; ask for them."


def closing(contact: str) -> str:
    """How to go on from a letter."""
    whom = f" to {printable(contact)[:LONGEST_CONTACT]}" if contact else " to your contact"
    return f"Write{whom} when this is done, or where you cannot do it, and give the reference of the case."


_ADVICE = {
    PublicCode.NotPermitted: (
        "Remove the field that the line names; where the workload cannot do without it, ask for an exemption."
    ),
    PublicCode.InfoNeeded: "Add what the line says is missing, or ask for it.",
    PublicCode.NotCleared: "Ask for clearance, with the reference.",
    PublicCode.UnderReview: "Nothing is needed from you now; ask how long the review takes.",
    PublicCode.LimitReached: "Hold fewer accelerators at once, or for a shorter time, or ask for more.",
    PublicCode.TryAgain: "Nothing; it passes.",
}
