"""Objects and manifests in YAML or JSON files: read with bounds, each error naming file, document and field."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pydantic
import yaml

from admission.api import GROUP
from admission.api.accelerator import AcceleratorPool
from admission.api.crd import KINDS
from admission.api.tenant import Tenant
from admission.cluster import wire
from admission.demand.inventory import Node, Taint
from admission.review.claim import DeviceClass, ResourceSlice
from admission.server.settings import explain_validation
from admission.tenants.age import too_long
from admission.tenants.contradictions import contradicting, contradiction_of
from admission.tenants.places import unknown_countries, unknown_place

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Iterator, Mapping

    from admission.api.object import Object
    from admission.decide.registry import Registry

LARGEST = 8 << 20
"""Bytes of one file; the API server takes objects of at most 3 MiB."""

MOST_ALIASED = 100_000
"""Nodes of one document after its aliases are followed: a bomb of aliases ends here."""

DEEPEST = 64
MOST_LINES = 8
"""Lines that one message names."""

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_KINDS = {kind.__name__: kind for kind in KINDS}


class FileError(ValueError):
    """A file, or a document in it, cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: where it stands, its content, and the nodes that it was read from."""

    file: str
    place: int
    content: dict[str, Any]
    node: yaml.Node | None = field(default=None, compare=False, repr=False)

    @property
    def kind(self) -> str:
        """The document's ``kind``."""
        return str(self.content.get("kind", ""))

    @property
    def where(self) -> str:
        """``file[place]`` for messages."""
        return f"{self.file}[{self.place}]"

    def line(self, path: Iterable[str | int]) -> int | None:
        """Return the line of a field, or of the innermost one above it that is there; None if nobody knows."""
        node = self.node
        for key in path:
            inner = None if node is None else _inner(node, key)
            if inner is None:
                break
            node = inner
        return None if node is None else node.start_mark.line + 1


def read(paths: Iterable[pathlib.Path]) -> Iterator[Document]:
    """Yield the documents of files and folders, ``-`` being standard input; Lists are taken apart.

    Raises ``FileError``.
    """
    for path in sources(paths):
        yield from _documents(path)


def sources(paths: Iterable[pathlib.Path]) -> Iterator[pathlib.Path]:
    """Yield the files among these and in folders among these."""
    for path in paths:
        if path.is_dir():
            yield from sources(sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES))
        else:
            yield path


def _documents(path: pathlib.Path) -> Iterator[Document]:
    try:
        raw = bounded(path)
        if len(raw) > LARGEST:
            raise FileError(f"{path}: larger than {LARGEST} bytes; split it")
        text = raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: {error}") from None
    try:
        nodes = yaml.compose_all(text, Loader=_Loader)
        for place, node in enumerate(nodes):
            if node is not None:
                yield from _taken_apart(str(path), place, _constructed(node, f"{path}[{place}]"), node)
    except FileError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FileError(f"{path}: {plain(error)}") from None


def plain(error: Exception) -> str:
    """Return one line that says what is wrong with a text."""
    if isinstance(error, RecursionError):
        return "nested too deeply to be read"
    return " ".join(str(error).split())[:300]


def bounded(path: pathlib.Path) -> bytes:
    """Return what a file holds, ``-`` being standard input: one byte more than LARGEST where it is longer."""
    if str(path) == "-":
        return sys.stdin.buffer.read(LARGEST + 1)
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


class _Loader(yaml.SafeLoader):
    """The safe loader, which refuses a key that stands twice in a mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping; a duplicate key is an error, as the API server's strict decoding has it."""
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        twice = next((key for key, times in keys.items() if times > 1 and key != "<<"), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"key {twice!r} stands twice", node.start_mark)
        return dict(super().construct_mapping(node, deep=deep))


def _constructed(node: yaml.Node, where: str) -> Any:
    measure(node, where)
    loader = _Loader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def measure(node: yaml.Node, where: str, most: int = MOST_ALIASED) -> None:
    """Count the nodes as if aliases were copied, before anything is built from them; raises ``FileError``."""
    left, stack = most, [(node, 0)]
    while stack:
        current, depth = stack.pop()
        left -= 1
        if depth > DEEPEST:
            raise FileError(f"{where}: more than {DEEPEST} levels; is this one object?")
        if left < 0:
            raise FileError(f"{where}: more than {most} nodes, aliases counted as copies; is this one object?")
        if isinstance(current, yaml.MappingNode):
            stack += [(each, depth + 1) for pair in current.value for each in pair]
        elif isinstance(current, yaml.SequenceNode):
            stack += [(each, depth + 1) for each in current.value]
        elif any("\ud800" <= char <= "\udfff" for char in current.value):
            raise FileError(f"{where}: half of a surrogate pair in a text; write the character itself")


