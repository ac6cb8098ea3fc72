"""Serve for long, and through restarts and rotations: ``make soak MINUTES=30``.

Two replicas on a real API server and etcd, with an authority of their own.  First, for so many minutes, creators make
pods of one accelerator at a steady rate, and delete them again: what grows over time is told by the slope of the
replicas' memory, and of the time of a create and of a decision.  Then, while others ask without a pause, each replica
is replaced five times over, one after the other, and the certificate is rotated five times: until so many requests were
answered, none may be lost.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.contender import memory_mb
from bench.machine import machine
from bench.result import add_options, held, publish
from bench.slope import growth
from tests.e2e.certified import API_SERVER, Certified, Questions, admission_control
from tests.e2e.objects import examples, gpu_pod, namespace, quota, tenant
from tests.e2e.world import World, eventually, value
from tests.loops import Loops
from tools.controlplane import ControlPlane
from tools.direct import Direct

TMPFS = Path("/dev/shm")  # noqa: S108 (etcd's data for minutes; nothing to hide)
SERVING, WHERE, COUNTRY = 2, "soak", "FR"
KEEP_SECONDS = 95
"""Longer than an API server keeps an idle connection."""
DECISION = "computegate_decision_duration_seconds"
MOST = {"memory": 0.03, "create": 0.2, "decision": 0.2}
"""Growth within the run that is not told from noise, as a share of the median."""
CREATED = 201
Figures = dict[str, Any]


def main() -> None:
    """Soak, print the table, write the JSON."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is stopped then, too
    with tempfile.TemporaryDirectory(dir=TMPFS if TMPFS.is_dir() else None) as folder:
        directory = Path(folder)
        flag = f"--admission-control-config-file={directory / 'admission.yaml'}"
        plane = ControlPlane(directory / "plane", controllers=["kube-controller-manager"], flags=[flag])
        shown = plane.issue(API_SERVER)
        admission_control(directory, str(shown.certificate), str(shown.key))
        number = SERVING * (options.turns + 1)
        with plane:
            gate = Certified(
                plane, directory / "gate", clients=plane.ca, replicas=number, server={"keepSeconds": KEEP_SECONDS}
            )
            try:
                result = _soaked(Soak(gate), options)
            finally:
                for replica in gate.replicas:
                    replica.kill()
                gate.close()
    publish(result, _table(result), options.out, write="make soak" if options.write else "")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--window", type=float, default=15, help="seconds of one point of the series")
    parser.add_argument("--rate", type=float, default=20, help="pods a second")
    parser.add_argument("--turns", type=int, default=5, help="rolling restarts, and rotations")
    parser.add_argument("--requests", type=int, default=10_000, help="to be answered meanwhile, at least")
    add_options(parser, "soak.json")
    return parser.parse_args()


def _soaked(soak: Soak, options: argparse.Namespace) -> Figures:
    soak.begin()
    windows = soak.steadily(options.minutes * 60, options.window, options.rate)
    return {
        "machine": machine(),
        "minutes": options.minutes,
        "rate": options.rate,
        "windows": windows,
        "growth": _growths(windows),
        "turns": options.turns,
        **soak.disturbed(options.turns, options.requests),
    }


class Creators(Loops):
    """Create a pod and delete it again, so many a second, each creator one at a time.

    ``seconds`` are those of the creates since it was last emptied; ``refused`` is what else was answered.
    """

    def __init__(self, plane: ControlPlane, rate: float, creators: int = 4) -> None:
        super().__init__(*[self._create] * creators)
        self._plane, self._pause = plane, creators / rate
        self.seconds, self.refused = list[float](), list[str]()

    def _create(self) -> None:
        path, number = f"/api/v1/namespaces/{WHERE}/pods", 0
        due = time.monotonic()
        with Direct(self._plane) as direct:
            while not self.over.is_set():
                name, number = f"soak-{id(direct):x}-{number}", number + 1
                began = time.monotonic()
                answer = direct("POST", path, gpu_pod(name, WHERE))
                self.seconds.append(time.monotonic() - began)
                if answer.code != CREATED:
                    self.refused.append(answer.message)
                direct("DELETE", f"{path}/{name}?gracePeriodSeconds=0")
                due = max(due + self._pause, time.monotonic() - 1)
                time.sleep(max(0.0, due - time.monotonic()))


