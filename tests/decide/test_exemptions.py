"""What an exemption lets pass: what it names, of the pods that it names, while two people stand behind it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from admission.api.exemption import Exemption
from tests.decide.questions import NOW, World, exemption, quota, world
from tests.demand.cluster import pod

AGENT, OTHER = "registry.example.com/agent@sha256:aa", "registry.example.com/shell:1"
PRIVILEGED = {"image": AGENT, "securityContext": {"privileged": True}}
READER = {"image": AGENT, "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}
PLAIN = {"image": OTHER}
DEV = {"volumes": [{"name": "dev", "hostPath": {"path": "/dev"}}]}
AGENTS = {"serviceAccountName": "agents"}
IN_IMAGE: dict[str, Any] = {"images": [AGENT]}

COVERED = {
    "the account": (pod(PRIVILEGED, **AGENTS), exemption(**AGENTS)),
    "the default account": (pod(PRIVILEGED), exemption(serviceAccountName="default")),
    "the image": (pod(PRIVILEGED), exemption(**IN_IMAGE)),
    "the image, beside one that reaches nothing": (pod(PRIVILEGED, PLAIN | {"name": "b"}), exemption(**IN_IMAGE)),
    "both": (pod(PRIVILEGED, **AGENTS), exemption(**AGENTS, **IN_IMAGE)),
    "an init container": (pod({}, initContainers=[PRIVILEGED | {"name": "i"}]), exemption(**IN_IMAGE)),
    "a path by its way": (pod({"image": AGENT}, **DEV), exemption(**IN_IMAGE, ways=["hostPath"])),
    "a path by its value": (pod({"image": AGENT}, **DEV), exemption(**IN_IMAGE, ways=["hostPath=/dev"])),
    "a variable by its name": (pod(READER), exemption(**IN_IMAGE, ways=["environment=NVIDIA_VISIBLE_DEVICES"])),
    "a runtime class": (
        pod({"image": AGENT}, runtimeClassName="nvidia"),
        exemption(**IN_IMAGE, ways=["runtimeClass=nvidia"]),
    ),
    "an annotation": (
        pod({"image": AGENT}, metadata={"annotations": {"cdi.k8s.io/x": "y"}}),
        exemption(**IN_IMAGE, ways=["annotation=cdi.k8s.io/x"]),
    ),
}
LEFT = {
    "another way": (pod(PRIVILEGED), exemption(**IN_IMAGE, ways=["hostPath"])),
    "another path": (pod({"image": AGENT}, **DEV), exemption(**IN_IMAGE, ways=["hostPath=/dev/kfd"])),
    "a path that ends like it": (
        pod({"image": AGENT}, volumes=[{"name": "dev", "hostPath": {"path": "/x (/dev"}}]),
        exemption(**IN_IMAGE, ways=["hostPath=/dev"]),
    ),
    "another account": (pod(PRIVILEGED), exemption(**AGENTS)),
    "another image": (pod(PRIVILEGED | {"image": OTHER}), exemption(**IN_IMAGE)),
    "the image in another container": (
        pod({"image": AGENT}, PRIVILEGED | {"name": "b", "image": OTHER}),
        exemption(**IN_IMAGE),
    ),
    "the image and another account": (pod(PRIVILEGED), exemption(**AGENTS, **IN_IMAGE)),
    "a volume that a container of another image can mount": (
        pod({"image": AGENT}, PLAIN | {"name": "b"}, **DEV),
        exemption(**IN_IMAGE, ways=["hostPath"]),
    ),
    "another namespace": (pod(PRIVILEGED), exemption(**IN_IMAGE, namespace="other")),
    "not approved": (pod(PRIVILEGED), exemption(**IN_IMAGE, by=None)),
    "approved by who asked": (pod(PRIVILEGED), exemption(**IN_IMAGE, by="alice")),
    "approved from tomorrow": (pod(PRIVILEGED), exemption(**IN_IMAGE, at="2026-11-23T00:00:00Z")),
    "at its end": (pod(PRIVILEGED), exemption(**IN_IMAGE, validUntil=NOW.isoformat())),
}


@pytest.mark.parametrize("since", [{"metadata": {"creationTimestamp": "2026-11-01T00:00:00Z"}}, {}])
def test_an_exemption_ends_366_days_after_it_was_made_or_approved(since: dict[str, Any]) -> None:
    spec = exemption(by=None, **AGENTS).spec.model_dump(by_alias=True)
    known = {"status": {"approval": {"by": "bob", "at": "2026-11-01T00:00:00Z"}}, **since}
    fits = {**known, "spec": {**spec, "validUntil": "2027-11-02T00:00:00Z"}}
    assert Exemption.model_validate(fits).spec.valid_until.day == 2
    with pytest.raises(ValidationError, match="validUntil is more than 366 days away"):
        Exemption.model_validate({**fits, "spec": {**spec, "validUntil": "2027-11-02T00:00:01Z"}})


def test_an_exemption_that_nobody_has_made_or_approved_yet_may_end_when_it_will() -> None:
    assert exemption(by=None, **AGENTS, validUntil="2099-01-01T00:00:00Z").spec.valid_until.year == 2099


@pytest.mark.parametrize("case", COVERED)
def test_what_an_exemption_names_passes(case: str) -> None:
    asked, given = COVERED[case]
    assert world(pod=asked).reasons() == ["DeviceBypass"]
    found = world(given, pod=asked).verdict()
    assert (found.findings, [name for name, _ in found.exempted]) == ((), ["agents"])


@pytest.mark.parametrize("case", LEFT)
def test_what_it_does_not_name_is_refused(case: str) -> None:
    asked, given = LEFT[case]
    found = world(given, pod=asked).verdict()
    assert ([str(reason) for reason in found.reasons()], found.exempted) == (["DeviceBypass"], ())


def test_each_finding_needs_an_exemption_and_the_rest_is_named() -> None:
    both = pod(PRIVILEGED, **DEV)
    one, other = exemption(**IN_IMAGE), exemption("paths", **IN_IMAGE, ways=["hostPath"])
    (finding,) = world(one, pod=both).verdict().findings
    assert "spec.volumes[dev].hostPath" in finding.sentence
    assert "privileged" not in finding.sentence
    assert world(one, other, pod=both).verdict().findings == ()


def test_devices_that_are_asked_for_are_judged_and_counted_as_ever() -> None:
    asked = pod({**PRIVILEGED, "resources": {"limits": {"nvidia.com/h100": 1}}})
    unnamed = World(pod=asked, labels={}, objects=(quota(), exemption(**IN_IMAGE)))
    assert unnamed.reasons() == ["TenantUnknown"]
    (scope,) = world(quota(), exemption(**IN_IMAGE), pod=asked).verdict().scopes
    assert scope.name == "DE"


def test_an_exemption_that_cannot_be_read_exempts_nothing_and_holds_nobody_back() -> None:
    given: Exemption = exemption(**IN_IMAGE)
    registry = world(given, pod=pod(PRIVILEGED)).registry()
    registry.refuse(type(given), given.name, "spec.ways: Field required")
    assert (registry.every(type(given)), registry.held_back_at(NOW)) == ((), "")


def test_its_end_is_judged_at_the_request() -> None:
    given = exemption(**IN_IMAGE)
    last = world(given, pod=pod(PRIVILEGED), now=datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert last.reasons() == []
    assert last._replace(now=given.spec.valid_until).reasons() == ["DeviceBypass"]
