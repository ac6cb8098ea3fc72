"""What is read of any answer before the object in it: the envelope, whose object it is, and which version."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import msgspec

from admission.cluster import wire
from admission.cluster.client import ClusterError
from admission.cluster.decoding import Decoder

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_identified = Decoder(wire.Identified)


class UndecodableError(ClusterError):
    """An answer that is not a list or a watch line, so that nothing in it can be told apart."""


def decoder_of(decoder: type[T] | Callable[[bytes], T]) -> Callable[[bytes], T]:
    """Return what decodes an object: a msgspec struct's decoder, or the callable itself."""
    is_struct = isinstance(decoder, type) and issubclass(decoder, msgspec.Struct)
    return cast("Callable[[bytes], T]", Decoder(cast("type[T]", decoder)).decode if is_struct else decoder)


def decode_envelope(decoder: Decoder[T], raw: bytes) -> T:
    """Return a page, a watch line or a Status; raises ``UndecodableError``."""
    try:
        return decoder.decode(raw)
    except msgspec.MsgspecError as error:
        raise UndecodableError(f"not what a Kubernetes API server sends: {error}") from error


def identity_of(raw: bytes) -> wire.Identity:
    """Return what tells an object from others and its versions apart; raises ``UndecodableError``."""
    return decode_envelope(_identified, raw).metadata


def version_of(text: str) -> int:
    """Read a resourceVersion; since Kubernetes 1.35 they are comparable integers (KEP-5504)."""
    if not text.isdecimal():
        raise UndecodableError(f"the resourceVersion {text!r} is not a number")
    return int(text)
