"""What was measured on, in a line."""

from __future__ import annotations

import datetime as dt
import os
import platform
from pathlib import Path


def machine(*versions: str) -> str:
    """Return processor, cores, Python, further versions, and the day."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.partition(":")[2].strip() for line in lines if "model name" in line)
    programs = ", ".join((f"Python {platform.python_version()}", *versions))
    return f"{next(models, platform.machine())}, {os.cpu_count()} cores; {programs}; {dt.datetime.now(dt.UTC).date()}"
