import pytest

from hpo.simulate.timeline import Timeline
from hpo.simulate.timelines import make_row

PARTS = {"trained": 5400.0, "lost": 600.0, "unfinished": 0.0, "other": 1200.0}


def sweep(wall_s, best, share=1.0):
    worker_s = {"present": 7200.0, "queued": 360.0, **PARTS}
    return Timeline(wall_s, tuple(best), worker_s, (share,) * 50, 1, 2)


def test_a_row_has_hours_and_core_hours():
    row = make_row([sweep(3600, [(1800, 3600, -7)]), sweep(7200, [])], "maximize", 6)
    assert (row["n"], row["wall_h"], row["core_h"]) == (2, 1.5, 12)
    assert row["utilization"] == 0.75
    assert row["best_h"] == 0.5
    assert row["core_hours"] == {"trained": 9, "lost": 1, "unfinished": 0, "other": 2}
    assert sum(row["core_hours"].values()) == row["core_h"]
    assert (row["queued_h"], row["n_failed"], row["n_preempted"]) == (0.1, 1, 2)


def test_the_best_value_so_far_is_a_step_in_each_sweep():
    sweeps = [sweep(10 * 3600, [(3600, 3600, 5), (18000, 7200, value)]) for value in (1, 2, 3)]
    by_wall = make_row(sweeps, "minimize", 1)["by_wall_h"]
    assert by_wall["hours"] == pytest.approx([i / 10 for i in range(101)])
    assert by_wall["median"][9] is None
    assert by_wall["median"][10:50] == [5.0] * 40
    assert by_wall["median"][50:] == [2.0] * 51
    assert by_wall["best_quartile"][-1] == 1
    assert by_wall["worst_quartile"][-1] == 3
    by_core = make_row(sweeps, "minimize", 3)["by_core_h"]
    assert by_core["hours"][-1] == 6
    assert by_core["median"][49:51] == [None, 5.0]


def test_a_sweep_that_never_finds_anything_counts_as_the_worst():
    sweeps = [sweep(3600, [(0, 0, -1)]), sweep(3600, []), sweep(3600, [])]
    row = make_row(sweeps, "maximize", 1)["by_wall_h"]
    assert row["median"][-1] is None
    assert make_row(sweeps, "maximize", 1)["best_h"] is None
    assert row["best_quartile"][-1] == 1


def test_utilization_over_time_is_the_mean_of_the_sweeps():
    row = make_row([sweep(1, [], 0.2), sweep(1, [], 0.8)], "minimize", 1)
    assert row["busy"] == pytest.approx([0.5] * 50)


def test_a_row_may_count_gpus():
    row = make_row([sweep(3600, [(1800, 3600, 7)])], "minimize", 1, "gpu")
    assert row["gpu_h"] == 2
    assert row["gpu_hours"]["trained"] == 1.5
    assert row["by_gpu_h"]["hours"][-1] == 2
    assert not {"core_h", "core_hours", "by_core_h"} & set(row)
