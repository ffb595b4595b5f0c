import numpy as np
import pytest

from mlpf.evaluation.plots import draw_curves, draw_plots


def positions(container):
    return container[0].get_xydata()


def names_beside(axes):
    """The texts right of a panel, from the bottom."""
    beside = [text for text in axes.texts if text.get_transform() == axes.transAxes]
    return [text.get_text() for text in sorted(beside, key=lambda text: text.get_position()[1])]


def test_points_lie_in_their_bins_with_their_errors_and_empty_bins_are_left_out(evaluation):
    (axes,) = draw_curves(evaluation["curves"]).panels
    (container,) = axes.containers
    np.testing.assert_allclose(positions(container)[:2], [[10**0.5, 0.5], [10**1.5, 0.9]])
    assert np.isnan(positions(container)[2, 1])
    across, upright = (bars.get_segments() for bars in container[2])
    np.testing.assert_allclose(across[0][:, 0], [1, 10])
    np.testing.assert_allclose([bar[:, 1] for bar in upright[:2]], [[0.4, 0.6], [0.7, 0.95]])
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "10", "100", "1000"]
    assert axes.get_xlabel() == "true energy [GeV]"
    assert axes.get_title("left") == "neutral hadron"


def test_rules_and_mlpf_stand_beside_each_other_in_a_panel_per_selection(make_curve):
    columns = ("rules", "mlpf")
    curves = [
        make_curve("efficiency", selection, column, [0.5], edges=[0, 10])
        for selection in ("photon", "muon")
        for column in columns
    ]
    picture = draw_curves(curves)
    assert [axes.get_title("left") for axes in picture.figure.axes] == ["photon", "muon"]
    for axes in picture.figure.axes:
        left, right = (positions(container)[0, 0] for container in axes.containers)
        assert left < 5 < right
        assert axes.get_ylim() == pytest.approx((0.4, 1.05))
        assert sorted(names_beside(axes)) == ["MLPF", "rules"]


def test_a_point_at_zero_lies_inside_of_its_panel(make_curve):
    curve = make_curve("efficiency", "electron", "mlpf", [0.0, 1.0], edges=[1, 10, 100])
    low, high = draw_curves([curve]).panels[0].get_ylim()
    assert low < -0.02
    assert high > 1.02


def test_a_width_has_its_ratio_to_the_rules_below(make_curve):
    values = {"rules": [0.2, 0.0, 0.1], "mlpf": [0.1, 0.1, 0.2]}
    curves = [
        make_curve("jet_response_iqr", "all", c, v, edges=[20, 30, 45, 70], errors=[0.01] * 3)
        for c, v in values.items()
    ]
    above, below = draw_curves(curves).panels
    np.testing.assert_allclose(positions(below.containers[0])[:, 1], [0.5, np.nan, 2.0])
    bars = below.containers[0][2][1].get_segments()
    np.testing.assert_allclose(bars[0][:, 1], [0.45, 0.55])
    assert below.get_ylabel() == "MLPF / rules"
    assert below.get_xlim() == above.get_xlim()
    assert below.get_xlabel() == "true energy [GeV]"
    assert names_beside(above) == ["rules", "MLPF"]  # as the last points are


def test_a_panel_names_its_selection_without_the_variable_of_the_axis(make_curve):
    curves = [
        make_curve("jet_response_median", selection, "mlpf", [0.2], edges=[20, 30])
        for selection in ("eta<2.5, pt", "eta<5, massless, abs(eta)")
    ]
    titles = [axes.get_title("left") for axes in draw_curves(curves).panels]
    assert titles == [r"$|\eta|$<2.5", r"$|\eta|$<5, massless"]


def test_counts_are_drawn_as_steps(make_curve):
    edges = [-1, 0, 1]
    curves = [
        make_curve("met_residual", "all", c, v, edges=edges, kind="histogram")
        for c, v in {"rules": [3, None], "mlpf": [1, 2]}.items()
    ]
    (axes,) = draw_curves(curves).panels
    rules, mlpf = axes.lines
    np.testing.assert_array_equal(rules.get_xydata()[1:], [(-1, 3), (0, 0), (1, 0)])
    np.testing.assert_array_equal(mlpf.get_xydata()[1:], [(-1, 1), (0, 2), (1, 0)])
    assert mlpf.get_drawstyle() == "steps-post"
    assert rules.get_linestyle() != mlpf.get_linestyle()
    assert axes.get_ylim() == pytest.approx((0, 3.15))
    assert axes.get_yticks().tolist() == [0, 1, 2, 3, 4]  # no half events


def test_points_without_bins_are_joined_by_a_line(make_curve):
    curves = [make_curve("speed", "all", "mlpf", [1, 8], x=[1280, 12800], unit="ms")]
    (axes,) = draw_curves(curves).panels
    np.testing.assert_array_equal(positions(axes.containers[0]), [[1280, 1], [12800, 8]])
    assert axes.containers[0][0].get_linestyle() == "-"
    assert axes.get_ylabel() == "speed [ms]"


def test_a_unit_is_told_once(make_curve):
    curve = make_curve("mb_per_event", "all", "mlpf", [1], x=[1280], unit="MB")
    picture = draw_curves([curve | {"y_label": "mb per event"}], "a, 1 event")
    assert picture.panels[0].get_ylabel() == "MB per event"
    assert picture.figure.get_suptitle() == "MB per event: a, 1 event"
    times = make_curve("ms_per_event", "all", "mlpf", [1], x=[1280], unit="ms")
    assert draw_curves([times], "a").figure.get_suptitle() == "ms per event: a"


def test_reliability_has_the_diagonal(make_curve):
    (axes,) = draw_curves([make_curve("reliability", "all", "mlpf", [0.1], edges=[0, 0.2])]).panels
    assert names_beside(axes) == ["MLPF", "ideal"]
    assert axes.get_xlim() == axes.get_ylim() == (0, 1)


def test_the_confusion_of_a_class_is_a_line_of_percents(make_curve):
    edges = [k - 0.5 for k in range(7)]
    curves = [
        make_curve("confusion", selection, column, values, edges=edges)
        for column in ("rules", "mlpf")
        for selection, values in {
            "towers, none": [0.75, 0, 0.25, 0, 0, 0],
            "towers, photon": [0, 0, 0.125, 0.875, 0, 0],
            "towers, muon": [None] * 6,
        }.items()
    ]
    figure = draw_curves(curves, "a, 80 events").figure
    assert figure.get_suptitle() == "Confusion: a, 80 events"
    assert [axes.get_title("left") for axes in figure.axes] == ["towers: rules", "towers: MLPF"]
    texts = {tuple(map(int, t.xy)) if hasattr(t, "xy") else t.get_position(): t.get_text()
             for t in figure.axes[1].texts}  # fmt: skip
    assert texts[(0, 0)] == "75.0"
    assert texts[(2, 3)] == "12.5"
    assert texts[(1, 0)] == "0"
    assert len(texts) == 12  # a class without elements has no share


def test_every_name_and_variable_is_a_file_that_cannot_leave_its_folder(tmp_path, make_curve):
    some = [
        make_curve("../a b", "$x", "mlpf", [1.0], edges=[0, 1]),
        make_curve("efficiency", "all", "mlpf", [None], edges=[0, 1], x_label="true eta"),
    ]
    paths = draw_plots({"curves": some}, tmp_path / "out")
    names = ["_a_b_against_true_energy.png", "efficiency_against_true_eta.png"]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
