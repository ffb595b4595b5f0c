import optuna
import pytest

from benchmarks.soak.__main__ import main
from benchmarks.soak.policies import POLICIES, node, overrides
from benchmarks.soak.round import N_TRIALS, _judge, _repeats, run
from hpo.hydra_internals import instantiate


@pytest.mark.parametrize("policy", POLICIES)
def test_each_policy_can_be_built(policy):
    assert instantiate(node(policy)) is not None
    assert overrides(policy)[0] == f"hydra/sweeper/pruner={policy}"


def test_a_round_is_exact(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.soak.round.N_TRIALS", 3)
    monkeypatch.setattr("benchmarks.soak.round._EPOCH_S", 0.05)
    outcome = run(tmp_path / "round", seed=1, policy="asha", way="optimize")
    assert outcome.problems == []
    assert sum(outcome.states.values()) == 3 < N_TRIALS


def test_wrong_settings_are_told(tmp_path, capsys):
    assert main(["rounds=0"]) == 2
    assert main(["policy=ashaa", f"out={tmp_path}"]) == 2
    assert "did you mean asha" in capsys.readouterr().err


def test_what_the_witness_does_not_confirm_is_a_problem():
    trial = optuna.trial.create_trial(value=1.0, intermediate_values={1: 1.0, 3: 1.0})
    lines = [{"kind": "start", "epoch": 0, "pid": 1}]
    lines += [{"kind": "epoch", "epoch": epoch, "pid": 1} for epoch in (1, 1, 1, 2)]
    assert _repeats(lines) == [2]
    late = {"kind": "epoch", "epoch": 3, "pid": 2}  # of a former owner
    assert _repeats([*lines, late, {**late, "pid": 1}]) == [2]
    assert len(_judge(trial, lines, [2])) == 4
    assert len(_judge(trial, lines, [1, 1])) == 3
