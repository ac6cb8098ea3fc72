"""``computegate off`` and ``on``: the whole gate out of the way within seconds, and back as it was.

``off`` keeps our ValidatingWebhookConfiguration, and our binding that refuses while it is missing, in a ConfigMap of
the release's namespace, with who took them out, when and why, and then deletes them: from then on the API server asks
us nothing, whether or not a server of ours answers.  ``on`` makes them again.  The ConfigMap stays, and with it the
account of every time.

Who is on call may write that ConfigMap, and an administrator runs ``on``.  So what ``on`` makes is what the release
says that it installed (templates/gate.yaml), under the names of these two; what was kept adds who wrote what.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import json
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from admission.cli.features import configuration_of
from admission.cli.kubeconfig import add_kubeconfig
from admission.cli.taken import BINDING, BINDINGS, CONFIGURATION, CONFIGURATIONS, Taken, put_back, rebuilt, taken
from admission.cluster.client import ApiError, Client, ClusterError
from admission.cluster.credentials import NoCredentialsError
from admission.cluster.lists import pages
from admission.enforce.alarm.watch import EXPECTED_KEY, expected_of
from admission.review import switching
from admission.review.fitting import printable

if TYPE_CHECKING:
    import argparse

SUFFIX = "off"
HISTORY, HELD, OF = "history", "taken", "installed"
"""Keys of the ConfigMap: the times, what is out now, and a digest of the release that it was taken from."""

MOST_TIMES = 200
"""Times that the ConfigMap remembers, the latest ones."""

LONGEST_REASON = 1024
USUAL_NAME = "computegate"
"""Of the configuration, where the release is called as everywhere in the pages."""

_UNUSABLE = (NoCredentialsError, ClusterError, OSError, ValueError, msgspec.MsgspecError)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``off`` and ``on`` to the program's commands."""
    leaving = commands.add_parser(
        "off",
        help="in an emergency: take the gate out of the way, now",
        description="Every pod is created from then on, judged by nobody. Kept in a ConfigMap: what to put back, who "
        "did it, when and why. Exit code 0: it is off, 2: it is not, and the line says why.",
    )
    leaving.add_argument("--reason", required=True, help="why; it is kept")
    returning = commands.add_parser("on", help="put the gate back as it was, after `off`")
    for parser, change in ((leaving, off), (returning, on)):
        parser.add_argument("-n", "--namespace", default="computegate-system", help="namespace of the release")
        add_kubeconfig(parser)
        parser.set_defaults(run=run, change=change)
    leaving.add_argument("--force", action="store_true", help="although the namespace is not the release's")
    leaving.add_argument("--name", help="of the configuration, for who may not list them; else it is looked for")
    returning.add_argument("--name", help="of the configuration, which is gone; else the one that is kept")


def run(arguments: argparse.Namespace) -> int:
    """Take the gate out, or put it back; 0 done, 2 not."""
    try:
        print(printable(asyncio.run(_changed(arguments))))
    except _UNUSABLE as error:
        print(printable(f"computegate {arguments.command}: {error}"), file=sys.stderr)
        return 2
    return 0


async def _changed(arguments: argparse.Namespace) -> str:
    client = await Client.connect(arguments.kubeconfig)
    try:
        return str(await arguments.change(Switch(client, arguments.namespace), arguments))
    finally:
        await client.close()


async def off(switch: Switch, arguments: argparse.Namespace) -> str:
    """Keep the configuration, then delete it: what cannot be kept goes all the same, and the line says so."""
    reason = arguments.reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise ValueError(f"--reason is empty, or longer than {LONGEST_REASON} characters")
    configuration = await switch.configuration(arguments.name or USUAL_NAME)
    if not configuration:
        raise ValueError("no webhook configuration of computegate is installed: it is off already")
    name = configuration["metadata"]["name"]
    if not arguments.force:
        await switch.find_release(name)
    bindings, unseen = await _bound(switch, name)
    since, unrecorded = await _noted(switch, name, reason, [configuration, *bindings])
    paths = [*(f"{BINDINGS}/{each['metadata']['name']}" for each in bindings), f"{CONFIGURATIONS}/{name}"]
    try:
        for path in paths:
            await _deleted(switch.client, path)
    except ClusterError as error:
        with contextlib.suppress(ClusterError):
            await switch.note(name, "failed", str(error), None)
        raise
    return switching.off(name, since) + unseen + unrecorded


async def _deleted(client: Client, path: str) -> None:
    """Delete an object, which somebody else may have done by now."""
    try:
        await client.request("DELETE", path)
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise


async def _bound(switch: Switch, name: str) -> tuple[list[dict[str, Any]], str]:
    """Return the binding to take out, if there is one, and what to say of others, or where they cannot be seen."""
    try:
        found = await switch.bindings(name)
    except ClusterError as error:
        return [], switching.unseen(name, str(error))
    foreign = [each["metadata"]["name"] for each in found if each["metadata"]["name"] != bound(name)]
    ours = [each for each in found if each["metadata"]["name"] == bound(name)]
    return ours, switching.refusing(foreign) if foreign else ""


async def _noted(switch: Switch, name: str, reason: str, out: list[dict[str, Any]]) -> tuple[dt.datetime, str]:
    """Keep what goes out; return the instant, and what to say where nothing can be kept."""
    try:
        return await switch.note(name, "off", reason, out), ""
    except ClusterError as error:
        return dt.datetime.now(dt.UTC), switching.unrecorded(str(error), reason)


async def on(switch: Switch, arguments: argparse.Namespace) -> str:
    """Make everything again that was taken out."""
    if await configuration_of(switch.client):
        raise ValueError("the webhook configuration is there: it is on")
    name = arguments.name or await switch.kept_name()
    for each in await switch.kept(name):
        await put_back(switch.client, each)
    since = await switch.note(name, "on", "", [])
    return switching.on(name, switch.off_since or since, since)


