"""OpenReports of what was found: what they say and to whom, how few are written, and what if they cannot be."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from admission.api.allowance import OwnFinding
from admission.api.enforcement import Action, Enforcement
from admission.cluster.client import ApiError
from admission.enforce.reports import writer
from admission.enforce.reports.bodies import MOST_NAMESPACES, of_cluster, of_namespace
from admission.enforce.reports.writer import Facts, Reports
from admission.enforce.sweep.found import Found
from admission.enforce.sweep.steps import Policy
from admission.review.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

AT = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


class Api:
    """An API server with reports; ``served`` says whether it knows them, ``refuses`` how it answers for a namespace."""

    def __init__(self, *, served: bool = True) -> None:
        self.served, self.refuses = served, dict[str, int]()
        self.stored: dict[str, dict[str, Any]] = {}
        self.calls: Counter[str] = Counter()

    async def get(self, path: str, query: Any = None) -> bytes:  # noqa: ARG002 (one page holds all)
        self.calls["read"] += 1
        if not self.served:
            raise ApiError(404, "NotFound", "")
        kind = "ClusterReport" if path.endswith("clusterreports") else "Report"
        items = [each for each in self.stored.values() if each["kind"] == kind]
        return json.dumps({"metadata": {}, "items": items}).encode()

    async def create(self, path: str, body: bytes) -> bytes:
        assert path not in self.stored
        return self._put("create", f"{path}/computegate", json.loads(body))

    async def replace(self, path: str, body: bytes) -> bytes:
        made = json.loads(body)
        assert made["metadata"]["resourceVersion"] == self.stored[path]["metadata"]["resourceVersion"]
        return self._put("replace", path, made)

    async def request(self, method: str, path: str) -> bytes:
        self.calls[method.lower()] += 1
        self._refuse(path)
        del self.stored[path]
        return b"{}"

    def _put(self, call: str, path: str, body: dict[str, Any]) -> bytes:
        self.calls[call] += 1
        namespace = self._refuse(path)
        where = {"namespace": namespace} if namespace else {}
        body["metadata"] |= {"resourceVersion": str(self.calls.total()), **where}
        self.stored[path] = body
        return json.dumps(body).encode()

    def _refuse(self, path: str) -> str:
        namespace = path.split("/")[5] if "namespaces" in path else ""
        if namespace in self.refuses:
            raise ApiError(self.refuses[namespace], "", "")
        return namespace

    def namespaces(self) -> set[str]:
        return {each["metadata"].get("namespace", "") for each in self.stored.values()}


def entry(pods: int = 2, action: Action = Action.Evict) -> OwnFinding:
    deadline = AT if action is Action.Evict else None
    return OwnFinding(reference="ab12", code="NotCleared", action=action, since=AT, deadline=deadline, pods=pods)


def found(pods: int = 2, *reasons: Reason) -> Found:
    made = Found()
    for _ in range(pods):
        made.take(frozenset(reasons or (Reason.ListedParty,)), controlled=True)
    return made


def policy(action: str = "Evict") -> Policy:
    spec = {"mode": "Enforce", "steps": [{"action": action}]}
    return Policy([Enforcement.model_validate({"metadata": {"name": "all"}, "spec": spec})])


class Wanted:
    """What was found, as a sweep has it, and who reports it."""

    def __init__(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(writer, "WRITE_SECONDS", 0)
        self.found: dict[str, Found] = {}
        self.entries: dict[str, Mapping[Reason, OwnFinding]] = {}
        self.policy, self.judged, self.now = policy(), True, 0.0
        client: Any = api
        self.reports = Reports(client, self._facts, lambda: self.now)

    def _facts(self) -> Facts | None:
        return Facts(self.found, self.entries, self.policy) if self.judged else None

    def put(self, namespace: str, pods: int = 2) -> None:
        self.found[namespace], self.entries[namespace] = found(pods), {Reason.ListedParty: entry(pods)}

    def drop(self, namespace: str) -> None:
        del self.found[namespace], self.entries[namespace]

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            asyncio.run(self.reports.step())


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def wanted(api: Api, monkeypatch: pytest.MonkeyPatch) -> Wanted:
    return Wanted(api, monkeypatch)


def test_a_namespace_reads_public_codes_and_operators_the_reasons() -> None:
    own = of_namespace("lab", {Reason.ListedParty: entry()})
    assert own is not None
    assert "ListedParty" not in json.dumps(own)
    (result,) = own["results"]
    assert (result["rule"], result["result"], result["severity"]) == ("NotCleared", "fail", "high")
    assert result["properties"] == {"pods": "2", "action": "Evict", "reference": "ab12", "deadline": AT.isoformat()}
    everything = of_cluster({"lab": found(), "shop": found(1, Reason.KYCExpired)}, policy("Warn"))
    assert everything is not None
    assert [each["rule"] for each in everything["results"]] == ["KYCExpired", "ListedParty"]
    assert everything["summary"] == {"pass": 0, "fail": 0, "warn": 2, "error": 0, "skip": 0}


def test_the_report_of_a_cluster_is_bounded() -> None:
    every = tuple(Reason)
    body = of_cluster({f"n-{number}": found(1, *every) for number in range(10_000)}, policy())
    assert body is not None
    assert max(len(each["resources"]) for each in body["results"]) == MOST_NAMESPACES
    assert len(json.dumps(body)) < 300_000
    assert body["results"][0]["properties"]["namespaces"] == "10000"


def test_what_says_the_same_is_not_written_again_by_whoever_leads(
    api: Api, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted.put("lab")
    wanted.step(3)
    assert (api.namespaces(), wanted.reports.writes) == ({"lab", ""}, 2)
    wanted.put("lab")  # judged anew, and the same
    wanted.step()
    following = Wanted(api, monkeypatch)
    following.put("lab")
    following.step(2)
    assert (wanted.reports.writes, following.reports.writes) == (2, 0)
    following.put("lab", pods=3)
    following.step(2)
    assert (following.reports.writes, api.calls["replace"]) == (2, 2)
    following.drop("lab")
    following.step()
    assert api.stored == {}


def test_nothing_is_taken_away_before_all_pods_were_judged(api: Api, wanted: Wanted) -> None:
    wanted.put("lab")
    wanted.step()
    wanted.drop("lab")
    wanted.judged = False
    wanted.step(2)
    assert api.namespaces() == {"lab", ""}


def test_where_nobody_knows_reports_nothing_is_asked_for_but_that_until_somebody_does(api: Api, wanted: Wanted) -> None:
    api.served = False
    wanted.put("lab")
    wanted.step(3)
    assert (dict(api.calls), wanted.reports.waiting) == ({"read": 3}, 0)
    api.served = True
    wanted.step()
    assert api.namespaces() == {"lab", ""}


def test_an_api_server_that_is_asked_too_much_is_left_alone_and_gets_the_newest_later(api: Api, wanted: Wanted) -> None:
    for name in ("blue", "red"):
        wanted.put(name)
    api.refuses["blue"] = 429
    with pytest.raises(ApiError):
        wanted.step()
    assert wanted.reports.waiting > 0
    wanted.put("blue", pods=7)
    del api.refuses["blue"]
    wanted.step()
    assert (api.namespaces(), wanted.reports.waiting) == ({"blue", "red", ""}, 0)
    (blue,) = (each for each in api.stored.values() if each["metadata"].get("namespace") == "blue")
    assert blue["results"][0]["properties"]["pods"] == "7"


@pytest.mark.parametrize("status", [403, 404, 409, 422, 500])
def test_a_namespace_that_refuses_a_report_or_has_somebody_elses_keeps_no_other_waiting(
    api: Api, wanted: Wanted, status: int
) -> None:
    for name in ("gone", "here"):
        wanted.put(name)
    api.refuses["gone"] = status
    wanted.step(3)
    assert (api.namespaces(), api.calls["create"]) == ({"here", ""}, 3)


def test_a_report_that_may_neither_be_replaced_nor_taken_away_keeps_no_other_waiting(api: Api, wanted: Wanted) -> None:
    for name in ("kept", "over", "there"):
        wanted.put(name)
    wanted.step()
    api.refuses |= {"kept": 409, "over": 403}
    wanted.drop("over")
    for name in ("kept", "there"):
        wanted.put(name, pods=5)
    wanted.step(2)
    assert (wanted.reports.waiting, api.namespaces()) == (0, {"kept", "over", "there", ""})
    (there,) = (each for each in api.stored.values() if each["metadata"].get("namespace") == "there")
    assert there["results"][0]["properties"]["pods"] == "5"


def test_what_somebody_else_took_away_or_wrote_is_put_right_in_time(api: Api, wanted: Wanted) -> None:
    wanted.put("lab")
    wanted.step()
    before = dict(api.stored)
    api.stored = {path: {**each, "results": []} for path, each in api.stored.items() if each["kind"] == "Report"}
    wanted.now = writer.READ_SECONDS
    wanted.step()
    assert {path: each["results"] for path, each in api.stored.items()} == {
        path: each["results"] for path, each in before.items()
    }
