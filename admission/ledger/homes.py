"""Where charges stand once their reservations are folded: what the statuses of Tenants say.

A reservation names its party and its ledgers; once it is folded, only the namespace of the object is left to tell them,
and labels and Tenants may have changed since.  So they are written ahead into the Tenant that computes there: which
namespaces hold its charges and in whose name (``status.namespaces``), and in which jurisdictions' ledgers each name
is charged (``status.chargedTo``).  A reservation leaves its ledger only when a record that cannot vanish says the
same, and the ledger notes how new that record is, so that nobody with an older one folds it again.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from admission.api import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

TENANTS = f"/apis/{API_VERSION}/tenants"
"""The collection that the records stand in."""

FINALIZER = "computegate.io/charged"
"""On a Tenant that has charges: it is not deleted before they are gone."""

Places = frozenset[str]
"""Jurisdictions, and names of ledgers that no jurisdiction of these leads to."""


class Attribution(NamedTuple):
    """How new the records are that a census attributes by: versions of Tenants.

    ``version`` is how far has been seen, ``newest`` that of the newest record.  ``due`` is that of the newest record
    by which charges move to or from a scope: its ledger takes note of it even where the count stays the same.
    """

    version: int = 0
    newest: int = 0
    due: int = 0


class _Wire(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A wire struct: unknown fields are skipped."""


class ChargedParty(_Wire, frozen=True):
    """One item of ``status.chargedTo``."""

    party: str
    jurisdictions: tuple[str, ...] = ()


class ChargedNamespace(_Wire, frozen=True):
    """One item of ``status.namespaces``."""

    name: str
    parties: tuple[str, ...] = ()


class ChargedStatus(_Wire, frozen=True):
    """The record in a Tenant's status."""

    charged_to: tuple[ChargedParty, ...] = ()
    namespaces: tuple[ChargedNamespace, ...] = ()


class TenantMeta(_Wire, frozen=True):
    """What names a Tenant, and keeps it."""

    name: str
    resource_version: str = "0"
    finalizers: tuple[str, ...] = ()
    deletion_timestamp: str = ""


class ChargedTenant(_Wire, frozen=True):
    """A Tenant of which only the record is read, so that no other part of it can make it unreadable."""

    metadata: TenantMeta
    status: ChargedStatus = ChargedStatus()


@dataclass(frozen=True, slots=True)
class Record:
    """What one Tenant carries: places by party, and parties by namespace."""

    charged_to: Mapping[str, Places]
    namespaces: Mapping[str, frozenset[str]]

    @property
    def moves(self) -> bool:
        """Whether something is charged twice, while it goes from one place or name to another."""
        return any(len(each) > 1 for each in (*self.charged_to.values(), *self.namespaces.values()))


_NOWHERE: tuple[str, Places] = "", frozenset()


class _Noted(NamedTuple):
    record: Record
    since: int
    metadata: TenantMeta


class Homes:
    """The records of all Tenants up to one version of them."""

    def __init__(self) -> None:
        self._noted: dict[str, _Noted] = {}
        self._homes: dict[str, dict[str, Places]] | None = None
        self._loose: set[str] = set()
        self._charged: dict[str, tuple[str, Places]] = {}
        self.version = 0

    def take(self, tenant: ChargedTenant) -> None:
        """Take in a Tenant that exists."""
        record, metadata = _record(tenant.status), tenant.metadata
        before, version = self._noted.get(metadata.name), int(metadata.resource_version)
        unchanged = before is not None and before.record == record
        self._noted[metadata.name] = _Noted(record, before.since if before and unchanged else version, metadata)
        self._homes = None

    def lose(self, name: str) -> None:
        """Take out a Tenant that is gone.  A record that was torn from us with it holds for as long as it is known."""
        noted = self._noted.get(name)
        if noted is not None and not noted.record.namespaces:
            del self._noted[name]
            self._homes = None

    def take_over(self, name: str, known: Homes) -> None:
        """Take in the record of a Tenant as others have it.

        Raises:
            KeyError: they have none.

        """
        self._noted[name] = known._noted[name]
        self._homes = None

    def of(self, namespace: str) -> Mapping[str, Places]:
        """Return who is charged, and where, for what a namespace holds; empty where no Tenant says."""
        return self._all().get(namespace, {})

    def kept(self, namespace: str) -> bool:
        """Say whether no record of the namespace can vanish with its Tenant."""
        self._all()
        return namespace not in self._loose

    def namespaces(self) -> Collection[str]:
        """Return the namespaces that hold charges."""
        return self._all().keys()

    def places(self, party: str) -> Places:
        """Return where a party is charged."""
        self._all()
        _, places = self._charged.get(party, _NOWHERE)
        return places

    def holder(self, party: str) -> str | None:
        """Return the Tenant that carries the record of a party; else the one that computes, or that supplies it."""
        self._all()
        name, _ = self._charged.get(party, _NOWHERE)
        if name:
            return name
        return next((name for name in reversed(party.split("/")) if name in self._noted), None)

    def tenants(self) -> Iterator[tuple[TenantMeta, Record]]:
        """Yield every Tenant with its record."""
        for noted in self._noted.values():
            yield noted.metadata, noted.record

    def attribution(self, belongs: Callable[[str, Places], bool]) -> Attribution:
        """Return how new the records are, for a scope to which ``belongs`` says what is charged."""
        told = [noted for noted in self._noted.values() if noted.record.charged_to]
        moving = (
            noted.since
            for noted in told
            if noted.record.moves and any(belongs(*each) for each in noted.record.charged_to.items())
        )
        return Attribution(self.version, max((noted.since for noted in told), default=0), max(moving, default=0))

    def _all(self) -> Mapping[str, Mapping[str, Places]]:
        if self._homes is None:
            found: defaultdict[str, dict[str, Places]] = defaultdict(dict)
            charged: dict[str, tuple[str, Places]] = {}
            self._loose = set()
            for record, _, metadata in tuple(self._noted.values()):
                for party, places in record.charged_to.items():
                    holder, known = charged.get(party, (metadata.name, frozenset()))
                    charged[party] = holder, known | places
                for namespace, parties in record.namespaces.items():
                    found[namespace].update({party: record.charged_to.get(party, frozenset()) for party in parties})
                    if FINALIZER not in metadata.finalizers:
                        self._loose.add(namespace)
            self._charged, self._homes = charged, dict(found)
        return self._homes


def computes(party: str) -> str:
    """Return who computes on an account, ``tenant`` or ``reseller/customer``."""
    return party.rpartition("/")[2]


def _record(status: ChargedStatus) -> Record:
    return Record(
        {each.party: frozenset(each.jurisdictions) for each in status.charged_to},
        {each.name: frozenset(each.parties) for each in status.namespaces},
    )
