"""The last good version of an object that is broken: what it forbade goes on being forbidden, for a bounded time.

A word that means nothing opens what it was meant to close.  So while an object is broken, a request is let in only
where two sets of objects both let it in: the current one, as far as it can be read, and the same with the last good
version of what is broken.  Whatever was taken away since, in the broken object too, is gone by the first; whatever the
broken word no longer closes is closed by the second.  Past the limit, or where nobody knows what was good, all waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from admission.api.accelerator import AcceleratorClass
from admission.api.policy import AccessPolicy
from admission.api.quota import ComputeQuota
from admission.decide.registry import DECISIVE
from admission.review import fitting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime, timedelta

    from admission.api.object import Object
    from admission.decide.registry import Registry

    Objects = dict[tuple[type[Object], str], Object]
    Changes = dict[tuple[type[Object], str], Object | None]

_KEPT: Mapping[str, type[Object]] = {kind.__name__: kind for kind in (AccessPolicy, ComputeQuota, AcceleratorClass)}
_DEFINING: tuple[type[Object], ...] = (AccessPolicy, AcceleratorClass)
"""Kinds whose objects define what others refer to: groups and classes."""


class Broken(NamedTuple):
    """What is broken: since when, in one line, by objects and fields, and until when the last good version holds.

    ``until`` is None where none is known: nothing was good since this process began, or an object cannot be read.
    """

    since: datetime
    said: str
    until: datetime | None
    fields: tuple[tuple[str, str], ...]
    """Each object as ``Kind/name``, with its field, "" where all of it cannot be read."""

    def waits(self, now: datetime) -> bool:
        """Whether all requests for accelerators wait for it."""
        return self.until is None or now >= self.until


class LastGood:
    """Remembers the objects of a registry as they were when they last fitted together.

    Nothing is concluded while ``unread``: of what was read in part nobody knows whether it is good.
    """

    def __init__(self, registry: Registry, longest: timedelta, *, unread: Callable[[], object] = lambda: False) -> None:
        self._registry, self._longest, self._unread = registry, longest, unread
        self._good: Objects | None = None
        self._generation: object = None
        self._made: tuple[object, object, Registry | None] | None = None
        self.latest: Broken | None = None
        """What was broken when that was last looked at: for who looks from another thread."""

    def broken(self, now: datetime) -> Broken | None:
        """Look at the objects and return what is broken at ``now``, or None."""
        if self._unread():
            return None
        said, registry = self._registry.held_back_at(now), self._registry
        if not said:
            if self.latest is not None or self._generation is not registry.generation:
                self._good, self._generation, self._made, self.latest = (
                    _kept_of(registry),
                    registry.generation,
                    None,
                    None,
                )
        elif self.latest is None or self._generation is not registry.generation or said != self.latest.said:
            self._generation = registry.generation
            self.latest = self._found(self.latest.since if self.latest else now, said, now)
        return self.latest

    def registry(self, now: datetime) -> Registry | None:
        """Return the objects with the last good version of what is broken; None once that counts no more."""
        broken = self.broken(now)
        return None if broken is None or broken.waits(now) else self._beside(now)

    def _found(self, since: datetime, said: str, now: datetime) -> Broken:
        until = since + self._longest if self._beside(now) is not None else None
        unread = ((f"{kind}/{name}", "") for kind, name in self._registry.unreadable if kind in DECISIVE)
        wrong = ((f"{each.kind}/{each.name}", fitting.field(each.field)) for each in self._registry.dangling(now))
        return Broken(since, said, until, (*unread, *wrong))

    def _beside(self, now: datetime) -> Registry | None:
        """Make it anew after each change of an object or a node."""
        basis = self._registry.generation, self._registry.inventory
        if self._made is None or any(one is not other for one, other in zip(self._made, basis, strict=False)):
            self._made = (*basis, self._restored(now))
        return self._made[2]

    def _restored(self, now: datetime) -> Registry | None:
        """Restore the objects that are broken, else what they refer to besides; None where neither is enough."""
        if self._good is None or self._registry.is_decisive_unreadable():
            return None
        wrong = self._registry.dangling(now)
        broken = {(_KEPT[each.kind], name) for each in wrong for name in (each.name, *each.among)}
        found = self._with(broken)
        if found.dangling(now):
            kept = _kept_of(self._registry)
            found = self._with(
                broken | {key for key in self._good if key[0] in _DEFINING and self._is_other(key, kept)}
            )
        return None if found.dangling(now) else found

    def _is_other(self, key: tuple[type[Object], str], now: Objects) -> bool:
        return self._good is not None and now.get(key) is not self._good[key]

    def _with(self, keys: Iterable[tuple[type[Object], str]]) -> Registry:
        good = self._good or {}
        changes: Changes = {key: good.get(key) for key in keys}
        return self._registry.beside(changes)


def _kept_of(registry: Registry) -> Objects:
    return {(kind, each.name): each for kind in _KEPT.values() for each in registry.every(kind)}
