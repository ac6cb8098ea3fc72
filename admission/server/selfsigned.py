"""Certificates of our own: an authority, and what it signs.  For a cluster, a laptop, the tests and the benchmark.

Elliptic curve P-256 throughout: an RSA handshake costs several times the processor time.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SKEW = dt.timedelta(minutes=5)
_DIGITAL_SIGNATURE, _KEY_CERT_SIGN = "digital_signature", "key_cert_sign"
_USAGES = (
    _DIGITAL_SIGNATURE,
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    _KEY_CERT_SIGN,
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority and its key.  No two have one name: what checks a chain finds the signer by it."""

    key: ec.EllipticCurvePrivateKey = field(repr=False, compare=False)  # the certificate tells which it is
    certificate: x509.Certificate

    @classmethod
    def make(cls, now: dt.datetime, days: float = 30.0) -> Authority:
        """Make an authority that is valid from now on."""
        key = ec.generate_private_key(ec.SECP256R1())
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        name = _name(f"computegate authority {identifier.digest.hex()[:16]}")
        builder = _builder(name, name, key, now, now + dt.timedelta(days=days))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(_KEY_CERT_SIGN), critical=True)
        return cls(key, builder.sign(key, hashes.SHA256()))

    @classmethod
    def load(cls, certificate: x509.Certificate, key: bytes) -> Authority:
        """Return the authority of a certificate and its key in PEM; raise ``ValueError`` when they are no pair."""
        loaded = serialization.load_pem_private_key(key, None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise TypeError("the authority's key is not one of an elliptic curve")
        if loaded.public_key() != certificate.public_key():
            raise ValueError("the authority's key and certificate do not belong together")
        return cls(loaded, certificate)

    def pem(self) -> bytes:
        """Return the certificate that clients must trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def private(self) -> bytes:
        """Return the key in PEM."""
        return _private(self.key)

    def issue(self, names: Sequence[str], now: dt.datetime, days: float = 30.0) -> tuple[bytes, bytes]:
        """Return certificate and key in PEM for DNS names and IP addresses; it ends no later than the authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        until = min(now + dt.timedelta(days=days), self.certificate.not_valid_after_utc)
        builder = _builder(_name(names[0][:64]), self.certificate.subject, key, now, until)
        builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(n) for n in names]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(_DIGITAL_SIGNATURE), critical=True)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = builder.add_extension(issuer, critical=False).sign(self.key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM), _private(key)


def write(folder: Path, certificate: bytes, key: bytes) -> tuple[Path, Path]:
    """Write ``tls.crt`` and ``tls.key`` (readable by this user alone) into a folder; return their paths."""
    paths = folder / "tls.crt", folder / "tls.key"
    paths[0].write_bytes(certificate)
    with os.fdopen(os.open(paths[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(key)
    return paths


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime, until: dt.datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(min(now, until) - _SKEW).not_valid_after(until)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _usage(only: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage == only for usage in _USAGES})


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    no_password = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password)
