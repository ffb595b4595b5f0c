"""One round: a sweep, faults at random moments, and what must be true of its end."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from benchmarks.soak.crews import CREWS, LEASE_S, Crew
from benchmarks.soak.policies import EPOCHS
from benchmarks.soak.training import prepare, set_clock
from commons.processes import is_alive
from hpo.attributes import RETRIES
from hpo.search.lineage import parent_of
from hpo.storage.opening import open_storage

N_TRIALS, N_WORKERS = 16, 3
_EPOCH_S = 0.25
_LIMIT_S = 120.0


@dataclass(frozen=True)
class Round:
    """The outcome of a round.

    Attributes:
        seed: of the round; `rounds=1 seed=SEED` repeats it.
        policy: of the sweep.
        way: `optimize` or `sweep`.
        faults: what was done, with its time (s).
        states: trials by state.
        repeated: finished epochs that were run again.
        starts: how often a process has begun to work on a trial.
        retries: as the study counts them.
        wall_s: from the start to the end.
        problems: what is wrong.
    """

    seed: int
    policy: str
    way: str
    faults: list[str] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    starts: int = 0
    retries: int = 0
    wall_s: float = 0.0
    problems: list[str] = field(default_factory=list)


class Stage:
    """What the faults act on.

    Args:
        folder: of the round.
        crew: has been started.
        rng: seeded.
    """

    def __init__(self, folder: Path, crew: Crew, rng: random.Random) -> None:
        self.folder, self.crew, self.rng = folder, crew, rng
        self._undo: list[tuple[float, Callable[[], object]]] = []

    def workers(self) -> list[Path]:
        """Return the clocks of the live workers, whose names are process numbers."""
        clocks = (self.folder / "clocks").iterdir()
        return sorted(
            clock for clock in clocks if clock.name.isdigit() and is_alive(int(clock.name))
        )

    @property
    def is_at_work(self) -> bool:
        """Whether nobody is about to begin a study that it does not find."""
        files = (self.folder / "witness").iterdir()
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return self.crew.is_at_work({line["pid"] for line in lines})

    def later(self, delay_s: float, action: Callable[[], object]) -> None:
        """Do something after a while, at the latest at the end of the round."""
        self._undo.append((time.monotonic() + delay_s, action))

    def tick(self, *, end: bool = False) -> None:
        """Do what is due."""
        due = [entry for entry in self._undo if end or entry[0] <= time.monotonic()]
        self._undo = [entry for entry in self._undo if entry not in due]
        for _, action in due:
            action()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is stopped or away."""
        return not self._undo


def kill(stage: Stage) -> str:
    """SIGKILL of a worker, or of the command."""
    pids = [int(clock.name) for clock in stage.workers()] + stage.crew.parents()
    return _send(stage.rng.choice(pids), signal.SIGKILL) if pids else ""


def stop(stage: Stage) -> str:
    """SIGSTOP of a worker for longer than its lease."""
    clocks = stage.workers()
    if not clocks:
        return ""
    pid, seconds = int(stage.rng.choice(clocks).name), stage.rng.uniform(1.5, 3) * LEASE_S
    stage.later(seconds, lambda: _send(pid, signal.SIGCONT))
    return _send(pid, signal.SIGSTOP) + f" for {seconds:.1f} s"


def jump(stage: Stage) -> str:
    """The clock of a worker jumps by up to ten minutes."""
    clocks, error_s = stage.workers(), stage.rng.uniform(-600, 600)
    if not clocks:
        return ""
    clock = stage.rng.choice(clocks)
    set_clock(clock, error_s)
    return f"clock of {clock.name} {error_s:+.0f} s"


def hide(stage: Stage) -> str:
    """The journal is renamed and put back."""
    journal, seconds = stage.folder / "sweep" / "journal.log", stage.rng.uniform(0.5, 3)
    away = journal.with_name("away")
    if not (journal.exists() and stage.is_at_work):
        return ""
    journal.rename(away)
    stage.later(seconds, lambda: away.rename(journal))
    return f"journal away for {seconds:.1f} s"


FAULTS = (kill, stop, jump, hide)


