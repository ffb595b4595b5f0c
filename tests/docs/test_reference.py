"""Files, columns and exit codes of the reference are those of the code."""

from dataclasses import fields
from pathlib import Path

import pytest
from optuna.study import StudyDirection

from commons.cli import Failure, UsageError, guard
from hpo.reporting.ledger import read_ledger, write_ledger
from hpo.reporting.summary import Summary
from hpo.settings import SubmissionError, SweepError, SweepFailure
from hpo.storage.opening import open_storage
from hpo.sweep.sweep import _OUT_OF_TIME
from mlpf.config import ConfigError, DivergedError, FileWriteError, WorkError
from mlpf.training.fit import train

DOCS = Path(__file__).parents[2] / "docs/reference"
FILES = (DOCS / "files.md").read_text()
CODES = (DOCS / "exit_codes.md").read_text()


def test_a_training_leaves_the_files_of_the_page(compose_tiny, tmp_path):
    train(compose_tiny("trainer.max_epochs=2"), tmp_path)
    written = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*")}
    shown = {"config.yaml", "metrics.csv", "loss_curves.png"}
    shown |= {f"checkpoints/{name}.ckpt" for name in ("last", "previous", "best")}
    assert shown <= written
    assert all(f"| `{name}` |" in FILES for name in shown)
    columns = (tmp_path / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"epoch", "seconds", "train_loss", "val_loss", "val_tower_accuracy"} <= {*columns}


def test_the_ledger_has_the_columns_of_the_page(tmp_path):
    storage = open_storage(None, tmp_path)
    study_id = storage.create_new_study([StudyDirection.MINIMIZE], "s")
    write_ledger(read_ledger(storage, study_id), tmp_path / "ledger.csv")
    columns = (tmp_path / "ledger.csv").read_text().splitlines()[0].split(",")
    (row,) = (line for line in FILES.splitlines() if line.startswith("| `ledger.csv`"))
    assert [part for part in row.split("`")[1::2] if part != "ledger.csv"] == columns


def test_the_summary_has_the_keys_of_the_page():
    (row,) = (
        line
        for line in (DOCS / "sweep_settings.md").read_text().splitlines()
        if line.startswith("| `summary.json`")
    )
    for field in fields(Summary):
        assert f"`{field.name}`" in row


def raising(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (Failure("x"), 1),
        (OSError("x"), 1),
        (ModuleNotFoundError("x", name="x"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_a_command_ends_with_the_codes_of_the_page(error, code, capsys):
    assert guard(raising(error)) == code
    assert f"| {code} |" in CODES
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_errors_of_hydra_commands_have_the_codes_of_the_page():
    assert {kind.code for kind in (ConfigError, SweepError, SubmissionError)} == {2}
    assert {kind.code for kind in (DivergedError, FileWriteError, WorkError, SweepFailure)} == {1}
    assert f"| {_OUT_OF_TIME} | the time of a study" in CODES
