"""Workers of several sizes."""

from types import SimpleNamespace

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.trial import TrialState, create_trial

from hpo.growth import Growth
from hpo.launch.payload import Payload
from hpo.launch.slurm.options import SlurmOptions
from hpo.launch.slurm.site import Slurm
from hpo.search.space import Space
from hpo.settings import SettingError
from hpo.storage.opening import open_storage
from hpo.study.study import SweepSpec
from hpo.sweep import growing as module
from hpo.sweep.growing import GrowingCrew, grow

PROMOTION = {"_target_": "hpo.PromotionPruner", "min_resource": 1, "max_resource": 9}


class Kept:
    """A crew of one size that only notes what it is asked for."""

    def __init__(self, spec, app, storage, study_id, slurm, template):
        self.spec, self.ranks, self.asked, self.alive = spec, slurm.options.shape.ranks, [], 0

    def keep(self, *numbers):
        self.asked.append(numbers)
        return self.alive

    def status(self):
        return f"{self.ranks} ranks" if self.alive else ""


@pytest.fixture
def app():
    context = SimpleNamespace(config_loader=None, callbacks=None)
    launcher = {"gpus_per_trial": "${gpus}"}
    return Payload(context, OmegaConf.create({"hydra": {"launcher": launcher}}), None, None)


@pytest.fixture
def spec(tmp_path):
    def make(pruner=PROMOTION):
        where = {"sweep_dir": tmp_path, "space": Space({}, fixed=())}
        return SweepSpec(study_name="s", n_trials=20, pruner=pruner, **where)

    return make


@pytest.fixture
def crew(app, spec, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SlurmCrew", Kept)
    storage = open_storage(None, tmp_path)
    study = optuna.create_study(storage=storage, study_name="s")
    for state in [TrialState.WAITING] * 3 + [TrialState.RUNNING]:
        study.add_trial(create_trial(state=state))
    options = SlurmOptions(gpus_per_trial={0: 1, 3: 2, 9: 4}, poll_s=0)
    grown, slurm = spec(), Slurm(options)
    grow(grown, app, slurm)
    return GrowingCrew(grown, app, storage, study._study_id, slurm, None)


def test_there_is_a_crew_for_each_size_whose_workers_know_theirs(crew):
    assert {gpus: (c.ranks, c.spec.gpus) for gpus, c in crew._crews.items()} == {
        gpus: (gpus, gpus) for gpus in (1, 2, 4)
    }


def test_all_sizes_together_have_the_gpus_that_the_workers_begin_with(crew):
    assert crew.work(6, 19) is None
    # Up to 6 workers of one GPU, 3 of two, 1 of four; 19 trials are new, one runs.
    assert {gpus: c.asked for gpus, c in crew._crews.items()} == {
        1: [(6, 19, 1)],
        2: [(3, 0, 0)],
        4: [(1, 0, 0)],
    }


def test_only_when_no_worker_of_any_size_is_left_this_is_told(crew):
    assert crew.work(6, 19) is None  # the first look submits
    assert crew.work(6, 19) == ["no worker is left, whatever its size"]
    crew._crews[2].alive = 1
    assert crew.work(6, 19) is None
    assert crew.status() == "2 ranks"


@pytest.mark.parametrize("pruner", [None, {"_target_": "hpo.AshaPruner"}])
def test_a_policy_that_does_not_pause_is_refused(app, spec, pruner):
    slurm = Slurm(SlurmOptions(gpus_per_trial={0: 1, 3: 2}))
    with pytest.raises(SettingError) as caught:
        grow(spec(pruner), app, slurm)
    assert caught.value.naming("hpo.{}".format) == (
        "gpus by steps needs a policy that pauses trials: hpo/pruner=promotion"
    )


def test_a_step_at_which_the_policy_does_not_decide_is_refused(app, spec):
    slurm = Slurm(SlurmOptions(gpus_per_trial={0: 1, 3: 2, 5: 4}))
    with pytest.raises(SettingError) as caught:
        grow(spec(PROMOTION), app, slurm)
    assert caught.value.naming("hpo.{}".format) == (
        "gpus: trials can change their GPUs where hpo.pruner decides, not after step 5"
    )


def test_one_number_for_all_steps_changes_nothing(app, spec):
    plain = spec(None)
    grow(plain, app, Slurm(SlurmOptions(gpus_per_trial=2)))
    grow(plain, app, None)
    assert plain.growth is None
    assert Growth({0: 2}).sizes == [2]
