"""How a sentence becomes the one line that is read: printable ASCII, of bounded length, the most actionable first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.review.reasons import PublicCode, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from admission.review.finding import Finding

LONGEST = 1000
LONGEST_WARNING = 120
LONGEST_REMARK = 250
"""A warning to an operator; the API server cuts longer ones where there are many."""
LONGEST_CONTACT = 200
_ORDER = {code: place for place, code in enumerate(PublicCode)}


def leading(findings: Iterable[Finding]) -> PublicCode:
    """Return the code that leads the line of a denial."""
    return min((finding.reason.code for finding in findings), key=_ORDER.__getitem__)


def denial(findings: Iterable[Finding], reference: str, contact: str) -> str:
    """Compose the one line of a denial: the most actionable first, each public sentence once."""
    ordered = sorted(findings, key=lambda finding: _ORDER[finding.reason.code])
    parts = (f"ref {reference}" if reference else "", printable(contact)[:LONGEST_CONTACT])
    ending = "; ".join(part for part in parts if part)
    sentences = list(dict.fromkeys(map(_opened, ordered)))
    if _is_quota_line(ordered[0]):
        return fitted("; ".join(sentences).removesuffix("]"), f"; {ending}]")
    return fitted("; ".join(sentences), f"; {ending}" if ending else "")


def _opened(finding: Finding) -> str:
    return finding.sentence if _is_quota_line(finding) else f"[{finding.reason.code}] {finding.sentence}"


def _is_quota_line(finding: Finding) -> bool:
    """Whether the sentence is one that tools parse: it begins as ResourceQuota's does and ends with a bracket."""
    return finding.reason in {Reason.QuotaExceeded, Reason.HoursExhausted} and finding.sentence.startswith(
        "exceeded quota: "
    )


def fitted(text: str, ending: str = "") -> str:
    """Return one line of at most ``LONGEST`` printable characters that ends with ``ending``."""
    room = LONGEST - len(ending)
    text = printable(text)
    return (text if len(text) <= room else f"{text[: room - 4]} ...") + ending


def warning(text: str, ending: str = "", longest: int = LONGEST_WARNING) -> str:
    """Return one line that fits a warning, with the ending where it had to be cut."""
    text, room = printable(text), longest - len(" ...") - len(ending)
    return text if len(text) <= longest else f"{text[:room]} ...{ending}"


def field(path: Iterable[str | int]) -> str:
    """Return the path of a field as Kubernetes writes it: ``spec.rules[0].when``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def printable(text: str) -> str:
    """Return the text as one line of printable ASCII: what a tenant wrote comes back without control characters."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if " " <= char <= "~" else "?" for char in text)


def many(count: int, what: str) -> str:
    """Return a count with its noun."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def some(items: Sequence[str], most: int = 4) -> Sequence[str]:
    """Return the first of many, and how many there are besides."""
    return items if len(items) <= most else [*items[:most], f"{len(items) - most} more"]
