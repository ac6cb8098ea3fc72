"""Files read to the end: what is wrong with each of their documents is gathered, and told together.

A file that is no YAML ends where that shows, as nobody can say what the rest of it would be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.cli import files
from admission.cli.files import FileError
from admission.cli.once import twice

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Sequence

    from admission.cli.files import Document
    from admission.decide.registry import Registry

MOST_TOLD = 100
"""Problems that are told; how many more there are is said."""


def gather(
    registry: Registry, paths: Iterable[pathlib.Path], namespace: str
) -> tuple[tuple[Document, ...], tuple[Document, ...]]:
    """Put the objects in files into the registry; return all documents, and those that are no objects.

    ``namespace`` is that of documents which name none.  Raises ``FileError`` with a line for each problem.
    """
    problems: list[str] = []
    documents = tuple(_read(paths, problems))
    problems += twice(documents, namespace)
    waiting = tuple(document for document in documents if not _is_taken(registry, document, problems))
    refuse(problems)
    return documents, waiting


def refuse(problems: Sequence[str]) -> None:
    """Raise ``FileError`` where there are problems: a line for each."""
    lines = [line for problem in problems for line in problem.splitlines()]
    more = [f"and {len(lines) - MOST_TOLD} more"] if len(lines) > MOST_TOLD else []
    if lines:
        raise FileError("\n".join(lines[:MOST_TOLD] + more))


def _read(paths: Iterable[pathlib.Path], problems: list[str]) -> Iterable[Document]:
    for path in files.sources(paths):
        try:
            yield from files.read([path])
        except FileError as error:
            problems.append(str(error))


def _is_taken(registry: Registry, document: Document, problems: list[str]) -> bool:
    """Whether a document is an object, be it a bad one."""
    try:
        return files.take(registry, document)
    except FileError as error:
        problems.append(str(error))
        return True
