import subprocess
import sys

from optuna.trial import TrialState

from hpo.reporting.style import BEST, COLORS


def test_every_state_of_a_trial_and_the_best_one_have_a_color_of_their_own():
    assert COLORS.keys() == set(TrialState)
    assert len({*COLORS.values(), BEST}) == len(COLORS) + 1


def test_importing_the_report_imports_nothing_that_draws_or_learns():
    heavy = {"matplotlib", "sklearn", "scipy", "pandas", "PIL"}
    code = "import sys, hpo.report, hpo.sweep.sweep; print(*sys.modules)"
    shown = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert not heavy & set(shown.split()), "they would delay the first trial of a sweep"
