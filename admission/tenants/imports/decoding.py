"""Decoding of what others wrote: one line that says where it is wrong, whatever is wrong with it."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from admission.tenants.imports.fragment import ImportProblem

T = TypeVar("T")

LONGEST = 300
"""Characters of an explanation."""


def decoded(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw, where: str) -> T:
    """Return what was decoded; raises ``ImportProblem`` with ``where`` and the field, as the file writes it."""
    try:
        return decoder.decode(raw)
    except RecursionError:
        raise ImportProblem(f"{where}: nested too deeply to be read") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split()).replace("`$.", "`")
        raise ImportProblem(f"{where}: {said[:LONGEST]}") from None
