"""The reference of a denial: the same for one tenant, its reasons and the hour; meaningless without the key."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from admission.review.reasons import Reason

LENGTH = 10
"""Hexadecimal digits: 40 bits, so that two cases of one operator do not meet by chance."""


class Keys(NamedTuple):
    """The key by which references are made, and those of the installation's other replicas while it is changed."""

    own: bytes
    accepted: tuple[bytes, ...] = ()


def references_of(keys: Keys, tenant: str, namespace: str, reasons: Iterable[Reason], now: datetime) -> tuple[str, ...]:
    """Return the references that a case can have, the one that is made first."""
    reasons = tuple(reasons)
    return tuple(reference_of(key, tenant, namespace, reasons, now) for key in (keys.own, *keys.accepted))


def reference_of(key: bytes, tenant: str, namespace: str, reasons: Iterable[Reason], now: datetime) -> str:
    """Return the reference.

    An HMAC and not a hash: tenants, reasons and hours are few enough to be enumerated, and a tenant could
    otherwise find out which reason stands behind its public code.
    """
    hour = now.strftime("%Y-%m-%dT%H")
    case = "\n".join((tenant or f"namespace/{namespace}", hour, *sorted({str(reason) for reason in reasons})))
    return hmac.digest(key, case.encode(), hashlib.sha256).hex()[:LENGTH]
