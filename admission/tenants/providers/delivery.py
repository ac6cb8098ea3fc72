"""A signed delivery, read by its provider's mapping into what it attests."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import pydantic
from pydantic.alias_generators import to_camel

from admission.api.clearance import LONGEST_DAYS
from admission.tenants.verification import AGAINST, LONGEST_REASON, Verification

if TYPE_CHECKING:
    from admission.api.clearance import KYCState
    from admission.tenants.providers.mapping import Mapping, Meaning

_SUBJECT = re.compile(r"([a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?)(?:@(sha256:[0-9a-f]{64}))?")
_HIGHEST_LEVEL = 4
_LONGEST_REFERENCE = 256


class BadDelivery(ValueError):  # noqa: N818 (what it is)
    """The delivery cannot be read by its mapping; the message names the field."""


class Provider(pydantic.BaseModel):
    """One provider as the operator uses it; its deliveries come in at ``/kyc/<name>``."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )

    name: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    """Last part of the path, key of the secret, and ``status.kyc.provider``."""
    mapping: str = ""
    """The mapping that reads it; empty means the one of the provider's own name."""
    level: Annotated[int, pydantic.Field(ge=0, le=4)] = 1
    """KYC level of what it verifies; a delivery can say a lower one."""
    valid_days: Annotated[int, pydantic.Field(gt=0, le=LONGEST_DAYS)] = 365
    """Days until a clearance ends; a delivery can say an earlier end."""
    levels: Annotated[
        dict[Annotated[str, pydantic.Field(min_length=1, max_length=128)], Annotated[int, pydantic.Field(ge=0, le=4)]],
        pydantic.Field(max_length=64),
    ] = {}
    """Levels by what the provider calls a verification: Sumsub's levelName, Persona's inquiry template.

    Where there are any, one that is not named clears nobody; its refusals count.  Absent, ``level`` is that of all.
    """
    reverify_days: Annotated[int | None, pydantic.Field(gt=0, le=LONGEST_DAYS)] = None
    """Days until the next verification is due; a delivery can say an earlier date.  Absent, its word alone counts."""


class Subject(NamedTuple):
    """Whom a verification was requested for, and the digest of the facts that it was given; empty if not said."""

    tenant: str
    covers: str


def subject_of(text: str) -> Subject | None:
    """Return the parts of ``NAME@DIGEST`` or ``NAME``; None for anything else."""
    match = _SUBJECT.fullmatch(text)
    return Subject(match[1], match[2] or "") if match else None


def read(body: bytes, mapping: Mapping, provider: Provider) -> Verification | None:
    """Return what a delivery attests; None where its event means nothing for a clearance.  Raises ``BadDelivery``."""
    try:
        payload = msgspec.json.decode(body)
        json.loads(body, object_pairs_hook=_once)
    except BadDelivery:
        raise
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BadDelivery("the body is not JSON") from None
    if not isinstance(payload, dict):
        raise BadDelivery("the body is no JSON object")
    if mapping.closed and (unknown := sorted(payload.keys() - mapping.keys)):
        raise BadDelivery(f"{unknown[0][:60]}: no such field; there are {', '.join(sorted(mapping.keys))}")
    if any(_at(payload, path) in words for path, words in mapping.test_mode.items()):
        return None
    meaning = next((each for each in mapping.meanings if _fits(each, payload)), None)
    if meaning is None:
        _check_words(payload, mapping)
        return None
    most = _most(payload, mapping, provider)
    if most is None and meaning.state not in AGAINST:
        return None
    return _verification(payload, mapping, provider, meaning.state, most or 0)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a key that stands twice nobody can say which of the two is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise BadDelivery(f"{twice[:60]}: stands twice")
    return found


def _most(payload: Any, mapping: Mapping, provider: Provider) -> int | None:
    """The level of what was verified; None where the operator does not take it for a verification."""
    product = _at(payload, mapping.fields.product)
    if not provider.levels:
        return provider.level
    return provider.levels.get(product) if isinstance(product, str) else None


def _check_words(payload: Any, mapping: Mapping) -> None:
    """A misspelt refusal must not pass for an event of no interest."""
    for path in mapping.all_named:
        words = mapping.words(path)
        if _at(payload, path) not in words:
            raise BadDelivery(f"{path}: write one of {', '.join(map(str, words))}")


def _fits(meaning: Meaning, payload: Any) -> bool:
    return all(_at(payload, path) in words for path, words in meaning.when.items())


def _verification(payload: Any, mapping: Mapping, provider: Provider, state: KYCState, most: int) -> Verification:
    fields = mapping.fields
    subject = subject_of(_text(payload, fields.subject))
    if subject is None:
        raise BadDelivery(f"{fields.subject}: write NAME or NAME@sha256:..., as computegate kyc request prints it")
    as_of = _instant(payload, mapping, fields.instant)
    if as_of is None:
        raise BadDelivery(f"{fields.instant}: missing")
    verified_at = _instant(payload, mapping, fields.verified_at) or as_of
    return Verification(
        tenant=subject.tenant,
        state=state,
        as_of=as_of,
        covers=subject.covers,
        level=_level(payload, fields.level, most),
        verified_at=verified_at,
        expires_at=_bounded(_instant(payload, mapping, fields.expires_at), verified_at, provider.valid_days),
        reverify_by=_bounded(_instant(payload, mapping, fields.reverify_by), verified_at, provider.reverify_days),
        provider=provider.name,
        reference=_text(payload, fields.reference)[:_LONGEST_REFERENCE],
        verifier=f"computegate kyc serve, provider {provider.name}",
        reason=_reason(payload, fields.reason),
    )


def _at(payload: Any, path: str | None) -> Any:
    """Return the value at a path; None where there is none."""
    for key in path.split(".") if path else ():
        payload = payload.get(key) if isinstance(payload, dict) else None
    return payload if path else None


def _text(payload: Any, path: str) -> str:
    value = _at(payload, path)
    if not isinstance(value, str) or not value:
        raise BadDelivery(f"{path}: missing, or not a text")
    return value


def _reason(payload: Any, path: str | None) -> str:
    value = _at(payload, path)
    return value[:LONGEST_REASON] if isinstance(value, str) else ""


def _level(payload: Any, path: str | None, most: int) -> int:
    """Return the level that is said, as far as the operator lets this provider go."""
    value = _at(payload, path)
    if value is None:
        return most
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _HIGHEST_LEVEL:
        raise BadDelivery(f"{path}: write a level from 0 to {_HIGHEST_LEVEL}")
    return min(value, most)


def _instant(payload: Any, mapping: Mapping, path: str | None) -> datetime | None:
    value = _at(payload, path)
    if value is None:
        return None
    try:
        instant = _moment(value)
        # At the edge of the calendar an instant may have no counterpart in UTC.
        utc = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise BadDelivery(f"{path}: not an instant; write RFC 3339") from None
    if instant.tzinfo is None and not mapping.fields.naive_instants:
        raise BadDelivery(f"{path}: an instant needs a zone; write RFC 3339")
    return utc


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    raise ValueError("neither text nor number")


def _bounded(said: datetime | None, since: datetime, days: int | None) -> datetime | None:
    """Return what is said, as far as the operator lets this provider go."""
    latest = _later(since, days)
    return min((each for each in (said, latest) if each is not None), default=None)


def _later(instant: datetime, days: int | None) -> datetime | None:
    if days is None:
        return None
    try:
        return instant + timedelta(days=days)
    except OverflowError:
        raise BadDelivery("verifiedAt: too far ahead") from None
