import pytest

from mlpf.evaluation.grid import make_grid


def box(axes):
    return axes.get_position()


@pytest.mark.parametrize(("n_cells", "n_wide"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (7, 3)])
@pytest.mark.parametrize("has_ratio", [False, True])
def test_cells_are_in_lines_and_places_without_one_are_empty(n_cells, n_wide, has_ratio):
    picture, cells = make_grid("title", n_cells, has_ratio)
    assert len(cells) == n_cells
    assert len(picture.figure.axes) == n_cells * (1 + has_ratio)
    assert len({round(box(above).x0, 6) for above, _ in cells}) == n_wide
    tops = [round(box(above).y1, 6) for above, _ in cells]
    assert tops == sorted(tops, reverse=True)
    assert tops[:n_wide] == [tops[0]] * n_wide


def test_a_ratio_is_below_its_panel_and_lower_than_it():
    _, cells = make_grid("title", 5, True)
    for above, below in cells:
        high, low = box(above), box(below)
        assert (high.x0, high.x1) == (low.x0, low.x1)
        assert 0 < high.y0 - low.y1 < 0.2 * high.height
        assert high.height > 2 * low.height


def test_between_lines_there_is_room_for_axes_and_titles():
    picture, cells = make_grid("title", 6, True)
    inches = picture.figure.get_figheight()
    assert (box(cells[0][1]).y0 - box(cells[3][0]).y1) * inches == pytest.approx(0.9)
