import re

import numpy as np
import pytest

from benchmarks.reproduce.policies.problems import made_up, read_problems, read_sources

CSV = "lr,acc_0,acc_1\n0.1,0.2,0.5\n0.2,0.3,0.9\n0.3,0.1,0.7\n"


def sources(tmp_path, text):
    (tmp_path / "tables.yaml").write_text(text)
    return read_sources(tmp_path / "tables.yaml")


def test_tables_are_read_as_the_file_says(tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    node = "{file: a.csv, family: F, prefix: acc_, direction: maximize"
    both = sources(tmp_path, f"one: {node}}}\ntwo: {node}, tolerance: 0.25}}\n")
    one, two = read_problems(both, tmp_path)
    assert (one.name, one.family, one.table.n_epochs) == ("one", "F", 2)
    assert one.tolerance == pytest.approx(0.01 * 0.2)
    assert two.tolerance == 0.25


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "expected names of tables"),
        ("one: {file: a.csv}", "one needs a file and a family"),
        ("one: {file: a.csv, family: F, colour: red}", "one has colour; known: file, family, hps"),
        ("one: {", "no YAML file that can be read"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, text, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        sources(tmp_path, text)


def test_made_up_tables_need_no_file_and_are_always_the_same():
    slow, late = made_up()
    assert slow.family != late.family
    assert len(slow.table) == 60
    np.testing.assert_array_equal(slow.table.curves, made_up()[0].table.curves)
    assert (np.diff(late.table.curves).min(axis=1) < -0.1).all()  # every curve falls late
