"""Ledgers in QuotaLedger objects: one object a scope, compare-and-swap on its resourceVersion.

Reads carry no resourceVersion, so the API server answers them from etcd's newest state.  Writes are PUTs
of ``.../status`` with the resourceVersion that was read.  A watch may feed newer versions through
``observe``: resourceVersions of one resource compare as integers (KEP-5504, stable in Kubernetes 1.35).

They do within one history.  A store that was restored from a backup has another, in which the same versions name
other states: so nothing that was read before the API server was away is a basis for a write (``doubt``), and a
ledger that is older than it was seen to be tells that it happened (``went_back``).
"""

from __future__ import annotations

import collections
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import msgspec

from admission.cluster.client import ApiError, ClusterError
from admission.ledger.codec import Record, encode
from admission.ledger.state import State
from admission.ledger.store import Conflict, Failed, Fault, Forbidden, Snapshot, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

COLLECTION = "/apis/computegate.io/v1alpha1/quotaledgers"

_REMEMBERED = 256  # versions; a watch that lags more costs a decoding each
_MANAGER = {"fieldManager": "computegate"}
_CLEAR = msgspec.Raw(b"{}")


class Requests(Protocol):
    """The one method of ``cluster.client.Client`` that is used here."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        timeout: float = 10.0,  # noqa: ASYNC109 (the transport's own limit)
    ) -> bytes:
        """Send one request once; raises ApiError or Unreachable."""


class Metadata(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What names an object and one version of it."""

    name: str
    resource_version: str = ""
    managed_fields: tuple[msgspec.Raw, ...] = ()


class Spec(msgspec.Struct, frozen=True):
    """Whose charges stand in a ledger."""

    scope: str


