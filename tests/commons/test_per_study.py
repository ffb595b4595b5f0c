import copy
import pickle
from functools import partial

import optuna
from optuna.samplers import TPESampler

from commons.per_study import PerStudy, hand_on
from commons.ranking import by_last
from commons.rungs import HalvingRungs
from commons.standings import Standings
from hpo.search.diverse import DiverseSampler
from hpo.storage.opening import open_storage


def test_each_study_of_a_storage_has_its_own_and_all_objects_of_it_share_that(tmp_path):
    made = PerStudy(list)
    memory, file = optuna.storages.InMemoryStorage(), open_storage(tmp_path / "j.log", tmp_path)
    names = [(memory, "a"), (memory, "b"), (file, "a")]
    studies = [optuna.create_study(storage=storage, study_name=name) for storage, name in names]
    assert len({id(made.of(study)) for study in studies}) == 3
    assert made.of(optuna.load_study(storage=memory, study_name="b")) is made.of(studies[1])


def test_nothing_of_a_study_stays_in_a_copy_or_after_its_storage_is_gone():
    made = PerStudy(partial(Standings, HalvingRungs(1, 3), by_last))
    study = optuna.create_study()
    first = made.of(study)
    for copied in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert copied.of(study) is not first
    del study
    assert len(made._made) == 0


def test_a_sampler_is_handed_what_the_one_before_knows_of_the_study_also_inside():
    study = optuna.create_study()
    made = [DiverseSampler(TPESampler, seed=seed) for seed in (1, 2)]
    before, after = made
    before._earlier.of(study)
    inner = before._sampler._search_space
    seeds = after._random._rng, after._sampler._rng
    hand_on(before, after)
    assert after._earlier is before._earlier
    assert after._sampler._search_space is inner
    assert (after._random._rng, after._sampler._rng) == seeds
