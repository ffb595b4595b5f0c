import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from hpo.reporting.comparison import (
    comparison_table,
    default_of,
    draw_comparison,
    has_two_curves,
)

SPACE = {
    "lr": FloatDistribution(0, 1),
    "kind": CategoricalDistribution(["<a>", "b"]),
    "n": CategoricalDistribution([1, 2]),
}


def add(study, values, curve, lr, kind, state=TrialState.COMPLETE, **attributes):
    study.add_trial(
        create_trial(
            state=state,
            values=values if state == TrialState.COMPLETE else None,
            params={"lr": lr, "kind": kind, "n": 1},
            distributions=SPACE,
            intermediate_values=dict(enumerate(curve, 1)),
            user_attrs=attributes,
        )
    )


def two(state=TrialState.COMPLETE, n=1):
    study = optuna.create_study(directions=["minimize"] * n)
    marks = {"enqueued": "default", "figures": {"acc": 0.5, "gb": 2.0}}
    add(study, [0.4, 3.0][:n], [0.9, 0.4], 0.1, "<a>", state, **marks)
    add(study, [0.3, 6.0][:n], [0.8, 0.3], 0.25, "b", figures={"acc": 0.75})
    return study


def cells(html):
    body = html.partition("<tbody>")[2].partition("</tbody>")[0]
    rows = [row.split("</td>")[:-1] for row in body.split("<tr>")[1:]]
    return [[cell.rpartition(">")[2] for cell in row] for row in rows]


def test_values_figures_and_changed_hyperparameters_are_side_by_side(subject):
    html = comparison_table(subject(two()))
    assert cells(html) == [
        ["value", "0.4", "0.3", "-25.0 %"],
        ["acc", "0.5", "0.75", "+50.0 %"],
        ["lr", "0.1", "0.25", ""],
        ["kind", "&lt;a&gt;", "b", ""],
    ]
    assert "default 0.4 (trial 0) -&gt; best 0.3 (-25.0 %)." in html
    assert "default (trial 0)</button>" in html
    assert "best (trial 1)</button>" in html
    assert "<p>Unchanged: n.</p>" in html


def test_each_objective_has_a_row(subject):
    rows = cells(comparison_table(subject(two(n=2))))
    assert rows[:2] == [
        ["value_0", "0.4", "0.3", "-25.0 %"],
        ["value_1", "3", "6", "+100.0 %"],
    ]


def test_a_pruned_default_is_compared_at_its_last_epoch_without_figures(subject):
    rows = cells(comparison_table(subject(two(TrialState.PRUNED))))
    assert [row[0] for row in rows] == ["value at epoch 2", "lr", "kind"]
    assert rows[0][1:] == ["0.4", "0.3", "-25.0 %"]


def test_there_is_nothing_to_compare_without_a_default_or_a_best_trial(subject, study):
    alone = optuna.create_study()
    add(alone, [], [0.9], 0.1, "b", TrialState.PRUNED, enqueued="default")
    for read in (subject(study), subject(alone)):
        assert comparison_table(read) == ""
        assert not has_two_curves(read)
    assert default_of(subject(study)) is None


def test_a_default_that_nothing_beats_is_a_sentence(subject):
    study = optuna.create_study()
    add(study, [0.4], [0.4], 0.1, "b", enqueued="default")
    assert comparison_table(subject(study)) == "<p>default 0.4 (trial 0) is the best.</p>"
    assert not has_two_curves(subject(study))


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED])
def test_both_curves_are_drawn_with_their_names(subject, axes, tmp_path, state):
    read = subject(two(state))
    assert has_two_curves(read)
    assert draw_comparison(read, tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"
    curves = [[*line.get_ydata()] for line in axes[0].get_lines()]
    assert curves == [[0.9, 0.4], [0.8, 0.3]]
    named = [text.get_text() for text in axes[0].texts]
    assert named == ["default: 0.4\n(trial 0)", "best: 0.3\n(trial 1)"]
