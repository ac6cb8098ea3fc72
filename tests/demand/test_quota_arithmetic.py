"""A pod's request and each quantity in it, against a real API server and its ResourceQuota.

ResourceQuota and the scheduler add up a pod with one function (k8s.io/component-helpers/resource, ``PodRequests``):
sidecars, init containers and overhead count alike for both.  We differ in two places only, both to the safe side: a
sum saturates at the largest int64, where a quota goes on and the scheduler may read 0; and a fraction of a device,
which the API server refuses, is a whole one.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from decimal import ROUND_CEILING
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from admission.demand.request import effective_request
from admission.review.pod import PodSpec
from admission.review.quantity import LARGEST, QuantityError, count
from tools.direct import Answer, Direct

if TYPE_CHECKING:
    from tools.controlplane import ControlPlane
    from tools.kubectl import Kubectl

RESOURCES = ("nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "example.com/nic", "deviceclass.resource.kubernetes.io/h100")
OVERHEAD = {"cpu": "250m", "nvidia.com/gpu": "1", "example.com/nic": "2k"}
_REQUESTED = re.compile(r"exceeded quota: nothing, requested: (\S+), used:")

Create = Callable[[dict[str, Any]], Answer]


@pytest.fixture(scope="module")
def create(control_plane: ControlPlane, kubectl: Kubectl) -> Iterator[Create]:
    """Try to create a pod of this spec where a quota of nothing makes the API server say what it asks for."""
    where, runtime = f"quota-{uuid.uuid4().hex[:10]}", f"heavy-{uuid.uuid4().hex[:10]}"
    kubectl("create", "namespace", where)
    with Direct(control_plane) as direct:
        heavy = {"metadata": {"name": runtime}, "handler": "heavy", "overhead": {"podFixed": OVERHEAD}}
        assert direct("POST", "/apis/node.k8s.io/v1/runtimeclasses", heavy).message == ""
        hard = {f"requests.{name}": "0" for name in RESOURCES}
        nothing = {"metadata": {"name": "nothing"}, "spec": {"hard": hard}}
        assert direct("POST", f"/api/v1/namespaces/{where}/resourcequotas", nothing).message == ""
        kubectl("wait", "--for=create", "serviceaccount/default", "-n", where, "--timeout=30s")
        kubectl("wait", "--for=jsonpath={.status.hard}", "resourcequota/nothing", "-n", where, "--timeout=30s")

        def tried(spec: dict[str, Any]) -> Answer:
            named = {"runtimeClassName": runtime} if "overhead" in spec else {}
            made = {"metadata": {"name": "p"}, "spec": {**spec, **named}}
            return direct("POST", f"/api/v1/namespaces/{where}/pods?dryRun=All", made)

        yield tried
    kubectl("delete", "namespace", where, "--wait=false")


def _spelled(amount: int) -> st.SearchStrategy[Any]:
    """Ways to write a whole number that the API server takes for a count of devices."""
    return st.sampled_from(
        [
            *(amount, float(amount), f"{amount}", f"+{amount}", f"0{amount}", f"{amount}.0", f"{amount}."),
            *(f"{amount}000m", f"{amount}000000u", f"{amount}e0", f"{amount}0e-1", f"{amount / 1000}k"),
        ]
    )


_EXPONENT = re.compile(r"[eE][+-]?[0-9]")
QUANTITIES = st.integers(0, 9).flatmap(_spelled) | st.sampled_from(["1k", "2Ki", ".5Ki", "1e3", "2E2", "3M", "1Gi"])


@st.composite
def _resources(draw: st.DrawFn) -> dict[str, Any]:
    limits = draw(st.dictionaries(st.sampled_from(RESOURCES), QUANTITIES, max_size=3))
    repeated = draw(st.sets(st.sampled_from(sorted(limits)))) if limits else set()
    return {"limits": limits, "requests": {"cpu": "10m", **{name: limits[name] for name in repeated}}}


@st.composite
def _specs(draw: st.DrawFn) -> dict[str, Any]:
    """Pods that the API server accepts but for the quota."""

    def containers(name: str, least: int) -> list[dict[str, Any]]:
        asked = draw(st.lists(_resources(), min_size=least, max_size=3))
        return [{"name": f"{name}{n}", "image": "i", "resources": each} for n, each in enumerate(asked)]

    inits = [{**each, **draw(st.sampled_from([{}, {"restartPolicy": "Always"}]))} for each in containers("init", 0)]
    spec = {"containers": containers("main", 1), "initContainers": inits}
    return {**spec, "overhead": OVERHEAD} if draw(st.booleans()) else spec


def _requested(answer: Answer) -> dict[str, int]:
    """What the quota says that the pod asks for."""
    if not answer.message:
        return {}
    said = _REQUESTED.search(answer.message)
    assert said, answer.message
    pairs = (part.removeprefix("requests.").split("=") for part in said[1].split(","))
    return {name: int(parse_quantity(quantity)) for name, quantity in pairs}


@settings(max_examples=400)
@given(_specs())
def test_a_pods_request_is_what_resource_quota_adds_up(create: Create, spec: dict[str, Any]) -> None:
    assert effective_request(msgspec.convert(spec, PodSpec)) == _requested(create(spec))


@pytest.mark.parametrize(
    ("quantities", "requested"),
    [
        (["9E", "9E"], 18 * 10**18),
        (["10E"], 10**19),
        (["1e100"], 10**100),
        (["8Ei"], LARGEST),
        (["9" * 99], 10**99 - 1),
    ],
)
def test_a_request_beyond_any_number_is_the_largest(create: Create, quantities: list[str], requested: int) -> None:
    limits = [{"limits": {RESOURCES[0]: each}} for each in quantities]
    spec = {"containers": [{"name": f"c{n}", "image": "i", "resources": each} for n, each in enumerate(limits)]}
    assert _requested(create(spec)) == {RESOURCES[0]: requested}
    assert effective_request(msgspec.convert(spec, PodSpec)) == {RESOURCES[0]: LARGEST}


NUMBERS = st.from_regex(r"\+?([0-9]{1,12}(\.[0-9]{0,9})?|\.[0-9]{1,9})", fullmatch=True)
ENDINGS = st.sampled_from(["", *"numkMGTPE", *(f"{prefix}i" for prefix in "KMGTPE"), "e3", "E2", "e-4", "E+30", "e99"])
WELL_FORMED = st.builds(str.__add__, NUMBERS, ENDINGS)
NEARLY = st.from_regex(r"[+-]?[0-9.]{0,4}[numkKMGTPEie]{0,2}[+-]?[0-9.]{0,2}", fullmatch=True)


@settings(max_examples=600)
@given(WELL_FORMED | NEARLY | st.integers(-2, 2**70) | st.floats(0, 1e30))
def test_a_quantity_is_what_the_api_server_reads(create: Create, quantity: str | float) -> None:
    """Memory can be a fraction, so that whatever can be read is accepted and comes back.

    But for what is beyond the suffixes: the API server stores 1000E, which would need one more, as 1.
    """
    assume(not _is_beyond_suffixes(str(quantity)))
    answer = create({"containers": [{"name": "c", "image": "i", "resources": {"limits": {"memory": quantity}}}]})
    try:
        ours = count(quantity)
    except QuantityError:
        assert answer.message or _amount(answer) == 0, "what we refuse is no quantity, or a strange way to write 0"
        return
    assert not answer.message
    assert ours == min(int(_amount(answer).to_integral_value(ROUND_CEILING)), LARGEST)


def _is_beyond_suffixes(quantity: str) -> bool:
    try:
        return parse_quantity(quantity) >= 10**21 and not _EXPONENT.search(quantity)
    except ValueError:
        return False


def _amount(answer: Answer) -> Any:
    return parse_quantity(answer.body["spec"]["containers"][0]["resources"]["limits"]["memory"])
