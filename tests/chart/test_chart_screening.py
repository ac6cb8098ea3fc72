"""Screening by the account of its own on a real API server, with the guards in place."""

from __future__ import annotations

import asyncio
import json
import pathlib
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from admission.api.clearance import Screening
from admission.api.screening import ScreeningHit
from admission.api.tenant import Tenant
from admission.cli import screened
from admission.cli.main import main
from admission.cluster.client import Client
from admission.screening.entry import Entry
from admission.screening.index import Index
from admission.screening.screen import Searchable
from admission.screening.screen import screen as screen_by
from tests.chart.rendering import CHART, RELEASE
from tests.screening.lists import QUELLGRUND, TOLMAVIR, csv_text, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from admission.api.object import Model
    from tools.kubectl import Kubectl

SCREENER, OTHER, CONFIRMER = "screener-of-lists", "somebody-else", "carol"
CONFIRMED = {"by": CONFIRMER, "at": "2026-11-26T00:00:00Z", "reason": "same address"}
GUARD = CHART / "templates" / "guard-screening.yaml"
ELSE = {"id": "e5", "name": "Greyharrow Systems Inc.", "alt_names": ["Greyharrow"]}
WITHOUT = csv_text(QUELLGRUND, {**TOLMAVIR, **ELSE, "ids": [{"type": "Tax ID No.", "number": "9900 000 001"}]})
"""The list, with somebody else in the place of whom the tenant is like."""
NAMES = {"alike": "Tolmavir Vytchislenia LLC", "neither": "Cloudmere Robotics Inc"}


@pytest.fixture(scope="module")
def cluster(installed: Kubectl) -> Kubectl:
    """The installation with two tenants, and users who hold the roles for screening and for confirming."""
    for name, legal_name in NAMES.items():
        _create_tenant(installed, name, legal_name)
    installed("create", "clusterrolebinding", SCREENER, f"--clusterrole={RELEASE}-screening", f"--user={SCREENER}")
    installed("create", "clusterrolebinding", CONFIRMER, f"--clusterrole={RELEASE}-confirmer", f"--user={CONFIRMER}")
    installed("create", "clusterrolebinding", OTHER, f"--clusterrole={RELEASE}-operator", f"--user={OTHER}")
    return installed


def _create_tenant(cluster: Kubectl, name: str, legal_name: str) -> None:
    known = {"kind": "Tenant", "metadata": {"name": name}, "spec": {"legalName": legal_name, "kind": "Company"}}
    cluster("create", "-f", "-", stdin=json.dumps({"apiVersion": "computegate.io/v1alpha1", **known}))


@pytest.fixture
def screen(cluster: Kubectl, tmp_path: pathlib.Path) -> Callable[..., int]:
    """The command, as a user of the cluster, with a list of these entries."""

    def run(*options: str, user: str = SCREENER, text: str = csv_text(TOLMAVIR, QUELLGRUND)) -> int:
        kubeconfig = str(cluster.plane.kubeconfig_for(user, ()))
        return main(["screen", "--list", str(write(tmp_path, text)), "--kubeconfig", kubeconfig, *options])

    return run