def run(folder: Path, seed: int, policy: str, way: str) -> Round:
    """Run a round in an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "sweep").mkdir(parents=True)
    prepare(folder)
    (folder / "size.json").write_text(json.dumps({"epochs": EPOCHS, "epoch_s": _EPOCH_S}))
    crew = CREWS[way](folder, policy, N_TRIALS, N_WORKERS, seed)
    stage = Stage(folder, crew, random.Random(seed))
    begin = time.monotonic()
    crew.start()
    try:
        done = _provoke(stage, begin)
        wall_s = time.monotonic() - begin
    finally:
        stage.tick(end=True)
        crew.kill()
    outcome = Round(seed, policy, way, done, wall_s=round(wall_s, 1))
    return _check(outcome, folder, crew.codes())


def _provoke(stage: Stage, begin: float) -> list[str]:
    """Inject two to five faults; wait for the end; return what was done."""
    done: list[str] = []
    _wait_for_work(stage, begin)
    rng, first = stage.rng, time.monotonic()
    due = sorted(rng.uniform(0, 3) for _ in range(rng.randint(2, 5)))
    while time.monotonic() - begin < _LIMIT_S:
        stage.tick()
        if due and time.monotonic() - first >= due[0]:
            due.pop(0)
            # One journal can be away once.
            fault = rng.choice(FAULTS if stage.is_quiet else FAULTS[:3])
            text = fault(stage)
            done += [f"{time.monotonic() - begin:.1f} s: {text}"] if text else []
        if stage.is_quiet:  # nobody starts a worker on a study that is away
            stage.crew.start()
            if all(code is not None and code >= 0 for code in stage.crew.codes()):
                break
        time.sleep(0.02)
    return done


def _wait_for_work(stage: Stage, begin: float) -> None:
    while not stage.is_at_work:
        if time.monotonic() - begin > _LIMIT_S:
            return
        time.sleep(0.02)


def _send(pid: int, number: signal.Signals) -> str:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    return f"{number.name} {pid}"


def _check(outcome: Round, folder: Path, codes: Sequence[int | None]) -> Round:
    storage = open_storage(None, folder / "sweep")
    trials = optuna.load_study(study_name="soak", storage=storage).get_trials(deepcopy=False)
    outcome.states.update(Counter(trial.state.name.lower() for trial in trials))
    finished = sum(trial.state.is_finished() for trial in trials)
    problems = {
        f"exit codes {codes}": set(codes) == {0},
        f"{len(trials)} trials, not {N_TRIALS}": len(trials) == N_TRIALS,
        f"{finished} finished, not {N_TRIALS}": _may_wait(outcome) or finished == N_TRIALS,
        "trials failed": "fail" not in outcome.states,
        "trials are running": "running" not in outcome.states,
    }
    outcome.problems.extend(text for text, good in problems.items() if not good)
    repeated = starts = 0
    for trial in trials:
        lines = _witness(folder, trial)
        again = _repeats(lines)
        repeated, starts = repeated + sum(again), starts + len(again)
        outcome.problems.extend(_judge(trial, lines, again))
    retries = sum(trial.system_attrs.get(RETRIES, 0) for trial in trials)
    numbers = {"repeated": repeated, "starts": starts, "retries": retries}
    return Round(**{**vars(outcome), **numbers})


def _may_wait(outcome: Round) -> bool:
    """A policy that pauses may end a study with trials that it will never continue."""
    return outcome.policy in ("promotion", "freeze_thaw") and not outcome.states.get("running")


def _witness(folder: Path, trial: FrozenTrial) -> list[dict[str, Any]]:
    path = folder / "witness" / str(trial.number)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _repeats(lines: Sequence[dict[str, Any]]) -> list[int]:
    """Return for each start how many epochs its process then ran again.

    A former owner that was stopped in an epoch ends that one when it continues, and no other: it
    does not count here.
    """
    repeats: list[int] = []
    owner, seen = 0, set[int]()
    for line in lines:
        if line["kind"] == "start":
            repeats.append(0)
            owner = line["pid"]
        elif line["kind"] == "epoch" and line["pid"] == owner:
            repeats[-1] += line["epoch"] in seen
            seen.add(line["epoch"])
    return repeats


def _judge(
    trial: FrozenTrial, lines: Sequence[dict[str, Any]], repeats: Sequence[int]
) -> list[str]:
    steps = sorted(trial.intermediate_values)
    run = {line["epoch"] for line in lines if line["kind"] == "epoch"}
    # A child goes on from the checkpoint that it has found.
    starts = [line["epoch"] for line in lines if line["kind"] == "start"]
    first = starts[0] + 1 if starts and parent_of(trial) else 1
    rules = {
        f"reported {steps}": steps == list(range(first, first + len(steps))),
        f"ran {sorted(run)}, reported {steps}": set(steps) <= run,
        f"epochs run again after each start: {repeats}": max(repeats, default=0) <= 1,
        f"complete after epochs {steps}": trial.state.name != "COMPLETE"
        or [first - 1, *steps][-1] == EPOCHS,  # a copy of a finished parent has no step left
    }
    return [f"trial {trial.number}: {text}" for text, good in rules.items() if not good]
