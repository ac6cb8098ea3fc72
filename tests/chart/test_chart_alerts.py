"""The alerts and the dashboard: what they ask for exists, and each alert fires when it should and not before."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from admission.enforce.alarm.watch import LAG_SECONDS, TICK_SECONDS
from tests.chart.alerts import BRIEF, CASES
from tests.chart.features import MONITORING
from tests.chart.rendering import OUTSIDE, PROVIDED, RELEASE, Chart
from tools.chart_docs import CHART, PAGES, ROOT, alerts, defaults, renewed
from tools.process import binaries

FOREIGN = {
    "apiserver_admission_webhook_admission_duration_seconds",
    "apiserver_admission_webhook_fail_open_count",
    "apiserver_admission_webhook_rejection_count",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
}
"""What others expose: the API server, and the Prometheus client."""

_METRIC = re.compile(r"\b(?:computegate|apiserver|process)_[a-z_]+")
_MINUTES = {"m": 1, "h": 60}
_SECONDS = {"s": 1, "m": 60, "h": 3600}
API_SERVER_INTERVAL = "30s"
"""How often the API server is scraped where nobody says otherwise (kube-prometheus-stack)."""

SEEN_SECONDS = LAG_SECONDS + 2 * TICK_SECONDS
"""Until a replica has seen at the worst that the gate is not what it was."""


@pytest.fixture(scope="module")
def rules(chart: Chart) -> list[dict[str, Any]]:
    spec = chart.render(*PROVIDED, *MONITORING)["PrometheusRule", RELEASE]["spec"]
    groups: list[dict[str, Any]] = spec["groups"]
    return groups


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [binaries("promtool")["promtool"], *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def dashboard(chart: Chart) -> dict[str, Any]:
    text = chart.render(*PROVIDED, *MONITORING)["ConfigMap", f"{RELEASE}-dashboard"]["data"]["computegate.json"]
    board: dict[str, Any] = json.loads(text)
    return board


def test_no_query_names_a_metric_that_does_not_exist(chart: Chart, rules: list[dict[str, Any]]) -> None:
    documented = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    queries = [rule["expr"] for group in rules for rule in group["rules"]]
    queries += [target["expr"] for panel in dashboard(chart)["panels"] for target in panel.get("targets", ())]
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for query in queries for name in _METRIC.findall(query)}
    foreign = {re.sub(r"_(bucket|sum|count)$", "", name) for name in FOREIGN}
    assert named - documented - foreign == set()


def test_every_metric_that_is_no_standalones_is_on_the_dashboard_or_in_an_alert(
    chart: Chart, rules: list[dict[str, Any]]
) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(computegate_\w+)`.*\| ([^|]*) \|$", page, re.MULTILINE)
    wanted = {name for name, meaning in rows if "standalone only" not in meaning}
    shown = json.dumps(dashboard(chart)) + json.dumps(rules)
    assert {name for name in wanted if name not in shown} == set()


def test_the_panels_stand_side_by_side(chart: Chart) -> None:
    panels = dashboard(chart)["panels"]
    places = [panel["gridPos"] for panel in panels]
    covered = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(covered) == len(set(covered))
    assert max(x for x, _ in covered) < 24
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))


def test_each_alert_fires_when_it_should_and_not_before(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": rules}))
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", str(tmp_path / "rules.yaml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    waits = {rule["alert"]: rule["for"] for group in rules for rule in group["rules"]}
    assert set(waits) == set(CASES) == {alert["alert"] for alert in alerts()}
    tests = [unit_test(group, waits, fires=fires) for group in apart() for fires in (True, False)]
    path = tmp_path / "tests.yaml"
    path.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}))
    done = promtool("test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", BRIEF)
def test_what_was_over_before_a_scrape_saw_it_grow_fires_too(
    rules: list[dict[str, Any]], tmp_path: Path, name: str
) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": rules}))
    series = [{"series": each, "values": values} for each, values in BRIEF[name].items()]
    firing = f'count(ALERTS{{alertname="{name}", alertstate="firing"}})'
    asks = [asked(firing, 9, []), asked(firing, 12, [{"labels": "{}", "value": 1}]), asked(firing, 30, [])]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": asks}
    path = tmp_path / "tests.yaml"
    path.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}))
    done = promtool("test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["GateNotIntact", "FailsOpen", "Weakened", "ReleaseWeakened"])
def test_that_the_gate_was_taken_away_is_told_within_a_minute(chart: Chart, name: str) -> None:
    """From the change to the alert at the worst: seen, scraped, evaluated, and held for its time."""
    pods = chart.render(*PROVIDED, "--set=podMonitor.enabled=true")
    objects = pods | chart.render(*PROVIDED, *MONITORING, "--set=serviceMonitor.enabled=true")
    groups = objects["PrometheusRule", RELEASE]["spec"]["groups"]
    [(group, rule)] = [(g, rule) for g in groups for rule in g["rules"] if rule["alert"] == f"Computegate{name}"]
    scrapes = [
        objects["ServiceMonitor", RELEASE]["spec"]["endpoints"][0]["interval"],
        objects["PodMonitor", RELEASE]["spec"]["podMetricsEndpoints"][0]["interval"],
        API_SERVER_INTERVAL,
    ]
    assert SEEN_SECONDS + max(map(seconds, scrapes)) + seconds(group["interval"]) + seconds(rule["for"]) <= 60


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], 0),
        (["--set=serviceMonitor.interval=42s"], 0),
        (["--set=serviceMonitor.interval=43s"], 61),
        (["--set=prometheusRule.interval="], 93),
        (["--set=serviceMonitor.enabled=false", "--set=podMonitor.enabled=true", "--set=podMonitor.interval=1m"], 78),
    ],
)
def test_helms_notes_say_when_intervals_make_more_than_a_minute(chart: Chart, flags: list[str], told: int) -> None:
    given = ("--set=prometheusRule.enabled=true", "--set=serviceMonitor.enabled=true", *PROVIDED, *flags)
    done = chart.run("install", RELEASE, str(CHART), "--dry-run=client", *given)
    assert done.returncode == 0, done.stderr
    said = re.findall(r"told within (\d+) s, not within a minute: [^;]* must make (\d+) s at most", done.stdout)
    assert said == ([(f"{told}", f"{60 - SEEN_SECONDS:.0f}")] if told else [])


def seconds(duration: str) -> int:
    """Return a duration of Prometheus in seconds."""
    return sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([smh])", duration))


def apart() -> list[list[str]]:
    """Group alerts that no metric connects: each group is tested at once, as a test takes a second to set up."""
    groups: list[tuple[set[str], list[str]]] = []
    for name, case in CASES.items():
        metrics = {series.partition("{")[0] for series in (*case.fires, *case.quiet)}
        taken, group = next((each for each in groups if not each[0] & metrics), (set[str](), list[str]()))
        if not group:
            groups.append((taken, group))
        taken |= metrics
        group.append(name)
    return [group for _, group in groups]


def unit_test(group: list[str], waits: dict[str, str], *, fires: bool) -> dict[str, Any]:
    """Return a test of promtool: with the bad series, before and after each alert's time, or with the good ones."""
    series = {s: v for name in group for s, v in getattr(CASES[name], "fires" if fires else "quiet").items()}
    return {
        "name": f"{'fires' if fires else 'is quiet'}: {', '.join(group)}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [each for name in group for each in expected(name, waits[name], fires=fires)],
    }


