"""What is done for certificates of our own: the leader renews them, and has the API server trust them first.

Only the first one may be made by anybody, and be trusted where nobody is: while replicas of another source are
replaced, one of these leads; and on a new release it can take the lease's duration until somebody does.

The order is kept by the Secret itself (see ``keyring``), and whoever leads can go on from where another stopped.  A
Secret or a configuration is written only as it was read; the configurations are read before the Secret, so that what
one is told to trust is never older than what it trusts.

The caBundle is patched, not applied: a second applier of an entry would keep it from being taken away by an upgrade
(the API server would keep the part that we own, and refuse it for what is missing).
"""

from __future__ import annotations

import asyncio
import base64
import logging
import math
from collections import Counter
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from admission.cluster.client import ApiError, ClusterError
from admission.cluster.secret import Secret, fetch
from admission.server.metrics import counters, gauge
from admission.server.terms import AUTHORITY, CERTIFICATE, Terms

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.metrics_core import Metric

    from admission.cluster.client import Client
    from admission.server.figures import Samples
    from admission.server.keyring import Keyring
    from admission.server.settings import SelfManaged

ASK, ASKED = "computegate.io/rotate", (CERTIFICATE, AUTHORITY)
"""Annotation of the Secret that asks for a new one now, and its values."""

_PAUSE_SECONDS = 3.0
_SOON_SECONDS = 0.2
_APART_SECONDS = 300.0  # as far as certificates are dated back
_MANAGER = "computegate-certificates"
_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"

_log = logging.getLogger(__name__)


class Unsafe(Exception):  # noqa: N818 (a state of the world)
    """Certificates are not renewed as things stand; the message says why."""


class _Next(NamedTuple):
    """What the Secret is to hold, and what of it was made anew."""

    data: dict[str, bytes]
    made: tuple[str, ...]


