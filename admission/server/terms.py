"""How certificates of our own are made: for whom, for how long, and when anew."""

from __future__ import annotations

from dataclasses import dataclass

AUTHORITY, CERTIFICATE = "authority", "certificate"
"""What can be asked to be made anew before its time."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Names that a certificate is for, days of life, and the part of a life after which the next one is due."""

    names: tuple[str, ...]
    certificate_days: float
    authority_days: float
    renew_after: float = 2 / 3
