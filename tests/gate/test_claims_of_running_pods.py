"""What claims give a pod that runs is read from the claims that it was given, whatever became of their template."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pytest

from admission.cli.claims import FileLookup
from admission.cli.followed import Followed
from admission.cli.podwatch import CLAIMS
from admission.cli.reevaluation import Reviewer
from admission.cli.upkeep import Upkeep
from admission.cluster.events import Events
from admission.cluster.lookup import ClusterLookup, LookupFailed
from admission.enforce.sweep.reader import Reviewed
from admission.ledger.objects import ObjectStore
from admission.ledger.state import State
from admission.review.claim import ResourceClaim
from admission.review.reasons import Reason
from admission.server.settings import Settings
from tests.decide.questions import NOW, World, quota, tenant, world
from tests.demand.cluster import pod
from tests.demand.test_claimed_devices import BY_DRIVER, SLICES, device_class
from tests.gate.test_running_pods import judging_in, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from admission.review.pod import Pod
    from admission.server.claims import Lookup

EXPIRED = tenant(status={"kyc": {"expiresAt": "2026-02-01T00:00:00Z"}})
BOTH = frozenset({Reason.KYCExpired, Reason.ClassUnknown})
GIVEN = [{"name": "gpus", "resourceClaimName": "runs-gpus-x7k2"}]
CONTROLLED, HARMLESS = "gpu", "dra.cpu"


def requests(of: str) -> dict[str, Any]:
    return {"devices": {"requests": [{"name": "all", "exactly": {"deviceClassName": of}}]}}


def template(of: str) -> dict[str, Any]:
    metadata = {"name": "gpus", "namespace": "lab"}
    return {"kind": "ResourceClaimTemplate", "metadata": metadata, "spec": {"spec": requests(of)}}


def claim(name: str, of: str, *consumers: dict[str, str]) -> dict[str, Any]:
    status = {"allocation": {}, "reservedFor": list(consumers)}
    metadata = {"name": name, "namespace": "lab"}
    return {"kind": "ResourceClaim", "metadata": metadata, "spec": requests(of), "status": status}


def of_pod(uid: str = "uid") -> dict[str, str]:
    return {"resource": "pods", "name": "runs", "uid": uid}


def of_group(uid: str = "g1") -> dict[str, str]:
    return {"resource": "podgroups", "name": "team", "uid": uid}


def using(statuses: list[dict[str, str]] | None, phase: str = "Running", **spec: Any) -> Pod:
    reference = spec.pop("reference", {"resourceClaimTemplateName": "gpus"})
    made = running(pod({}, resourceClaims=[{"name": "gpus", **reference}], **spec))
    status = msgspec.convert({"phase": phase, "resourceClaimStatuses": statuses}, type(made.status))
    return msgspec.structs.replace(made, status=status)


class Counting(FileLookup):
    """Counts what is looked up."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        super().__init__()
        self.asked = 0
        for each in documents:
            self.put(each)

    def _find(self, *about: Any) -> Any:
        self.asked += 1
        return super()._find(*about)


def reviewer_of(
    given: World, lookup: Lookup, seen: Iterable[dict[str, Any]] = (), clock: Callable[[], float] = time.monotonic
) -> Reviewer:
    claims = [msgspec.convert(each, ResourceClaim) for each in seen if each["kind"] == "ResourceClaim"]
    judging = judging_in(given, State(initialized=True))._replace(lookup=lookup)
    judging.judge.registry.put_device_class(device_class(CONTROLLED, BY_DRIVER))
    for part in SLICES[:1]:
        judging.judge.registry.put_slice(part)
    by_name = {f"lab/{each.metadata.name}": each for each in claims}
    followed = Followed(by_name, lookup, keep=600.0, clock=clock)
    return Reviewer(judging, lambda: NOW, lambda: 0.0, lambda _: False, followed)


def reviewed(
    given: World, made: Pod, *documents: dict[str, Any], seen: Iterable[dict[str, Any]] = ()
) -> Reviewed | None:
    return asyncio.run(reviewer_of(given, Counting(*documents), seen)(made))


OWN = claim("runs-gpus-x7k2", CONTROLLED, of_pod())
BY_NAME: dict[str, Any] = {"reference": {"resourceClaimName": "shared"}}
GROUPED: dict[str, Any] = {"schedulingGroup": {"podGroupName": "team"}}
OF_GROUP = claim("runs-gpus-x7k2", HARMLESS, of_group())
GROUP = {"kind": "PodGroup", "metadata": {"name": "team", "namespace": "lab", "uid": "g1"}}

