"""Certificates of our own on a real API server: made, trusted, rotated under traffic, kept whatever is done to them."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from tests.e2e.certified import API_SERVER, NAME, SECRET, Certified, Newcomers, Questions, admission_control
from tests.e2e.objects import examples, gpu_pod, namespace, quota, tenant
from tests.e2e.wire import review
from tests.e2e.world import World, eventually, value
from tools.controlplane import ControlPlane
from tools.installation import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.installation import Replica

WHERE = "asked"
"""A namespace of nobody, in enforce: each pod with a device is refused, and so answered."""

TOLD = {"gate": {"graceSeconds": 1, "auditSeconds": 1}}
"""What is wrong is told soon."""

KEPT = ("Secret", "ValidatingWebhookConfiguration")
"""Kinds of what the server fills."""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    """Two replicas that keep an authority of their own, and an API server that shows them its certificate."""
    directory = tmp_path_factory.mktemp("certified")
    flag = f"--admission-control-config-file={directory / 'admission.yaml'}"
    plane = ControlPlane(directory / "plane", controllers=["kube-controller-manager"], flags=[flag])
    shown = plane.issue(API_SERVER)
    admission_control(directory, str(shown.certificate), str(shown.key))
    with plane, Certified(plane, directory / "gate", clients=plane.ca, replicas=2, server=TOLD) as gate:
        World(gate).apply(*examples("policy", "pools"), namespace(WHERE, mode="enforce"))
        yield gate


def served(replica: Replica) -> bytes:
    """Return what a new connection is shown."""
    return ssl.get_server_certificate(("127.0.0.1", replica.port), timeout=20).encode()


def await_served(gate: Certified) -> None:
    """Wait until every replica serves what the Secret holds."""
    eventually(lambda: {served(each) for each in gate.replicas} == {gate.secret()["tls.crt"]})


def figure(gate: Certified, name: str, **labels: str) -> float:
    """Return the sum of a metric over the replicas."""
    return sum(value(each.metrics(), name, **labels) for each in gate.replicas)


def subjects(pem: bytes) -> set[x509.Name]:
    return {each.subject for each in x509.load_pem_x509_certificates(pem)}


def logged(gate: Certified) -> str:
    return "".join(each.log.read_text() for each in gate.replicas)


def test_a_first_start_needs_nobody(gate: Certified) -> None:
    assert f"secret {SECRET} holds no certificate" in logged(gate)
    held = gate.secret()
    assert set(held) == {"ca.crt", "ca.key", "tls.crt", "tls.key"}
    assert gate.trusted() == {held["ca.crt"]}
    await_served(gate)
    assert [each.get("/readyz") for each in gate.replicas] == ["ok", "ok"]
    assert figure(gate, "computegate_certificates_made_total", certificate="authority") == 1
    assert figure(gate, "computegate_certificate_rotation_works") == 1, "of the leader alone"
    end = x509.load_pem_x509_certificate(held["tls.crt"]).not_valid_after_utc.timestamp()
    assert figure(gate, "computegate_certificate_expiry_timestamp_seconds", certificate="serving") == 2 * end


@pytest.mark.parametrize("what", ["certificate", "authority"])
def test_no_answer_is_lost_while_it_is_rotated(gate: Certified, what: str) -> None:
    """Each time until every replica serves it: the API server's connections, and new ones of another that is late."""
    with Questions(gate.plane, WHERE) as asked, Newcomers(gate) as newcomers:
        for _ in range(2):
            before = gate.secret()
            gate.ask(what)
            eventually(lambda before=before: gate.secret()["tls.crt"] != before["tls.crt"])  # type: ignore[misc]
            await_served(gate)
            assert subjects(before["ca.crt"]) <= subjects(gate.secret()["ca.crt"]), "the former one stays trusted"
            eventually(lambda: gate.trusted() == {gate.secret()["ca.crt"]})
            seen = asked.answers
            eventually(lambda seen=seen: asked.answers > seen + 20)  # type: ignore[misc]
    assert (asked.lost, newcomers.refused) == ([], [])
    assert asked.answers > 100 < newcomers.greeted