def _inner(node: yaml.Node, key: str | int) -> yaml.Node | None:
    """Return the node of a key, or of an item by its number."""
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        found: yaml.Node = node.value[key]
        return found
    return None


def _taken_apart(file: str, place: int, content: Any, node: yaml.Node | None) -> Iterator[Document]:
    if content is None:
        return
    if not isinstance(content, dict):
        raise FileError(f"{file}[{place}]: not an object; a document has apiVersion and kind")
    if str(content.get("kind", "")).endswith("List") and isinstance(content.get("items"), list):
        items = None if node is None else _inner(node, "items")
        for number, item in enumerate(content["items"]):
            yield from _taken_apart(file, place, item, None if items is None else _inner(items, number))
    else:
        yield Document(file, place, content, node)


def take(registry: Registry, document: Document) -> bool:
    """Put a document that is an object of ours, a Namespace or a Node into the registry; False for any other.

    Raises ``FileError`` naming the field.
    """
    content = document.content
    if str(content.get("apiVersion", "")).startswith(f"{GROUP}/"):
        registry.put(parse(document))
        return True
    if document.kind == "Namespace":
        namespace = _converted(document, wire.Namespace)
        _named(document, namespace.metadata.name)
        registry.put_namespace(namespace.metadata.name, namespace.metadata.labels or {})
        return True
    if document.kind == "Node":
        node = _converted(document, wire.Node)
        _named(document, node.metadata.name)
        registry.put_node(node_of(node))
        return True
    return _take_devices(registry, document)


def _take_devices(registry: Registry, document: Document) -> bool:
    """Put a class of devices, or what a driver publishes, into the registry."""
    if document.kind == "DeviceClass":
        device_class = _converted(document, DeviceClass)
        _named(document, device_class.metadata.name)
        registry.put_device_class(device_class)
    elif document.kind == "ResourceSlice":
        published = _converted(document, ResourceSlice)
        _named(document, published.metadata.name)
        registry.put_slice(published)
    return document.kind in {"DeviceClass", "ResourceSlice"}


def parse(document: Document) -> Object:
    """Return the object of ours in a document; raises ``FileError`` naming the field."""
    kind = _KINDS.get(document.kind)
    if kind is None:
        raise FileError(f"{document.where}: there is no kind {document.kind!r} in {GROUP}")
    content = dict(document.content)
    metadata = content.pop("metadata", {})
    try:
        obj = kind.model_validate(content, extra="forbid")
        named: Object = kind.model_validate({**content, "metadata": metadata})
    except pydantic.ValidationError as error:
        told = explain_validation(error) + _lines(document, (each["loc"] for each in error.errors()))
        if any(each["type"] == "string_type" and isinstance(each["input"], bool) for each in error.errors()):
            told += '; write it in quotes, as YAML takes NO for a no: "NO"'
        raise FileError(f"{document.where} {document.kind}: {told}") from None
    _named(document, named.name)
    if isinstance(obj, Tenant):
        _refuse(document, unknown_countries(obj) | too_long(obj))
        if contradiction := contradiction_of(obj.spec):
            told = contradiction + _lines(document, (("spec", "ownership", place) for place in contradicting(obj.spec)))
            raise FileError(f"{document.where} {document.kind}: {told}")
    elif isinstance(obj, AcceleratorPool):
        _refuse(document, unknown_place(obj))
    return obj.model_copy(update={"metadata": named.metadata})


def _lines(document: Document, paths: Iterable[tuple[str | int, ...]]) -> str:
    """Say where fields stand, the first of them; nothing where nobody knows."""
    lines = list(dict.fromkeys(document.line(path) for path in paths))
    more = ", ..." if len(lines) > MOST_LINES else ""
    return f" (line {', '.join(map(str, lines[:MOST_LINES]))}{more})" if lines and None not in lines else ""


def _refuse(document: Document, problems: Mapping[tuple[str | int, ...], str]) -> None:
    """Raise ``FileError`` where there are problems with fields: one line for each."""
    told = (
        f"{document.where} {document.kind}: {'.'.join(map(str, path))}: {problem} (line {document.line(path)})"
        for path, problem in problems.items()
    )
    if problems:
        raise FileError("\n".join(told))


def _named(document: Document, name: str) -> None:
    if not name:
        raise FileError(f"{document.where} {document.kind}: metadata.name is missing")


def _converted(document: Document, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(document.content, kind)
    except msgspec.ValidationError as error:
        raise FileError(f"{document.where} {document.kind}: {error}") from None


def node_of(node: wire.Node) -> Node:
    """Return a node in the neutral form of the inventory."""
    return Node(
        name=node.metadata.name,
        labels=node.metadata.labels or {},
        taints=tuple(Taint(taint.key, taint.value, taint.effect) for taint in node.spec.taints or ()),
        resources=frozenset(node.status.allocatable or ()),
    )
