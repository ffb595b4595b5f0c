import pytest

from benchmarks.reproduce.policies.picture import draw, pareto


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


@pytest.mark.parametrize("figures", [FIGURES, FIGURES[:1]])
def test_a_picture_is_drawn_the_same_again(tmp_path, figures):
    for name in ("a", "b"):
        draw(tmp_path / f"{name}.png", "three draws", figures, [])
    png = (tmp_path / "a.png").read_bytes()
    assert len(png) > 10_000
    assert png == (tmp_path / "b.png").read_bytes()
