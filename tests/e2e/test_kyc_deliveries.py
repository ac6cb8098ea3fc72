"""A KYC provider's deliveries on a real control plane: they admit, deny again, and write nothing but a clearance."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from admission.api.clearance import KYC, KYCState
from admission.cluster.clearances import Clearances
from admission.cluster.client import Client
from admission.tenants.verification import NotAllowed, Step, Verification, advance
from tests.e2e.objects import gpu_pod, namespace, quota, tenant
from tests.e2e.receivers import ACCOUNT, GROUPS, SECRET, ReceiverProcess, computegate, now
from tests.e2e.world import eventually, value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.world import World

DOCS = Path(__file__).parents[2] / "docs" / "kyc.md"


@pytest.fixture(scope="module")
def receiver(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReceiverProcess]:
    with ReceiverProcess(world.installed.plane, tmp_path_factory.mktemp("kyc-receiver")) as running:
        yield running


class Party:
    """An unverified tenant with a quota and a namespace; its subject carries the digest of its facts."""

    def __init__(self, world: World, name: str, country: str) -> None:
        self._world, self.name = world, name
        self.object = tenant(name, country, kyc={})
        world.apply(self.object, quota(f"q-{name}", country, 8), namespace(name, name))
        self.digest = self.status["standing"]["identityDigest"]
        self.subject = f"{name}@{self.digest}"

    @property
    def status(self) -> dict[str, Any]:
        """What is known of it."""
        return dict(self._world.get("tenants.computegate.io", self.name)["status"])

    def said(self) -> set[str]:
        """Return the codes of a pod's denial; none where it is admitted."""
        pod = gpu_pod("probe", self.name)
        return set(re.findall(r"\[([A-Za-z]+)\]", self._world.denial(pod, "--dry-run=server")))

    def becomes(self, code: str) -> None:
        """Wait until pods are denied with this code, or, where it is empty, admitted."""
        eventually(self.said, lambda said: code in said if code else not said)


@pytest.fixture
def party(world: World, unique: str, country: str) -> Party:
    return Party(world, unique, country)


def test_a_delivery_admits_a_reversal_denies_again_and_a_person_begins_anew(
    receiver: ReceiverProcess, world: World, party: Party
) -> None:
    party.becomes("NotCleared")
    begun = now() - timedelta(minutes=1)
    assert receiver.deliver(party.subject, "Pending", begun) == "200 applied"
    party.becomes("UnderReview")
    verified = begun + timedelta(seconds=1)
    assert receiver.deliver(party.subject, "Verified", verified, level=3) == "200 applied"
    party.becomes("")
    kyc = party.status["kyc"]
    assert (kyc["state"], kyc["level"], kyc["covers"]) == ("Verified", 2, party.digest), (
        "the provider is set to level 2"
    )
    assert (kyc["provider"], kyc["reference"]) == ("generic", "case-1")
    reversed_at = verified + timedelta(seconds=1)
    assert receiver.deliver(party.subject, "Rejected", reversed_at, reason="forged papers") == "200 applied"
    party.becomes("NotCleared")
    assert (party.status["kyc"]["state"], party.status["kyc"]["reason"]) == ("Revoked", "forged papers")
    again = reversed_at + timedelta(seconds=1)
    assert receiver.deliver(party.subject, "Verified", again).startswith("409 Revoked is not lifted by a provider")
    assert computegate(world, "kyc", "request", party.name).stdout.strip() == party.subject
    party.becomes("UnderReview")
    assert receiver.deliver(party.subject, "Verified", again) == "200 applied"
    party.becomes("")


def test_what_comes_again_or_out_of_order_changes_nothing(receiver: ReceiverProcess, party: Party) -> None:
    begun = now() - timedelta(minutes=1)
    verified = begun + timedelta(seconds=2)
    assert receiver.deliver(party.subject, "Pending", begun) == "200 applied"
    assert receiver.deliver(party.subject, "Verified", verified) == "200 applied"
    before = party.status["kyc"]
    assert receiver.deliver(party.subject, "Verified", verified) == "200 repeated"
    assert receiver.deliver(party.subject, "Pending", begun) == "200 out_of_order"
    assert receiver.deliver(party.subject, "Rejected", verified - timedelta(seconds=1)) == "200 out_of_order"
    assert party.status["kyc"] == before
    party.becomes("")


