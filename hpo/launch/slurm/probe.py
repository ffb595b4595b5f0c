"""What the check of a site runs on a compute node: `python -m hpo.launch.slurm.probe FOLDER`."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import sys
import time
from importlib.metadata import version
from pathlib import Path

import hydra
import optuna

from commons.files import replacing
from hpo.launch.slurm.meeting import count, hear, say


def versions() -> dict[str, str]:
    """Return the versions that have to be the same on all nodes."""
    return {
        "python": platform.python_version(),
        "hydra": hydra.__version__,
        "optuna": optuna.__version__,
        "cloudpickle": version("cloudpickle"),
        "hpo": _code(),
    }


def _code() -> str:
    digest, root = hashlib.sha256(), Path(__file__).parents[2]
    for path in sorted(root.rglob("*.py")):
        digest.update(path.read_bytes())
    return f"code {digest.hexdigest()[:8]}"


def main(arguments: list[str]) -> int:
    """Meet the login node in a folder; only the first task of a job does."""
    if os.environ.get("SLURM_PROCID", "0") != "0":
        return 0
    folder = Path(arguments[0])
    say(folder, "node", host=_host(), executable=sys.executable, versions=versions())
    hear(folder, "login")
    seen = time.time()
    with replacing(folder / "replaced") as partial:
        partial.write_text("node")
    say(folder, "seen", time=seen)
    begin = time.monotonic()
    say(folder, "ping")
    hear(folder, "pong")
    wait_s = time.monotonic() - begin
    count(folder)
    say(folder, "done", wait_s=wait_s)
    return 0


def _host() -> str:
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
