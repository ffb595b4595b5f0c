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
    assert curves == [[0.9, 0.4], [0.8, 0.3], [0.4], [0.3]]  # and a mark at each value
    named = [text.get_text() for text in axes[0].texts]
    assert named == ["default (trial 0):\n0.4 at epoch 2", "best (trial 1):\n0.3 at epoch 2"]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_both_curves_are_inside_the_axis_however_far_apart(subject, axes, tmp_path, direction):
    study, sign = optuna.create_study(direction=direction), -1 if direction == "maximize" else 1
    far = [sign * 0.9, sign * 0.66]
    add(study, [], far, 0.1, "b", TrialState.PRUNED, enqueued="default")
    near = [sign * (0.41 + 0.1 / step) for step in range(1, 21)]
    add(study, near[-1:], near, 0.1, "b")
    draw_comparison(subject(study), tmp_path / "c.png")
    low, high = axes[0].get_ylim()
    assert low < min([*far, *near]) < max([*far, *near]) < high
    assert axes[0].figure.texts == [axes[0].figure._suptitle]  # nothing ends beyond the axis


def test_the_value_of_a_trial_is_told_as_in_the_table_at_the_epoch_that_had_it(
    subject, axes, tmp_path
):
    study = optuna.create_study()
    add(study, [0.65791359], [0.8, 0.65791359], 0.1, "b", enqueued="default")
    add(study, [0.44070049], [0.6, 0.44070049, 0.44349999], 0.25, "b")
    read = subject(study)
    draw_comparison(read, tmp_path / "c.png")
    assert [cell for row in cells(comparison_table(read)) for cell in row][1:3] == [
        "0.657914",
        "0.4407",
    ]
    told = [text.get_text().partition("\n")[2] for text in axes[0].texts]
    assert told == ["0.657914 at epoch 2", "0.4407 at epoch 2"]
    assert [*axes[0].lines[-1].get_xydata()[0]] == [2, 0.44070049]


def test_a_value_that_no_epoch_had_is_told_without_one(subject, axes, tmp_path):
    study = optuna.create_study()
    add(study, [0.7], [0.8, 0.7], 0.1, "b", enqueued="default")
    add(study, [0.35], [0.6, 0.4], 0.25, "b")  # the mean of its weights, for example
    draw_comparison(subject(study), tmp_path / "c.png")
    assert axes[0].texts[1].get_text() == "best (trial 1):\n0.35"


def test_the_names_of_curves_that_end_together_do_not_cover_each_other(subject, axes, tmp_path):
    study = optuna.create_study()
    add(study, [0.4001], [0.9, 0.4001], 0.1, "b", enqueued="default")
    add(study, [0.4], [0.9, 0.4], 0.25, "b")
    draw_comparison(subject(study), tmp_path / "c.png")
    first, second = (text.get_window_extent() for text in axes[0].texts)
    assert not first.overlaps(second)
    assert max(first.x1, second.x1) < axes[0].figure.bbox.x1
