"""What was measured on, in a line."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from pathlib import Path


def machine(*versions: str) -> str:
    """Return processor, cores, how busy they are, Python, further versions, and the day."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.partition(":")[2].strip() for line in lines if "model name" in line)
    programs = ", ".join((f"Python {platform.python_version()}", *versions))
    load = f"load {os.getloadavg()[2]:.1f}"
    today = dt.datetime.now(dt.UTC).date()
    return f"{next(models, platform.machine())}, {os.cpu_count()} cores, {load}; {programs}; {today}"


def go_version() -> str:
    """Return the version of Go."""
    return subprocess.run(["go", "env", "GOVERSION"], check=True, stdout=subprocess.PIPE).stdout.decode().strip()
