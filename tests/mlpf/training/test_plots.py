"""The picture of a training."""

import math

import pytest
from PIL import Image

from commons.picture_style import Picture
from mlpf.config import FileWriteError
from mlpf.training.plots import draw_loss_curves


def test_the_curves_are_drawn_even_with_one_epoch_and_missing_figures(tmp_path):
    history = [{"epoch": 1.0, "train_loss": 3.0, "val_loss": 2.0, "val_loss_cls": math.nan}]
    draw_loss_curves(history, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size[0] > picture.size[1] > 200
        assert picture.convert("L").getextrema() == (0, 255)


@pytest.mark.parametrize("names", [[], ["val_met_ratio", "val_jet_efficiency"]])
def test_figures_of_physics_have_a_panel_where_they_are_logged(names, tmp_path, monkeypatch):
    pictures = []
    monkeypatch.setattr(Picture, "save", lambda picture, path: pictures.append(picture))
    history = [{"epoch": e, "val_loss": 2.0} | dict.fromkeys(names, 0.8) for e in (1.0, 2.0)]
    history[0].pop("val_met_ratio", None)  # not at each epoch
    draw_loss_curves(history, tmp_path / "curves.png")
    panels = pictures[0].panels
    assert len(panels) == (4 if names else 3)
    assert pictures[0].figure.get_suptitle() == f"training {tmp_path.name}"
    if names:
        met, jets, _ = panels[-1].lines  # the last is the line at 1
        assert met.get_xydata().tolist() == [[2, 0.8]]
        assert jets.get_xydata().tolist() == [[1, 0.8], [2, 0.8]]
        assert {text.get_text() for text in panels[-1].texts} == {
            "MET error / rules",
            "jets found",
        }


def test_each_label_is_beside_the_end_of_its_curve(tmp_path, monkeypatch):
    pictures = []
    monkeypatch.setattr(Picture, "save", lambda picture, path: pictures.append(picture))
    history = [
        {
            "epoch": float(e),
            "train_loss": 0.4 + 1 / e,
            "val_loss": 0.6 + 1 / e,
            "val_tower_accuracy": 0.91 - 0.01 / e,
            "val_rule_based_tower_accuracy": 0.901,
        }
        for e in range(1, 21)
    ]
    draw_loss_curves(history, tmp_path / "curves.png")
    losses, _, accuracy = pictures[0].panels
    for axes in (losses, accuracy):
        assert axes.get_ylim() != (0, 1)  # fitted to the curves
        from_below = sorted(axes.lines, key=lambda line: line.get_ydata()[-1])
        for text, line in zip(axes.texts, from_below, strict=True):
            end = axes.transData.transform(line.get_xydata()[-1])
            assert text.get_text() == line.get_label()
            height = axes.transAxes.inverted().transform(end)[1]
            assert text.get_position()[1] == pytest.approx(height, abs=0.03)


def test_a_disk_that_refuses_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileWriteError, match=r"curves\.png"):
        draw_loss_curves([{"epoch": 1.0, "val_loss": 2.0}], tmp_path / "file" / "curves.png")