class Soak:
    """What happens to an installation."""

    def __init__(self, gate: Certified) -> None:
        self._gate = gate
        self._serving = gate.replicas[:SERVING]
        self._fresh = iter(gate.replicas[SERVING:])

    def begin(self) -> None:
        """Install it, with replicas that serve and a tenant that is cleared."""
        gate = self._gate
        gate.apply()
        for replica in self._serving:
            replica.start()
        for replica in self._serving:
            replica.wait()
        self._balance()
        gate.wait_in_force()
        limits = quota(WHERE, COUNTRY, 10**6)
        of_it = (limits, tenant(WHERE, COUNTRY), namespace(WHERE, WHERE, "enforce"), namespace("asked", mode="enforce"))
        World(gate).apply(*examples("policy", "pools"), *of_it)

    def steadily(self, seconds: float, window: float, rate: float) -> list[Figures]:
        """Create at a steady rate; return what was seen in each window."""
        windows: list[Figures] = []
        with Creators(self._gate.plane, rate) as creators:
            for _ in range(max(1, round(seconds / window))):
                creators.seconds.clear()
                before = self._decided()
                time.sleep(window)
                windows.append(self._window(creators, before))
                print(windows[-1], file=sys.stderr)
        return windows

    def _window(self, creators: Creators, before: tuple[float, float]) -> Figures:
        every, (spent, count) = sorted(creators.seconds), self._decided()
        return {
            "created": len(every),
            "refused": len(creators.refused),
            "create_ms": statistics.median(every) * 1000 if every else 0.0,
            "create_p99_ms": every[int(0.99 * (len(every) - 1))] * 1000 if every else 0.0,
            "decision_ms": (spent - before[0]) / max(1.0, count - before[1]) * 1000,
            "memory_mb": [memory_mb(each.popen.pid) for each in self._serving if each.popen is not None],
        }

    def _decided(self) -> tuple[float, float]:
        """Return the seconds and the number of decisions so far."""
        expositions = [each.metrics() for each in self._serving]
        spent, count = (sum(value(each, f"{DECISION}_{what}") for each in expositions) for what in ("sum", "count"))
        return spent, count

    def disturbed(self, turns: int, requests: int) -> Figures:
        """Replace all replicas and rotate the certificate, so many times; return what was answered meanwhile."""
        with Questions(self._gate.plane, "asked") as asked:
            for _ in range(turns):
                for place in range(SERVING):
                    self._replace(place)
                self._rotate()
                print(f"{asked.answers} answered, {len(asked.lost)} lost", file=sys.stderr)
            eventually(lambda: asked.answers >= requests, seconds=max(60.0, requests / 10))
        return {"answers": asked.answers, "lost": asked.lost}

    def _replace(self, place: int) -> None:
        """Start another replica, lead new connections there, and tell the former one to go."""
        former, replica = self._serving[place], next(self._fresh)
        replica.start()
        replica.wait()
        self._serving[place] = replica
        self._balance()
        assert former.popen is not None
        former.popen.terminate()

    def _rotate(self) -> None:
        before = self._gate.secret()["tls.crt"]
        self._gate.ask("certificate")
        eventually(lambda: self._gate.secret()["tls.crt"] != before, seconds=90)

    def _balance(self) -> None:
        self._gate.balancer.backends = [each.port for each in self._serving]


def _growths(windows: list[Figures]) -> Figures:
    memories = zip(*(each["memory_mb"] for each in windows), strict=True)
    return {
        "memory": max(growth(series) for series in memories),
        "create": growth([each["create_ms"] for each in windows]),
        "decision": growth([each["decision_ms"] for each in windows]),
    }


# -- what is printed -----------------------------------------------------------------------------


def _table(result: Figures) -> str:
    windows = result["windows"]
    lines = [f"{result['machine']}.", ""]
    lines += [f"{result['minutes']:g} minutes at {result['rate']:g} pods/s:", ""]
    lines += ["| | first window | median | last window | growth | |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    series = {
        "memory": ("resident MB of the larger replica", [max(each["memory_mb"]) for each in windows]),
        "create": ("p50 of a create, ms", [each["create_ms"] for each in windows]),
        "decision": ("mean decision, ms", [each["decision_ms"] for each in windows]),
    }
    for key, (title, every) in series.items():
        grown, most = result["growth"][key], MOST[key]
        points = " | ".join(f"{each:.2f}" for each in (every[0], statistics.median(every), every[-1]))
        lines.append(f"| {title} | {points} | {grown:+.1%} | {held(grown <= most)}: at most {most:+.0%} |")
    created, refused = sum(each["created"] for each in windows), windows[-1]["refused"]
    answers, lost = result["answers"], len(result["lost"])
    through = f"{answers} answered through {result['turns']} rolling restarts and {result['turns']} rotations"
    lines += ["", f"* {created} pods created: {held(not refused)}, {refused} refused of 0"]
    lines.append(f"* {through}: {held(not lost)}, {lost} lost of 0")
    return "\n".join([*lines, *(f"  * {line}" for line in result["lost"][:5])])


if __name__ == "__main__":
    main()
