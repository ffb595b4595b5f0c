"""The names under which a study is stored are a file format."""

import re
from pathlib import Path

from hpo import attributes

NAMES = {key: value for key, value in vars(attributes).items() if key.isupper()}


def test_no_two_records_have_the_same_name():
    assert len(set(NAMES.values())) == len(NAMES)


def test_a_prefix_begins_no_other_name():
    prefixes = [value for value in NAMES.values() if value.endswith(":")]
    assert prefixes
    for prefix in prefixes:
        assert [value for value in NAMES.values() if value.startswith(prefix)] == [prefix]


def test_the_table_of_the_page_has_exactly_these_names():
    page = (Path(__file__).parents[2] / "docs/sweeps.md").read_text()
    table = page.partition("### What a study stores")[2].partition("## ")[0]
    rows = re.findall(r"^\| `([a-z_:]+)", table, flags=re.M)
    assert sorted(rows) == sorted(NAMES.values())
