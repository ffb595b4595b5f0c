from dataclasses import replace

import numpy as np
import pytest

from benchmarks.reproduce.policies import figures
from benchmarks.reproduce.policies.draws import make_draws
from benchmarks.reproduce.policies.found import find
from benchmarks.reproduce.policies.problems import made_up
from benchmarks.reproduce.policies.rows import Row
from hpo.simulate.draws import Variant

SLOW, LATE = made_up()


def row(method, epochs, finals, mode="pool", node=None):
    n = len(epochs)
    return Row(
        "slow", method, 1, mode, "", epochs, finals, [22] * n, [4] * n, None, node or {}, {}
    )


@pytest.fixture(scope="module")
def trial():
    """Makes the trial of a method that takes a share of Hyperband's epochs and misses some."""

    def make(method, share, n_missed, problem=SLOW):
        draws = make_draws(problem.table, range(20), Variant())
        finals = draws.finals.copy()
        finals[:n_missed] = np.inf
        mine = [round(share * e) for e in draws.epochs]
        finals = [None if np.isinf(f) else f for f in finals]
        theirs = row("hyperband", [int(e) for e in draws.epochs], draws.finals.tolist())
        front = find(draws, problem.tolerance, 50)
        made = row(method, mine, finals)
        made = replace(made, table=problem.name)
        return figures.measure_row(made, theirs, problem, draws, front, 0.5)

    return make


def test_a_row_is_measured_beside_hyperband_and_the_ladder_of_its_epochs(trial):
    made = trial("m", 0.5, 5)
    of_table = figures.of_table(made)
    assert of_table["p"] == 0.75
    assert of_table["p_se"] is None  # few of the draws have a best training of their own
    assert of_table["share"] == pytest.approx(0.5, abs=0.01)
    # Each of both resumes four times: 2 epochs more for about 75 and for 149.
    assert of_table["share_reload"] == pytest.approx((0.5 * 149 + 2) / 151, abs=0.01)
    assert made.bar.epochs <= of_table["epochs"]
    assert len(made.scored.close) == 10
    assert of_table["found_won"] + of_table["found_lost"] <= 10


def test_families_weigh_alike(trial):
    same, other = replace(SLOW, name="same"), LATE
    trials = [trial("m", 0.2, 0), trial("m", 0.4, 0, same), trial("m", 0.9, 10, other)]
    hyperbands = [trial("hyperband", 1.0, 0, p) for p in (SLOW, same, other)]
    overall = figures.over_tables(trials, hyperbands)
    assert overall["share"] == pytest.approx((0.3 + 0.9) / 2, abs=0.01)
    assert overall["greatest_share"] == pytest.approx(0.9, abs=0.01)
    assert overall["p"] == pytest.approx((1 + 0.5) / 2)
    assert (overall["worst_p"], overall["worst_table"]) == (0.5, "late")
    gap = np.mean(
        [np.mean([t.measured.mean_gap for t in trials[:2]]), trials[2].measured.mean_gap]
    )
    theirs = np.mean([hyperbands[0].measured.mean_gap, hyperbands[2].measured.mean_gap])
    assert overall["gap_of_hyperband"] == pytest.approx(gap / theirs)
    assert overall["share_se"] is None  # two families


def test_a_pruner_is_paired_with_the_one_that_it_wraps(trial):
    inner = {"_target_": "A", "min_resource": 1}
    nodes = {"a": inner, "b": {"_target_": "B", "wrapped": inner}, "c": {"wrapped": {}}, "d": None}
    rows = [row(name, [1], [1.0], node={"pruner": node}) for name, node in nodes.items()]
    assert figures.inner_of(rows) == {"b": "a"}
    pair = figures.pair([trial("b", 0.4, 6)], [trial("a", 0.5, 2)])
    assert (pair["won"], pair["lost"]) == (0, 4)
    assert pair["epochs_ratio"] == pytest.approx(0.8, abs=0.02)


def test_a_method_is_chosen_without_the_family_on_which_it_is_judged(trial):
    good_on_slow = [trial("a", 0.3, 0), trial("a", 0.3, 20, LATE)]
    good_on_late = [trial("b", 0.3, 20), trial("b", 0.3, 0, LATE)]
    dear = [trial("c", 0.9, 0), trial("c", 0.9, 0, LATE)]
    result = figures.left_out({"a": good_on_slow, "b": good_on_late, "c": dear}, 0.5)
    assert [(f["family"], f["chosen"], f["worst_p"]) for f in result] == [
        ("slow", "b", 0.0),
        ("late", "a", 0.0),
    ]
    assert figures.left_out({"c": dear}, 0.5) == []


def test_sweeps_that_never_arrive_count_in_quartiles():
    of = figures.of_sampler(row("s", [10, None, 30, None], [1.0] * 4, "sampler"))
    assert (of["solved"], of["sweeps"]) == (2, 4)
    assert of["median"] is None
    assert of["quartiles"] == [30.0, None]