def _screening(cluster: Kubectl, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(cluster("get", "tenants.computegate.io", name, "-o", "json").stdout)
    found: dict[str, Any] = shown.get("status", {}).get("screening", {})
    return found


def test_a_dry_run_writes_nothing_and_a_write_is_what_it_said(
    cluster: Kubectl, screen: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert screen("--dry-run", user=OTHER) == 1
    said = capsys.readouterr().out
    assert "alike: never screened -> Candidate" in said
    assert (_screening(cluster, "alike"), _screening(cluster, "neither")) == ({}, {})
    assert screen("--write") == 1
    assert said.splitlines()[1:-1] == capsys.readouterr().out.splitlines()[1:-1]
    alike, neither = _screening(cluster, "alike"), _screening(cluster, "neither")
    assert (alike["state"], neither["state"], neither["hits"]) == ("Candidate", "Clear", [])
    (hit,) = alike["hits"]
    assert (hit["party"], hit["entry"], hit["by"], hit["seenAt"]) == ("tenant", "e1", "Name", alike["candidateSince"])


def test_who_holds_no_verb_for_it_cannot_write(
    cluster: Kubectl, screen: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    _create_tenant(cluster, "unwritten", "Tolmavir Vychisleniya")
    assert screen("--write", user=OTHER) == 2
    assert "forbidden" in capsys.readouterr().err
    assert _screening(cluster, "unwritten") == {}
    cluster("delete", "tenants.computegate.io", "unwritten")


def _adding(confirmed: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"op": "test", "path": "/status/screening/hits/0/entry", "value": "e1"},
        {"op": "add", "path": "/status/screening/hits/0/confirmed", "value": confirmed},
    ]


def _judge(cluster: Kubectl, patch: list[dict[str, Any]], user: str = CONFIRMER, *options: str) -> str:
    """Patch the screening of the tenant that is alike; return what the API server said against it."""
    flags = ("--subresource=status", "--type=json", "-p", json.dumps(patch), f"--as={user}", *options)
    return cluster("patch", "tenants.computegate.io", "alike", *flags, check=False).stderr


def _set(path: str, value: object, op: str = "replace") -> list[dict[str, Any]]:
    return [{"op": op, "path": f"/status/screening{path}", "value": value}]


SEARCHES, CONFIRMS, NAMED = "needs the verb screen ", "needs the verb confirm ", "set it to carol"
JUDGEMENTS: dict[str, tuple[str, list[dict[str, Any]], str]] = {
    "who confirms": (CONFIRMER, _adding(CONFIRMED), ""),
    "who confirms as another": (CONFIRMER, _adding({**CONFIRMED, "by": "dave"}), NAMED),
    "who confirms and takes the hits away": (CONFIRMER, _set("/hits", []), SEARCHES),
    "who confirms and clears": (CONFIRMER, _set("/state", "Clear"), SEARCHES),
    "who confirms and puts it off": (CONFIRMER, _set("/hits/0/seenAt", "2999-01-01T00:00:00Z"), SEARCHES),
    "who confirms and makes it old": (
        CONFIRMER,
        _set("/clearedSince", "2020-01-01T00:00:00Z", "add"),
        SEARCHES,
    ),
    "who confirms and removes all": (CONFIRMER, [{"op": "remove", "path": "/status/screening"}], SEARCHES),
    "who confirms beside other news": (CONFIRMER, _adding(CONFIRMED) + _set("/listDigest", "other"), SEARCHES),
    "who searches takes hits away": (SCREENER, _set("/hits", []), ""),
    "who searches and confirms": (SCREENER, _adding({**CONFIRMED, "by": SCREENER}), CONFIRMS),
    "who runs the gate": (OTHER, _adding({**CONFIRMED, "by": OTHER}), "forbidden"),
}


def test_who_searches_takes_hits_away_and_who_confirms_adds_that_alone(
    cluster: Kubectl, screen: Callable[..., int]
) -> None:
    screen("--write")
    for case, (user, patch, words) in JUDGEMENTS.items():
        said = _judge(cluster, patch, user, "--dry-run=server")
        assert (words in said) if words else said == "", (case, said)


@pytest.mark.parametrize(
    ("user", "options"),
    [(CONFIRMER, ()), (SCREENER, ()), (OTHER, ("--as-group=system:masters",))],
    ids=["who confirms", "who searches", "who administers the cluster"],
)
@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "remove", "path": "/status/screening/hits/0/confirmed"}],
        _set("/hits/0/confirmed/at", "2026-11-25T00:00:00Z"),
    ],
    ids=["taken back", "put at an instant before"],
)
def test_what_was_confirmed_one_person_neither_takes_back_nor_predates(
    cluster: Kubectl, screen: Callable[..., int], patch: list[dict[str, Any]], user: str, options: tuple[str, ...]
) -> None:
    screen("--write")
    assert _judge(cluster, _adding(CONFIRMED), CONFIRMER) == ""
    said = _judge(cluster, patch, user, *options)
    refused = f"not take back: two dismiss it, by a ScreeningDismissal with confirmedAt {CONFIRMED['at']}"
    assert refused in said or (user == SCREENER and CONFIRMS in said)
    assert _screening(cluster, "alike")["hits"][0]["confirmed"] == CONFIRMED
    assert screen("--write", "--accept", text=WITHOUT) == 0, "what the list has no more leaves"


def test_it_is_confirmed_anew_by_who_may_confirm_and_written_in_any_form(
    cluster: Kubectl, screen: Callable[..., int]
) -> None:
    screen("--write")
    assert _judge(cluster, _adding({**CONFIRMED, "at": "2026-11-26T01:00:00.5+01:00"})) == ""
    anew = _set("/hits/0/confirmed/at", "2026-11-27T00:00:00Z")
    assert CONFIRMS in _judge(cluster, anew, SCREENER)
    aliased = {**TOLMAVIR, "alt_names": ["Tolmavir"]}
    assert screen("--write", text=csv_text(aliased, QUELLGRUND)) == 1
    (hit,) = _screening(cluster, "alike")["hits"]
    assert hit["confirmed"]["at"] == "2026-11-26T01:00:00.500000+01:00", "written again, in another form"
    assert _judge(cluster, anew) == ""
    assert screen("--write", "--accept", text=WITHOUT) == 0


