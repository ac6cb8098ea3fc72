"""The ownership group of a tenant: an opaque key that all tenants under the same party at the top share.

That party is the declared ultimate parent, else the one at the top of the chain of owners of 50 percent or more,
else the tenant itself.  Ids of parties are each tenant's own, so parties of several tenants are the same when their
registered names are, whatever their case, width, spaces and punctuation.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from admission.api.identity import TenantSpec
    from admission.tenants.ownership import OwnershipGraph

_DIGITS = 16


def group_of(spec: TenantSpec, graph: OwnershipGraph) -> str:
    """Return the key of the tenant's ownership group: 16 hexadecimal digits.

    Of several parties at the top, such as two that hold half each, it is the one whose name sorts first.
    """
    named = {party.id: _folded(party.name) for party in spec.parties}
    if spec.ultimate_parent is not None:
        return _key(named[spec.ultimate_parent])
    return _key(min((named[party] for party in graph.tops() if party in named), default=_folded(spec.legal_name)))


def _folded(name: str) -> str:
    """The letters and digits of a name; a name that has none stands as it is."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "".join(each for each in plain if each.isalnum()) or plain


def _key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
