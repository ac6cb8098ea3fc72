"""How the accounts of many tenants are spread over several ledgers, so that none grows too large to be written often.

With a number of shards, the ledger of a quota's scope keeps what all hold together, and beside it stand ledgers with
the accounts of some: ``DE.tenants.3`` those of every tenant whose name leads there, ``DE.resellers.3`` likewise by who
supplies, ``DE.groups`` those of all.  No jurisdiction has a dot in its name, so no operator can name one of these.
Limits over time stay in the scope's own ledger: what was used is kept there by party, and outlives any change of
the number.
"""

from __future__ import annotations

import functools
import hashlib
import re
from typing import NamedTuple

FEWEST, MOST = 2, 64
"""Shards of one scope, where there are any."""

_AUTHORIZATION = re.compile(r"authorization-[0-9a-f]{16}")


class Shard(NamedTuple):
    """One of the ledgers beside a scope's own: of which scope, by what parties are told apart, and which of them."""

    total: str
    kind: str
    number: int

    @property
    def name(self) -> str:
        """The name of its ledger."""
        return f"{self.total}.{self.kind}" if self.kind == "groups" else f"{self.total}.{self.kind}.{self.number}"

    def has(self, party: str, shards: int) -> bool:
        """Say whether a party's accounts stand here."""
        return _number(self.kind, party, shards) == self.number

    @classmethod
    def of(cls, total: str, kind: str, party: str, shards: int) -> Shard:
        """Return the shard of a kind in which a party's accounts stand."""
        return cls(total, kind, _number(kind, party, shards))


@functools.lru_cache(65536)
def _number(kind: str, party: str, shards: int) -> int:
    if kind == "groups":
        return 0
    name = party.rpartition("/")[2] if kind == "tenants" else party.partition("/")[0]
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % shards


def shard_of(scope: str) -> Shard | None:
    """Return the shard that a scope's name stands for; None of a scope's own ledger."""
    total, mark, rest = scope.partition(".")
    kind, _, index = rest.partition(".")
    return Shard(total, kind, int(index or 0)) if mark else None


def shards_beside(total: str, shards: int, kind: str) -> tuple[str, ...]:
    """Return the names of a scope's shards of a kind; none where their number is 0."""
    count = min(shards, 1) if kind == "groups" else shards
    return tuple(Shard(total, kind, index).name for index in range(count))


def is_used(scope: str, shards: int) -> bool:
    """Say whether there is a ledger of that name under this number of shards."""
    shard = shard_of(scope)
    return shard is None or (shards > 0 and shard.number < shards)


def account_of(scope: str, party: str, shards: int) -> str:
    """Return the party under which a ledger keeps what exists: nobody's in particular where shards keep it by party."""
    return party if not shards or shard_of(scope) is not None or _AUTHORIZATION.fullmatch(scope) else ""
