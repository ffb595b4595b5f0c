"""What a result records of the machine, the code and the day that it is from."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path


def load() -> float:
    """Return the load of this machine over the last minute: how many threads want a core."""
    return float(Path("/proc/loadavg").read_text().split()[0])


def processor() -> str:
    """Return the name of this machine's processor, and how many cores there are."""
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{names[0] if names else 'unknown'}, {os.cpu_count()} cores"


def commit() -> str:
    """Return the commit of this checkout, with a `+` if files differ from it; empty: unknown."""
    text = "git -C {} describe --always --abbrev=12 --dirty=+ --exclude=*"
    command = text.format(Path(__file__).parent).split()
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # there is no git
        return ""
    return done.stdout.strip()


def now() -> str:
    """Return the date."""
    return time.strftime("%Y-%m-%d", time.gmtime())
