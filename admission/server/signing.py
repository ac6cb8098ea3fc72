"""Signatures of checkpoints: Ed25519 by a key of the operator's, or an HMAC by the install's own key of references.

Who has the private key, or the HMAC's key, can make a record anew that verifies.  A public key alone proves, and makes
nothing: keep the private one where who may write the record cannot read it.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519, HMAC = "Ed25519", "HMAC-SHA256"

_SHORTEST = 16
"""Bytes; no key of references has fewer."""

_USE = b"computegate.io/record-checkpoint"
"""The key of references signs nothing itself: what signs is derived from it, for this use alone."""


class UnusableKey(ValueError):  # noqa: N818 (a state of a file)
    """A file holds no key that can be used; the message says what to write and never what stands in it."""


class Signer(NamedTuple):
    """Signs; ``key`` is the first half of the SHA-256 by which the key is known."""

    algorithm: str
    key: str
    sign: Callable[[bytes], str]


class Verifier(NamedTuple):
    """Checks signatures of one key."""

    algorithm: str
    key: str
    verify: Callable[[bytes, str], bool]


def hmac_signer(reference_key: bytes) -> Signer:
    """Return what signs with a key derived from the install's key of references."""
    derived = _derived(reference_key)
    return Signer(HMAC, _name(derived), lambda text: _mac(derived, text))


def key_signer(pem: bytes) -> Signer:
    """Return what signs with an Ed25519 private key (PKCS#8, PEM); raises ``UnusableKey``."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 (10 MB)
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 (likewise)

    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise UnusableKey("no private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableKey("not an Ed25519 key: openssl genpkey -algorithm ed25519 makes one")
    name = _name(key.public_key().public_bytes_raw())
    return Signer(ED25519, name, lambda text: b64encode(key.sign(text)).decode())


def verifier(content: bytes) -> Verifier:
    """Return what checks with the key in a file: an Ed25519 key in PEM, public or private, else one of references."""
    if b"-----BEGIN" not in content:
        if len(content) < _SHORTEST:
            raise UnusableKey("neither a PEM file nor a key of references")
        derived = _derived(content)
        return Verifier(HMAC, _name(derived), lambda text, found: hmac.compare_digest(_mac(derived, text), found))
    return _key_verifier(content)


def _key_verifier(pem: bytes) -> Verifier:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 (10 MB)

    public = _public_key(pem)

    def verify(text: bytes, found: str) -> bool:
        try:
            public.verify(b64decode(found, validate=True), text)
        except (InvalidSignature, ValueError):
            return False
        return True

    return Verifier(ED25519, _name(public.public_bytes_raw()), verify)


def _public_key(pem: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 (10 MB)
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 (likewise)
        load_pem_private_key,
        load_pem_public_key,
    )

    try:
        key = load_pem_private_key(pem, None) if b"PRIVATE" in pem else load_pem_public_key(pem)
    except (ValueError, TypeError) as error:
        raise UnusableKey("no key in PEM without a password") from error
    public = key.public_key() if isinstance(key, ed25519.Ed25519PrivateKey) else key
    if not isinstance(public, ed25519.Ed25519PublicKey):
        raise UnusableKey("not an Ed25519 key")
    return public


def _derived(key: bytes) -> bytes:
    return hmac.digest(key, _USE, "sha256")


def _mac(key: bytes, text: bytes) -> str:
    return hmac.digest(key, text, "sha256").hex()


def _name(key: bytes) -> str:
    """Return a name that tells a key from others and nothing of it."""
    return hashlib.sha256(_USE + key).hexdigest()[:16]
