"""YAML and JSON documents one by one: what is broken is reported, and the rest still read.

Unlike ``files.read``, which stops at the first error because a verdict needs every object, this is for questions about
each document by itself.  It reads what templates left in a manifest, and keys that stand twice as the API server
decodes them: the last one counts.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from admission.cli.files import LARGEST, SUFFIXES, FileError, bounded, measure, plain

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

MOST_NODES = 1_000_000
"""Nodes of one document after its aliases are followed; definitions of large kinds have a few hundred thousand."""

MOST_DOCUMENTS = 100_000
MOST_FAST_NESTING = 400
"""The C parser overflows its stack on input that is nested much deeper; such input goes to the slower one."""

_SEPARATOR = re.compile(r"^---(?=[\s]|$)[^\S\n]*", re.MULTILINE)
_OPENING = re.compile(r"\s*\{")
_CONTENT = re.compile(r"^(?![^\S\n]*(?:#|%|$|\.\.\.[^\S\n]*$))", re.MULTILINE)
_PREFIX = re.compile(r"^[ \t?:-]*", re.MULTILINE)
_DIRECTIVE_LINE = re.compile(r"^[^\S\n]*(?:\{\{[^{}]*\}\}[^\S\n]*)+$\n?", re.MULTILINE)
_DIRECTIVE = re.compile(r"\{\{(?P<inner>[^{}]*)\}\}")


@dataclass(frozen=True, slots=True)
class Document:
    """One document: where it stands (``0``, ``0.items[2]``), its content, and remarks on how it was read."""

    file: str
    place: int | str
    content: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """A document, or a whole file where there is no place, that cannot be read."""

    file: str
    place: int | str | None
    problem: str


def read_each(paths: list[pathlib.Path]) -> Iterator[Document | Broken]:
    """Yield every document of files and folders, ``-`` being standard input; Lists are taken apart."""
    for path in paths:
        if path.is_dir():
            yield from read_each(sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES and each.is_file()))
        else:
            yield from _of_file(path)


def _of_file(path: pathlib.Path) -> Iterator[Document | Broken]:
    try:
        raw = bounded(path)
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        yield Broken(str(path), None, str(error))
        return
    if len(raw) > LARGEST:
        yield Broken(str(path), None, f"larger than {LARGEST} bytes; split it")
        return
    for place, part in enumerate(_parts(text)):
        if place >= MOST_DOCUMENTS:
            yield Broken(str(path), place, f"more than {MOST_DOCUMENTS} documents; split the file")
            return
        yield from _of_part(str(path), place, part)


def _parts(text: str) -> Iterator[str]:
    """Yield the documents' texts; what stands before the first separator is one only if it has content."""
    separators = [match.span() for match in _SEPARATOR.finditer(text)]
    head = text[: separators[0][0]] if separators else text
    if _CONTENT.search(head):
        yield from _objects(head)
    for (_, start), (end, _) in itertools.pairwise([*separators, (len(text), len(text))]):
        yield from _objects(text[start:end])


def _objects(text: str) -> Iterator[str]:
    """Yield JSON objects that stand one after the other, as kubectl reads them; any other text as it is."""
    start = 0
    while opening := _OPENING.match(text, start):
        try:
            _, end = json.JSONDecoder().raw_decode(text, opening.end() - 1)
        except (ValueError, RecursionError):
            break
        yield text[start:end]
        start = end
    if start == 0 or _CONTENT.search(text[start:]):
        yield text[start:]


def _of_part(file: str, place: int, text: str) -> Iterator[Document | Broken]:
    notes: list[str] = []
    try:
        content = _content(text, notes)
    except (yaml.YAMLError, FileError, ValueError, RecursionError) as error:
        yield Broken(file, place, plain(error))
        return
    if content is not None:
        yield from _taken_apart(file, place, content, tuple(notes))


def _content(text: str, notes: list[str]) -> Any:
    try:
        node = _composed(text)
    except yaml.YAMLError:
        if "{{" not in text:
            raise
        node = _composed(_without_directives(text))
        notes.append("read without what a template leaves in it")
    return None if node is None else _constructed(node, notes)


def _without_directives(text: str) -> str:
    """Return the text without lines that hold directives alone, and with a word for each of the others."""
    bare = _DIRECTIVE_LINE.sub("", text)
    return _DIRECTIVE.sub(lambda match: "__" + re.sub(r"\W+", "_", match["inner"]).strip("_") + "__", bare)


def _composed(text: str) -> yaml.Node | None:
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ and _nesting(text) <= MOST_FAST_NESTING else yaml.SafeLoader
    node: yaml.Node | None = yaml.compose(text, Loader=loader)
    return node


def _nesting(text: str) -> int:
    """Return a bound of how deep the text can be nested: by brackets, and by what stands before a line's content."""
    deepest = depth = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest + max((len(match[0]) for match in _PREFIX.finditer(text)), default=0)


class _LastKey(yaml.SafeLoader):
    """The safe loader; a key that stands twice is noted, and the last one counts."""

    notes: list[str]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, times in keys.items():
            if times > 1 and key != "<<":
                self.notes.append(
                    f"the key {key[:60]!r} stands twice; the last one is read, a strict API server refuses it"
                )
        return dict(super().construct_mapping(node, deep=deep))


def _constructed(node: yaml.Node, notes: list[str]) -> Any:
    measure(node, "the document", MOST_NODES)
    filled = _with_placeholders(node)
    loader = _LastKey("")
    loader.notes = notes
    try:
        return loader.construct_document(filled)
    finally:
        loader.dispose()


def _with_placeholders(node: yaml.Node) -> yaml.Node:
    """Put text in place of ``{{ … }}``, which YAML takes for a map whose key is a map."""
    placeholder = _placeholder(node)
    if placeholder is not None:
        return placeholder
    seen: set[int] = set()
    stack = [node]
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, yaml.MappingNode):
            current.value = [(_placeholder(key) or key, _placeholder(value) or value) for key, value in current.value]
            stack += [each for pair in current.value for each in pair]
        elif isinstance(current, yaml.SequenceNode):
            current.value = [_placeholder(each) or each for each in current.value]
            stack += current.value
    return node


def _placeholder(node: yaml.Node) -> yaml.ScalarNode | None:
    if not (
        isinstance(node, yaml.MappingNode) and len(node.value) == 1 and isinstance(node.value[0][0], yaml.MappingNode)
    ):
        return None
    inner = node.value[0][0].value
    text = inner[0][0].value if inner and isinstance(inner[0][0], yaml.ScalarNode) else "..."
    return yaml.ScalarNode("tag:yaml.org,2002:str", f"{{{{ {text} }}}}", node.start_mark, node.end_mark)


def _taken_apart(file: str, place: int | str, content: Any, notes: tuple[str, ...]) -> Iterator[Document | Broken]:
    if not isinstance(content, dict):
        yield Broken(file, place, "not an object; a document has apiVersion and kind")
    elif str(content.get("kind", "")).endswith("List") and isinstance(content.get("items"), list):
        for number, item in enumerate(content["items"]):
            if item is not None:
                yield from _taken_apart(file, f"{place}.items[{number}]", item, notes)
    else:
        yield Document(file, place, content, notes)