class LedgerObject(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A QuotaLedger as it is read; the status stays raw until its own decoder reads it."""

    metadata: Metadata
    spec: Spec
    status: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def version(self) -> int:
        """Its resourceVersion."""
        return int(self.metadata.resource_version)

    @property
    def snapshot(self) -> Snapshot:
        """The state it holds; a status that cannot be read is a corrupt ledger, a missing one a new ledger."""
        try:
            return Snapshot.of(self.version, _status.decode(self.status) or Record())
        except msgspec.MsgspecError:
            return Snapshot(self.version, State(), Fault.CORRUPT)


class _Written(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    api_version: str = "computegate.io/v1alpha1"
    kind: str = "QuotaLedger"
    metadata: Metadata
    spec: Spec
    status: Record | msgspec.UnsetType = msgspec.UNSET


decode = msgspec.json.Decoder(LedgerObject).decode
"""Bytes of a QuotaLedger -> LedgerObject; raises msgspec.MsgspecError.  For the watch that feeds ``observe``."""

_status = msgspec.json.Decoder(Record | None)


def object_name(scope: str) -> str:
    """Return the name of a scope's object: a country's code is upper case, which no object name may be."""
    return f"country.{scope.lower()}" if scope != scope.lower() else scope


class ObjectStore:
    """A store on the API server.  ``client`` must not repeat requests by itself.

    ``went_back`` is called when a ledger is older than it was: a backup was restored.
    """

    def __init__(self, client: Requests, went_back: Callable[[], None] = lambda: None) -> None:
        self._client, self._went_back = client, went_back
        self._held: dict[str, Snapshot | LedgerObject] = {}
        self._written: collections.deque[int] = collections.deque(maxlen=_REMEMBERED)
        self._doubted: set[str] = set()

    def scopes(self) -> Collection[str]:
        """Return the scopes whose object was read, written or observed."""
        return tuple(self._held)

    def cached(self, scope: str) -> Snapshot | None:
        """Return the newest snapshot read, written or observed; None where it is in doubt."""
        held = None if scope in self._doubted else self._held.get(scope)
        if isinstance(held, LedgerObject):  # decoded when asked for: what was written here is known a moment later
            held = self._held[scope] = held.snapshot
        return held

    def forget(self) -> None:
        """Drop all snapshots."""
        self._held.clear()
        self._doubted.clear()
        self._written.clear()

    def doubt(self) -> None:
        """Rest on no snapshot until it was read or observed anew: the API server was away, and may have gone back."""
        self._doubted |= self._held.keys()

    def observe(self, found: LedgerObject) -> None:
        """Take in an object from a watch, unless a newer version of it was seen already."""
        scope = found.spec.scope
        if found.metadata.name != object_name(scope):
            return  # not the object that decides for this scope
        held = self._held.get(scope)
        if scope in self._doubted:
            self._take(found, held)
        elif held is None or found.version > held.version:
            self._held[scope] = found

    def wrote(self, found: LedgerObject) -> bool:
        """Say whether this process wrote that version, not long ago."""
        return found.version in self._written

    async def read(self, scope: str, timeout: float) -> Snapshot:  # noqa: ASYNC109 (passed on to the transport)
        """Read the newest version; create the object, not initialised, where there is none.

        Raises:
            Failed: no answer in time, or a refusal.

        """
        try:
            return await self._get(scope, timeout)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise _failed(scope, error) from error
        except (ClusterError, msgspec.MsgspecError) as error:
            raise Failed(f"{scope}: {error}") from error
        return await self._create(scope, timeout)

    async def write(self, scope: str, state: State, version: int, timeout: float) -> Snapshot:  # noqa: ASYNC109 (likewise)
        """Replace the status that stands at ``version``.

        Raises:
            Conflict: another version stands, or none.
            Failed: refused.
            Unknown: no answer, or one that does not tell.

        """
        path = f"{COLLECTION}/{object_name(scope)}/status"
        body = _body(scope, version, encode(state))
        try:
            found = await self._send("PUT", path, body, timeout)
        except ApiError as error:
            raise self._refusal(scope, error) from error
        except (ClusterError, msgspec.MsgspecError) as error:
            raise Unknown(f"{scope}: {error}") from error
        self._written.append(found.version)
        return self._keep(scope, Snapshot(found.version, state))

    def _refusal(self, scope: str, error: ApiError) -> Conflict | Failed | Unknown:
        if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
            if error.status == HTTPStatus.NOT_FOUND:
                self._held.pop(scope, None)
            return Conflict(f"{scope}: {error}")
        return Unknown(f"{scope}: {error}") if error.outcome_unknown else _failed(scope, error)

    async def _get(self, scope: str, timeout: float) -> Snapshot:  # noqa: ASYNC109 (likewise)
        path, held = f"{COLLECTION}/{object_name(scope)}", self._held.get(scope)
        return self._take(decode(await self._client.request("GET", path, timeout=timeout)), held)

    def _take(self, found: LedgerObject, before: Snapshot | LedgerObject | None) -> Snapshot:
        """Keep what was asked for after ``before`` was held: older than that, it is of another history."""
        snapshot = found.snapshot
        if before is not None and snapshot.version < before.version:
            self._went_back()
            self.forget()
        return self._keep(found.spec.scope, snapshot)

    async def _create(self, scope: str, timeout: float) -> Snapshot:  # noqa: ASYNC109 (likewise)
        try:
            found = await self._send("POST", COLLECTION, _body(scope), timeout)
            if found.metadata.managed_fields:
                found = await self._untrack(found, timeout)
        except (ClusterError, msgspec.MsgspecError) as error:
            # Created by another replica a moment ago, too: the next read finds it.
            raise Failed(f"{scope}: {error}") from error
        return self._keep(scope, found.snapshot)

    async def _untrack(self, found: LedgerObject, timeout: float) -> LedgerObject:  # noqa: ASYNC109 (likewise)
        """Have the API server track no field managers of an object with one writer, which makes each write cheaper.

        Once cleared they stay so, as nothing is tracked of an object that has none:
        https://kubernetes.io/docs/reference/using-api/server-side-apply/#clearing-managedfields
        """
        body = _body(found.spec.scope, found.version, managed=(_CLEAR,))
        return await self._send("PUT", f"{COLLECTION}/{found.metadata.name}", body, timeout)

    async def _send(self, method: str, path: str, body: bytes, timeout: float) -> LedgerObject:  # noqa: ASYNC109 (likewise)
        return decode(await self._client.request(method, path, query=_MANAGER, body=body, timeout=timeout))

    def _keep(self, scope: str, snapshot: Snapshot) -> Snapshot:
        held = self._held.get(scope)
        if held is None or scope in self._doubted or snapshot.version >= held.version:
            self._held[scope] = snapshot
            self._doubted.discard(scope)
        return snapshot


def _body(
    scope: str,
    version: int | None = None,
    status: Record | msgspec.UnsetType = msgspec.UNSET,
    managed: tuple[msgspec.Raw, ...] = (),
) -> bytes:
    metadata = Metadata(object_name(scope), "" if version is None else str(version), managed)
    return msgspec.json.encode(_Written(metadata=metadata, spec=Spec(scope), status=status))


def _failed(scope: str, error: ApiError) -> Failed:
    return (Forbidden if error.status == HTTPStatus.FORBIDDEN else Failed)(f"{scope}: {error}")
