"""How long certificates are valid: the one field of X.509 that is read here (RFC 5280, 4.1.2.5)."""

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
    return _validity(certificates(pem)[0])[1]


def life(pem: bytes) -> float:
    """Return the seconds from ``notBefore`` to ``notAfter`` of the first certificate; ``ValueError`` as above."""
    begin, end = _validity(certificates(pem)[0])
    return end - begin


def last_expiry(pem: bytes) -> float:
    """Return the latest ``notAfter`` of a PEM file: until then something in it can be relied on.

    Raises ``ValueError`` when there is no certificate in it.
    """
    return max(_validity(each)[1] for each in certificates(pem))


def certificates(pem: bytes) -> list[bytes]:
    """Return the certificates of a PEM file, at least one, in DER; raise ``ValueError`` when there is none."""
    found = _EACH.findall(pem)
    if not found:
        raise ValueError("no certificate in PEM form")
    return [ssl.PEM_cert_to_DER_cert(each.decode("ascii")) for each in found]


def _validity(der: bytes) -> tuple[float, float]:
    try:
        return _instants(der)
    except IndexError as error:
        raise ValueError("the certificate is cut short") from error


def _instants(der: bytes) -> tuple[float, float]:
    _, at, _ = _element(der, 0)  # Certificate
    _, at, _ = _element(der, at)  # tbsCertificate
    tag, _, end = _element(der, at)
    if tag == _VERSION:
        at = end
    for _ in ("serialNumber", "signature", "issuer"):
        _, _, at = _element(der, at)
    _, at, _ = _element(der, at)  # validity
    begin, at = _instant(der, at)  # notBefore
    until, _ = _instant(der, at)  # notAfter
    return begin, until


def _instant(der: bytes, at: int) -> tuple[float, int]:
    tag, start, end = _element(der, at)
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    naive = dt.datetime.strptime(der[start:end].decode("ascii"), form)  # noqa: DTZ007 - the Z is in the form
    return naive.replace(tzinfo=dt.UTC).timestamp(), end


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, start and end of the contents of the element at an offset."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        length = int.from_bytes(der[start : start + octets], "big")
        start += octets
    return tag, start, start + length
