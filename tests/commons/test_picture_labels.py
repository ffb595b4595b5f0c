"""Names beside lines and points."""

import pytest

from commons.picture_labels import apart, label_ends, label_points
from commons.picture_style import Picture


def panel():
    (axes,) = Picture("s", label_room=1.0).panels
    return axes


def test_each_line_has_its_name_at_its_right_end_in_its_color():
    axes = panel()
    axes.plot([2, 1], [0.8, 0.1], color="#0072b2", label="a_$b$")  # its right end comes first
    axes.plot([1, 2], [0.5, 0.2], color="#d55e00", label="c")
    axes.plot([1, 2], [0.3, 0.3])  # without a name
    axes.set_ylim(0, 1)
    label_ends(axes)
    shown = {text.get_text(): text for text in axes.texts}
    assert shown.keys() == {"a_\\$b\\$", "c"}
    assert shown["c"].get_position() == pytest.approx((1.02, 0.2))
    assert shown["a_\\$b\\$"].get_position() == pytest.approx((1.02, 0.8))
    assert shown["c"].get_color() == "#d55e00"


def test_names_are_at_the_ends_without_limits_that_were_set():
    axes = panel()
    axes.plot([1, 2, 3], [40.0, 35.0, 30.0], label="high")
    axes.plot([1, 2, 3], [40.0, 20.0, 10.0], label="low")
    label_ends(axes)
    assert [text.get_text() for text in axes.texts] == ["low", "high"]
    for text, end in zip(axes.texts, (10.0, 30.0), strict=True):
        _, shown = axes.transAxes.inverted().transform(axes.transData.transform((3, end)))
        assert text.get_position()[1] == pytest.approx(shown, abs=1e-5)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([], []),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.1, 0.2, 0.9], [0.1, 0.2, 0.9]),
        ([0.2, 0.21, 0.31], [0.14, 0.24, 0.34]),
        ([0.99, 1.0], [0.9, 1.0]),
    ],
)
def test_names_move_apart_as_little_as_needed_and_not_above_the_panel(places, expected):
    assert apart(places, 0.1) == pytest.approx(expected)


def test_names_of_points_cover_neither_each_other_nor_points():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    axes = panel()
    points = [(0.5, 0.5), (0.5, 0.52), (0.53, 0.5)]
    axes.set(xlim=(0, 1), ylim=(0, 1))
    label_points(axes, points, ["first", "second", "third"])
    renderer = FigureCanvasAgg(axes.figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert not any(a.overlaps(b) for a in boxes for b in boxes if a is not b)
    inside = axes.get_window_extent(renderer)
    assert all(inside.contains(*corner) for box in boxes for corner in box.corners())
