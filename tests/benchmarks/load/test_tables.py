import json

from benchmarks.load import tables
from benchmarks.load.tables import main

SCALE = {
    "launcher": "light",
    "kind": "grpc",
    "workers": 8,
    "epoch_s": 2.0,
    "delay_ms": 0.0,
    "shares": {"outside": 0.05, "own_core": 0.0123, "cpu": 0.004},
    "trial": {"cpu": 1.25, "waiting": 2.0, "blocked": 3.0},
    "report": {"cpu": 0.5, "waiting": 0.0, "blocked": 0.25},
    "load_after": 3.6,
}


def test_a_row_of_many_workers_has_its_share_with_a_core_of_its_own():
    line = tables.scale({"rows": [SCALE]}).splitlines()[-1]
    assert line == (
        "| light | proxy (`grpc://`) | 8 | 2 s | 0 ms | 5.00% | **1.23%** | 0.40% | "
        "1.2 + 2.0 + 3.0 | 0.5 + 0.0 + 0.2 | 4 |"
    )


def test_a_row_that_was_given_up_has_as_many_columns():
    given_up = {key: SCALE[key] for key in ("launcher", "kind", "workers", "epoch_s", "delay_ms")}
    lines = tables.scale({"rows": [SCALE, given_up | {"given_up": "too slow"}]}).splitlines()
    assert "given up: too slow" in lines[-1]
    assert {line.count("|") for line in lines} == {12}


def test_delays_are_lines_and_numbers_of_processes_columns():
    rows = [
        {"delay_ms": delay, "workers": n, "file_per_s": 10 * n + delay, "proxy_per_s": 5.0}
        for delay in (0, 1)
        for n in (8, 1)
    ]
    assert tables.latency({"rows": rows}).splitlines()[2:] == [
        "| + 0 ms | 10 | 80 | 5 | 5 |",
        "| + 1 ms | 11 | 81 | 5 | 5 |",
    ]


def test_sizes_of_a_study_are_columns():
    rows = [{"n_trials": 100, "claim": 0.5}, {"n_trials": 1000, "claim": 0.75}]
    assert tables.study({"rows": rows}).splitlines() == [
        "| CPU ms, median | 100 trials | 1000 trials |",
        "|---|---|---|",
        "| claim | 0.5 | 0.75 |",
    ]


def test_each_tool_is_a_line_of_each_row_of_epochs():
    figures = {"wall_s": 12.34, "start_up_s": 0.5, "after_last_epoch_s": 0.25, "n_epochs": 6400.0}
    figures |= {"efficiency": 0.75, "cpu_s": 0.1, "loop_cpu_s": 0.05, "memory_mb": 200.0}
    lines = tables.overhead({"medians": {"10 ms": {"optuna": figures, "hydra": figures}}})
    assert lines.splitlines()[2:] == [
        f"| 10 ms | {tool} | 12.3 | 0.5 | 0.25 | 0.75 | 6400 | 0.1 | 0.05 | 200 |"
        for tool in ("optuna", "hydra")
    ]


def test_methods_of_a_simulation_are_columns():
    rows = [
        {"method": method, "n_workers": 8, "n_trials": n, "cpu_s": n * cost}
        for method, cost in (("asha", 0.001), ("promotion", 0.002))
        for n in (200, 1000)
    ]
    assert tables.simulate({"rows": rows}).splitlines()[2:] == [
        "| 8 | 200 | 0.2 | 0.4 |",
        "| 8 | 1000 | 1 | 2 |",
    ]


def test_the_command_prints_the_files_that_there_are(tmp_path, capsys):
    (tmp_path / "scale.json").write_text(json.dumps({"rows": [SCALE]}))
    assert main([f"results={tmp_path}"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("scale:\n\n| launcher | storage |")
    assert "latency:" not in told
    assert main(["names=[nothing]"]) == 2
