"""Decoding of what others wrote: one line that says where it is wrong, whatever is wrong with it."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from admission.tenants.imports.fragment import ImportProblem

T = TypeVar("T")

_BYTE = re.compile(r"\(byte (\d+)\)")

LONGEST = 300
"""Characters of an explanation."""


def decoded(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw, where: str) -> T:
    """Return what was decoded; raises ``ImportProblem`` with ``where`` and the field, as the file writes it.

    What is no JSON has no field: there the line says where, if there are several.
    """
    try:
        return decoder.decode(raw)
    except RecursionError:
        raise ImportProblem(f"{where}: nested too deeply to be read") from None
    except msgspec.ValidationError as error:
        raise ImportProblem(f"{where}: {_said(error)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ImportProblem(f"{where}: {_line(bytes(raw).rstrip(), str(error))}{_said(error)}") from None


def _said(error: Exception) -> str:
    return " ".join(str(error).split()).replace("`$.", "`")[:LONGEST]


def _line(text: bytes, error: str) -> str:
    """Say in which of several lines it is: at the byte that the error names, or where the text ends."""
    byte = _BYTE.search(error)
    line = text.count(b"\n", 0, int(byte[1]) if byte else None) + 1
    return f"line {line}: " if b"\n" in text else ""
