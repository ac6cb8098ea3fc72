"""The table of workload kinds: the packaged one, and what an operator adds to it."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from admission.demand.workloads.particular import CODE
from admission.demand.workloads.paths import PathError, check_count, steps_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Iterator, Mapping

MOST_BYTES = 1 << 20
"""A table that is larger is none."""


class TableError(ValueError):
    """A table of kinds cannot be used; the message says which kind and why."""


class RoleRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One role of a kind: where its template stands and how many pods it makes; see kinds.toml."""

    name: str
    each: str = "."
    pod: str = ""
    spec: str = ""
    container: str = ""
    resources: str = ""
    limits: str = ""
    instance: str = ""
    also: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    most: tuple[str, ...] = ()
    when: str = ""
    rename: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path of the rule, empty ones too."""
        single = (self.each, self.pod, self.spec, self.container, self.resources, self.limits, self.instance, self.when)
        return (*single, *self.also, *self.rename.values())


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the table says of some kinds; see kinds.toml."""

    kinds: tuple[str, ...]
    role: tuple[RoleRule, ...] = ()
    template: bool = False
    other: bool = False
    particular: str = ""
    refers: tuple[str, ...] = ()
    wraps: tuple[str, ...] = ()
    caveat: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    workload: tuple[Kind, ...] = ()
    network_classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """The kinds by ``group/Kind``, and the device classes of network cards and the like."""

    kinds: Mapping[str, Kind]
    network_classes: tuple[str, ...] = ()
    added: frozenset[str] = field(default=frozenset())
    """The kinds that an operator wrote."""

    def kind(self, api_version: Any, kind: Any) -> Kind | None:
        """Return what is said of an object's kind, whatever its version."""
        if not isinstance(api_version, str) or not isinstance(kind, str):
            return None
        return self.kinds.get(f"{api_version.rpartition('/')[0]}/{kind}")

    def adding(self, text: str) -> Table:
        """Return the table with an operator's kinds, which go before the packaged ones; raises ``TableError``."""
        own = _parsed(text)
        kinds = dict(_by_name(own.workload))
        classes = (*self.network_classes, *own.network_classes)
        return Table({**self.kinds, **kinds}, classes, self.added | frozenset(kinds))


def with_files(paths: Iterable[pathlib.Path]) -> Table:
    """Return the packaged table with an operator's files added; raises ``TableError`` naming the file."""
    table = builtin()
    for path in paths:
        try:
            table = table.adding(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise TableError(f"{path}: {error.strerror}") from None
        except (TableError, UnicodeDecodeError) as error:
            raise TableError(f"{path}: {error}") from None
    return table


@functools.cache
def builtin() -> Table:
    """Return the packaged table."""
    text = resources.files("admission.demand.workloads").joinpath("kinds.toml").read_text(encoding="utf-8")
    packaged = _parsed(text)
    return Table(dict(_by_name(packaged.workload)), packaged.network_classes)


def _parsed(text: str) -> _File:
    if len(text) > MOST_BYTES:
        raise TableError(f"larger than {MOST_BYTES} bytes")
    try:
        table = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise TableError(str(error)) from None
    for kind in table.workload:
        _check(kind)
    return table


def _by_name(kinds: tuple[Kind, ...]) -> Iterator[tuple[str, Kind]]:
    for kind in kinds:
        for name in kind.kinds:
            yield name, kind


def _check(kind: Kind) -> None:
    """Refuse at once what would fail only at the first object of the kind."""
    where = ", ".join(kind.kinds[:3])
    if kind.particular and kind.particular not in CODE:
        raise TableError(f"{where}: there is no code named {kind.particular!r}")
    if any(name.count("/") != 1 for name in kind.kinds):
        raise TableError(f"{where}: a kind is written group/Kind, and /Kind where the group is empty")
    try:
        for path in (*kind.refers, *kind.wraps, *(path for rule in kind.role for path in rule.paths)):
            for alternative in path.split(" | "):
                steps_of(alternative)
        for rule in kind.role:
            for text in (*rule.pods, *rule.most):
                check_count(text)
    except PathError as error:
        raise TableError(f"{where}: {error}") from None
