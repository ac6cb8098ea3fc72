"""Reviews of our own objects: refused with the field, warned, or let pass unseen; never an error."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from admission.api.policy import AccessPolicy
from admission.catalogue.catalogue import Catalogue
from admission.decide.registry import Registry
from admission.review.wire import BadReview
from admission.server.metrics import Metrics
from admission.server.objects import MOST_WARNINGS, ObjectGate
from tests.decide.questions import NOW, policy, quota, rule

if TYPE_CHECKING:
    from admission.api.object import Object

UK = policy(rule("d", "Deny", ("Headquarters", "In", "UK")))
SAID = "AccessPolicy access: rule d names UK, which is no country code of ISO 3166-1; GB is"
GROUP = {"name": "ours", "countries": ["DE"]}
RESOURCES = {"AccessPolicy": "accesspolicies", "ComputeQuota": "computequotas"}


class Entrance:
    """The gate of objects, and what it counted."""

    def __init__(self, *objects: Object, unready: str = "") -> None:
        self.registry = Registry(Catalogue.builtin())
        for each in objects:
            self.registry.put(each)
        self.metrics = Metrics(["objects"])
        self.gate = ObjectGate(self.registry, metrics=self.metrics, unready=lambda: unready, now=lambda: NOW)

    def ask(self, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(asyncio.run(self.gate.review(4.0, review(**request))))
        response: dict[str, Any] = answer["response"]
        return response

    def counted(self, outcome: str, kind: str = "AccessPolicy") -> float | None:
        labels = {"kind": kind, "outcome": outcome}
        return self.metrics.registry.get_sample_value("computegate_object_writes_total", labels)


def written(obj: Object | None) -> dict[str, Any] | None:
    return None if obj is None else obj.model_dump(mode="json", by_alias=True, exclude_none=True)


def review(before: Object | None = None, after: Object | None = None, **fields: Any) -> bytes:
    known = after or before or UK
    operation = "UPDATE" if before and after else "DELETE" if before else "CREATE"
    request = {
        "uid": "r",
        "operation": operation,
        "resource": {"group": "computegate.io", "version": "v1alpha1", "resource": RESOURCES[known.kind]},
        "name": known.name,
        "userInfo": {"username": "alice"},
        "object": written(after),
        "oldObject": written(before),
        **fields,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def test_a_refusal_names_the_field_in_its_line_and_in_its_causes() -> None:
    entrance = Entrance()
    response = entrance.ask(after=UK)
    field = "spec.rules[0].when[0].values[0]"
    line = f"{SAID} ({field})"
    assert (response["allowed"], response["status"]["code"], response["status"]["message"]) == (False, 403, line)
    assert response["status"]["details"]["causes"] == [{"reason": "FieldValueInvalid", "message": line, "field": field}]
    assert entrance.counted("refused") == 1


def test_a_deletion_that_would_break_another_object_says_which_and_where() -> None:
    ours = policy(groups=[GROUP])
    response = Entrance(ours, quota("q", "ours")).ask(before=ours)
    assert response["status"]["message"] == (
        "ComputeQuota q refers to it; without it, ComputeQuota q names the group ours, which nobody defines "
        "(spec.jurisdictions[0] of ComputeQuota q); change that first"
    )


def test_what_was_written_a_moment_before_is_waited_for() -> None:
    """The watches bring an object some milliseconds after its write was answered, and the next one is asked about."""
    entrance = Entrance()

    async def soon() -> bytes:
        asking = asyncio.create_task(entrance.gate.review(4.0, review(after=quota("q", "ours"))))
        await asyncio.sleep(0)
        entrance.registry.put(policy(groups=[GROUP]))
        return await asking

    assert json.loads(asyncio.run(soon()))["response"] == {"uid": "r", "allowed": True}


def test_remarks_come_as_warnings_of_bounded_number_and_length() -> None:
    rules = [rule(f"r{number}", "Allow", classes=[f"chip-{number}"]) for number in range(40)]
    response = Entrance().ask(after=policy(*rules))
    assert response["allowed"]
    assert response["warnings"][0] == (
        "spec.rules[0].classes[0]: rule r0 names the class chip-0, which nobody defines; it allows nothing by that"
    )
    assert (len(response["warnings"]), max(map(len, response["warnings"])) <= 250) == (MOST_WARNINGS, True)
    assert response["warnings"][-1] == "33 more remarks: computegate check -f FILES shows all"


def test_a_fault_that_was_there_before_is_told_and_let_pass() -> None:
    entrance = Entrance(UK)
    response = entrance.ask(before=UK, after=policy(*map(written_rule, UK.spec.rules), rule("other", "Level")))
    assert response["allowed"]
    assert response["warnings"][0] == f"still to be mended: {SAID} (spec.rules[0].when[0].values[0])"
    assert entrance.counted("warned") == 1


def written_rule(given: Any) -> dict[str, Any]:
    found: dict[str, Any] = given.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


def test_what_cannot_be_judged_yet_passes_and_says_so() -> None:
    entrance = Entrance(unready="tenants not read yet")
    response = entrance.ask(after=UK)
    assert response["warnings"] == ["not checked, as the other objects are not known here: tenants not read yet"]
    assert (response["allowed"], entrance.counted("unjudged")) == (True, 1)


@pytest.mark.parametrize("was_readable", [True, False])
def test_an_object_that_cannot_be_read_is_refused_unless_it_could_not_be_before(*, was_readable: bool) -> None:
    bad = {**(written(UK) or {}), "spec": {"rules": 7}}
    before = written(policy()) if was_readable else bad
    response = Entrance().ask(before=policy(), after=policy(), object=bad, oldObject=before)
    assert response["allowed"] is not was_readable
    if was_readable:
        assert response["status"]["message"].startswith("AccessPolicy access cannot be read: spec.rules: ")


@pytest.mark.parametrize(
    "fields",
    [
        {"resource": {"group": "", "version": "v1", "resource": "pods"}},
        {"resource": {"group": "computegate.io", "version": "v1alpha1", "resource": "allowances"}},
        {"operation": "CONNECT"},
    ],
    ids=["a pod", "what we keep ourselves", "another operation"],
)
def test_what_the_entry_is_not_for_is_said_to_be_registered_wrongly(fields: dict[str, Any]) -> None:
    with pytest.raises(BadReview, match="remove it from the rules of the webhook configuration"):
        Entrance().ask(after=UK, **fields)


def test_an_answer_changes_nothing() -> None:
    entrance = Entrance(policy(groups=[GROUP]))
    generation = entrance.registry.generation
    entrance.ask(after=policy(name="other"))
    assert (entrance.registry.generation, len(entrance.registry.every(AccessPolicy))) == (generation, 1)
