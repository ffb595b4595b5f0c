import json
from dataclasses import replace
from pathlib import Path

import pytest

from commons.console import Console
from commons.picture_style import Picture
from qsvr.benchmark.output import MIN_WIDTH, draw, figures, print_tables
from qsvr.benchmark.rows import Difference, Row

ROW = Row(
    model="SVR",
    protocol="grouped",
    fraction=0.25,
    n_train=20,
    n_fits=2,
    best=0.9,
    worst=0.8,
    mean=0.85,
    std=0.05,
    se=0.04,
    rho=0.95,
    cpu_s_per_fit=0.002,
    untrained=0.7,
    untrained_rho=0.9,
    minus_untrained=Difference(0.15, 0.05),
    minus_classical=None,
    r2=(0.8, 0.9),
)
ROWS = [
    ROW,
    replace(ROW, fraction=0.5, mean=0.875),
    replace(ROW, model="QSVR, live QPU", minus_classical=Difference(-0.01, 0.002)),
    replace(ROW, protocol="other", model="odd"),
]


@pytest.fixture
def shown(capsys):
    print_tables(Console(width=MIN_WIDTH), ROWS, 0.25, "a [note]")
    return capsys.readouterr().out


def test_all_figures_at_one_fraction_and_the_means_at_all(shown):
    detailed, by_fraction = shown.split("by known fraction")
    assert "0.8500  0.0500  0.9500  0.002  0.7000  +0.1500±0.0500" in detailed
    assert "-0.0100±0.0020" in detailed
    assert "0.875±0.040 (0.700)  0.850±0.040 (0.700)" in by_fraction


def test_a_model_known_at_one_fraction_alone_is_in_the_first_table_only(shown):
    detailed, by_fraction = shown.split("by known fraction")
    assert "QSVR, live QPU" in detailed
    assert "QSVR, live QPU" not in by_fraction


def test_protocols_are_told_apart_and_the_notes_follow(shown):
    assert shown.index("grouped") < shown.index("other")
    assert shown.rstrip().endswith("a [note]")


def test_the_file_holds_figures_without_single_fits():
    row = json.loads(json.dumps(figures(ROW)))
    assert row["minus_untrained"] == {"mean": 0.15, "se": 0.05}
    assert "r2" not in row


@pytest.fixture
def drawn(monkeypatch):
    """The panels of each picture, in order."""
    pictures = []
    monkeypatch.setattr(Picture, "save", lambda picture, _: pictures.append(picture.panels))
    return pictures


def test_the_picture_has_a_panel_per_protocol_of_svr_and_one_of_the_fits(drawn):
    draw(Path("one.png"), [*ROWS, replace(ROW, protocol="quantile")], 0.25)
    (panels,) = drawn
    titles = [axes.get_title("left") for axes in panels]
    assert titles[:2] == ["grouped", "published scales"]
    assert titles[2].startswith("25% of the curve")


def test_a_model_has_its_color_and_marker_in_all_panels(drawn):
    first = replace(ROW, model="another", protocol="quantile")
    draw(Path("one.png"), [*ROWS, first, replace(ROW, protocol="quantile")], 0.25)
    (panels,) = drawn
    looks = {
        (line.get_color(), line.get_marker())
        for axes in panels[:2]
        for line in axes.lines
        if str(line.get_label()).startswith("SVR")
    }
    assert len(looks) == 1
    names = {name.get_text(): name.get_color() for name in panels[2].get_yticklabels()}
    assert names["published scales: SVR, 20"] == names["grouped: SVR, 20"] == looks.pop()[0]
    assert names["published scales: another, 20"] != names["grouped: SVR, 20"]


def test_the_fits_are_drawn_from_the_figures_of_the_file(drawn):
    draw(Path("one.png"), [replace(ROW, r2=())], 0.25)
    lines = [line.get_xdata() for line in drawn[0][1].lines]
    assert [*map(list, lines)] == [[0.8, 0.9], pytest.approx([0.8, 0.9]), [0.85], [0.7]]
