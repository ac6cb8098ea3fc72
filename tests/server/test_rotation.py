"""The leader's work on certificates against a real API server: one pass after another, whoever does it."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from admission.server.keyring import Keyring
from admission.server.rotation import ASK, Rotation
from admission.server.settings import SelfManaged
from tests.cluster.scripted import connected
from tools.authority import Authority

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from admission.cluster.client import Client
    from tools.controlplane import ControlPlane
    from tools.kubectl import Kubectl

NOWHERE = "https://127.0.0.1:9/validate"
SECRET = "certificate"  # noqa: S105 (a name)


def webhook(name: str) -> dict[str, Any]:
    """Return an entry that no request reaches."""
    return {
        "name": f"{name}.example.com",
        "clientConfig": {"url": NOWHERE},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "namespaceSelector": {"matchLabels": {"of-no": "namespace"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
    }


@pytest.fixture
def configuration(kubectl: Kubectl, namespace: str) -> Iterator[str]:
    """A webhook configuration of two entries, of the namespace's name, and an empty Secret in it."""
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    entries = [webhook("one"), webhook("two")]
    manifest = {**kind, "metadata": {"name": namespace}, "webhooks": entries}
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(manifest))
    kubectl("create", "secret", "generic", SECRET, "-n", namespace)
    yield namespace
    kubectl("delete", "validatingwebhookconfiguration", namespace, "--ignore-not-found")


def managed(name: str) -> SelfManaged:
    return SelfManaged(secret=SECRET, names=["gate.example.svc"], webhook_configurations=[name], settle_seconds=0)


def run(plane: ControlPlane, name: str, passes: Callable[[Rotation, Rotation], Awaitable[None]]) -> None:
    """Give a test two replicas' rotations; which of them leads is the test's matter."""

    async def go() -> None:
        async with connected(plane.kubeconfig) as client:
            await passes(rotation(client, name), rotation(client, name))

    asyncio.run(go())


def rotation(client: Client, name: str, ahead: float = 0.0) -> Rotation:
    return Rotation(client, name, managed(name), lambda: dt.datetime.now(dt.UTC) + dt.timedelta(seconds=ahead))


def held(kubectl: Kubectl, name: str) -> Keyring:
    found = json.loads(kubectl("get", "secret", SECRET, "-n", name, "-o", "json").stdout)
    return Keyring.read({key: base64.b64decode(value) for key, value in found.get("data", {}).items()})


def bundles(kubectl: Kubectl, name: str) -> list[bytes]:
    """What each entry trusts."""
    found = json.loads(kubectl("get", "validatingwebhookconfiguration", name, "-o", "json").stdout)
    return [base64.b64decode(each["clientConfig"].get("caBundle", "")) for each in found["webhooks"]]


def ask(kubectl: Kubectl, name: str, what: str) -> None:
    kubectl("annotate", "secret", SECRET, "-n", name, f"{ASK}={what}", "--overwrite")


def annotated(kubectl: Kubectl, name: str) -> bool:
    return ASK in kubectl("get", "secret", SECRET, "-n", name, "-o", "json").stdout


def test_an_empty_secret_is_filled_and_then_trusted(
    control_plane: ControlPlane, kubectl: Kubectl, configuration: str
) -> None:
    async def passes(one: Rotation, _: Rotation) -> None:
        assert await one.once()
        assert bundles(kubectl, configuration) == [b"", b""], "nobody is told of what is not stored yet"
        assert not await one.once()
        assert (one.problem, dict(one.made)) == ("", {"serving": 1, "authority": 1})

    run(control_plane, configuration, passes)
    ring = held(kubectl, configuration)
    assert ring.leaf is not None
    assert ring.leaf.serves(["gate.example.svc"], ring.trusted(), dt.datetime.now(dt.UTC))
    assert ring.leaf.parsed.public_key().curve.name == "secp256r1"  # type: ignore[union-attr]
    assert bundles(kubectl, configuration) == [ring.bundle()] * 2


def test_a_first_certificate_is_made_by_anybody_and_trusted_at_once_where_nobody_is(
    control_plane: ControlPlane, kubectl: Kubectl, configuration: str
) -> None:
    async def passes(one: Rotation, other: Rotation) -> None:
        await one.fill()
        first = held(kubectl, configuration)
        assert first.leaf is not None
        assert bundles(kubectl, configuration) == [first.bundle()] * 2, "on a new release nobody leads yet"
        await other.fill()
        await one.fill()
        assert held(kubectl, configuration) == first, "there is one"

    run(control_plane, configuration, passes)


def test_who_trusts_another_authority_is_told_of_the_first_certificate_by_whoever_leads(
    control_plane: ControlPlane, kubectl: Kubectl, configuration: str, tmp_path: Path
) -> None:
    other = Authority(tmp_path).pem.encode()
    trusts = {"op": "add", "path": "/webhooks/1/clientConfig/caBundle", "value": base64.b64encode(other).decode()}
    kubectl("patch", "validatingwebhookconfiguration", configuration, "--type=json", f"-p={json.dumps([trusts])}")

    async def passes(one: Rotation, leader: Rotation) -> None:
        await one.fill()
        assert held(kubectl, configuration).leaf is not None
        assert bundles(kubectl, configuration) == [b"", other], "the replicas before this one are served on"
        assert not await leader.once()
        assert bundles(kubectl, configuration) == [held(kubectl, configuration).bundle()] * 2

    run(control_plane, configuration, passes)