def expected(name: str, wait: str, *, fires: bool) -> list[dict[str, Any]]:
    minutes = int(wait[:-1]) * _MINUTES.get(wait[-1], 1) if wait[-1] in _MINUTES else 1
    firing = f'count(ALERTS{{alertname="{name}", alertstate="firing"}})'
    once = [{"labels": "{}", "value": 1}]
    before = [asked(firing, minutes - 1, [])] if minutes > 1 else []
    return [*before, asked(firing, minutes + 20, once)] if fires else [asked(firing, minutes + 20, [])]


def asked(query: str, minutes: int, samples: list[dict[str, Any]]) -> dict[str, Any]:
    return {"expr": query, "eval_time": f"{minutes}m", "exp_samples": samples}


def test_outside_nobody_counts_replicas(chart: Chart) -> None:
    groups = chart.render(*OUTSIDE, *MONITORING)["PrometheusRule", RELEASE]["spec"]["groups"]
    said = {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}
    assert said["ComputegateReplicasMissing"].endswith("< 1")


def test_what_the_templates_know_of_defaults_is_up_to_date() -> None:
    assert (CHART / "files" / "defaults.yaml").read_text() == defaults()


@pytest.mark.parametrize("page", PAGES)
def test_what_is_generated_of_a_page_is_up_to_date(page: str) -> None:
    assert (ROOT / "docs" / page).read_text() == renewed(page)
