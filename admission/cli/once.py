"""Each object stands once in files: of two with one kind and name it would be the last that counts, unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.api import GROUP
from admission.cli.files import FileError
from admission.demand.workloads.fields import mapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from admission.cli.files import Document

_DECIDING = frozenset(
    {"Namespace", "Node", "DeviceClass", "ResourceSlice", "ResourceClaim", "ResourceClaimTemplate", "PodGroup"}
)
"""Kinds of others that decide by their names; those of ours all do."""


def require_once(documents: Iterable[Document], default: str = "default") -> None:
    """Raise ``FileError`` for the first document that stands ``twice``."""
    for problem in twice(documents, default):
        raise FileError(problem)


def twice(documents: Iterable[Document], default: str = "default") -> Iterator[str]:
    """Yield of each second of two documents of one kind, namespace and name the file and the line of both.

    ``default`` is the namespace of documents that name none.  Pods and workloads may stand twice: each is judged by
    itself.
    """
    first: dict[tuple[str, str, str], Document] = {}
    for document in documents:
        metadata = mapped(document.content, "metadata")
        kind, name = document.kind, str(metadata.get("name") or "")
        if not name or not _decides(document):
            continue
        key = kind, str(metadata.get("namespace") or default), name
        if key in first:
            before = first[key]
            yield (
                f"{document.where} line {_line(document)} {kind} {name}: stands already in "
                f"{before.where} line {_line(before)}; leave one"
            )
        first.setdefault(key, document)


def _decides(document: Document) -> bool:
    ours = str(document.content.get("apiVersion", "")).startswith(f"{GROUP}/")
    return ours or document.kind in _DECIDING


def _line(document: Document) -> int | None:
    return document.line(("metadata", "name"))
