"""Names and types of the columns."""

from dataclasses import fields

import pytest

from mlpf.data.generator import Generator
from mlpf.data.layout import GROUPS, SHARE, TABLES, events_per_portion, number_type


def test_a_column_is_named_after_its_table():
    assert TABLES["ygen"][:2] == ("ygen_pid", "ygen_charge")
    assert sum(len(TABLES[group]) for group in GROUPS) == 26
    known = {f"gen_{field.name}" for field in fields(Generator)} - {"gen_offsets"}
    assert {*TABLES["gen"]} == known
    assert SHARE in known


def test_codes_and_counts_are_whole_numbers():
    whole = [name for name in TABLES["gen"] if str(number_type(name)).startswith("int")]
    assert whole == ["gen_pid", "gen_charge", "gen_vertex", "gen_n_pileup"]
    assert {str(number_type(name)) for name in TABLES["x"]} == {"float"}


@pytest.mark.parametrize(
    ("n_events", "n_elements", "expected"),
    [(1000, 150_000, 436), (10, 400_000, 1), (1, 10**9, 1), (50, 0, 65_536), (0, 0, 1)],
)
def test_a_portion_has_about_65_000_elements(n_events, n_elements, expected):
    assert events_per_portion(n_events, n_elements) == expected
