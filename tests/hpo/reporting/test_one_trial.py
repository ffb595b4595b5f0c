import io

import optuna
import pytest
from optuna.trial import TrialState

from commons.cli import UsageError
from commons.console import Console
from hpo.reporting.one_trial import describe_trial, facts_of, find_trial, last_error, sparkline

LOG = """\
[2026-01-01 12:00:00][train] begun
Traceback (most recent call last):
  File "first.py", line 1, in <module>
ValueError: an earlier one
[2026-01-01 12:00:01][train] goes on
Traceback (most recent call last):
  File "train.py", line 40, in fit
    loss.backward()
torch.OutOfMemoryError: \x1b[31mCUDA out of memory
[2026-01-01 12:00:02][train] trial 5 failed
"""


def text(table):
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_a_failed_trial_tells_where_it_ran_and_how_it_ended(study, subject, tmp_path, add):
    run = {"overrides": [], "worker": "a/3"}
    code = [{"git": "abc", "python": "3.11"}, {"git": "def", "python": "3.11"}]
    add(
        study,
        TrialState.FAIL,
        [3.0, 2.0],
        retries=2,
        run=run,
        code=code,
        fail_reason="OutOfMemoryError",
    )
    folder = tmp_path / "trials/0006"
    folder.mkdir(parents=True)
    (folder / "train.log").write_text(LOG)
    read = subject(study)
    shown = text(describe_trial(read, read.trials[6], tmp_path))
    for part in (
        "trial 6 of study s",
        "fail: failed: OutOfMemoryError",
        "epoch 1: 3 █▁ epoch 2: 2",
        "x=0.5",
        "a/3",
        "git abc, python 3.11",
        "git def, python 3.11",
        "loss.backward()",
        "CUDA out of memory",
        "0:00:10 inside the application",
    ):
        assert part in shown
    assert "an earlier one" not in shown
    assert "\x1b" not in shown
    assert facts_of(read, read.trials[6], tmp_path)["retries"] == "2"


def test_a_complete_trial_has_its_rank(study, subject, tmp_path):
    read = subject(study)
    assert facts_of(read, read.trials[0], tmp_path)["value"] == "1.5 (rank 2 of 2 complete trials)"
    assert facts_of(read, read.trials[0], tmp_path)["folder"] == ""  # there is none


def test_a_trial_that_does_not_exist_is_named_with_the_choice(study, subject):
    with pytest.raises(UsageError, match=r"^trial=7: the study has trials 0 to 5$"):
        find_trial(subject(study), 7)
    with pytest.raises(UsageError, match=r"^trial=0: the study has no trial$"):
        find_trial(subject(optuna.create_study()), 0)
    assert find_trial(subject(study), 3).number == 3


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, ""),
        ({1: float("nan")}, ""),
        ({1: 2.0}, "epoch 1: 2 ▁ epoch 1: 2"),
        ({2: 1.0, 1: 8.0, 3: float("inf")}, "epoch 1: 8 █▁! epoch 3: inf"),
    ],
)
def test_a_curve_is_a_line_of_bars(values, line):
    assert sparkline(values) == line


def test_a_long_curve_fits_a_line():
    line = sparkline({step: 1 / step for step in range(1, 1001)})
    assert line.startswith("epoch 1: 1 █")
    assert line.endswith("▁ epoch 1000: 0.001")
    assert len(line) < 80


def test_a_folder_without_a_log_has_no_error(tmp_path):
    assert last_error(tmp_path) == ""
    (tmp_path / "a.log").write_text("all is well\n")
    assert last_error(tmp_path) == ""
