import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from commons.processes import is_alive
from hpo.simulate.__main__ import main

METHODS_FILE = """\
mine:
  pruner:
    _target_: hpo.PromotionPruner
    min_resource: 1
    max_resource: "${epochs}"
    reduction_factor: 2
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """An accuracy table: 40 trainings of 20 configurations, 12 epochs."""
    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("table")
    names = ["lr", "units", *(f"acc_{epoch}" for epoch in range(12))]
    lines = [",".join(names)]
    for i in range(40):
        lr, units = 10 ** -(1 + i // 2 % 4), 16 * (1 + i // 2 % 5)
        final = random.random()
        curve = final * (1 - 0.5 ** np.arange(1, 13)) + 0.01 * random.random(12)
        lines.append(",".join(map(str, [lr, units, *curve.round(4)])))
    path = folder / "accuracy.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def simulate(file, tmp_path):
    """Runs the command on the table; returns the rows by method and distance."""

    def run(*arguments, out="out"):
        common = [f"curves={file}", "prefix=acc_", "direction=maximize", f"out={tmp_path / out}"]
        assert main([*common, *arguments]) == 0
        rows = json.loads((tmp_path / out / "simulate.json").read_text())
        assert (tmp_path / out / "simulate.png").stat().st_size > 10_000
        return {(row["method"], row["within"]): row for row in rows}

    return run


def test_both_kinds_of_sweep_end_to_end_and_independent_of_the_processes(
    simulate, tmp_path, capsys
):
    (tmp_path / "mine.yaml").write_text(METHODS_FILE)
    arguments = [
        "orders=7",
        "seeds=3",
        "methods=[hyperband,sha,asha,asha_optuna,mine,random_asha]",
        f"methods_file={tmp_path / 'mine.yaml'}",
        "within=[0.01,0.3]",
        "tolerance=0.05",
        "start_epochs=1",
    ]
    rows = simulate(*arguments, "n_jobs=2")
    assert rows == simulate(*arguments, "n_jobs=1", out="again")
    hyperband = rows["hyperband", 0.05]
    assert (hyperband["median_epochs"], hyperband["cost"]) == (137, 137 + 20)
    assert (hyperband["p_tol"], hyperband["p_leq"], hyperband["solved"]) == (1, 1, 7)
    assert rows["mine", 0.05]["settings"]["node"]["pruner"]["reduction_factor"] == 2
    assert rows["random_asha", 0.3]["solved"] == 3
    assert rows["random_asha", 0.01]["n"] == 3
    text = capsys.readouterr().out
    assert "7 orders: within 0.05 of Hyperband's final value" in text
    assert "3 sweeps: epochs to within 0.3 of the table's best" in text


def children(pid):
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_no_process_outlives_a_command_that_is_killed(file, tmp_path, wait_until):
    arguments = ["prefix=acc_", "direction=maximize", "methods=[asha]", "orders=10000", "n_jobs=2"]
    command = [sys.executable, "-m", "hpo.simulate", f"curves={file}", f"out={tmp_path}"]
    with subprocess.Popen([*command, *arguments], stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: len(children(process.pid)) >= 3)  # two workers and a tracker
        started = children(process.pid)
        process.kill()
    wait_until(lambda: not any(map(is_alive, started)))


def test_a_pruner_of_the_command_line_is_tried_with_a_sampler(simulate, capsys):
    rows = simulate(
        "seeds=2",
        "orders=2",
        "n_jobs=1",
        "sampler._target_=optuna.samplers.RandomSampler",
        "pruner._target_=hpo.PromotionPruner",
        "pruner.max_resource=${epochs}",
        "budget=60",
    )
    assert {method for method, _ in rows} == {"asha", "PromotionPruner"}
    row = next(row for (method, _), row in rows.items() if method == "PromotionPruner")
    assert row["mode"] == "sampler"
    assert row["settings"]["budget"] == 60
    # 1 % of the inter-quartile range, and ten times that.
    small, large = sorted({within for _, within in rows})
    assert large == pytest.approx(10 * small)


def test_epochs_may_be_plain_numbers(tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text("lr,0,1\n" + "".join(f"{i},{i},{i}\n" for i in range(5)))
    arguments = [f"curves={path}", "prefix=", "seeds=0", "orders=1", f"out={tmp_path}"]
    assert main([*arguments, "methods=[hyperband]", "n_jobs=1"]) == 0
    assert json.loads((tmp_path / "simulate.json").read_text())[0]["settings"]["prefix"] == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("orders=2", "curves=... or study=... is missing"),
        ("curves={file} prefix=acc_ order=3", "order: no such key; did you mean orders?"),
        ("curves={file} prefix=acc_ orders=many", "orders=many: expected a whole number"),
        ("curves={file} prefix=acc_ orders=-1", "orders=-1: must be at least 0"),
        ("curves={file} prefix=acc_ methods=[ashaa]", "did you mean asha?"),
        ("curves={file} prefix=acc_ methods=[]", "methods: none is left"),
        ("curves={file} prefix=acc_ orders=0 seeds=0", "methods: none is left"),
        ("curves={file} prefix=acc_ orders=0 methods=[asha]", "methods=asha: orders=0"),
        ("curves={file} prefix=acc_ pruner._target_=no.Pruner", "Pruner: needs no"),
        ("curves={file} prefix=acc_ methods=[warm_asha]", "warm_asha: it begins with the best of"),
        (
            "curves={file} prefix=acc_ methods=[warm_asha] sampler._target_=optuna.samplers.X",
            "methods=warm_asha: enqueue_best is for a pool, without a sampler",
        ),
        ("curves={file} prefix=acc_ within=[]", "within=[]: at least one distance"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(file, capsys, arguments, message):
    assert main(arguments.format(file=file).split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("curves=none.csv", "none.csv: No such file"),
        ("curves={file}", "no columns loss_0"),
        ("curves={file} prefix=acc_ hps=[lr,depth]", "no column depth"),
        ("curves={file} prefix=acc_ pruner.x=1", "pruner needs a _target_"),
        ("curves={file} prefix=acc_ earlier_groups=20", "0 trainings are too few"),
    ],
)
def test_a_file_or_node_that_does_not_fit_is_a_failure_of_one_line(
    file, capsys, arguments, message
):
    assert main(arguments.format(file=file).split()) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_help_explains(capsys):
    assert main(["--help"]) == 0
    assert "python -m hpo.simulate curves=FILE.csv" in capsys.readouterr().out
    assert main([]) == 2


def test_methods_that_do_not_apply_are_left_out_with_a_word(simulate, capsys):
    rows = simulate("orders=1", "seeds=0", "n_jobs=2")
    assert ("asha", "sampler") not in {(name, row["mode"]) for (name, _), row in rows.items()}
    assert "left out: random_asha (seeds=0)" in capsys.readouterr().out


def test_with_the_time_of_an_epoch_there_are_results_against_time(simulate, tmp_path, capsys):
    arguments = ["methods=[hyperband,asha,random_asha]", "orders=3", "seeds=2", "n_jobs=1"]
    times = ["epoch_s=600", "queue_s={median: 300, sigma: 1}", "start_s=[20,40]"]
    plain = simulate(*arguments, "n_workers=4")
    assert not (tmp_path / "out" / "timeline.json").exists()
    timed = simulate(*arguments, "n_workers=4", *times, "cores_per_worker=12", out="timed")
    assert plain["hyperband", next(iter(plain))[1]]["median_epochs"] == 137
    settings = timed["asha", next(iter(timed))[1]]["settings"]
    assert settings["queue_s"] == {"median": 300, "sigma": 1}
    rows = json.loads((tmp_path / "timed" / "timeline.json").read_text())
    assert [row["name"] for row in rows] == ["asha", "random_asha"]
    asha = rows[0]
    assert asha["settings"]["cores_per_worker"] == 12
    # At most four workers of twelve cores, and at least their epochs of 10 minutes +-10 %.
    assert asha["core_h"] <= 48 * asha["wall_h"]
    epochs = timed["asha", next(iter(timed))[1]]["mean_epochs"]
    assert asha["core_hours"]["trained"] == pytest.approx(12 * epochs / 6, rel=0.1)
    assert "against time" in capsys.readouterr().out
    assert (tmp_path / "timed" / "timeline.png").stat().st_size > 10_000


GROWING = """\
grows:
  pruner: &promotion {_target_: hpo.PromotionPruner, min_resource: 1, max_resource: "${epochs}"}
  gpus_per_trial: {0: 1, 1: 2, 3: 4}