def test_nothing_that_cannot_be_trusted_is_written(receiver: ReceiverProcess, party: Party) -> None:
    body = json.dumps({"tenant": party.subject, "state": "Pending", "at": now().isoformat(), "reference": "1"}).encode()
    refused = {
        "401 Computegate-Signature": receiver.send(body, b"somebody-elses-secret"),
        "400 signed more than 300 s ago": receiver.send(body, ago=400),
        "400 asOf: ": receiver.deliver(party.subject, "Pending", now() + timedelta(hours=1)),
        "400 tenant: ": receiver.deliver("Not A Name", "Pending", now()),
        "400 the body is not JSON": receiver.send(b"tenant=acme"),
        "404 there is no Tenant nobody-here": receiver.deliver("nobody-here", "Pending", now()),
        "409 Unverified does not become Verified": receiver.deliver(party.subject, "Verified", now()),
    }
    assert [said.startswith(words) for words, said in refused.items()] == [True] * len(refused), refused
    assert "kyc" not in party.status
    party.becomes("NotCleared")


def test_a_clearance_does_not_cover_facts_that_changed_while_verification_ran(
    receiver: ReceiverProcess, world: World, party: Party
) -> None:
    begun = now() - timedelta(minutes=1)
    assert receiver.deliver(party.subject, "Pending", begun) == "200 applied"
    changed = {"spec": {"legalName": "Renamed Compute Ltd."}}
    world.kubectl("patch", "tenants.computegate.io", party.name, "--type=merge", "-p", json.dumps(changed))
    assert receiver.deliver(party.name, "Verified", begun + timedelta(seconds=1)) == "200 applied"
    eventually(lambda: party.status["standing"]["reason"], lambda reason: reason == "KYCStale")
    assert party.status["kyc"]["covers"] == party.digest, "what was recorded when it was requested"
    party.becomes("NotCleared")


def test_a_secret_is_rotated_while_it_runs(receiver: ReceiverProcess, party: Party) -> None:
    renewed = b"the-secret-after-the-rotation"

    def deliver(secret: bytes) -> str:
        return receiver.deliver(party.subject, "Pending", now(), secret)

    receiver.secret_file.write_bytes(renewed + b"\n" + SECRET)
    eventually(lambda: deliver(renewed), lambda said: said == "200 applied")
    assert deliver(SECRET) == "200 applied"
    receiver.secret_file.write_bytes(renewed)
    eventually(lambda: deliver(SECRET), lambda said: said.startswith("401 "))
    receiver.secret_file.write_bytes(SECRET)
    eventually(lambda: deliver(SECRET), lambda said: said == "200 applied")


FORBIDDEN: list[tuple[str, list[str], str]] = [
    ("", ["spec"], 'cannot patch resource "tenants"'),
    *(
        ("status", ["status", part], f"writes status.kyc of Tenants and nothing else, not status.{part}")
        for part in ("screening", "access", "standing", "chargedTo")
    ),
]
WRITTEN: dict[str, Any] = {
    "spec": {"headquarters": "DE"},
    "screening": {"state": "Clear", "reference": "mine"},
    "access": {"countries": ["DE"]},
    "standing": {"cleared": True},
    "chargedTo": [{"party": "x", "jurisdictions": ["DE"]}],
}


@pytest.fixture(scope="module")
def bystander(world: World) -> str:
    """A Tenant that nothing is asked for, and for the receiver's account the verbs that all other guards ask for."""
    verbs = ("--verb=attest-access,repair,screen", "--resource=tenants.computegate.io,quotaledgers.computegate.io")
    world.kubectl("create", "clusterrole", "bystander", *verbs)
    world.kubectl("create", "clusterrolebinding", "bystander", "--clusterrole=bystander", f"--user={ACCOUNT}")
    world.apply(tenant("bystander", "DE", kyc={}))
    return "bystander"


