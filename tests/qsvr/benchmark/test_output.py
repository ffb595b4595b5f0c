import json
from dataclasses import replace

import pytest

from commons.console import Console
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


def test_the_picture_has_a_panel_per_protocol_of_svr(tmp_path):
    draw(tmp_path / "one.png", ROWS, 0.25)
    draw(tmp_path / "two.png", [*ROWS, replace(ROW, protocol="quantile")], 0.25)
    one, two = ((tmp_path / name).read_bytes() for name in ("one.png", "two.png"))
    width = [int.from_bytes(png[16:20], "big") for png in (one, two)]
    assert width == [1536, 2304]
