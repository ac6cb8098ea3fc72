"""``computegate off`` and ``on``: the whole gate out of the way within seconds, and back as it was.

``off`` keeps our ValidatingWebhookConfiguration, and bindings that refuse while it is missing, in a ConfigMap of the
release's namespace, with who took them out, when and why, and then deletes them: from then on the API server asks us
nothing, whether or not a server of ours answers.  ``on`` puts them back from there.  The ConfigMap stays, and with it
the account of every time.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import pathlib
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from admission.cli.features import configuration_of
from admission.cluster.client import ApiError, Client, ClusterError
from admission.cluster.credentials import NoCredentialsError
from admission.cluster.lists import pages
from admission.review import notices
from admission.review.fitting import printable

if TYPE_CHECKING:
    import argparse

_REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
_BINDING = "ValidatingAdmissionPolicyBinding"
CONFIGURATIONS = f"{_REGISTRATION}/validatingwebhookconfigurations"
BINDINGS = f"{_REGISTRATION}/validatingadmissionpolicybindings"
_PATHS = {"ValidatingWebhookConfiguration": CONFIGURATIONS, _BINDING: BINDINGS}
SUFFIX = "off"
HISTORY, HELD = "history", "taken"
MOST_TIMES = 200
"""Times that the ConfigMap remembers, the latest ones."""

LONGEST_REASON = 1024
_CHOSEN = ("name", "labels", "annotations")
_UNUSABLE = (NoCredentialsError, ClusterError, OSError, ValueError, msgspec.MsgspecError)
_NOT_FOUND = 404


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
        parser.add_argument(
            "--kubeconfig", type=pathlib.Path, help="the cluster; without it KUBECONFIG, inside a pod its own"
        )
        parser.set_defaults(run=run, change=change)


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
    """Keep the configuration, then delete it."""
    reason = arguments.reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise ValueError(f"--reason is empty, or longer than {LONGEST_REASON} characters")
    configuration = await configuration_of(switch.client)
    if not configuration:
        raise ValueError("no webhook configuration of computegate is installed: it is off already")
    name = configuration["metadata"]["name"]
    bindings = await switch.bindings(name)
    try:
        since = await switch.note(name, "off", reason, [configuration, *bindings])
        kept = ""
    except ClusterError as error:  # what matters is that it goes off; the reason is in this process's output
        since, kept = dt.datetime.now(dt.UTC), notices.switched_unrecorded(str(error), reason)
    for binding in bindings:
        await switch.client.request("DELETE", f"{BINDINGS}/{binding['metadata']['name']}")
    await switch.client.request("DELETE", f"{CONFIGURATIONS}/{name}")
    return notices.switched_off(name, since) + kept


async def on(switch: Switch, _arguments: argparse.Namespace) -> str:
    """Create everything as it was kept."""
    if await configuration_of(switch.client):
        raise ValueError("the webhook configuration is there: it is on")
    name, kept = await switch.kept()
    for each in kept:
        await switch.put_back(each)
    since = await switch.note(name, "on", "", [])
    return notices.switched_on(name, switch.off_since or since, since)


class Switch:
    """The ConfigMap in which it is kept."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client, self._namespace = client, namespace
        self._maps = f"/api/v1/namespaces/{namespace}/configmaps"
        self.off_since: dt.datetime | None = None

    async def bindings(self, name: str) -> list[dict[str, Any]]:
        """Return the bindings whose parameter the configuration is, and that refuse while there is none."""
        found = [msgspec.json.decode(raw) async for page in pages(self.client, BINDINGS) for raw in page]
        bound = ((each, each["spec"].get("paramRef") or {}) for each in found)
        return [each for each, ref in bound if ref.get("name") == name and ref.get("parameterNotFoundAction") == "Deny"]

    async def note(self, name: str, what: str, reason: str, taken: list[dict[str, Any]]) -> dt.datetime:
        """Add a line to the history, and keep what was taken out; returns the instant."""
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        line = json.dumps({"at": now.isoformat(), "what": what, "by": await self._user(), "reason": reason})
        held = await self._read(name)
        data = dict(held.get("data") or {})
        data[HISTORY] = "\n".join([*data.get(HISTORY, "").splitlines()[-MOST_TIMES + 1 :], line])
        if taken:
            data[HELD] = json.dumps([{"manager": _manager(each), "object": _bare(each)} for each in taken])
        await self._write(name, held, data)
        return now

    async def kept(self) -> tuple[str, list[dict[str, Any]]]:
        """Return the name of the configuration, and what to put back, it first."""
        listed = msgspec.json.decode(await self.client.get(self._maps))["items"]
        found = [each for each in listed if HELD in (each.get("data") or {}) and HISTORY in each["data"]]
        if not found:
            raise ValueError(f"nothing to put back in namespace {self._namespace}: run helm upgrade instead")
        data = found[0]["data"]
        times = [json.loads(line) for line in data[HISTORY].splitlines()]
        gone = [dt.datetime.fromisoformat(each["at"]) for each in times if each["what"] == "off"]
        self.off_since = gone[-1] if gone else None
        kept = json.loads(data[HELD])
        return kept[0]["object"]["metadata"]["name"], kept

    async def put_back(self, kept: dict[str, Any]) -> None:
        """Apply an object in the name of what manages it, so that its next upgrade meets no conflict."""
        stored = kept["object"]
        await self.client.request(
            "PATCH",
            f"{_PATHS[stored['kind']]}/{stored['metadata']['name']}",
            query={"fieldManager": kept["manager"], "force": "true"},
            body=msgspec.json.encode(stored),
            content_type="application/apply-patch+yaml",
        )

    async def _read(self, name: str) -> dict[str, Any]:
        try:
            return dict(msgspec.json.decode(await self.client.get(f"{self._maps}/{name}-{SUFFIX}")))
        except ApiError as error:
            if error.status != _NOT_FOUND:
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


def _manager(stored: dict[str, Any]) -> str:
    """Return who applied it; Helm where nobody says so."""
    managed = stored["metadata"].get("managedFields") or ()
    return next((str(each["manager"]) for each in managed if each.get("operation") == "Apply"), "helm")


def _bare(stored: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the API server gave it: put back, it is a new object."""
    metadata = {key: value for key, value in stored["metadata"].items() if key in _CHOSEN}
    content = {part: stored[part] for part in ("webhooks", "spec") if part in stored}
    kind = "ValidatingWebhookConfiguration" if "webhooks" in stored else _BINDING
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata} | content
