"""What a provider's deliveries mean, as data: TOML files beside this module, and an operator's own.

A mapping says how deliveries are signed, where in the payload the facts stand, and which events mean which state.
Each packaged one names the public pages of the provider that it follows, and the day on which these were read.
"""

from __future__ import annotations

import datetime as dt
import functools
import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Literal

import pydantic

from admission.api.clearance import KYCState
from admission.tenants.providers.signature import Signature

if TYPE_CHECKING:
    import pathlib

LARGEST = 1 << 16
"""Bytes of one mapping."""

Path = Annotated[str, pydantic.Field(pattern=r"^[^.\s]{1,64}(\.[^.\s]{1,64}){0,9}$")]
"""Where a value stands in the payload: keys from the outside in, with dots between them."""

Word = Annotated[str, pydantic.Field(max_length=128)] | pydantic.StrictBool
Values = Annotated[
    dict[Path, Annotated[list[Word], pydantic.Field(min_length=1, max_length=64)]], pydantic.Field(max_length=8)
]
"""What stands at places of the payload: at each of them one of several words."""


class MappingError(ValueError):
    """A mapping cannot be used; the message names the file and the field."""


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Fields(_Part):
    """Where the facts stand."""

    instant: Path
    """When the event happened: RFC 3339 with a zone, or seconds since 1970."""
    naive_instants: Literal["", "UTC"] = ""
    """What instants without a zone are in; empty refuses them."""
    subject: Path
    """The tenant, as NAME@DIGEST or NAME: what the verification was requested for."""
    reference: Path
    """The provider's name of the evidence."""
    verified_at: Path | None = None
    """When it was verified; absent means the event's instant."""
    expires_at: Path | None = None
    """When the clearance ends; absent means the provider's validDays after it was verified."""
    reverify_by: Path | None = None
    """When the next verification is due; absent means the provider's reverifyDays, if it has any."""
    level: Path | None = None
    """How deep it went, 0 to 4; absent means the provider's level."""
    product: Path | None = None
    """What the provider calls this sort of verification, as `levels` of a provider names it."""
    reason: Path | None = None
    """Why, for operators."""


class Meaning(_Part):
    """The state that an event means; the first that fits holds, and an event that none fits is none of ours."""

    when: Annotated[Values, pydantic.Field(min_length=1)]
    """Values that the payload has to have, all of them."""
    state: KYCState


class Mapping(_Part):
    """One provider's deliveries."""

    documentation: Annotated[list[str], pydantic.Field(max_length=16)]
    """The provider's public pages that this follows."""
    read_on: dt.date
    """When they were read."""
    signature: Signature
    test_mode: Values = {}
    """Values by which the provider marks what it only tries; any of them, and the delivery is none of ours."""
    fields: Fields
    meanings: Annotated[list[Meaning], pydantic.Field(min_length=1, max_length=64)]
    all_named: Annotated[list[Path], pydantic.Field(max_length=8)] = []
    """Places of which the meanings name every word: with another one, a delivery is malformed, not none of ours."""
    closed: bool = False
    """Whether a payload has no other keys than the first ones of the paths here; with another one, it is malformed."""

    @functools.cached_property
    def keys(self) -> frozenset[str]:
        """The outermost keys of all that is read."""
        named = (*self.test_mode, *(path for meaning in self.meanings for path in meaning.when))
        fields = (path for name, path in self.fields if name != "naive_instants")
        return frozenset(path.partition(".")[0] for path in (*named, *fields) if path)

    def words(self, path: str) -> list[Word]:
        """Return what the meanings name at a place, in their order."""
        return [word for meaning in self.meanings for word in meaning.when.get(path, ())]


@functools.cache
def builtin() -> dict[str, Mapping]:
    """Return the packaged mappings by name."""
    folder = resources.files("admission.tenants.providers")
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".toml")), key=lambda each: each.name)
    return {each.name.removesuffix(".toml"): _mapping(each.name, each.read_bytes()) for each in files}


def with_folder(folder: pathlib.Path | None) -> dict[str, Mapping]:
    """Return the packaged mappings and those of a folder's TOML files, which go before.  Raises ``MappingError``."""
    if folder is None:
        return builtin()
    try:
        files = sorted(each for each in folder.iterdir() if each.suffix == ".toml")
        return builtin() | {each.stem: _mapping(str(each), _bounded(each)) for each in files}
    except OSError as error:
        raise MappingError(f"{error.filename}: {error.strerror}") from None


def _bounded(path: pathlib.Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


def _mapping(name: str, text: bytes) -> Mapping:
    if len(text) > LARGEST:
        raise MappingError(f"{name}: larger than {LARGEST} bytes")
    try:
        return Mapping.model_validate(tomllib.loads(text.decode()))
    except pydantic.ValidationError as error:
        wrong = (f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}" for each in error.errors())
        raise MappingError(f"{name}: {'; '.join(wrong)}") from None
    except (ValueError, RecursionError) as error:  # tomllib's and decoding errors are ValueErrors
        raise MappingError(f"{name}: {' '.join(str(error).split())[:300]}") from None
