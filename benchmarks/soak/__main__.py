"""Many short sweeps under random faults, over six policies (`make soak`).

    python -m benchmarks.soak [rounds=100] [seed=0] [policy=NAME] [out=DIR]

Each round is a study of 16 trials with 3 workers and two to five faults at random moments: SIGKILL
of a worker or of the command, SIGSTOP for longer than a lease, a clock that jumps by up to ten
minutes, a journal that is renamed and put back. Rounds alternate between processes that call
`hpo.optimize` and a Hydra sweep with `hpo_local`. After each, the totals must be exact, every
reported step must have been run, and a trial that was taken over may run one epoch again, by a
record outside of the study. Exit code 1 if a round is wrong. The committed table of 100 rounds
is `benchmarks/results/soak.json`. One round per core runs at a time.

    rounds  how many
    seed    of the first round; each round prints its own
    policy  only this one
    out     folder of the rounds; a round that was right is removed
"""

from __future__ import annotations

import logging
import shutil
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna

from benchmarks.record import write_result
from benchmarks.soak.crews import CREWS, ROOT
from benchmarks.soak.policies import POLICIES
from benchmarks.soak.round import Round, run
from commons.cli import UsageError, choose, run_command
from commons.console import Console, Table
from commons.processes import n_cores

_DEPENDS = (
    "benchmarks.soak",
    "benchmarks/soak/app",
    "hpo.launch.local",
    "hpo.optimize",
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

_FULL = 100


@dataclass
class Settings:
    """What the command line may set."""

    rounds: int = _FULL
    seed: int = 0
    policy: str = ""
    out: Path = Path("outputs/soak")


def main(arguments: list[str]) -> int:
    """Run the rounds; see the module's text."""
    return run_command(_soak, Settings, arguments, __doc__)


def _soak(settings: Settings) -> int:
    if settings.rounds < 1:
        raise UsageError(f"rounds={settings.rounds}: at least 1")
    policies = list(POLICIES)
    if settings.policy:
        choose("policy", settings.policy, policies)
    console = Console(width=None if sys.stdout.isatty() else 150)
    seeds = range(settings.seed, settings.seed + settings.rounds)
    folders = [settings.out.absolute() / f"{seed:04d}" for seed in seeds]
    chosen = [settings.policy or policies[seed % len(policies)] for seed in seeds]
    ways = [list(CREWS)[seed // len(policies) % len(CREWS)] for seed in seeds]
    rounds = []
    with ProcessPoolExecutor(n_cores()) as pool:
        for each, folder in zip(pool.map(run, folders, seeds, chosen, ways), folders, strict=True):
            console.print(_line(each), markup=False, highlight=False)
            if not each.problems:
                shutil.rmtree(folder)
            rounds.append(each)
    console.print(table(rounds))
    full = settings.rounds == _FULL and not settings.policy
    path = ROOT / "benchmarks" / "results" / "soak.json" if full else settings.out / "soak.json"
    figures = {"rounds": [asdict(each) for each in rounds]}
    write_result(path, figures, command="make soak", depends=_DEPENDS, seeds=seeds)
    console.print(f"written to {path}")
    return int(any(each.problems for each in rounds))


def _line(each: Round) -> str:
    verdict = "; ".join(each.problems) or "ok"
    faults = ", ".join(each.faults)
    return f"seed {each.seed} {each.policy} {each.way} {each.wall_s:.0f} s [{faults}]: {verdict}"


def table(rounds: list[Round]) -> Table:
    """Return the sums by policy and way in."""
    shown = Table(title="sweeps under random faults", title_justify="left")
    for name in ("policy", "way"):
        shown.add_column(name)
    for name in ("rounds", "faults", "finished", "paused", "starts", "retries", "repeated"):
        shown.add_column(name, justify="right")
    shown.add_column("wrong", justify="right")
    for policy, way in sorted({(each.policy, each.way) for each in rounds}):
        of = [each for each in rounds if (each.policy, each.way) == (policy, way)]
        states = sum((Counter(each.states) for each in of), Counter())
        numbers = (
            len(of),
            sum(len(each.faults) for each in of),
            states["complete"] + states["pruned"],
            states["waiting"],
            sum(each.starts for each in of),
            sum(each.retries for each in of),
            sum(each.repeated for each in of),
            sum(bool(each.problems) for each in of),
        )
        shown.add_row(policy, way, *map(str, numbers))
    return shown


if __name__ == "__main__":
    logging.getLogger("hpo").setLevel(logging.ERROR)  # our own look at the study
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sys.exit(main(sys.argv[1:]))
