"""The picture of a training."""

import math

from PIL import Image

from mlpf.training.plots import draw_loss_curves


def test_the_curves_are_drawn_even_with_one_epoch_and_missing_figures(tmp_path):
    history = [{"epoch": 1.0, "train_loss": 3.0, "val_loss": 2.0, "val_loss_cls": math.nan}]
    draw_loss_curves(history, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size[0] > picture.size[1] > 200
        assert picture.convert("L").getextrema() == (0, 255)