def test_an_upgrade_keeps_what_is_trusted_and_can_take_an_entry_away(gate: Certified) -> None:
    """By server-side apply, as Helm and Argo CD do it: of an entry that we applied as well, a part would stay."""
    before = gate.trusted(), gate.secret()

    def applied(workloads: str) -> list[str]:
        rendered = gate.rendered({"workloads.enabled": workloads})
        gate._apply([each for each in rendered if each["metadata"]["name"] in (NAME, SECRET) and each["kind"] in KEPT])
        return [each["name"] for each in gate.configuration()["webhooks"]]

    with Questions(gate.plane, WHERE) as asked:
        entries = applied("true")
        assert (gate.trusted(), gate.secret()) == before
        assert applied("false") == [name for name in entries if name != "workloads.computegate.io"]
        assert (gate.trusted(), gate.secret()) == before
        assert applied("true") == entries
        eventually(lambda: gate.trusted() == before[0])
    assert asked.lost == []


def test_what_somebody_took_out_of_the_configuration_comes_back(gate: Certified) -> None:
    hooks = gate.configuration()["webhooks"]
    emptied = [{"op": "remove", "path": f"/webhooks/{number}/clientConfig/caBundle"} for number, _ in enumerate(hooks)]
    gate.kubectl("patch", "validatingwebhookconfiguration", NAME, "--type=json", "-p", json.dumps(emptied))
    eventually(lambda: gate.trusted() == {gate.secret()["ca.crt"]})
    gate.wait_in_force()


def test_a_secret_that_somebody_spoilt_is_served_on_and_healed(gate: Certified) -> None:
    before = gate.secret()
    with Questions(gate.plane, WHERE) as asked:
        gate.kubectl("patch", "secret", SECRET, "-n", NAMESPACE, "-p", '{"data":{"tls.crt":"Z2FyYmFnZQ=="}}')
        eventually(lambda: gate.secret()["tls.crt"] not in (b"garbage", before["tls.crt"]))
        await_served(gate)
    assert asked.lost == []
    assert gate.secret()["ca.crt"] == before["ca.crt"]


@contextlib.contextmanager
def without_rights(gate: Certified, kind: str) -> Iterator[None]:
    """Take away what the chart granted of a kind, a ClusterRole or a Role, for as long as the block lasts."""
    scope = ("-n", NAMESPACE) if kind == "role" else ()
    role = json.loads(gate.kubectl("get", kind, "computegate", *scope, "-o", "json").stdout)
    taken = ("validatingwebhookconfigurations", "secrets")
    rules = [each for each in role["rules"] if not set(taken) & set(each["resources"])]
    gate.kubectl("patch", kind, "computegate", *scope, "--type=merge", "-p", json.dumps({"rules": rules}))
    try:
        yield
    finally:
        gate.kubectl("patch", kind, "computegate", *scope, "--type=merge", "-p", json.dumps({"rules": role["rules"]}))


def described(gate: Certified) -> str:
    """Return what an operator sees of the gate's events, on one line."""
    shown = gate.kubectl("describe", "configmap", "computegate-gate", "-n", NAMESPACE).stdout
    return " ".join(shown.partition("Events:")[2].split())


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("role", "secret computegate-authority cannot be read, the last certificate is served on"),
        ("clusterrole", "webhook configuration computegate cannot be read"),
    ],
)
def test_missing_rights_are_told_of_and_what_is_valid_is_served_on(gate: Certified, kind: str, words: str) -> None:
    """A new authority that cannot be told to the API server never signs; once it can, it does, without hands."""
    before = gate.secret()
    with Questions(gate.plane, WHERE) as asked, without_rights(gate, kind):
        gate.ask("authority")
        eventually(lambda: figure(gate, "computegate_certificate_rotation_works") == 0)
        eventually(lambda: words in logged(gate))
        eventually(lambda: words in described(gate))
        eventually(lambda: "LacksRights" in described(gate))
        if kind == "clusterrole":
            eventually(lambda: "next.key" in gate.secret())
        seen = asked.answers
        eventually(lambda: asked.answers > seen + 50)
        assert [each.get("/readyz") for each in gate.replicas] == ["ok", "ok"]
        assert gate.secret()["tls.crt"] == before["tls.crt"]
    eventually(lambda: gate.secret()["tls.crt"] != before["tls.crt"])
    eventually(lambda: figure(gate, "computegate_certificate_rotation_works") == 1)
    await_served(gate)
    assert asked.lost == []


