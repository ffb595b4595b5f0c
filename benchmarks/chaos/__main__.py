"""Sweeps on a real SLURM cluster under faults, and how they end (`make chaos`).

    python -m benchmarks.chaos [only=NAME,...] [out=DIR] [seed=0]

Starts a cluster of four nodes on this machine (and PostgreSQL for the rows that need it), runs
one sweep per fault and checks that exactly the requested number of trials is finished, that none
is lost or was finished twice, and that at most one finished epoch of a trial was run again. The
counts come from a record that the application keeps outside of the study. Exit code 1 if any row
is wrong. The committed table is `benchmarks/results/chaos.json`.

    only   names of rows (only=list shows them); the table then goes to DIR/chaos.json
    out    folder of the sweeps and of the cluster; emptied first
    seed   of the random moments
"""

from __future__ import annotations

import logging
import platform
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.text import Text

from benchmarks.chaos.checks import Row, check, check_loss
from benchmarks.chaos.faults import Fault
from benchmarks.chaos.rows import FAULTS
from benchmarks.chaos.sweep import ROOT, Stage, Sweep
from benchmarks.record import write_result
from commons.cli import Failure, choose, run_command
from commons.console import Console, Table
from commons.processes import n_cores
from testbed.packages import Unavailable
from testbed.postgres import PostgresServer
from testbed.slurm import SlurmCluster

_DEPENDS = (
    "benchmarks.chaos",
    "benchmarks/chaos/app",
    "hpo.launch.slurm.launcher",
    "hpo.launch.slurm.meeting",
    "hpo.launch.slurm.task",
    "hpo.launch.slurm.watch",
    "hpo.sweep.crew",
    "hpo.sweep.sweep",
    "commons.clocks",
    "commons.lock_files",
    "commons.locks",
    "commons.optuna_replay",
    "hpo.storage.batching",
    "hpo.storage.journal",
    "hpo.storage.patient",
    "hpo.storage.records",
    "hpo.storage.repair",
    "hpo.study",
    "hpo.worker",
)


@dataclass
class Settings:
    """What the command line may set."""

    only: str = ""
    out: Path = Path("outputs/chaos")
    seed: int = 0


def main(arguments: list[str]) -> int:
    """Run the rows; see the module's text."""
    return run_command(_provoke, Settings, arguments, __doc__)


def _provoke(settings: Settings) -> int:
    faults = chosen(settings.only)
    out = settings.out.absolute()
    console = Console(width=None if sys.stdout.isatty() else 150)
    with ExitStack() as stack:
        try:
            cluster = SlurmCluster(out / "servers" / "slurm")
            if cluster.running:
                raise Failure(f"out={out}: another such command runs there")
            shutil.rmtree(out, ignore_errors=True)
            stack.enter_context(cluster)
            server = None
            if any(fault.storage == "postgres" for fault in faults):
                server = stack.enter_context(PostgresServer(out / "servers" / "postgres"))
        except Unavailable as error:
            raise Failure(str(error)) from error
        rows = []
        for fault in faults:
            row = run(fault, cluster, out / fault.name, server, settings.seed)
            console.print(f"{row.name}: {row.to_json()['verdict']} after {row.wall_s:.0f} s")
            rows.append(row)
        report = {"rows": [row.to_json() for row in rows], **circumstances(cluster, server)}
    console.print(table(rows))
    path = out / "chaos.json" if settings.only else ROOT / "benchmarks" / "results" / "chaos.json"
    seeds = [settings.seed]
    write_result(path, report, command="make chaos", depends=_DEPENDS, seeds=seeds)
    console.print(f"written to {path}")
    return int(any(row.problems for row in rows))


def chosen(only: str) -> list[Fault]:
    """Return the faults of these names, all for an empty text.

    Raises:
        UsageError: there is no fault of such a name.
        SystemExit: the list is asked for.
    """
    known = {fault.name: fault for fault in FAULTS}
    if only == "list":
        print("\n".join(f"{fault.name:16} {fault.text}" for fault in FAULTS))
        raise SystemExit(0)
    names = only.split(",") if only else list(known)
    for name in names:
        choose("only", name, known)
    return [known[name] for name in names]


def run(
    fault: Fault, cluster: SlurmCluster, folder: Path, server: PostgresServer | None, seed: int
) -> Row:
    """Run a sweep, inject the fault, return the outcome."""
    storage = None
    if fault.storage == "apart":
        storage = str(folder / "apart" / "journal.log")
    elif fault.storage == "postgres":
        assert server is not None
        database = f"chaos_{fault.name}"
        server.query(f"CREATE DATABASE {database}", database="postgres")
        storage = f"{server.url.rpartition('/')[0]}/{database}"
    sweep = Sweep(cluster, folder, fault.size, storage, fault.overrides)
    begin = time.monotonic()
    with ExitStack() as cleanup:
        cleanup.callback(sweep.clean)
        sweep.start()
        try:
            fault.inject(Stage(sweep, random.Random(seed), cleanup, server))
            code = sweep.end()
            examine = check_loss if fault.expected.loss else check
            return examine(fault.name, sweep, code, time.monotonic() - begin, fault.expected)
        except Exception as error:  # noqa: BLE001 - the other rows are still worth running
            wall_s = round(time.monotonic() - begin, 1)
            problem = f"{type(error).__name__}: {error}"
            return Row(fault.name, wall_s=wall_s, problems=[problem])


def circumstances(cluster: SlurmCluster, server: PostgresServer | None) -> dict[str, Any]:
    """Return versions and circumstances of the table, without the name of the machine."""
    versions = {name: version(name) for name in ("hydra-core", "optuna", "submitit")}
    versions["slurm"] = cluster.run("sinfo", "--version").split()[-1]
    if server is not None:
        versions["postgresql"] = server.query("SHOW server_version").split()[0]
    commit = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    known = subprocess.run(commit, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": known or None,
        "python": platform.python_version(),
        "versions": versions,
        "cores": n_cores(),
        "system": f"{platform.system()} {platform.release()}",
    }


def table(rows: list[Row]) -> Table:
    """Return the table of all rows; the last column says what is wrong."""
    texts = {fault.name: fault.text for fault in FAULTS}
    shown = Table(title="sweeps under faults", title_justify="left")
    for name in ("fault", ""):
        shown.add_column(name, no_wrap=True)
    for name in ("finished", "lost", "twice", "repeated", "retries", "requeues"):
        shown.add_column(name, justify="right")
    shown.add_column("arrays", justify="right")
    shown.add_column("s", justify="right")
    shown.add_column("verdict", overflow="fold")
    for row in rows:
        finished = "+".join(str(row.states.get(s, 0)) for s in ("complete", "pruned", "fail"))
        numbers = (row.lost, row.twice, row.repeated, row.retries, row.restarts, row.arrays)
        verdict = Text("FAILED", "red") if row.problems else Text("ok", "green")
        for line in row.problems or row.failures:
            verdict.append(f"\n{line}", "default")
        cells = [finished, *map(str, numbers), f"{row.wall_s:.0f}", verdict]
        shown.add_row(row.name, texts[row.name], *cells)
    return shown


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end too
    logging.getLogger("hpo").setLevel(logging.ERROR)  # our own look at a damaged journal
    sys.exit(main(sys.argv[1:]))
