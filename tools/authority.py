"""A certificate authority for one test cluster: EC P-256, kept in a folder, gone with it."""

import datetime as dt
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = dt.timedelta(days=30)
_SKEW = dt.timedelta(minutes=5)  # containers and their host may disagree about the time


@dataclass(frozen=True, slots=True)
class Certificate:
    """A leaf's PEM files, `tls.crt` and `tls.key` in one folder, and the PEM text of the CA that signed it."""

    certificate: Path
    key: Path
    authority: str


class Authority:
    """A CA whose key never leaves memory; its certificate is `directory/ca.crt`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _name("computegate test CA", ())
        usage = _key_usage(signs_certificates=True)
        self._certificate = (
            _builder(name, name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self._issued = 0
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.path = directory / "ca.crt"
        self.path.write_text(self.pem)

    def issue(self, common_name: str, sans: Iterable[str] = (), organizations: Iterable[str] = ()) -> Certificate:
        """Sign a new key, good for serving and as a client; `sans` are DNS names and IP addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(_name(common_name, organizations), self._certificate.subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(_both_ends(), critical=False)
            # OpenSSL's strict mode, Python's default since 3.13, refuses a leaf that does not name its issuer's key.
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names := [_general_name(san) for san in sans]:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        leaf = builder.sign(self._key, hashes.SHA256())
        return self._write(common_name, leaf, key)

    def _write(self, common_name: str, leaf: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Certificate:
        self._issued += 1  # one folder each, so that a second certificate of the same name is a rotation
        folder = self._directory / f"{self._issued:03}-{re.sub(r'[^A-Za-z0-9.-]+', '-', common_name)[:60]}"
        folder.mkdir(exist_ok=True)
        certificate = folder / "tls.crt"
        certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        write_key(folder / "tls.key", key)
        return Certificate(certificate, folder / "tls.key", self.pem)


def write_key(path: Path, key: ec.EllipticCurvePrivateKey | None = None) -> Path:
    """Write `key` (a new one by default) to `path` as unencrypted PEM, readable by the owner alone."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    path.touch(mode=0o600)
    # SEC 1, as --service-account-key-file finds no public key in PKCS #8.
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return path


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str, organizations: Iterable[str]) -> x509.Name:
    # Kubernetes reads a client certificate's common name as the user and its organizations as the groups.
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _both_ends() -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])


def _general_name(san: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(san))
    except ValueError:
        return x509.DNSName(san)
