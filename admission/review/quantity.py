"""Kubernetes quantities: ``4``, ``1500m``, ``2Ki``, ``1e3``.

Grammar and rounding as in k8s.io/apimachinery/pkg/api/resource (quantity.go): the value of a device
resource is rounded up to a whole number, as ``Quantity.Value()`` does.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Context, Decimal

_GRAMMAR = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?:(?P<suffix>n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)|[eE](?P<exponent>[+-]?\d+))?"
)
_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
LARGEST = 2**63 - 1
"""The API server saturates at the largest int64; so do we."""

_DIGITS = len(str(LARGEST))
_LONGEST = 128
_LARGEST_EXPONENT = 100
_EXACT = Context(prec=2 * _LONGEST)
"""Enough digits for the longest text with any suffix: the default 28 would round a fraction away."""


class QuantityError(ValueError):
    """The text is not a quantity, or not one that a count of devices can have."""


def count(text: str | float) -> int:
    """Return the quantity as a whole number of devices, rounded up, saturated at ``LARGEST``.

    Raises ``QuantityError`` for anything that is not a quantity, and for a negative one.
    """
    if type(text) is int and text >= 0:
        return min(text, LARGEST)
    if type(text) is str and len(text) < _DIGITS and text.isdigit() and text.isascii():
        return int(text)
    return _bounded(_parse(_text(text)))


def _text(value: str | float) -> str:
    try:
        return str(value)
    except ValueError:  # more digits than Python writes out (sys.get_int_max_str_digits)
        raise QuantityError(
            "a number of thousands of digits is not a quantity; write a whole number such as 8"
        ) from None


def _parse(text: str) -> Decimal:
    match = _GRAMMAR.fullmatch(text) if len(text) <= _LONGEST and text.isascii() else None
    if match is None:
        message = f"{text[:40]!r} is not a quantity; write a whole number such as 8"
        raise QuantityError(message)
    number, suffix, exponent = match["number"], match["suffix"], match["exponent"]
    if suffix:
        return _EXACT.multiply(Decimal(number), _SUFFIXES[suffix])
    if not exponent:
        return Decimal(number)
    if len(exponent) > len(f"+{_LARGEST_EXPONENT}"):
        exponent = f"{'-' if exponent[0] == '-' else ''}{_LARGEST_EXPONENT}"
    return Decimal(number).scaleb(max(-_LARGEST_EXPONENT, min(_LARGEST_EXPONENT, int(exponent))), _EXACT)


def _bounded(value: Decimal) -> int:
    if value < 0:
        raise QuantityError(f"'{value:.6g}' is negative; a count of devices starts at 0")
    return min(int(value.to_integral_value(ROUND_CEILING)), LARGEST)