def test_a_rotation_of_the_authority_is_finished_by_whoever_leads(
    control_plane: ControlPlane, kubectl: Kubectl, configuration: str
) -> None:
    """Trusted in every entry before it signs, though another replica does each pass."""

    async def passes(one: Rotation, other: Rotation) -> None:
        await one.once()
        await one.once()
        before = held(kubectl, configuration)
        ask(kubectl, configuration, "authority")
        assert await other.once()
        overlap = held(kubectl, configuration)
        assert (len(overlap.trusted()), overlap.leaf) == (2, before.leaf)
        for turn in (one, other, one, other):
            if await turn.once():
                break
            assert bundles(kubectl, configuration) == [overlap.bundle()] * 2
            assert held(kubectl, configuration) == overlap
        await one.once()
        after = held(kubectl, configuration)
        assert after.leaf != before.leaf
        assert set(after.trusted()) == set(overlap.trusted())
        assert bundles(kubectl, configuration) == [after.bundle()] * 2
        assert not annotated(kubectl, configuration)

    run(control_plane, configuration, passes)


def test_a_new_certificate_of_the_same_authority_is_made_once_when_asked_for(
    control_plane: ControlPlane, kubectl: Kubectl, configuration: str
) -> None:
    async def passes(one: Rotation, _: Rotation) -> None:
        await one.once()
        before = held(kubectl, configuration)
        ask(kubectl, configuration, "certificate")
        assert [await one.once() for _ in range(3)] == [True, False, False]
        after = held(kubectl, configuration)
        assert (after.leaf != before.leaf, after.trusted()) == (True, before.trusted())
        ask(kubectl, configuration, "everything")
        assert not await one.once()
        assert "is none of certificate, authority" in one.problem

    run(control_plane, configuration, passes)


def test_nobody_writes_over_what_another_wrote_meanwhile(
    control_plane: ControlPlane, kubectl: Kubectl, configuration: str
) -> None:
    """Two that both believe to lead: the first write stands, and both go on from it."""

    async def passes(one: Rotation, other: Rotation) -> None:
        done = await asyncio.gather(one.once(), other.once())
        ring = held(kubectl, configuration)
        assert any(done)
        await asyncio.gather(one.once(), other.once())
        await one.once()
        assert held(kubectl, configuration) == ring
        assert bundles(kubectl, configuration) == [ring.bundle()] * 2

    run(control_plane, configuration, passes)


def test_who_stood_still_between_reading_and_writing_takes_no_trust_away(
    control_plane: ControlPlane, kubectl: Kubectl, configuration: str
) -> None:
    async def passes(one: Rotation, other: Rotation) -> None:
        await one.once()
        stale, former, said = await one._configurations([]), held(kubectl, configuration).bundle(), list[str]()
        ask(kubectl, configuration, "authority")
        for _ in range(4):
            await other.once()
        now = held(kubectl, configuration).bundle()
        await one._spread(former, stale, said)
        assert len(said) == 1
        assert "cannot be told" in said[0]
        assert bundles(kubectl, configuration) == [now, now] != [former, former]

    run(control_plane, configuration, passes)


@pytest.mark.parametrize("ahead", [86400.0, -86400.0, 4e8], ids=["a day ahead", "a day behind", "years ahead"])
def test_a_clock_that_is_wrong_renews_nothing(
    control_plane: ControlPlane, kubectl: Kubectl, configuration: str, ahead: float
) -> None:
    async def passes(one: Rotation, other: Rotation) -> None:
        await one.once()
        await one.once()
        before = held(kubectl, configuration)
        other._now = lambda: dt.datetime.now(dt.UTC) + dt.timedelta(seconds=ahead)
        assert not await other.once()
        assert "the clock here and that of the API server are" in other.problem
        assert held(kubectl, configuration) == before
        assert bundles(kubectl, configuration) == [before.bundle()] * 2

    run(control_plane, configuration, passes)


def test_a_secret_that_cannot_be_written_is_told_of_and_nothing_is_trusted_that_is_not_stored(
    control_plane: ControlPlane, kubectl: Kubectl, configuration: str
) -> None:
    async def passes(one: Rotation, _: Rotation) -> None:
        await one.once()
        await one.once()
        before = held(kubectl, configuration)
        kubectl("patch", "secret", SECRET, "-n", configuration, "-p", '{"immutable":true}')
        ask(kubectl, configuration, "authority")
        assert not await one.once()
        assert "secret certificate cannot be written" in one.problem
        assert "immutable" in one.problem
        assert held(kubectl, configuration) == before
        assert bundles(kubectl, configuration) == [before.bundle()] * 2
        kubectl("delete", "secret", SECRET, "-n", configuration)
        await one.once()
        assert "was missing and is made anew" in one.problem
        assert [await one.once(), await one.once()] == [True, False]
        assert one.problem == ""
        assert bundles(kubectl, configuration) == [held(kubectl, configuration).bundle()] * 2

    run(control_plane, configuration, passes)


def test_a_configuration_that_is_gone_delays_nothing_and_is_told_when_it_is_back(
    control_plane: ControlPlane, kubectl: Kubectl, configuration: str
) -> None:
    """It is how the gate is switched off at once; a rotation goes on meanwhile."""

    async def passes(one: Rotation, _: Rotation) -> None:
        await one.once()
        shown = kubectl("get", "validatingwebhookconfiguration", configuration, "-o", "json").stdout
        before = {**json.loads(shown), "metadata": {"name": configuration}}
        kubectl("delete", "validatingwebhookconfiguration", configuration)
        ask(kubectl, configuration, "authority")
        for turn in [one] * 4:
            await turn.once()
        assert (one.problem, len(held(kubectl, configuration).trusted())) == ("", 2)
        kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(before))
        await one.once()
        assert bundles(kubectl, configuration) == [held(kubectl, configuration).bundle()] * 2

    run(control_plane, configuration, passes)
