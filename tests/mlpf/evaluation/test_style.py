from matplotlib.figure import Figure
from PIL import Image

from commons.picture_style import save
from mlpf.evaluation.style import DPI, LOOKS, label, look, paper_style


def test_columns_differ_without_color_too():
    some = LOOKS.values()
    assert len({style.marker for style in some}) == len({style.color for style in some}) == 3
    rules, mlpf = LOOKS["rules"], LOOKS["mlpf"]
    assert rules.line != mlpf.line
    assert rules.filled != mlpf.filled
    assert look("other").label == "other"


def test_a_figure_gives_the_same_bytes_without_a_date_or_a_version(tmp_path):
    paths = []
    for name in ("a.png", "b.png"):
        with paper_style():
            figure = Figure(figsize=(1, 1))
            figure.text(0, 0.5, label("100 $ of true pt, |eta| < 2.5"))
            paths.append(save(figure, tmp_path / "new" / name, DPI))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with Image.open(paths[0]) as picture:
        assert picture.size == (110, 110)
        assert picture.convert("L").getextrema()[0] < 100  # something is written
        assert set(picture.info) == {"dpi"}


def test_only_whole_words_become_symbols():
    assert label("opt_in of theta") == "opt in of theta"
    assert label("dr<0.1, abs(eta) 1-2") == r"$\Delta R$<0.1, $|\eta|$ 1-2"
