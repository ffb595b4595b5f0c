import json

import pytest

from benchmarks.chaos.__main__ import chosen, main
from benchmarks.chaos.checks import _ended_twice
from benchmarks.chaos.rows import FAULTS
from benchmarks.chaos.sweep import Line
from commons.cli import UsageError


def test_rows_are_chosen_by_name():
    assert [fault.name for fault in chosen("node,parent")] == ["node", "parent"]
    assert len(chosen("")) == len(FAULTS) == len({fault.name for fault in FAULTS})
    with pytest.raises(UsageError, match=r"only=parents: .* did you mean parent"):
        chosen("parents")


def test_a_pause_is_no_second_end_of_a_trial_but_the_same_end_again_is():
    def ended(*epochs):
        return [Line("end", epoch, pid=1, time=0.0) for epoch in epochs]

    assert not _ended_twice(ended(6, 8), pauses=True)
    assert _ended_twice(ended(6, 8), pauses=False)
    assert _ended_twice(ended(6, 8, 8), pauses=True)
    assert not _ended_twice([], pauses=False)
    assert {fault.name for fault in FAULTS if fault.expected.pauses} == {
        *("promotion", "pbt_kill", "pbt_copy", "pbt_preempt", "pbt_journal")
    }


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