OF: dict[str, tuple[Pod, list[dict[str, Any]], frozenset[Reason], bool]] = {
    "its template stands": (using(GIVEN), [OWN, template(CONTROLLED)], frozenset({Reason.KYCExpired}), True),
    "its template is gone": (using(GIVEN), [OWN], frozenset({Reason.KYCExpired}), True),
    "its template is another": (using(GIVEN), [OWN, template(HARMLESS)], frozenset({Reason.KYCExpired}), True),
    "its claim is gone": (using(GIVEN), [template(HARMLESS)], BOTH, True),
    "its claim is another, reserved for nobody": (
        using(GIVEN), [claim("runs-gpus-x7k2", HARMLESS)], BOTH, True,
    ),
    "its claim is another, reserved for another pod": (
        using(GIVEN), [claim("runs-gpus-x7k2", HARMLESS, of_pod("other"))], BOTH, True,
    ),
    "it waits for its devices": (
        using(GIVEN, "Pending"), [claim("runs-gpus-x7k2", CONTROLLED)], frozenset({Reason.KYCExpired}), True,
    ),
    "it waits for its claim": (using(None, "Pending"), [template(CONTROLLED)], frozenset({Reason.KYCExpired}), True),
    "it waits for its claim, of a template that is gone": (using(None, "Pending"), [], BOTH, True),
    "it needed no claim": (using([{"name": "gpus"}]), [], frozenset(), False),
    "what it was given is harmless": (
        using(GIVEN), [claim("runs-gpus-x7k2", HARMLESS, of_pod())], frozenset(), False,
    ),
    "a claim by its name": (
        using(None, **BY_NAME), [claim("shared", CONTROLLED, of_pod())], frozenset({Reason.KYCExpired}), True,
    ),
    "a claim by its name that was replaced": (using(None, **BY_NAME), [claim("shared", HARMLESS)], BOTH, True),
    "a claim of its group": (
        using(GIVEN, **GROUPED), [OF_GROUP, GROUP], frozenset(), False,
    ),
    "a claim of another group": (
        using(GIVEN, **GROUPED), [claim("runs-gpus-x7k2", HARMLESS, of_group("g2")), GROUP], BOTH, True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("follows", [False, True], ids=["as asked for", "as they were seen"])
@pytest.mark.parametrize(("made", "documents", "reasons", "controlled"), OF.values(), ids=OF)
def test_a_pod_that_runs_is_judged_by_the_claims_that_it_was_given(
    made: Pod, documents: list[dict[str, Any]], reasons: frozenset[Reason], controlled: bool, follows: bool
) -> None:
    found = reviewed(world(EXPIRED, quota()), made, *documents, seen=documents if follows else ())
    assert found == Reviewed(reasons, controlled)


def test_a_claim_that_was_seen_before_it_was_given_is_asked_for() -> None:
    before = claim("runs-gpus-x7k2", HARMLESS)
    found = reviewed(world(EXPIRED, quota()), using(GIVEN), OWN, seen=[before])
    assert found == Reviewed(frozenset({Reason.KYCExpired}), controlled=True)


def test_where_nobody_can_tell_of_a_claim_that_was_not_seen_nothing_is_concluded() -> None:
    class Away(FileLookup):
        async def claim(self, namespace: str, name: str) -> ResourceClaim | None:
            raise LookupFailed(f"{namespace}/{name}")

    assert asyncio.run(reviewer_of(world(EXPIRED, quota()), Away())(using(GIVEN))) is None


def test_a_claim_that_is_nested_deeply_gives_what_it_gives() -> None:
    deep = msgspec.Raw(b'{"a":' * 1_500 + b"1" + b"}" * 1_500)
    asked = claim("shared", CONTROLLED, of_pod())
    asked["spec"] = {"devices": {**asked["spec"]["devices"], "config": [{"opaque": {"parameters": deep}}]}}

    class Client:
        async def request(self, *_: Any, **__: Any) -> bytes:
            return msgspec.json.encode(asked)

    client: Any = Client()
    reviewer = reviewer_of(world(EXPIRED, quota()), ClusterLookup(client))
    assert asyncio.run(reviewer(using(None, **BY_NAME))) == Reviewed(frozenset({Reason.KYCExpired}), controlled=True)


def test_of_a_cleared_tenant_a_claim_that_nobody_can_read_any_more_is_found_too() -> None:
    found = reviewed(world(quota()), using(GIVEN))
    assert found == Reviewed(frozenset({Reason.ClassUnknown}), controlled=True)


@pytest.mark.parametrize(
    ("made", "seen", "documents", "asked"),
    [
        (using(GIVEN), [OWN], [OWN], [0, 0, 0]),
        (using(GIVEN, "Pending"), [OWN], [OWN], [0, 0, 0]),
        (using(GIVEN, **GROUPED), [OF_GROUP], [OF_GROUP, GROUP], [1, 1, 2]),
        (using(GIVEN), [], [OWN], [1, 2, 3]),
        (using(GIVEN), [], [], [1, 2, 3]),
        (pod({}), [], [], [0, 0, 0]),
    ],
    ids=["it has started", "it has not", "a claim of its group", "nobody saw it", "a claim that is gone", "no claim"],
)
def test_nobody_is_asked_for_a_claim_that_was_seen_and_for_a_group_once_in_the_time_of_a_sweep(
    made: Pod, seen: list[dict[str, Any]], documents: list[dict[str, Any]], asked: list[int]
) -> None:
    now, lookup = [0.0], Counting(*documents)
    reviewer = reviewer_of(world(EXPIRED, quota()), lookup, seen, lambda: now[0])
    counts = []
    for now[0] in (0.0, 599.0, 601.0):
        asyncio.run(reviewer(made))
        counts.append(lookup.asked)
    assert counts == asked


def test_a_leader_judges_by_the_claims_that_it_watches() -> None:
    class Client:
        asked: ClassVar[list[str]] = []

        async def request(self, _method: str, path: str, **_: Any) -> bytes:
            self.asked.append(path)
            return msgspec.json.encode({"metadata": {"resourceVersion": "9"}, "items": [OWN]})

    async def play() -> Reviewed | None:
        client: Any = Client()
        judging = reviewer_of(world(EXPIRED, quota()), ClusterLookup(client))._judging
        upkeep = Upkeep(
            client,
            judging.judge.registry,
            judging.judge._ledger,
            ObjectStore(client),
            allowances={},
            settings=Settings(),
            events=Events(client, "test", now=lambda: NOW),
            now=lambda: NOW,
            record=lambda _: asyncio.get_running_loop().create_future(),
            judging=judging,
        )
        await upkeep._watch._claims._list()
        return await upkeep.reevaluation.sweep._reader.review(using(GIVEN))

    assert asyncio.run(play()) == Reviewed(frozenset({Reason.KYCExpired}), controlled=True)
    assert Client.asked == [CLAIMS]
