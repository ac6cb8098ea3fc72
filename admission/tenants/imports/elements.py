"""Records of a large XML file one by one, in bounded memory: expat reads, and a document type is refused."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

from admission.tenants.imports.fragment import ImportProblem

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

CHUNK = 1 << 16
MOST_ELEMENTS = 4096
"""Elements of one record."""

MOST_TEXT = 1 << 18
"""Characters of one record."""

DEEPEST = 32


@dataclass(slots=True)
class Element:
    """One element of a record: its name without the namespace, its line, its text and what is in it."""

    name: str
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def every(self, path: str) -> list[Element]:
        """Return the elements at a path such as ``Relationship/StartNode``."""
        found = [self]
        for name in path.split("/"):
            found = [child for each in found for child in each.children if child.name == name]
        return found

    def word(self, path: str) -> str:
        """Return the text at a path, or ""; where there are several, of the first."""
        return next((each.text.strip() for each in self.every(path)), "")


def records_of(path: pathlib.Path, names: frozenset[str]) -> Iterator[Element]:
    """Yield the elements with one of these names, whole; raises ``ImportProblem`` naming the line."""
    reader = _Reader(path, names)
    with path.open("rb") as file:
        for chunk in itertools.chain(iter(lambda: file.read(CHUNK), b""), (None,)):
            reader.feed(chunk)
            yield from reader.found
            reader.found.clear()


def root_of(path: pathlib.Path) -> str:
    """Return the name of the root element: it says what a file is."""
    reader = _Reader(path, frozenset())
    with path.open("rb") as file:
        while not reader.root and (chunk := file.read(CHUNK)):
            reader.feed(chunk)
    if not reader.root:
        reader.feed(None)
    return reader.root


class _Reader:
    """Builds one record at a time; what is outside of records is not kept."""

    def __init__(self, path: pathlib.Path, names: frozenset[str]) -> None:
        self.found: list[Element] = []
        self.root = ""
        self._path, self._names = path, names
        self._open: list[Element] = []
        self._depth = self._elements = self._text = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, chunk: bytes | None) -> None:
        """Read on; None is the end of the file."""
        try:
            self._parser.Parse(chunk or b"", chunk is None)
        except expat.ExpatError as error:
            raise ImportProblem(f"{self._path}: line {error.lineno}: {expat.ErrorString(error.code)}") from None
        except ImportProblem:
            raise
        except (LookupError, ValueError):
            self._refuse("an encoding that is not read; write it anew in UTF-8")

    def _refuse(self, problem: str) -> None:
        raise ImportProblem(f"{self._path}: line {self._parser.CurrentLineNumber}: {problem}")

    def _start(self, tag: str, _attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        self._depth += 1
        self.root = self.root or name
        if self._depth > DEEPEST:
            self._refuse(f"more than {DEEPEST} levels of elements")
        if not self._open and name not in self._names:
            return
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            self._refuse(f"more than {MOST_ELEMENTS} elements in one record")
        element = Element(name, self._parser.CurrentLineNumber)
        if self._open:
            self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, _tag: str) -> None:
        self._depth -= 1
        if not self._open:
            return
        element = self._open.pop()
        if not self._open:
            self.found.append(element)
            self._elements = self._text = 0

    def _characters(self, text: str) -> None:
        if self._open:
            self._text += len(text)
            if self._text > MOST_TEXT:
                self._refuse(f"more than {MOST_TEXT} characters in one record")
            self._open[-1].text += text

    def _doctype(self, *_: object) -> None:
        self._refuse("a document type is not read; the published files have none")