stays:
  pruner: *promotion
stops:
  pruner: {_target_: hpo.AshaPruner}
  gpus_per_trial: {0: 1, 3: 2}
"""


def test_methods_may_differ_in_the_gpus_of_a_trial(simulate, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text(GROWING)
    arguments = ["methods=[asha,grows,stays]", f"methods_file={tmp_path / 'mine.yaml'}"]
    rows = simulate(*arguments, "orders=3", "n_jobs=1", "epoch_s=600", "n_gpus=16")
    assert rows["grows", next(iter(rows))[1]]["settings"]["n_workers"] == 16
    timed = json.loads((tmp_path / "out" / "timeline.json").read_text())
    asha, grows, stays = timed
    assert [row["name"] for row in timed] == ["asha", "grows", "stays"]
    assert grows["settings"]["gpus_per_trial"] == {"0": 1, "1": 2, "3": 4}
    assert stays["settings"]["gpus_per_trial"] == asha["settings"]["gpus_per_trial"] == {"0": 1}
    assert grows["wall_h"] < stays["wall_h"]
    assert grows["gpu_h"] <= 16 * grows["wall_h"]
    assert "GPU-hours" in capsys.readouterr().out


def test_without_a_choice_growth_leaves_out_what_does_not_pause(simulate, capsys):
    growth = ["epoch_s=600", "n_gpus=16", "gpus_per_trial={0: 1, 3: 2}"]
    rows = simulate(*growth, "orders=1", "seeds=0", "n_jobs=2")
    assert {"asha_promotion", "hyperband"} <= {name for name, _ in rows}
    assert "asha" not in {name for name, _ in rows}
    told = "left out: asha (gpus_per_trial by steps needs a policy that pauses trials, which"
    assert told in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("methods=[stops] n_gpus=4", "methods=stops: gpus_per_trial by steps needs a policy that"),
        ("methods=[grows] n_gpus=3", "methods=grows: n_gpus=3: a trial may have 4"),
        ("methods=[grows]", "methods=grows: it has gpus_per_trial: set n_gpus=N"),
    ],
)
def test_gpus_that_a_method_cannot_have_are_refused(file, tmp_path, capsys, arguments, message):
    (tmp_path / "mine.yaml").write_text(GROWING)
    common = [f"curves={file}", "prefix=acc_", f"methods_file={tmp_path / 'mine.yaml'}"]
    assert main([*common, "epoch_s=600", *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
