"""Count the instructions of a review and hold them against the baseline: ``make bench-gate``.

A time says little on a machine that others use; a count of instructions is the same each time, to a percent or so.
The whole product runs under valgrind, its ledger in memory, and answers reviews over TLS on one kept connection, each
of them decided anew (``steady.py``).  What counts is instructions for each review by those of a yardstick, which runs
under the same interpreter and is counted in the same run: another build of Python changes both.  Of several counts the
least is taken, as what is done besides only adds.  The program ends with 1 when a review takes over so many percent
more than in ``gate.json``.

After a change that is meant, ``--renew`` writes the baseline anew.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.counted import Counted, require_valgrind, yardstick
from bench.machine import machine
from bench.result import add_options, publish
from bench.serve import OURS_PATH, PRODUCT, prepare

BASELINE = Path(__file__).parent / "gate.json"
TOLERANCE = 0.05
"""What a review may take more than in the baseline, as a share of it."""
SIZES = (3, 15)
"""Of bodies, in KB."""
_YARDSTICK_ROUNDS = 500
_TRIES = 5
"""Under valgrind, on a busy machine, the server may be late for its own limits."""
Figures = dict[str, float]


def main() -> None:
    """Count, print the table, write the JSON; exit with 1 when something takes longer than it did."""
    options = _options()
    require_valgrind()
    os.environ["PYTHONHASHSEED"] = "0"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder, SIZES)
        round_ = yardstick(folder, _YARDSTICK_ROUNDS)
        with Counted("ours", f"{PRODUCT} steady", folder, OURS_PATH) as server:
            counts = _counts(server, folder, options)
    found = {name: min(each) / round_ for name, each in counts.items()}
    if options.renew:
        BASELINE.write_text(json.dumps({"python": platform.python_version(), "yardsticks": found}, indent=1) + "\n")
    if not BASELINE.exists():
        raise SystemExit(f"no {BASELINE.name} to hold it against: make one with --renew")
    baseline: Figures = json.loads(BASELINE.read_text())["yardsticks"]
    result = {"machine": machine(), "yardstick": round_, "counts": counts, "yardsticks": found, "baseline": baseline}
    publish(result, _table(result), options.out, write="make bench-gate" if options.write else "")
    if slower := [name for name, each in found.items() if each > baseline[name] * (1 + TOLERANCE)]:
        raise SystemExit(f"more instructions than the baseline allows: {', '.join(slower)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200, help="of each count")
    parser.add_argument("--times", type=int, default=5, help="counts of each body")
    parser.add_argument("--renew", action="store_true", help=f"write the baseline, {BASELINE.name}, anew")
    add_options(parser, "gate.json")
    return parser.parse_args()


def _counts(server: Counted, folder: Path, options: argparse.Namespace) -> dict[str, list[float]]:
    """Return instructions for each review, several times for each body; the first count of all is a warm-up."""
    for size in SIZES:
        _send(server, folder, size, options.requests)
    server.begin()
    for size in SIZES:
        _count(server, folder, size, options.requests)
    rounds = [[_count(server, folder, size, options.requests) for size in SIZES] for _ in range(options.times)]
    return {f"{size} KB": list(each) for size, each in zip(SIZES, zip(*rounds, strict=True), strict=True)}


def _count(server: Counted, folder: Path, size: int, requests: int) -> float:
    """Return the instructions for each review, once all of them were answered in time."""
    for _ in range(_TRIES):
        allowed, instructions = _send(server, folder, size, requests), server.counted()
        if allowed == requests:
            return instructions / requests
    raise SystemExit(f"{allowed:.0f} of {requests} reviews of {size} KB were allowed, {_TRIES} times over")


def _send(server: Counted, folder: Path, size: int, requests: int) -> float:
    """Return how many were allowed."""
    command = [str(folder / "load"), "-url", f"https://127.0.0.1:{server.port}{server.path}", "-connections", "1"]
    command += ["-authority", str(folder / "ca.crt"), "-body", str(folder / f"{size}.json"), "-requests", str(requests)]
    seen: Figures = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return seen["allowed"]


def _table(result: dict[str, Any]) -> str:
    titles = ("body", "instructions for each review (least–largest)", "yardsticks", "baseline", "x baseline")
    lines = [f"{result['machine']}.", f"One yardstick is {result['yardstick']:,.0f} instructions.", ""]
    lines += [f"| {' | '.join(titles)} |", "| ---: | ---: | ---: | ---: | ---: |"]
    for name, found in result["yardsticks"].items():
        counts, baseline = result["counts"][name], result["baseline"][name]
        between = f"{min(counts):,.0f}–{max(counts):,.0f}"
        lines.append(f"| {name} | {between} | {found:.2f} | {baseline:.2f} | {found / baseline:.3f} |")
    return "\n".join([*lines, "", f"A review may take {TOLERANCE:.0%} more than in the baseline."])


if __name__ == "__main__":
    main()