@pytest.mark.parametrize(("subresource", "path", "said"), FORBIDDEN, ids=[each[1][-1] for each in FORBIDDEN])
def test_the_receivers_account_writes_no_other_part_of_a_tenant(
    world: World, bystander: str, subresource: str, path: list[str], said: str
) -> None:
    patch = WRITTEN[path[-1]]
    for key in reversed(path):
        patch = {key: patch}
    command = ["patch", "tenants.computegate.io", bystander, "--type=merge", "-p", json.dumps(patch)]
    command += [f"--subresource={subresource}"] if subresource else []
    tried = world.kubectl(*command, user=ACCOUNT, groups=GROUPS, check=False)
    assert tried.returncode != 0
    assert said in tried.stderr


def test_the_receivers_account_takes_nothing_away_and_reads_nothing_else(world: World, bystander: str) -> None:
    patch = ("patch", "tenants.computegate.io", bystander, "--type=merge", "--subresource=status", "-p")
    tried = world.kubectl(*patch, '{"status":{"screening":null}}', user=ACCOUNT, groups=GROUPS, check=False)
    assert tried.returncode != 0
    assert "status.screening" in tried.stderr
    for command in (
        ("delete", "tenants.computegate.io", bystander),
        ("get", "tenants.computegate.io"),
        ("get", "secrets", "-A"),
        ("get", "pods", "-A"),
        ("get", "quotaledgers"),
    ):
        tried = world.kubectl(*command, user=ACCOUNT, groups=GROUPS, check=False)
        assert "is forbidden" in tried.stderr, command


def test_what_somebody_writes_meanwhile_is_seen_before_a_delivery_is_written(world: World, bystander: str) -> None:
    delivered = Verification(bystander, KYCState.Verified, now(), "sha256:", expires_at=now() + timedelta(days=1))
    seen: list[KYCState | None] = []

    def step(current: KYC | None) -> Step:
        if not seen:
            patch = ("patch", "tenants.computegate.io", bystander, "--type=merge", "--subresource=status", "-p")
            world.kubectl(*patch, '{"status":{"kyc":{"state":"Suspended"}}}')
        seen.append(current.state if current else None)
        return advance(current, delivered, now(), first=True)

    async def attest() -> None:
        client = await Client.connect(world.installed.plane.kubeconfig)
        try:
            await Clearances(client).advance(bystander, step)
        finally:
            await client.close()

    with pytest.raises(NotAllowed, match="Suspended is not lifted"):
        asyncio.run(attest())
    assert seen == [None, KYCState.Suspended]


def test_deliveries_are_counted_by_what_came_of_them(receiver: ReceiverProcess, party: Party) -> None:
    def counted(result: str) -> float:
        return value(receiver.metrics(), "computegate_kyc_deliveries_total", provider="generic", result=result)

    before = counted("applied"), counted("not_signed")
    receiver.deliver(party.subject, "Pending", now())
    receiver.deliver(party.subject, "Pending", now(), b"somebody-elses-secret")
    assert (counted("applied"), counted("not_signed")) == (before[0] + 1, before[1] + 1)
    assert value(receiver.metrics(), "computegate_kyc_secrets_readable", provider="generic") == 1


def test_the_example_of_the_documentation_runs(receiver: ReceiverProcess, world: World, party: Party) -> None:
    script = re.search(r"```sh\n(subject=.*?)```", DOCS.read_text(), re.DOTALL)
    assert script is not None
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "KUBECONFIG": str(world.installed.plane.kubeconfig),
        "RECEIVER": receiver.url,
        "SECRET_FILE": str(receiver.secret_file),
        "TENANT": party.name,
    }
    done = subprocess.run(
        ["sh", "-eu", "-c", script[1]], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("applied\n", "", 0)
    party.becomes("")
