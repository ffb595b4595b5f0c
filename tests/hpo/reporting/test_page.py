import optuna
import pytest

from hpo.attributes import SPACE
from hpo.reporting.page import PAGE, Files, describe, html_page, write_page


@pytest.fixture
def files(tmp_path):
    picture = tmp_path / "history.png"
    picture.write_bytes(b"\x89PNG")
    commands = {"train the best configuration": "python a.py --config-name <best>"}
    return Files(tmp_path, {"history": picture}, "x: 0.5\n", commands)


def test_the_page_holds_the_result_the_pictures_the_trials_and_the_commands(study, subject, files):
    page = html_page(subject(study), files)
    for part in (
        "minimize value: best 1 by trial 1.",
        "6 of 6 finished: 2 complete, 3 pruned, 1 failed",
        '<section id="best">',
        "x: 0.5",
        'width="550" src="data:image/png;base64,iVBORw=="',
        '<section id="how-to-rerun">',
        "--config-name &lt;best&gt;",
        "diverged",
    ):
        assert part in page
    rows = page[page.index('<section id="trials">') :].split("<tr>")[2:8]
    assert [row.split(">")[1].split("<")[0] for row in rows] == [*"103245"]  # the best first


def test_a_study_without_a_complete_trial_says_why(subject, files):
    page = html_page(subject(optuna.create_study(study_name="new")), files)
    assert "minimize value: no trial is complete: there is none." in page
    assert 'id="best"' not in page


def of_two_objectives():
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.set_metric_names(["loss", "acc"])
    marks = {"enqueued": "default"}
    study.add_trial(optuna.trial.create_trial(values=[2.0, 0.5], user_attrs=marks))
    study.add_trial(optuna.trial.create_trial(values=[1.0, 0.25]))
    return study


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_front_and_the_default_are_sections_where_there_are_any(study, subject, files):
    page = html_page(subject(of_two_objectives()), files)
    assert "minimize loss, maximize acc: best loss 1, acc 0.25 by trial 1." in page
    assert '<section id="pareto-front">' in page
    assert "Trial 1 is the best by loss." in page
    assert '<section id="default-and-best">' in page
    assert "loss 2, acc 0.5 (trial 0) -&gt; best loss 1 (-50.0 %), acc 0.25 (-50.0 %)." in page
    plain = html_page(subject(study), files)
    assert 'id="pareto-front"' not in plain
    assert 'id="default-and-best"' not in plain


def test_a_study_whose_complete_trials_are_all_infeasible_says_so(subject, files):
    study = optuna.create_study()
    bound = {"constraints:gb": 1.0}
    study.add_trial(optuna.trial.create_trial(value=1.0, system_attrs=bound))
    page = html_page(subject(study), files)
    assert "minimize value: no complete trial meets all constraints." in page


HOSTILE = '"><script>alert(1)</script>\x1b[2J'


def test_names_and_values_from_elsewhere_are_text(subject, files):
    study = optuna.create_study(study_name=HOSTILE)
    for value in (1.0, 2.0):
        trial = study.ask()
        trial.suggest_categorical(HOSTILE, [HOSTILE, "other"])
        trial.set_user_attr("run", {"overrides": [], "worker": HOSTILE})
        trial.set_user_attr("figures", {HOSTILE: 1.0})
        study.tell(trial, value)
    trial = study.ask()
    trial.set_user_attr("fail_reason", HOSTILE)
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    study.set_user_attr(SPACE, {HOSTILE: {"name": HOSTILE, "attributes": {"choices": [HOSTILE]}}})
    page = write_page(subject(study), files).read_text()
    assert page.count("<script>") == 1  # that of the page
    assert "\x1b" not in page
    assert page.count("&lt;script&gt;") > 8


def test_of_very_many_trials_the_best_are_in_the_table(subject, files):
    study = optuna.create_study()
    values = range(1500)
    study.add_trials([optuna.trial.create_trial(value=float(v)) for v in values])
    page = write_page(subject(study), files)
    assert page == files.folder / PAGE
    text = page.read_text()
    assert "The best 1000 of 1500; trials.csv has all." in text
    assert text.count("<tr>") < 1050


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"low": 0.1, "high": 1.0, "log": False}, "0.1 to 1.0"),
        ({"low": 1, "high": 9, "step": 2, "log": False}, "1 to 9 in steps of 2"),
        ({"low": 1, "high": 9, "step": 1, "log": True}, "1 to 9, logarithmic"),
        ({"choices": ["a", None]}, "a | None"),
        ({}, "None to None"),
    ],
)
def test_a_distribution_is_told_in_words(attributes, text):
    assert describe({"name": "any", "attributes": attributes}) == text
