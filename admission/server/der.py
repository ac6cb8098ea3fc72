"""When certificates end: the one field of X.509 that is read here (RFC 5280, 4.1.2.5)."""

from __future__ import annotations

import datetime as dt
import re
import ssl

_EACH = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_VERSION = 0xA0
_UTC_TIME = 0x17


def expiry(pem: bytes) -> float:
    """Return ``notAfter`` of the first certificate of a PEM file, in seconds since the epoch.

    Raises ``ValueError`` when there is none.  Read by hand because the standard library offers it only for
    a verified peer, and the ``cryptography`` package costs 10 MB of memory.
    """
    return _end(certificates(pem)[0])


def last_expiry(pem: bytes) -> float:
    """Return the latest ``notAfter`` of a PEM file: until then something in it can be relied on.

    Raises ``ValueError`` when there is no certificate in it.
    """
    return max(_end(each) for each in certificates(pem))


def certificates(pem: bytes) -> list[bytes]:
    """Return the certificates of a PEM file, at least one, in DER; raise ``ValueError`` when there is none."""
    found = _EACH.findall(pem)
    if not found:
        raise ValueError("no certificate in PEM form")
    return [ssl.PEM_cert_to_DER_cert(each.decode("ascii")) for each in found]


def _end(der: bytes) -> float:
    try:
        return _not_after(der)
    except IndexError as error:
        raise ValueError("the certificate is cut short") from error


def _not_after(der: bytes) -> float:
    _, at, _ = _element(der, 0)  # Certificate
    _, at, _ = _element(der, at)  # tbsCertificate
    tag, _, end = _element(der, at)
    if tag == _VERSION:
        at = end
    for _ in ("serialNumber", "signature", "issuer"):
        _, _, at = _element(der, at)
    _, at, _ = _element(der, at)  # validity
    _, _, at = _element(der, at)  # notBefore
    tag, start, end = _element(der, at)
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    naive = dt.datetime.strptime(der[start:end].decode("ascii"), form)  # noqa: DTZ007 - the Z is in the form
    return naive.replace(tzinfo=dt.UTC).timestamp()


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, start and end of the contents of the element at an offset."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        length = int.from_bytes(der[start : start + octets], "big")
        start += octets
    return tag, start, start + length