def bound(name: str) -> str:
    """Return the name of the binding whose parameter the configuration is (templates/guard-narrowed.yaml)."""
    return f"{name}-narrowed"


class _Time(msgspec.Struct, frozen=True):
    """A line of the history."""

    at: dt.datetime
    what: str


_times = msgspec.json.Decoder(_Time)


class Switch:
    """The ConfigMap in which it is kept."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client, self._namespace = client, namespace
        self._maps = f"/api/v1/namespaces/{namespace}/configmaps"
        self.off_since: dt.datetime | None = None

    async def configuration(self, name: str) -> dict[str, Any]:
        """Return our configuration, {} where there is none; by its name where the others may not be seen."""
        try:
            return await configuration_of(self.client)
        except ApiError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
        try:
            return dict(msgspec.json.decode(await self.client.get(f"{CONFIGURATIONS}/{name}")))
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return {}

    async def find_release(self, name: str) -> None:
        """Raise ``ValueError`` where the namespace is not the release's, so that nothing is kept where none looks."""
        try:
            found = await self._read(f"{name}-gate")
        except ApiError as error:
            if error.status == HTTPStatus.FORBIDDEN:
                return  # who may only delete it has no time to ask for more
            raise
        if not found:
            raise ValueError(f"no ConfigMap {name}-gate in namespace {self._namespace}: give the release's, or --force")

    async def bindings(self, name: str) -> list[dict[str, Any]]:
        """Return the bindings whose parameter the configuration is, and that refuse while there is none."""
        found = [msgspec.json.decode(raw) async for page in pages(self.client, BINDINGS) for raw in page]
        bound = ((each, each["spec"].get("paramRef") or {}) for each in found)
        return [each for each, ref in bound if ref.get("name") == name and ref.get("parameterNotFoundAction") == "Deny"]

    async def note(self, name: str, what: str, reason: str, out: list[dict[str, Any]] | None) -> dt.datetime:
        """Add a line to the history; keep what is out, nothing any more, or (None) what was; returns the instant."""
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        line = json.dumps({"at": now.isoformat(), "what": what, "by": await self._user(), "reason": reason})
        held = await self._read(f"{name}-{SUFFIX}")
        dropped = {HELD, OF} if out is not None else set()
        data = {key: text for key, text in (held.get("data") or {}).items() if key not in dropped}
        data[HISTORY] = "\n".join([*data.get(HISTORY, "").splitlines()[-MOST_TIMES + 1 :], line])
        if out:
            data |= {HELD: msgspec.json.encode([taken(each) for each in out]).decode(), OF: await self._installed(name)}
        await self._write(name, held, data)
        return now

    async def kept_name(self) -> str:
        """Return the name of the one configuration that is kept here; the usual one where that cannot be told."""
        try:
            maps = [msgspec.json.decode(raw) async for page in pages(self.client, self._maps) for raw in page]
        except ApiError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            return USUAL_NAME
        names = [each["metadata"]["name"] for each in maps if HELD in (each.get("data") or {})]
        ours = [name.removesuffix(f"-{SUFFIX}") for name in names if name.endswith(f"-{SUFFIX}")]
        return ours[0] if len(ours) == 1 else USUAL_NAME

    async def kept(self, name: str) -> list[Taken]:
        """Return what to put back, the configuration first; raises ``ValueError`` where that is not ours to make."""
        data = (await self._read(f"{name}-{SUFFIX}")).get("data") or {}
        if HELD not in data:
            raise ValueError(
                f"nothing to put back in ConfigMap {name}-{SUFFIX} of namespace {self._namespace}: give --name, or run "
                "helm upgrade instead"
            )
        if not data.get(OF) or data[OF] != await self._installed(name):
            raise ValueError("the release was changed since it was taken out: run helm upgrade instead")
        gone = [each.at for each in map(_times.decode, data.get(HISTORY, "").splitlines()) if each.what == "off"]
        self.off_since = gone[-1] if gone else None
        kept = msgspec.json.decode(data[HELD], type=list[Taken])
        ours = {CONFIGURATION: name, BINDING: bound(name)}
        return rebuilt(kept, await self._expected(name), ours)

    async def _installed(self, name: str) -> str:
        """Return a digest of what the release installed (templates/gate.yaml); nothing where it does not say so."""
        said = (await self._read(f"{name}-gate")).get("data") or {}
        return hashlib.sha256(said[EXPECTED_KEY].encode()).hexdigest() if EXPECTED_KEY in said else ""

    async def _expected(self, name: str) -> tuple[dict[str, Any], ...]:
        """Return what the release installed; raises ``ValueError`` where it does not say so."""
        return expected_of(await self.client.get(f"{self._maps}/{name}-gate")).objects

    async def _read(self, name: str) -> dict[str, Any]:
        try:
            return dict(msgspec.json.decode(await self.client.get(f"{self._maps}/{name}")))
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return {}

    async def _write(self, name: str, held: dict[str, Any], data: dict[str, str]) -> None:
        if held:
            body = {**held, "data": data}
            await self.client.replace(f"{self._maps}/{name}-{SUFFIX}", msgspec.json.encode(body))
        else:
            metadata = {"name": f"{name}-{SUFFIX}", "namespace": self._namespace}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            await self.client.create(self._maps, msgspec.json.encode(body))

    async def _user(self) -> str:
        """Return who we are to the API server."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answered = await self.client.create(
            "/apis/authentication.k8s.io/v1/selfsubjectreviews", msgspec.json.encode(review)
        )
        return str(msgspec.json.decode(answered)["status"]["userInfo"]["username"])
