"""What must be true of a sweep after a fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from benchmarks.chaos.sweep import Line, Sweep
from hpo.attributes import RETRIES
from hpo.search.lineage import parent_of


@dataclass(frozen=True)
class Expected:
    """What differs from one fault to another.

    Attributes:
        retries: least and largest number of trials taken over from a dead worker. A worker that is
            warned gives its trial back itself, which counts only if it has not finished an epoch.
        failed: how many trials may and must fail.
        reason: part of the reason of every failed trial.
        arrays: submitted by the sweep.
        restarts: the least number of requeues of the job that had most.
        says: text that the commands must have printed.
        late: processes that noticed only after an epoch that another one has the trial.
        loss: part of the error with which the command and all workers must end.
        pauses: whether trials may end, for now, and be taken up again.
    """

    retries: tuple[int, int] = (0, 0)
    failed: int = 0
    reason: str = ""
    arrays: int = 1
    restarts: int = 0
    says: str = ""
    late: int = 0
    loss: str = ""
    pauses: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: of the fault.
        states: trials by state.
        lost: trials of the budget that are not finished.
        twice: trials that the application has ended more than once; if they may pause, at the
            same epoch.
        repeated: finished epochs that were run again, of the trial that has most.
        retries: trials taken over from dead workers.
        arrays: submitted by the sweep.
        restarts: requeues of the job that had most.
        wall_s: from the command to its end.
        problems: everything that is wrong; empty if the row is good.
        failures: why trials have failed.
    """

    name: str
    states: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    twice: int = 0
    repeated: int = 0
    retries: int = 0
    arrays: int = 0
    restarts: int = 0
    wall_s: float = 0.0
    problems: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the row with its verdict."""
        return {**asdict(self), "verdict": "FAILED" if self.problems else "ok"}


def check(name: str, sweep: Sweep, code: int | None, wall_s: float, expected: Expected) -> Row:
    """Return the outcome of a sweep that has ended with an exit code (None: it did not end)."""
    trials, witness = sweep.study().get_trials(deepcopy=False), sweep.witness()
    states = Counter(trial.state.name.lower() for trial in trials)
    n_finished = sum(trial.state.is_finished() for trial in trials)
    lines = {trial.number: witness.get(trial.number, []) for trial in trials}
    row = Row(
        name=name,
        states=dict(states),
        lost=sweep.size.n_trials - n_finished,
        twice=sum(_ended_twice(of, expected.pauses) for of in lines.values()),
        repeated=max(_count(of, "epoch") - len(_epochs(of)) for of in lines.values()),
        retries=sum(trial.system_attrs.get(RETRIES, 0) for trial in trials),
        arrays=len(sweep.arrays()),
        restarts=max(sweep.restarts(), default=0),
        wall_s=round(wall_s, 1),
        failures=[
            f"trial {trial.number}: {trial.user_attrs.get('fail_reason')}"
            for trial in trials
            if trial.state == TrialState.FAIL
        ],
    )
    problems = [] if code == 0 else [f"the command ended with {code}"]
    if expected.says not in sweep.output.read_text(errors="replace"):
        problems.append(f"the command did not say '{expected.says}'")
    problems += _compare(row, len(trials), sweep.size.n_trials, expected)
    for trial in trials:
        problems += _check_trial(trial, lines[trial.number], sweep.size.epochs, expected.late)
    row.problems.extend(problems)
    return row


def check_loss(
    name: str, sweep: Sweep, code: int | None, wall_s: float, expected: Expected
) -> Row:
    """Return the outcome of a sweep whose journal was lost: everything ends and says so."""
    output = sweep.output.read_text(errors="replace")
    files = [sweep.dir / "journal.log", sweep.left]
    now, left = (file.read_bytes() if file.exists() else None for file in files)
    workers = sweep.workers_outputs()
    silent = sum(expected.loss not in text for text in workers)
    jobs = Counter(f"{job['JobState']} {job['ExitCode']}" for job in sweep.jobs())
    rules = {
        f"the command ended with {code}": code == 1,
        f"the command did not say '{expected.loss}'": expected.loss in output,
        "the command reported a result": "best configuration" not in output,
        f"the jobs ended with {dict(jobs)}": set(jobs) == {"FAILED 1:0"},
        f"{silent} of {len(workers)} workers did not say it": not silent,
        "something was written to the file that was left": now == left,
    }
    problems = [text for text, good in rules.items() if not good]
    row = Row(name, arrays=len(sweep.arrays()), wall_s=round(wall_s, 1), problems=problems)
    row.failures.append(f"{len(workers)} workers and the command: {expected.loss}")
    return row


def _compare(row: Row, n_trials: int, budget: int, expected: Expected) -> list[str]:
    least, most = expected.retries
    rules = {
        f"{n_trials} trials in the study, not {budget}": n_trials == budget,
        f"{row.lost} trials lost": row.lost == 0,
        f"{row.twice} trials ended twice": row.twice == 0,
        f"an epoch was repeated {row.repeated} times in a trial": row.repeated <= 1,
        f"{row.retries} retries, not {least} to {most}": least <= row.retries <= most,
        f"{row.arrays} arrays, not {expected.arrays}": row.arrays == expected.arrays,
        f"{row.restarts} requeues, not {expected.restarts}": row.restarts >= expected.restarts,
        f"{len(row.failures)} trials failed, not {expected.failed}": len(row.failures)
        == expected.failed,
    }
    wrong = [reason for reason in row.failures if expected.reason not in reason]
    return [text for text, good in rules.items() if not good] + wrong


def _check_trial(trial: FrozenTrial, lines: Sequence[Line], epochs: int, late: int) -> list[str]:
    """Compare what the study and the witness say about one trial."""
    steps, run = sorted(trial.intermediate_values), _epochs(lines)
    owners = [line.pid for line in lines]
    changes = sum(a != b for a, b in pairwise(owners))
    n_steps = len(steps)
    # A child goes on from the checkpoint that it has found.
    starts = [line.epoch for line in lines if line.kind == "start"]
    first = starts[0] + 1 if starts and parent_of(trial) else 1
    is_unneeded = trial.state == TrialState.PRUNED and not lines
    rules = {
        "two processes worked on it at once": changes < max(len(set(owners)), 1) + late,
        f"its reported steps are {steps}": steps == list(range(first, first + n_steps)),
        f"it was finished by {_count(lines, 'end')} ends": trial.state == TrialState.FAIL
        or is_unneeded
        or _count(lines, "end") >= 1,
        f"it ran {len(run)} epochs and reported {n_steps}": trial.state == TrialState.FAIL
        or run == set(steps),
        f"complete after epochs {steps}": trial.state != TrialState.COMPLETE
        or [first - 1, *steps][-1] == epochs,  # a copy of a finished parent has no step left
    }
    return [f"trial {trial.number}: {text}" for text, good in rules.items() if not good]


def _count(lines: Sequence[Line], kind: str) -> int:
    return sum(line.kind == kind for line in lines)


def _ended_twice(lines: Sequence[Line], pauses: bool) -> bool:
    ends = [line.epoch for line in lines if line.kind == "end"]
    return len(ends) > (len({*ends}) if pauses else 1)


def _epochs(lines: Sequence[Line]) -> set[int]:
    return {line.epoch for line in lines if line.kind == "epoch"}