@pytest.mark.parametrize(
    ("model", "field", "names"),
    [(Screening, "hits", "screeningFields"), (ScreeningHit, "confirmed", "hitFields")],
)
def test_the_guard_holds_every_field_of_the_model(model: type[Model], field: str, names: str) -> None:
    listed = re.search(rf'"computegate.{names}" -}}}}\n\[(.*)\]', GUARD.read_text())
    assert listed is not None
    assert set(listed[1].split(", ")) == {str(each.alias) for each in model.model_fields.values()} - {field}


def test_what_somebody_judged_outlives_the_next_list_and_what_is_gone_leaves(
    cluster: Kubectl, screen: Callable[..., int]
) -> None:
    screen("--write")
    assert _judge(cluster, _adding(CONFIRMED)) == ""
    aliased = {**TOLMAVIR, "alt_names": ["Tolmavir"]}
    assert screen("--write", text=csv_text(aliased, QUELLGRUND)) == 1
    alike = _screening(cluster, "alike")
    assert (alike["state"], alike["matchedParties"], alike["hits"][0]["confirmed"]) == ("Match", ["tenant"], CONFIRMED)
    assert "candidateSince" not in alike
    assert screen("--write", "--accept", text=WITHOUT) == 0
    gone = _screening(cluster, "alike")
    assert (gone["state"], gone["matchedParties"], gone["hits"]) == ("Clear", [], [])


def test_what_somebody_judges_meanwhile_is_not_overwritten(cluster: Kubectl) -> None:
    _create_tenant(cluster, "judged", "Tolmavir Vychisleniya")
    kubeconfig = cluster.plane.kubeconfig_for(SCREENER, ())
    listed = Entry("e1", "list", "Entity", (TOLMAVIR["name"],), ())
    now = datetime.now(UTC)
    searchable = Searchable(Index([listed]), now, "list-1", 1)

    def searched(tenant: Tenant) -> Screening:
        found = screen_by(tenant, searchable, (), now, "scr-1")
        if not tenant.status.screening:  # somebody judges the hit while the first answer is under way
            hit = {**found.hits[0].model_dump(mode="json", by_alias=True, exclude_none=True), "confirmed": CONFIRMED}
            patch = json.dumps({"status": {"screening": {"state": "Candidate", "hits": [hit]}}})
            cluster("patch", "tenants.computegate.io", "judged", "--subresource=status", "--type=merge", "-p", patch)
        return found

    async def write_once() -> None:
        client = await Client.connect(pathlib.Path(kubeconfig))
        stored = await client.get("/apis/computegate.io/v1alpha1/tenants/judged")
        await screened.write(client, Tenant.model_validate_json(stored), searched)
        await client.close()

    asyncio.run(write_once())
    found = _screening(cluster, "judged")
    assert (found["state"], found["hits"][0]["confirmed"]) == ("Match", CONFIRMED)
    cluster("delete", "tenants.computegate.io", "judged")


def test_a_list_that_becomes_bad_leaves_the_last_good_one_in_use_and_a_new_one_is_taken_up(
    cluster: Kubectl, tmp_path: pathlib.Path
) -> None:
    kubeconfig = str(cluster.plane.kubeconfig_for(SCREENER, ()))
    path = write(tmp_path, csv_text(QUELLGRUND, TOLMAVIR))
    options = ("--list", str(path), "--kubeconfig", kubeconfig, "--write", "--every", "0.2")
    command = [sys.executable, "-m", "admission.cli.main", "screen", *options]
    log = tmp_path / "log"
    with log.open("w") as said, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said) as running:
        try:
            _eventually(lambda: _screening(cluster, "alike").get("state") == "Candidate")
            write(tmp_path, csv_text(QUELLGRUND, TOLMAVIR)[:-30])
            _eventually(lambda: "the last good list" in log.read_text())
            _create_tenant(cluster, "newcomer", "Quellgrund Rechenwerke")
            _eventually(lambda: _screening(cluster, "newcomer").get("state") == "Candidate")
            write(tmp_path, csv_text(TOLMAVIR))
            _eventually(lambda: "cut short?" in log.read_text())
            write(tmp_path, csv_text(TOLMAVIR, {**QUELLGRUND, "name": "Greyharrow Systems Inc."}))
            _eventually(lambda: _screening(cluster, "newcomer").get("state") == "Clear")
        finally:
            running.terminate()


def _eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "not within 30 s"
        time.sleep(0.1)
