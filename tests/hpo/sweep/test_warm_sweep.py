"""Sweeps of the toy application that begin with earlier studies."""

import json

import pytest
from optuna.trial import TrialState

from hpo.attributes import SKIPPED

CSV = "x,loss_0,loss_1\n" + "".join(
    f"{x / 10},{(x / 10) ** 2 + 1},{(x / 10) ** 2 + 0.5}\n" for x in range(-10, 11)
)
SKIPS = ("hydra.sweeper.n_trials=12", "hydra.sweeper.screen.optimism=1")


@pytest.fixture
def csv(tmp_path):
    """Curves of the toy's kind."""
    (tmp_path / "curves.csv").write_text(CSV)
    return "hydra.sweeper.earlier_studies=[curves.csv]"


def skipped(study):
    return [trial for trial in study.trials if SKIPPED in trial.user_attrs]


def test_a_sweep_skips_what_an_earlier_table_condemns_and_counts_it(toy, study, tmp_path, csv):
    code, printed = toy("-m", csv, *SKIPS)
    assert code == 0
    bad, good = skipped(study()), [t for t in study().trials if SKIPPED not in t.user_attrs]
    assert 3 <= len(bad) <= 9
    assert all(t.state == TrialState.PRUNED and not t.intermediate_values for t in bad)
    assert all(t.state == TrialState.COMPLETE for t in good)
    assert min(abs(t.params["x"]) for t in bad) > min(abs(t.params["x"]) for t in good)
    assert not any((tmp_path / f"sweep/trials/{t.number:04d}").exists() for t in bad)
    summary = json.loads((tmp_path / "sweep/summary.json").read_text())
    assert summary["n_skipped"] == len(bad)
    assert f"{len(bad)} pruned ({len(bad)} before they began)" in " ".join(printed.split())


def test_an_earlier_sweep_teaches_the_next_one(toy, study):
    toy("-m", "hydra.sweeper.n_trials=15", "hydra.sweep.dir=first")
    code, _ = toy(
        "-m", "hydra.sweeper.earlier_studies=[first]", *SKIPS, "hydra.sweeper.sampler.seed=2"
    )
    assert code == 0
    assert len(skipped(study(folder="first"))) == 0
    assert 3 <= len(skipped(study())) <= 9


def test_a_sweep_in_two_commands_skips_the_same_as_in_one(toy, study, csv):
    toy("-m", csv, *SKIPS)
    toy("-m", csv, "hydra.sweep.dir=other", *SKIPS, "hydra.sweeper.n_trials=5")
    toy("-m", csv, "hydra.sweep.dir=other", *SKIPS)
    numbers = [[t.number for t in skipped(study(folder=f))] for f in ("sweep", "other")]
    assert numbers[0] == numbers[1]
    assert len(study(folder="other").trials) == 12


def test_what_the_user_enqueues_is_not_skipped(toy, study, csv):
    first = "hydra.sweeper.enqueue=[{x: 1.0},{x: -1.0}]"  # the worst of the table
    code, _ = toy("-m", csv, first, *SKIPS)
    assert code == 0
    assert [t.state for t in study().trials[:2]] == [TrialState.COMPLETE] * 2
    assert skipped(study())


def test_without_earlier_studies_no_trial_is_skipped(toy, study):
    assert toy("-m", "hydra.sweeper.screen.optimism=0")[0] == 0
    assert {trial.state for trial in study().trials} == {TrialState.COMPLETE}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hydra.sweeper.earlier_studies=[nowhere]"], "nowhere: no such journal file"),
        (["hydra.sweeper.earlier_studies=[curves.csv]", "+z=1,2"], "curves.csv: no column z"),
        (
            ["hydra.sweeper.earlier_studies=[curves.csv]", "hydra.sweeper.screen=null"],
            "hydra.sweeper.screen is null",
        ),
        (
            ["hydra.sweeper.screen.max_share=2"],
            "hydra.sweeper.screen: max_share must be in [0, 1), got 2",
        ),
    ],
)
def test_a_source_that_does_not_fit_ends_the_command_in_one_line(
    toy, tmp_path, csv, arguments, message
):
    code, printed = toy("-m", *arguments)
    assert code == 2
    assert message in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "sweep/journal.log").exists()
