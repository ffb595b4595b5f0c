"""What becomes of a trial: the same rules in Hydra's worker, `hpo.optimize` and simulated sweeps.

- A finite number completes the trial, of several objectives a list or tuple of one each. A truth
  value, a text, all that `float` refuses and a list of another length fail it.
- NaN or infinity, reported or returned, also for one of several objectives, and FloatingPointError
  prune it: it has diverged.
- A decision of the pruner has priority over a returned value, and pruning over pausing.
- An exception fails it, a paused one too; SystemExit is an exception. `optuna.TrialPruned` ends a
  training that was told to stop, or that prunes itself.
- KeyboardInterrupt, and SystemExit after a signal, interrupt it: another worker takes it over.
- A reached budget of the study gives a trial back that the pruner lets go on, at its next report.
- A time limit has priority over all of this (see `hpo.study.limits`).
- If the lease is lost, nothing of this is written (see `LeasedTrial`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import TrialState

from hpo import signals
from hpo.search.pausing import Decision
from hpo.study.lease import LeaseLostError
from hpo.study.limits import LimitError

# What ends a trial when the application raises it; everything else interrupts it.
ENDS = (Exception, SystemExit, LeaseLostError, LimitError)
_REASON_CHARACTERS = 500


@dataclass(frozen=True)
class Outcome:
    """How the work on a trial ended.

    Attributes:
        state: COMPLETE, PRUNED, FAIL, or WAITING: it is paused or interrupted.
        values: of a complete trial, one per objective.
        reason: why it failed.
        diverged: the step at which its value was not finite, or a text.
        paused_at: the step at which a policy has paused it.
        error: what the application raised.
        excused: the interruption says nothing about the trial.
    """

    state: TrialState
    values: tuple[float, ...] | None = None
    reason: str | None = None
    diverged: int | str | None = None
    paused_at: int | None = None
    error: BaseException | None = None
    excused: bool = False


class Life:
    """One trial while a process works on it; knows no storage.

    Args:
        n_objectives: how many numbers a training returns, as a list or tuple if more than one.

    Attributes:
        pruned: the pruner, or a value that is not finite, has ended the trial for good.
        paused_at: the step at which a policy has paused it, None while it runs.
        given_back: a budget of the study is reached, and the trial waits for a larger one.
        diverged: the step at which its value was not finite.
    """

    def __init__(self, n_objectives: int = 1) -> None:
        self._n_objectives = n_objectives
        self.pruned = self.given_back = False
        self.paused_at: int | None = None
        self.diverged: int | None = None

    @property
    def stops(self) -> bool:
        """Whether the training should end now."""
        return self.pruned or self.given_back or self.paused_at is not None

    def report(self, value: float, step: int) -> bool:
        """Note a value; return whether it is finite and may be stored."""
        if math.isfinite(value):
            return True
        self.diverged, self.pruned = step, True
        return False

    def decide(self, decision: Decision, step: int) -> None:
        """Note what the pruner decides after a step."""
        self.paused_at = step if decision is Decision.PAUSE else None
        self.pruned = self.pruned or decision is Decision.PRUNE

    def run(self, training: Callable[[], Any]) -> Outcome:
        """Call the training; return what becomes of the trial. Only an interruption is raised."""
        try:
            return self.returned(training())
        except optuna.TrialPruned:
            return self._stopped()
        except FloatingPointError as error:
            return Outcome(TrialState.PRUNED, diverged=str(error))
        except ENDS as error:
            if isinstance(error, SystemExit) and signals.received():
                raise KeyboardInterrupt from error  # Lightning makes an exit of it
            reason = _describe(error)
            return Outcome(TrialState.FAIL, reason=reason, diverged=self.diverged, error=error)

    def returned(self, value: Any) -> Outcome:
        """Return what becomes of the trial when its training has returned `value`."""
        if self.stops:
            return self._stopped()
        values = self._numbers(value)
        if values is None:
            n = self._n_objectives
            wanted = "not a number" if n == 1 else f"not a list of {n} numbers"
            reason = f"the task returned {value!r}, {wanted}"[:_REASON_CHARACTERS]
            return Outcome(TrialState.FAIL, reason=reason)
        if not all(map(math.isfinite, values)):
            return Outcome(TrialState.PRUNED, diverged="end")
        return Outcome(TrialState.COMPLETE, values=values)

    def _numbers(self, value: Any) -> tuple[float, ...] | None:
        if self._n_objectives > 1 and (
            not isinstance(value, Sequence) or isinstance(value, str | bytes)
        ):
            return None
        numbers = [as_number(each) for each in (value if self._n_objectives > 1 else [value])]
        known = tuple(number for number in numbers if number is not None)
        return known if len(known) == len(numbers) == self._n_objectives else None

    def _stopped(self) -> Outcome:
        if self.paused_at is not None and not self.pruned:
            return Outcome(TrialState.WAITING, paused_at=self.paused_at)
        if self.given_back and not self.pruned:
            return Outcome(TrialState.WAITING, excused=True)
        return Outcome(TrialState.PRUNED, diverged=self.diverged)


def as_number(value: Any) -> float | None:
    """Return a number, of numpy or torch too, as a float; None: it is not a real scalar.

    >>> as_number(1), as_number("0.5"), as_number(True)
    (1.0, None, None)
    """
    kind = str(getattr(value, "dtype", type(value).__name__))
    if "bool" in kind or "complex" in kind or isinstance(value, str | bytes | bytearray):
        return None
    try:
        return float(value)
    except Exception:  # noqa: BLE001 - each library has its own for this
        return None


def _describe(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the task called sys.exit({error.code})"
    return f"{type(error).__name__}: {error}"[:_REASON_CHARACTERS]
