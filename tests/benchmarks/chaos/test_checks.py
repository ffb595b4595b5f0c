import json

import pytest

from benchmarks.chaos.__main__ import chosen, main
from benchmarks.chaos.rows import FAULTS
from commons.cli import UsageError


def test_rows_are_chosen_by_name():
    assert [fault.name for fault in chosen("node,parent")] == ["node", "parent"]
    assert len(chosen("")) == len(FAULTS) == len({fault.name for fault in FAULTS})
    with pytest.raises(UsageError, match=r"only=parents: .* did you mean parent"):
        chosen("parents")


@pytest.mark.slurm
@pytest.mark.timeout(300)
def test_two_rows_of_the_table_are_good(tmp_path, slurm):  # skips where there is no SLURM
    code = main(["only=parent,checkpoint", f"out={tmp_path / 'chaos'}"])
    report = json.loads((tmp_path / "chaos" / "chaos.json").read_text())
    assert [(row["name"], row["problems"]) for row in report["rows"]] == [
        ("parent", []),
        ("checkpoint", []),
    ]
    assert code == 0
    assert report["versions"]["slurm"]
