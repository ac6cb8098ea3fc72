"""From findings to the response: the mode decides whether they deny, warn, or are only recorded."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal

from admission.review import fitting, wire
from admission.review.reasons import PublicCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from admission.review.finding import Finding
    from admission.review.wire import Request, Response

Mode = Literal["observe", "warn", "enforce"]

MOST_CAUSES = 8
"""Of one answer; the record has all that was found."""


def answer(
    request: Request,
    findings: Sequence[Finding],
    *,
    mode: str,
    reference: str,
    contact: str,
    warnings: tuple[str, ...] = (),
    annotations: Mapping[str, str] | None = None,
) -> Response:
    """Return the response to a request with these denying findings.

    Only mode ``enforce`` denies.  A request that is denied carries no warnings.
    """
    if not findings or mode != "enforce":
        return wire.allowed(request.uid, warnings, annotations)
    line = fitting.denial(findings, reference, contact)
    return wire.denied(request.uid, status_code(findings), line, _details(request, findings), annotations)


def status_code(findings: Sequence[Finding]) -> int:
    """429 where nothing but time stands in the way, 403 otherwise."""
    passing = all(finding.reason.code is PublicCode.TryAgain for finding in findings)
    return wire.TOO_MANY_REQUESTS if passing else wire.FORBIDDEN


def _details(request: Request, findings: Sequence[Finding]) -> wire.Details:
    causes = dict.fromkeys(
        wire.Cause(str(finding.reason.code), fitting.fitted(finding.sentence)) for finding in findings
    )
    first = tuple(itertools.islice(causes, MOST_CAUSES))
    return wire.Details(request.resource.resource, request.name, request.resource.group, first)
