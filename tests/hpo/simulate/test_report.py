import json
from io import StringIO

import pytest

from commons.console import Console
from hpo.simulate.report import print_rows, write

PAIR = {"wins": 3, "losses": 1, "p": 0.625, "epochs": -25.0, "se": 4.0}


def row(method, mode="pool", within=0.25, **changes):
    return {
        "method": method,
        "mode": mode,
        "within": within,
        "n": 4,
        "median_epochs": 100.0,
        "mean_epochs": 110.0,
        "quartiles_epochs": [80.0, 90.0, 120.0, 150.0],
        "cost": 105.0,
        "p_tol": 0.75,
        "p_leq": 0.5,
        "solved": 3,
        "share": 0.5,
        "gap": 0.0125,
        "se": {"mean_epochs": 5.0, "p_tol": 0.2, "p_leq": 0.25, "gap": 0.004},
        "evidence": {"text": "4 draws as good as 3.0"},
        "paired": {},
        "nearest_baseline": None,
        "epochs": [80.0, 90.0, 110.0, 160.0],
        "settings": {"curves": {"file": "table.csv"}},
        **changes,
    }


def shown(*rows):
    out = StringIO()
    print_rows(Console(file=out, width=120), rows)
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_a_method_of_a_pool_is_shown_against_its_nearest_baseline():
    lines = shown(
        row("hyperband"),
        row(
            "asha",
            paired={"hyperband": PAIR, "ladder": {**PAIR, "wins": 2}},
            nearest_baseline="ladder",
        ),
    )
    assert "4 orders: within 0.25 of Hyperband's final value" in lines[0]
    assert "asha 50% 110 ± 5 105 0.0125 ± 0.0040 0.75 ± 0.20 0.50 ladder 2/1 0.62 -25 ± 4" in lines
    assert lines[-1] == "4 draws as good as 3.0"


def test_what_draws_cannot_tell_is_not_printed():
    se = {"mean_epochs": None, "p_tol": None, "p_leq": None, "gap": None}
    pair = {**PAIR, "p": None, "se": None, "epochs": 25.0}
    lines = shown(row("a", se=se), row("b", se=se, paired={"a": pair}))
    assert "b 50% 110 105 0.0125 0.75 0.50 a 3/1 +25" in lines


def test_without_a_baseline_the_first_method_is_the_one_to_compare_with():
    lines = shown(row("hyperband"), row("asha", paired={"hyperband": PAIR}))
    assert "hyperband 50% 110 ± 5 105 0.0125 ± 0.0040 0.75 ± 0.20 0.50" in lines
    assert any(line.endswith("0.50 hyperband 3/1 0.62 -25 ± 4") for line in lines)


def test_a_sweep_with_a_sampler_that_never_arrives_says_so():
    never = {"median_epochs": None, "quartiles_epochs": [80.0, 90.0, None, None], "cost": None}
    lines = shown(row("a", "sampler"), row("b", "sampler", **never, paired={"a": PAIR}))
    assert "a 3 100 90 - 120 105" in lines
    assert "b 3 never 90 - never never 3/1 0.62 -25 ± 4" in lines


def test_each_distance_has_a_table_of_its_own():
    text = "\n".join(shown(row("a", "sampler", 0.1), row("a", "sampler", 1.0)))
    assert "to within 0.1 of the table's best" in text
    assert "to within 1 of the table's best" in text


def test_rows_are_written_one_a_line_with_a_picture(tmp_path):
    rows = [row("a"), row("b", "sampler", epochs=[80.0, None, None, 90.0])]
    write(rows, tmp_path / "new")
    text = (tmp_path / "new/simulate.json").read_text()
    assert json.loads(text) == rows
    assert text.count("\n") == 2 + len(rows)
    png = (tmp_path / "new/simulate.png").read_bytes()
    assert int.from_bytes(png[16:20], "big") == round(2 * 7.6 * 120)  # a panel per kind of sweep


def test_a_number_that_is_not_finite_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write([row("a", cost=float("inf"))], tmp_path)
    assert not list(tmp_path.iterdir())