def test_a_read_only_secret_is_told_of_and_served_on_until_it_can_be_made_anew(gate: Certified) -> None:
    before = gate.secret()
    with Questions(gate.plane, WHERE) as asked:
        gate.kubectl("patch", "secret", SECRET, "-n", NAMESPACE, "-p", '{"immutable":true}')
        gate.ask("certificate")
        words = f"secret {SECRET} cannot be written"
        eventually(lambda: words in logged(gate))
        eventually(lambda: "CertificateNotRenewed" in described(gate) and words in described(gate))
        assert [each.get("/readyz") for each in gate.replicas] == ["ok", "ok"]
        assert gate.secret() == before
    assert asked.lost == []
    gate.kubectl("delete", "secret", SECRET, "-n", NAMESPACE)
    eventually(lambda: figure(gate, "computegate_certificate_rotation_works") == 1)
    eventually(lambda: "CertificateNotRenewed is over" in described(gate))
    await_served(gate)
    gate.wait_in_force()


def test_an_api_server_that_went_and_came_is_told_of_the_next_one(gate: Certified) -> None:
    before, words = gate.secret(), "certificates cannot be renewed as they should be"
    said = logged(gate).count(words)
    gate.plane.stop_apiserver(crash=True)
    assert [each.get("/healthz") for each in gate.replicas] == ["ok", "ok"]
    eventually(lambda: logged(gate).count(words) > said)
    gate.plane.start_apiserver()
    gate.ask("authority")
    eventually(lambda: gate.secret()["tls.crt"] != before["tls.crt"], seconds=90)
    await_served(gate)
    gate.wait_in_force()


def test_a_replica_that_starts_takes_what_there_is(gate: Certified) -> None:
    before = gate.secret()
    one = gate.replicas[0]
    one.stop()
    one.start()
    one.wait()
    assert (served(one), gate.secret()) == (before["tls.crt"], before)


def asked_by(gate: Certified, where: str, name: str | None) -> int:
    """Send a forged review to a replica as somebody; return the status."""
    replica = gate.replicas[0]
    context = ssl.create_default_context(cafile=replica.authority)
    if name is not None:
        client = gate.plane.issue(name)
        context.load_cert_chain(client.certificate, client.key)
    connection = http.client.HTTPSConnection("127.0.0.1", replica.port, timeout=20, context=context)
    body = json.dumps(review(gpu_pod("forged", where, 2)))
    with contextlib.closing(connection):
        connection.request("POST", "/validate/enforced?timeout=10s", body, {"Content-Type": "application/json"})
        return connection.getresponse().status


def test_a_forged_review_is_refused_and_holds_nothing(gate: Certified) -> None:
    """What the API server asks is answered; the kubelet's probes need no certificate."""
    world = World(gate)
    world.apply(tenant("acme", "DE"), quota("h100-de", "DE", 2), namespace("acme", "acme", "enforce"))
    assert [asked_by(gate, "acme", name) for name in (None, "system:node:worker", "kube-apiserver")] == [401] * 3
    assert (world.use("h100-de")["used"], world.use("h100-de")["reserved"]) == (0, 0)
    assert world.ledger("DE")["inflight"] == ""
    world.admit(gpu_pod("real", "acme", 2))
    assert "exceeded quota" in world.denial(gpu_pod("next", "acme", 1))
    assert asked_by(gate, "acme", API_SERVER) == 200
    assert [each.get("/healthz") for each in gate.replicas] == ["ok", "ok"]
    assert figure(gate, "computegate_http_requests_total", entry="enforced", outcome="refused") == 3
