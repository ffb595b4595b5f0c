from pathlib import Path

from benchmarks.reproduce.live import Settings, main, print_rows, row, sweep_command

SUMMARY = {
    "n_trials": {"total": 20, "complete": 3, "pruned": 17, "failed": 0},
    "epochs": {"run": 61, "saved": 179},
    "best": {"number": 4, "value": 0.38125, "params": {}},
    "worker_hours": {"used": 0.02, "saved": 0.06},
}


def test_both_sweeps_have_the_same_seed_and_budget():
    settings = Settings(n_trials=5, epochs=3, seed=7)
    first, second = (
        sweep_command(settings, search, Path("out")) for search in ("asha_bo", "qsvr")
    )
    different = [(a, b) for a, b in zip(first, second, strict=True) if a != b]
    assert different == [("hpo=asha_bo", "hpo=qsvr")]
    assert {"hpo.n_trials=5", "trainer.max_epochs=3", "seed=7", "hpo.n_workers=1"} <= set(first)


def test_epochs_and_best_loss_stand_side_by_side(capsys):
    print_rows([row("asha_bo", SUMMARY), row("qsvr", {**SUMMARY, "best": None})])
    lines = capsys.readouterr().out.split("\n")[2:4]
    assert lines[0].split() == ["asha_bo", "61", "0.3812", "3", "17"]
    assert lines[1].split() == ["qsvr", "61", "-", "3", "17"]


def test_a_search_that_does_not_exist_ends_in_one_line(tmp_path, capfd):
    assert main(["searches=[magic]", f"out={tmp_path}"]) == 1
    assert capfd.readouterr().err.splitlines()[-1] == "error: hpo=magic: the sweep failed"
