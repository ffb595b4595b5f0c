"""A slow ladder with pauses: the policy for a problem that nobody knows yet.

docs/explanation/policies.md has its formulas, the study that they are from, and its limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from commons.per_study import PerStudy
from commons.ranking import by_two_opinions
from commons.rungs import SlowRungs, first_rung
from commons.standings import Standings
from hpo.search.pausing import PausedTrials, PausingPruner, is_paused

_MARGIN = 1.25  # of the number of leaders: the true ones are not always those with the best places
_LEADERS = 0.75  # more leaders for each halving of the steps


class LadderPruner(PausingPruner):
    """Pauses trials at the rungs of a slow ladder; the lowest rung that needs more goes first.

    Rungs and ranks are those of `hpo.AshaPruner`. Of the n trials that have begun,
    `share` n (r / e)^0.85 reach step e; when no trial is left to begin, at least
    1.25 (1 + ceil(0.75 log2(R / e))), so that two are complete. A trial goes on as soon as it is
    among so many even if all that are now on their way from the rung before are better. If there
    is no such trial, a new one begins. When no trial has to go on any more, the policy `then`
    decides whether another paused one is worth it.

    A trial that has failed or diverged has no place. Equal curves that have not moved, such as an
    accuracy at chance, share one, so all of them go on.

    Args:
        max_resource: R, steps of a full trial, at least 2.
        share: of the trials, in (0, 1]. More are dearer and find the best one more often.
        then: for example `FreezeThawPruner`; None: the study ends then.

    Raises:
        ValueError: a value is out of range.

    Example:
        >>> import optuna
        >>> pruner = LadderPruner(max_resource=20)
        >>> study = optuna.create_study(pruner=pruner)
        >>> for value in (0.1, 0.9):
        ...     study.ask().report(value, 2)
        >>> [pruner.pause(study, trial) for trial in study.trials]
        [False, False]
    """

    def __init__(
        self, max_resource: int, share: float = 0.5, then: PausingPruner | None = None
    ) -> None:
        if max_resource < 2:
            raise ValueError(f"max_resource must be >= 2, got {max_resource}")
        if not 0 < share <= 1:
            raise ValueError(f"share must be in (0, 1], got {share}")
        self._rungs = SlowRungs(first_rung(max_resource), share, max_resource)
        self._full, self._then = max_resource, then
        self._steps = (*self._rungs.up_to(max_resource), max_resource)
        self._standings = PerStudy(partial(Standings, self._rungs, by_two_opinions, _is_sound))

    def is_due(self, before: int, step: int) -> bool:
        """Tell whether there is a rung between two reports."""
        return bool(self._rungs.between(before, step))

    def pause(self, study: Study, trial: FrozenTrial) -> bool:
        """Pause at a rung, unless the trial would resume at once."""
        is_at_end = (trial.last_step or 0) >= self._full
        if is_at_end or not self._rungs.just_reached(trial):
            return False
        standings = self._standings.of(study).look(study, trial)
        number, is_over = self._next(
            standings, lambda each: each == trial.number or standings.is_waiting(each)
        )
        if number is not None or not is_over or self._then is None:
            return number != trial.number
        paused = filter(is_paused, study.get_trials(deepcopy=False))
        return self._then.choose(study, [*paused, trial]) is not trial

    def choose(self, study: Study, paused: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return the best trial of the lowest rung that too few have reached; None: begin one."""
        here = paused if isinstance(paused, PausedTrials) else PausedTrials(paused)
        standings = self._standings.of(study).look(study)
        early = (here.get(number) for number in sorted(standings.early))
        if (first := next((each for each in early if each is not None), None)) is not None:
            return first  # another policy has paused it
        number, is_over = self._next(standings, lambda each: here.get(each) is not None)
        if number is not None:
            return here.get(number)
        return self._then.choose(study, paused) if is_over and self._then is not None else None

    def _next(self, standings: Standings, may: Callable[[int], bool]) -> tuple[int | None, bool]:
        """Return the trial that goes on, and whether no trial has to go on any more."""
        is_over = not standings.new
        steps = (0, *self._steps)
        for before, rung, following in zip(steps, steps[1:], steps[2:], strict=False):
            n_best = self._n_best(rung, following, standings)
            n_unknown = standings.n_running_from(before)
            for place, number in standings.last_at(rung):
                if place >= n_best:
                    break
                is_over = False
                if place + n_unknown < n_best and may(number):
                    return number, False
        return None, is_over

    def _n_best(self, rung: int, following: int, standings: Standings) -> int:
        """Return how many should reach the next rung."""
        first = self._steps[0]
        wanted = self._rungs.wanted(rung, standings.n_at(first) + standings.n_running_from(0))
        if standings.new:
            return int(wanted)
        leaders = 1 + math.ceil(_LEADERS * math.log2(self._full / following))
        return max(math.ceil(wanted), math.ceil(_MARGIN * leaders))


def _is_sound(trial: FrozenTrial) -> bool:
    """Tell whether a trial is complete, may go on, or could when the study ended."""
    return trial.state != TrialState.FAIL and (
        trial.state != TrialState.PRUNED or is_paused(trial)
    )
