"""What the Secret of an authority of our own holds, and the next step of its rotation.  No clock, and no cluster.

An authority is replaced in steps, so that whoever verifies always trusts who signed what is served::

    coming ─► trusted everywhere (caBundle) ─► signing ─► retired, trusted until it ends
                                                └─► a new serving certificate, in the same write

Keys of the Secret: ``tls.crt`` and ``tls.key`` are served; ``ca.crt`` is all that is to be trusted, the signing
authority first; ``ca.key`` is its key; ``next.crt`` and ``next.key`` are the coming one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from admission.server.selfsigned import Authority
from admission.server.terms import AUTHORITY, CERTIFICATE

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping

    from admission.server.terms import Terms

_RETIRED = 3
"""How many former authorities stay trusted at most; a certificate of theirs was replaced as often since."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A serving certificate with its key, in PEM; made of no others than those that belong together."""

    certificate: bytes
    key: bytes = field(repr=False)

    @property
    def parsed(self) -> x509.Certificate:
        """The certificate."""
        return x509.load_pem_x509_certificate(self.certificate)

    @classmethod
    def load(cls, certificate: bytes, key: bytes) -> Leaf:
        """Raise ``ValueError`` when they are no pair."""
        loaded = serialization.load_pem_private_key(key, None)
        if x509.load_pem_x509_certificate(certificate).public_key() != loaded.public_key():
            raise ValueError("key and certificate do not belong together")
        return cls(certificate, key)

    def serves(self, names: Iterable[str], trusted: Iterable[x509.Certificate], now: dt.datetime) -> bool:
        """Whether who trusts these believes it, by each of the names."""
        parsed = self.parsed
        signed = any(_signed(parsed, each) and _valid(each, now) for each in trusted)
        return signed and _valid(parsed, now) and set(names) <= _names(parsed)


@dataclass(frozen=True, slots=True)
class Keyring:
    """What is held; None for what is missing or cannot be used."""

    signing: Authority | None = None
    coming: Authority | None = None
    retired: tuple[x509.Certificate, ...] = ()
    leaf: Leaf | None = None

    @classmethod
    def read(cls, data: Mapping[str, bytes]) -> Keyring:
        """Read a Secret's data; what cannot be read is left out, but whatever was trusted stays trusted."""
        trusted = _or_none(lambda: x509.load_pem_x509_certificates(data["ca.crt"])) or []
        signing = _or_none(lambda: Authority.load(trusted[0], data["ca.key"]))
        coming = _or_none(lambda: Authority.load(x509.load_pem_x509_certificate(data["next.crt"]), data["next.key"]))
        known = [each.certificate for each in (signing, coming) if each is not None]
        leaf = _or_none(lambda: Leaf.load(data["tls.crt"], data["tls.key"]))
        return cls(signing, coming, tuple(each for each in trusted if each not in known), leaf)

    def data(self) -> dict[str, bytes]:
        """Return the Secret's data."""
        held = {"ca.crt": self.bundle()}
        if self.leaf is not None:
            held |= {"tls.crt": self.leaf.certificate, "tls.key": self.leaf.key}
        if self.signing is not None:
            held["ca.key"] = self.signing.private()
        if self.coming is not None:
            held |= {"next.crt": self.coming.pem(), "next.key": self.coming.private()}
        return held

    def trusted(self) -> tuple[x509.Certificate, ...]:
        """Return the authorities that are to be trusted, the signing one first."""
        return tuple(each.certificate for each in (self.signing, self.coming) if each) + self.retired

    def bundle(self) -> bytes:
        """Return them in PEM."""
        return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in self.trusted())

    def advance(self, now: dt.datetime, terms: Terms, *, trusted: bool, asked: str = "") -> Keyring:
        """Return what is to be held next, or an equal keyring when nothing is due.

        ``trusted`` says that everybody who verifies trusts the whole bundle since long enough.
        """
        ring = self._without_what_ended(now)
        if ring.leaf is None or not ring.leaf.serves(terms.names, ring.trusted(), now):
            by = ring.signing or ring.coming or Authority.make(now, terms.authority_days)
            return ring.signed_by(by, now, terms)  # nothing that is served could be lost
        if ring.coming is not None and trusted:
            return ring.signed_by(ring.coming, now, terms)
        if ring.coming is None and (
            ring.signing is None or asked == AUTHORITY or _due(ring.signing.certificate, now, terms)
        ):
            return replace(ring, coming=Authority.make(now, terms.authority_days))
        if ring.signing is not None and (asked == CERTIFICATE or _due(ring.leaf.parsed, now, terms)):
            return ring.signed_by(ring.signing, now, terms)
        return ring

    def _without_what_ended(self, now: dt.datetime) -> Keyring:
        signing, coming = (
            each if each and _valid(each.certificate, now) else None for each in (self.signing, self.coming)
        )
        retired = [each for each in self.retired if each.not_valid_after_utc > now]
        newest = sorted(retired, key=lambda each: each.not_valid_before_utc, reverse=True)[:_RETIRED]
        return replace(self, signing=signing, coming=coming, retired=tuple(newest))

    def signed_by(self, authority: Authority, now: dt.datetime, terms: Terms) -> Keyring:
        """Return the keyring with a new serving certificate of an authority, which is the signing one from now on."""
        leaf = Leaf(*authority.issue(terms.names, now, terms.certificate_days))
        if authority is self.signing:
            return replace(self, leaf=leaf)
        former = (self.signing.certificate,) if self.signing else ()
        coming = None if authority is self.coming else self.coming
        return Keyring(authority, coming, former + self.retired, leaf)


def _or_none(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except (KeyError, IndexError, ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _valid(certificate: x509.Certificate, now: dt.datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def _due(certificate: x509.Certificate, now: dt.datetime, terms: Terms) -> bool:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= begin + terms.renew_after * (end - begin)


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return set()
    return {str(each.value) for each in held}
