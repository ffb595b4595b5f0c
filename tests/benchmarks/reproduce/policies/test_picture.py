import pytest

from benchmarks.reproduce.policies.picture import draw, pareto
from commons.picture_style import Picture


def figure(method, share, p, p_se=None):
    return {"method": method, "share": share, "p": p, "p_se": p_se}


FIGURES = [
    figure("hyperband", 1.0, 1.0, 0.02),
    figure("cheap", 0.2, 0.5),
    figure("worse", 0.4, 0.4),
    figure("same P, dearer", 0.9, 0.9),
    figure("good", 0.5, 0.9),
]


def test_no_method_of_the_front_is_beaten():
    assert [f["method"] for f in pareto(FIGURES)] == ["cheap", "good", "hyperband"]


@pytest.mark.parametrize(("worst", "bottom"), [(1.0, 0.8), (0.5, 0.45), (0.0, -0.04)])
def test_the_axis_begins_below_the_worst_method(tmp_path, monkeypatch, worst, bottom):
    kept = []
    monkeypatch.setattr(Picture, "save", lambda picture, _: kept.append(picture.panels[0]))
    draw(tmp_path / "a.png", "three draws", [FIGURES[0], figure("worst", 0.3, worst)], [])
    assert kept[0].get_ylim()[0] == pytest.approx(bottom)


@pytest.mark.parametrize("figures", [FIGURES, FIGURES[:1]])
def test_a_picture_is_drawn_the_same_again(tmp_path, figures):
    for name in ("a", "b"):
        draw(tmp_path / f"{name}.png", "three draws", figures, [])
    png = (tmp_path / "a.png").read_bytes()
    assert len(png) > 10_000
    assert png == (tmp_path / "b.png").read_bytes()
