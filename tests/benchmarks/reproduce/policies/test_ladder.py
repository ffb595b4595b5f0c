from pathlib import Path

import pytest

import benchmarks.reproduce.policies
from benchmarks.reproduce.policies.ladder import ladder
from hpo.simulate.methods import make_reference, missing_package, read_methods

SHIPPED = read_methods(Path(benchmarks.reproduce.policies.__file__).with_name("methods.yaml"))
VALUES = {"epochs": 100, "seed": 3, "n_workers": 1}


@pytest.mark.parametrize(
    ("name", "epochs"), [("ladder_422", 422), ("ladder_506", 506), ("ladder_609", 609)]
)
def test_a_ladder_takes_the_epochs_of_its_name_on_the_published_pool(losses, name, epochs):
    run = make_reference(SHIPPED[name], VALUES)(losses(163, 100))
    assert run.spent.epochs == epochs == sum(run.lengths)
    assert run.spent.n_started == 163
    assert run.final == 0.5


def test_ladders_are_baselines_and_no_other_method_is():
    assert {name for name, m in SHIPPED.items() if m.is_baseline} == {
        name for name in SHIPPED if name.startswith("ladder_")
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_every_method_can_be_made(name):
    assert missing_package(SHIPPED[name], VALUES) is None


def test_a_ladder_scales_with_epochs_and_configurations(losses):
    run = ladder(losses(22, 12), [1, 2, 3, 4, 25], [56, 20, 12, 5, 2])
    # 56 of 163 are 8 of 22 at epoch 1, where the rungs 1 to 4 fall together; 1 at epoch 3.
    assert sorted(run.lengths) == [1] * 14 + [3] * 7 + [12]


def test_a_ladder_without_a_rung_is_refused(losses):
    with pytest.raises(ValueError, match=r"no rung of \[100\] is left for 12 epochs"):
        ladder(losses(22, 12), [100], [5])
