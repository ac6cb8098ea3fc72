"""The ownership group of a tenant: an opaque key that all tenants under the same party at the top share.

That party is the declared ultimate parent, else the one at the top of the chain of owners of 50 percent or more,
else the tenant itself.  Ids of parties are each tenant's own, so parties of several tenants are the same when their
registered names are, whatever their case, width, spaces and punctuation, or when they share a registered identifier.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from admission.api.identity import Identifier, TenantSpec
    from admission.tenants.ownership import OwnershipGraph

_DIGITS = 16
_SHORTEST = 5
"""Letters and digits of an identifier that can be one: what is shorter stands for none, as N/A does."""


class Top(NamedTuple):
    """The party at the top of a tenant, by keys of 16 hexadecimal digits: of its name, and of each identifier."""

    name: str = ""
    identifiers: frozenset[str] = frozenset()


def top_of(spec: TenantSpec, graph: OwnershipGraph) -> Top:
    """Return the party at the top of a tenant.

    Of several, such as two that hold half each, it is the one whose name sorts first.
    """
    parties = {party.id: (_folded(party.name), party.identifiers) for party in spec.parties}
    if spec.ultimate_parent is not None:
        return _top(*parties[spec.ultimate_parent])
    itself = _folded(spec.legal_name), spec.identifiers
    owners = (parties[party] for party in graph.tops() if party in parties)
    return _top(*min(owners, key=lambda each: each[0], default=itself))


def _top(name: str, identifiers: Iterable[Identifier]) -> Top:
    numbers = ((each.scheme.casefold(), _folded(each.id)) for each in identifiers)
    kept = (f"{scheme} {number}" for scheme, number in numbers if len(number) >= _SHORTEST)
    return Top(_key(name), frozenset(map(_key, kept)))


class Groups:
    """The groups of all tenants: those of one name at the top are one, and those that an identifier joins."""

    def __init__(self) -> None:
        self._tops: dict[str, Top] = {}
        self._having: defaultdict[str, set[str]] = defaultdict(set)

    def put(self, tenant: str, top: Top | None) -> dict[str, str]:
        """Take in a tenant's party at the top, or None for a tenant that is gone; return what groups may be others now.

        They are by tenant: that of a name alone is its key, that of several joined the first of their identifiers.
        """
        before = self._tops.pop(tenant, Top())
        left = self._reach(before) - {tenant}
        for key in _keys(before):
            self._having[key].discard(tenant)
        if top is not None:
            self._tops[tenant] = top
            for key in _keys(top):
                self._having[key].add(tenant)
        found: dict[str, str] = {}
        for name in (tenant, *left) if before != top else (tenant,):
            if name in self._tops and name not in found:
                found |= self._group(self._reach(self._tops[name]))
        return found

    def of(self, tenant: str) -> frozenset[str]:
        """Return the tenants of a tenant's group; none of one that is not there."""
        return frozenset(self._reach(self._tops.get(tenant, Top())))

    def _reach(self, top: Top) -> set[str]:
        """The tenants to which keys lead, one after the other."""
        found, waiting = set[str](), [top]
        while waiting:
            near = {name for key in _keys(waiting.pop()) for name in self._having.get(key, ())} - found
            found |= near
            waiting += [self._tops[name] for name in near if name in self._tops]
        return found

    def _group(self, tenants: set[str]) -> dict[str, str]:
        names = {self._tops[each].name for each in tenants}
        joined = {key for each in tenants for key in self._tops[each].identifiers}
        return dict.fromkeys(tenants, min(names) if len(names) == 1 else min(joined))


def _keys(top: Top) -> frozenset[str]:
    return top.identifiers | {top.name} if top.name else frozenset()


def _folded(name: str) -> str:
    """The letters and digits of a name; a name that has none stands as it is."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "".join(each for each in plain if each.isalnum()) or plain


def _key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