class Rotation:
    """Renews for as long as this replica leads; ``fill`` is for every replica.

    ``problem`` is why the last pass did not do all that it should, or "".  ``made`` counts what was made anew.
    """

    def __init__(self, client: Client, namespace: str, managed: SelfManaged, now: Callable[[], dt.datetime]) -> None:
        self._client, self._namespace, self._managed, self._now = client, namespace, managed, now
        self._terms = Terms(tuple(managed.names), managed.certificate_days, managed.authority_days)
        self._trusted_since = math.inf
        self._bundle = b""
        self._unfilled = ""
        self.problem = ""
        self.made: Counter[str] = Counter()

    async def run(self) -> None:
        """Go on until cancelled."""
        self._trusted_since = math.inf  # what happened while another led is not known
        while True:
            changed = await self.once()
            await asyncio.sleep(_SOON_SECONDS if changed else _PAUSE_SECONDS)

    async def once(self) -> bool:
        """Do one pass; return whether the Secret changed."""
        problems: list[str] = []
        changed = False
        try:
            changed = await self._pass(problems)
        except (ClusterError, msgspec.MsgspecError, Unsafe) as error:
            problems.append(str(error))
        said = "; ".join(problems)
        if said and said != self.problem:
            _log.error("certificates cannot be renewed as they should be; the last one is served on: %s", said)
        self.problem = said
        return changed

    async def fill(self) -> None:
        """Make the first certificate where the Secret holds none, and have it trusted where nobody is trusted yet.

        Whatever else the API server trusts is the leader's matter.
        """
        problems: list[str] = []
        try:
            configurations = await self._configurations(problems)
            secret = await self._secret()
            held = await asyncio.to_thread(_read, secret.data)
            if held.leaf is None and await self._renew(secret, held, "", trusted=False):
                stored = await asyncio.to_thread(_read, (await self._secret()).data)
                for each in configurations:
                    if not any(map(_trusts, _hooks(each))):
                        await self._tell(each, _encoded(stored.bundle()))
        except (ClusterError, msgspec.MsgspecError, Unsafe) as error:
            problems.append(str(error))
        said = "; ".join(problems)
        if said and said != self._unfilled:
            _log.warning("there is no certificate yet: %s", said)
        self._unfilled = said

    def figures(self) -> Iterable[Metric]:
        """Return what is scraped."""
        made: Samples = {(kind,): float(self.made[kind]) for kind in ("serving", "authority")}
        text = "Whether certificates can be renewed and are trusted in the webhook configurations."
        return (
            gauge("computegate_certificate_rotation_works", text, {(): float(not self.problem)}, ()),
            counters("computegate_certificates_made", "Certificates that were made.", made, ("certificate",)),
        )

    async def _pass(self, problems: list[str]) -> bool:
        configurations = await self._configurations(problems)
        secret = await self._secret()
        held = await asyncio.to_thread(_read, secret.data)
        if held.trusted():
            await self._spread(held.bundle(), configurations, problems)
        asked = secret.annotations.get(ASK, "")
        if asked not in ("", *ASKED):
            problems.append(f"annotation {ASK} of secret {self._managed.secret} is none of {', '.join(ASKED)}")
        return await self._renew(secret, held, asked, trusted=self._is_trusted())

    async def _renew(self, secret: Secret, held: Keyring, asked: str, *, trusted: bool) -> bool:
        """Write what is due, where the Secret is still as it was read; return whether something was."""
        self._compare_clocks()
        due = await asyncio.to_thread(self._due, held, asked, trusted=trusted)
        if due is not None:
            await self._write(secret, due)
        return due is not None

    async def _secret(self) -> Secret:
        name = self._managed.secret
        found = await fetch(self._client, self._namespace, name)
        if found is not None:
            return found
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        try:
            await self._client.create(f"/api/v1/namespaces/{self._namespace}/secrets", msgspec.json.encode(body))
        except ClusterError as error:
            raise Unsafe(f"secret {name} is missing and cannot be made: {error}") from error
        raise Unsafe(f"secret {name} was missing and is made anew")

    def _compare_clocks(self) -> None:
        """Raise ``Unsafe`` while the API server has another time: what we make now it might not believe."""
        try:
            apart = (self._now() - parsedate_to_datetime(self._client.date)).total_seconds()
        except ValueError as error:
            raise Unsafe("the API server does not say what time it is") from error
        if abs(apart) > _APART_SECONDS:
            raise Unsafe(f"the clock here and that of the API server are {abs(apart):.0f} s apart; set them right")

    def _due(self, held: Keyring, asked: str, *, trusted: bool) -> _Next | None:
        """Return what to write, or None; making keys takes a millisecond, and a thread."""
        following = held.advance(self._now(), self._terms, trusted=trusted, asked=asked)
        if following == held:
            return None
        anew = {
            "serving": following.leaf != held.leaf,
            "authority": not set(following.trusted()) <= set(held.trusted()),
        }
        return _Next(following.data(), tuple(kind for kind, made in anew.items() if made))

    async def _write(self, secret: Secret, due: _Next) -> None:
        path = f"/api/v1/namespaces/{self._namespace}/secrets/{self._managed.secret}"
        try:
            await self._client.replace(path, secret.changed(due.data, without=ASK if "serving" in due.made else ""))
        except ClusterError as error:
            raise Unsafe(f"secret {self._managed.secret} cannot be written: {error}") from error
        self.made.update(due.made)
        _log.info("made anew: %s", ", ".join(due.made) or "what is trusted")

    # -- webhook configurations ------------------------------------------------------------------

    async def _configurations(self, problems: list[str]) -> list[dict[str, Any]]:
        """Return those that there are."""
        found = []
        for name in self._managed.webhook_configurations:
            try:
                answer = await self._client.get(f"{_CONFIGURATIONS}/{name}")
                found.append(msgspec.json.decode(answer, type=dict[str, Any]))
            except ApiError as error:
                if error.status != HTTPStatus.NOT_FOUND:  # where there is none, nobody needs to trust us
                    self._trusted_since = math.inf
                    problems.append(f"webhook configuration {name} cannot be read: {error}")
        return found

    def _is_trusted(self) -> bool:
        return asyncio.get_running_loop().time() - self._trusted_since >= self._managed.settle_seconds

    async def _spread(self, bundle: bytes, configurations: list[dict[str, Any]], problems: list[str]) -> None:
        """Write what is to be trusted where it is not; it counts as trusted from when it was read back."""
        encoded = _encoded(bundle)
        behind = [each for each in configurations if any(_trusts(hook) != encoded for hook in _hooks(each))]
        for each in behind:
            try:
                await self._tell(each, encoded)
            except ClusterError as error:
                problems.append(f"webhook configuration {each['metadata']['name']} cannot be told: {error}")
        if behind or problems or bundle != self._bundle:
            self._trusted_since = math.inf
        if not behind and not problems:
            self._trusted_since = min(self._trusted_since, asyncio.get_running_loop().time())
        self._bundle = bundle

    async def _tell(self, configuration: Mapping[str, Any], encoded: str) -> None:
        """Change the caBundle of each entry if nobody changed the configuration since it was read."""
        metadata = configuration["metadata"]
        changes = [{"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}]
        for number, _ in enumerate(_hooks(configuration)):
            changes.append({"op": "add", "path": f"/webhooks/{number}/clientConfig/caBundle", "value": encoded})
        await self._client.request(
            "PATCH",
            f"{_CONFIGURATIONS}/{metadata['name']}",
            query={"fieldManager": _MANAGER},
            body=msgspec.json.encode(changes),
            content_type="application/json-patch+json",
        )
        _log.info("webhook configuration %s trusts the authority", metadata["name"])


def _read(data: Mapping[str, bytes]) -> Keyring:
    from admission.server.keyring import Keyring  # noqa: PLC0415 (10 MB that only the leader needs)

    return Keyring.read(data)


def _encoded(bundle: bytes) -> str:
    return base64.b64encode(bundle).decode()


def _hooks(configuration: Mapping[str, Any]) -> list[dict[str, Any]]:
    return configuration.get("webhooks") or []


def _trusts(hook: Mapping[str, Any]) -> str:
    return str((hook.get("clientConfig") or {}).get("caBundle", ""))
