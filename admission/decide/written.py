"""What a write of one of our objects would break, or leave worth a remark: found before it stands.

A write is refused for what it breaks itself, in the object or in others that refer to it.  What was broken before is
told and let be, or a policy with two faults could not be mended one by one, and one that nobody touched would stop
the upgrade that brings it along.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from admission.api.accelerator import AcceleratorPool
from admission.api.tenant import Tenant
from admission.decide.dangling import Dangling
from admission.decide.remarked import all_remarks
from admission.decide.remarks import Remark
from admission.tenants.age import too_long
from admission.tenants.contradictions import contradicting, contradiction_of
from admission.tenants.places import unknown_countries, unknown_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from admission.api.object import Object
    from admission.decide.registry import Registry


class Write(NamedTuple):
    """A write of one object: as it was, None where it is new, and as it would be, None where it goes."""

    kind: type[Object]
    name: str
    before: Object | None
    after: Object | None


class Consequences(NamedTuple):
    """What a write leads to.

    ``broken`` is what it breaks; ``unmended`` what was broken in the object and stays so; ``remarks`` are of the
    object, or new.
    """

    broken: tuple[Dangling, ...]
    unmended: tuple[Dangling, ...]
    remarks: tuple[Remark, ...]


def consequences_of(write: Write, registry: Registry, now: datetime) -> Consequences:
    """Find what a write leads to, beside the other objects as ``registry`` has them, as of ``now``."""
    kind = write.kind.__name__
    was, then = (_with(registry, write, obj) for obj in (write.before, write.after))
    before = (*was.dangling(now), *_by_itself(write.before))
    after = (*then.dangling(now), *_by_itself(write.after))
    mine = [each for each in after if each.is_of(kind, write.name)]
    return Consequences(
        tuple(each for each in after if not each.was_in(before)),
        tuple(each for each in mine if each.was_in(before)),
        tuple(_remarks(write, was, then, now)),
    )


def _with(registry: Registry, write: Write, obj: Object | None) -> Registry:
    """The installation with the object so, and without nodes: they cost time, and nothing here is about them."""
    if write.kind is Tenant:
        return registry
    found = registry.beside({(write.kind, write.name): obj})
    found.nodes = {}
    return found


def _remarks(write: Write, was: Registry, then: Registry, now: datetime) -> Iterator[Remark]:
    if isinstance(write.after, Tenant):
        yield from _belied(write.after)
        return
    known = set(all_remarks(was, now))
    told = tuple(dict.fromkeys(all_remarks(then, now)))
    mine = [(each.kind, each.name) == (write.kind.__name__, write.name) for each in told]
    yield from itertools.compress(told, mine)
    yield from (each for each, own in zip(told, mine, strict=True) if not own and each not in known)


def _belied(tenant: Tenant) -> Iterator[Remark]:
    """What the tenant declares, and stated owners belie: not refused, or a Tenant that is cleared would stay so."""
    said = "" if contradicting(tenant.spec) else contradiction_of(tenant.spec)
    if said:
        field, _, sentence = said.partition(": ")
        yield Remark(Tenant.__name__, tenant.name, tuple(field.split(".")), f"{sentence}; until then it is not known")


def _by_itself(obj: Object | None) -> Iterator[Dangling]:
    """What cannot be, whatever else there is: no countries, owners of more than the whole, words for too long."""
    if isinstance(obj, AcceleratorPool):
        yield from (_of(obj, path, said) for path, said in unknown_place(obj).items())
    if isinstance(obj, Tenant):
        unknown = {path: said for path, said in unknown_countries(obj).items() if path[0] == "spec"}
        yield from (_of(obj, path, said) for path, said in (unknown | too_long(obj)).items())
        if places := contradicting(obj.spec):
            _, _, sentence = contradiction_of(obj.spec).partition(": ")
            yield _of(obj, ("spec", "ownership", places[0]), sentence)


def _of(obj: Object, path: tuple[str | int, ...], said: str) -> Dangling:
    kind = type(obj).__name__
    return Dangling(kind, obj.name, path, f"{kind} {obj.name}: {said}")
