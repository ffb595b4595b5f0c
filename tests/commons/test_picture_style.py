"""The style of all pictures."""

import pytest

from commons.picture_style import (
    CYCLE,
    Picture,
    is_logarithmic,
    limits,
    number,
    plain,
    short,
    value_axis,
)


def drawn(values, finals, sign=1):
    picture = Picture("s: values")
    (panel,) = picture.panels
    value_axis(panel, "val_loss", values, finals, sign)
    return panel


@pytest.mark.parametrize("sign", [1, -1])
def test_the_better_half_of_the_trials_has_a_quarter_of_the_height(sign):
    finals = [sign * value for value in (0.20, 0.21, 0.22, 0.23, 0.24, 3.0, 50.0, 1e6)]
    low, high = limits([*finals, sign * 8.0], finals, sign)
    good = sign * 0.23 - sign * 0.20
    assert abs(good) / (high - low) > 0.2
    assert low < min(finals[:4]) < max(finals[:4]) < high


def test_values_that_are_not_finite_move_no_limit():
    assert limits([1, 2, float("inf"), float("nan")], [1, 2, float("inf")], 1) == (0.95, 2.05)
    assert limits([], [], 1) == (0.0, 1.0)
    low, high = limits([3.0], [3.0], 1)
    assert low < 3.0 < high


def test_all_values_are_inside_if_no_trial_is_better_than_others():
    low, high = limits([0.84, 0.66, 0.411, 0.417], [], 1)
    assert low < 0.411 < 0.84 < high


def test_the_trials_beyond_an_axis_are_counted_once_for_all_panels():
    picture = Picture("s", columns=2)
    for panel in picture.panels:
        value_axis(panel, "loss", [1, 1.1, 1.2, 9], [1, 1.1, 1.2, 9], 1)
    notes = [text.get_text() for text in picture.figure.texts[1:]]
    assert notes == ["1 of 4 trials end beyond the axis"]


def test_a_long_title_has_two_lines_inside_of_the_picture():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    picture = Picture(f"{50 * 'w'}: the learning curves of all trials")
    renderer = FigureCanvasAgg(picture.figure).get_renderer()
    title = picture.figure.texts[0]
    assert title.get_text().count("\n") == 1
    box = title.get_window_extent(renderer)
    assert picture.panels[0].get_window_extent(renderer).y1 < box.y0
    assert box.y1 < picture.figure.bbox.y1


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("scheduler.decay_steps", "scheduler.decay_steps"),
        ("a.scheduler.decay_steps", "...decay_steps"),
        ("ab.cde.scheduler.decay", "...scheduler.decay"),
        ("model.a_long_name_of_one_part", "...g_name_of_one_part"),
    ],
)
def test_a_dotted_name_is_shortened_to_whole_parts(name, shown):
    assert short(name, 21) == shown


def test_an_axis_over_a_large_ratio_is_logarithmic_with_plain_numbers():
    panel = drawn([0.2, 0.3, 2.9], [0.2, 2.9])
    assert panel.get_yscale() == "log"
    texts = [panel.yaxis.get_major_formatter()(tick, 0) for tick in (0.2, 0.5, 1, 20000)]
    assert texts == ["0.2", "0.5", "1", "20000"]
    assert panel.get_ylabel() == "val_loss"
    assert drawn([1.0, 2.0], [1.0, 2.0]).get_yscale() == "linear"
    assert not is_logarithmic([-1, 100])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1"), (0.25, "0.25"), (123456.0, "123000"), (1e-9, "1e-09"), (-0.5, "-0.5")],
)
def test_numbers_are_plain(value, text):
    assert number(value) == text


def test_a_logarithmic_axis_of_less_than_a_decade_has_several_ticks():
    panel = drawn([0.55, 2.9], [])
    low, high = panel.get_ylim()
    ticks = [tick for tick in panel.get_yticks() if low <= tick <= high]
    assert ticks == pytest.approx([0.5, 0.7, 1, 1.5, 2, 3])


def test_a_name_from_elsewhere_is_shown_as_it_is(tmp_path):
    hostile = "$\\frac{1}{0}$ <b>\n\x1b[2J" + 500 * "x"
    assert "\x1b" not in plain(hostile)
    assert len(short(hostile)) <= 64
    picture = Picture(f"{hostile}: values")
    value_axis(picture.panels[0], hostile, [1.0], [1.0], 1)
    assert picture.save(tmp_path / "a.png").stat().st_size > 1000


def test_the_same_picture_is_the_same_file(tmp_path):
    contents = {Picture("s").save(tmp_path / name).read_bytes() for name in ("a.png", "b.png")}
    assert len(contents) == 1


def test_panels_have_room_for_labels_beside_them():
    picture = Picture("s", columns=2, width=8, label_room=1.0)
    left, right = (panel.get_position() for panel in picture.panels)
    assert 8 * (1 - right.x1) == pytest.approx(1.0)
    assert 8 * (right.x0 - left.x1) == pytest.approx(1.85)  # the labels, then the numbers


def test_the_colors_of_a_cycle_differ_in_brightness_too():
    parts = [[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in CYCLE]
    luma = sorted(0.299 * r + 0.587 * g + 0.114 * b for r, g, b in parts)
    assert len(set(CYCLE)) == len(CYCLE) == 8
    assert luma[-1] - luma[0] > 90
