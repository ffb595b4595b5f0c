import json

import pytest

from benchmarks.reproduce import rasda
from benchmarks.reproduce.rasda import Case, Scenario, compare, main, make_cases, simulate

EXAMPLE = Scenario("the published example", 4, 0)


def test_the_published_example_is_faster_with_growth():
    # Four trials that begin with four GPUs each; one ends on 32.
    fixed = simulate(Case(EXAMPLE, "promotion"), 0, n_gpus=32)
    grown = simulate(Case(EXAMPLE, "growing", 1.0), 0, n_gpus=32)
    assert max(fixed.lengths) == max(grown.lengths) == 8
    assert fixed.final == grown.final
    # The best trial waits for no other one: the time of 1 + 1/2 + 2/4 + 4/8 steps instead of 8.
    assert grown.timeline.wall_s / fixed.timeline.wall_s == pytest.approx(2.5 / 8)


def test_a_change_of_size_and_the_efficiency_cost_time():
    def wall_s(efficiency, restart_s):
        case = Case(Scenario("", 8, restart_s), "growing", efficiency)
        return simulate(case, 0, n_gpus=32).timeline.wall_s

    assert wall_s(1.0, 0) < wall_s(0.7, 0) < wall_s(0.7, 300)


def test_without_growth_each_scenario_is_simulated_once_per_method():
    cases = make_cases([0.7, 0.9])
    assert len(cases) == 4 * len(rasda.SCENARIOS)
    assert [(case.method, case.efficiency) for case in cases[:4]] == [
        ("asha", None),
        ("promotion", None),
        ("growing", 0.7),
        ("growing", 0.9),
    ]


def test_methods_are_compared_with_asha_in_their_scenario():
    cases = [Case(EXAMPLE, "asha"), Case(EXAMPLE, "growing", 0.8)]
    row = {"gpu_h": 5.0, "utilization": 0.9, "best": 1.0, "steps": 20.0, "busy": [0.25, 0.75]}
    asha, growing = compare(
        cases, [{**row, "wall_h": 3.0, "best_h": 2.0}, {**row, "wall_h": 2.0, "best_h": 2.5}]
    )
    assert (asha["faster"], asha["best_earlier"], asha["busy"]) == (1, 1, 0.5)
    assert (growing["faster"], growing["best_earlier"]) == (1.5, 0.8)
    assert growing["allocated_gpu_h"] == 2048


def test_the_command_writes_figures_and_curves(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rasda, "SCENARIOS", (EXAMPLE,))
    out = tmp_path / "rasda.json"
    assert main(["seeds=2", "efficiencies=[0.9]", "n_jobs=1", f"out={out}"]) == 0
    record = json.loads(out.read_text())
    assert [row["method"] for row in record["rows"]] == ["asha", "promotion", "growing"]
    assert record["published"]["faster_than_asha_up_to"] == 1.9
    drawn = json.loads((tmp_path / "rasda" / "timeline.json").read_text())
    assert [row["name"] for row in drawn] == ["asha", "promotion", "growing at 0.9"]
    assert (tmp_path / "rasda" / "timeline.png").stat().st_size > 10_000
    faster = record["rows"][2]["faster"]
    assert f"growing at 0.9: {faster:.2f} times as fast as ASHA" in capsys.readouterr().out


@pytest.mark.parametrize("mistake", ["seeds=0", "efficiencies=[]", "efficiencies=[1.2]"])
def test_a_mistake_is_one_line(mistake, capsys):
    assert main([mistake]) == 2
    assert capsys.readouterr().err.startswith(f"error: {mistake.split('=')[0]}=")
