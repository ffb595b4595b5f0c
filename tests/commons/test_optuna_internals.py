import json

import optuna
import pytest
from optuna.storages import JournalStorage, RDBStorage

from tests.canary import missing

# Imported late, so that this test says in one line what its import would say in many.
NEEDS = [
    "optuna._imports:_LazyImport",
    "lazy._name",
    "optuna.storages:get_storage(storage)",
    "optuna.storages.journal._storage:JournalOperation",
    *(
        f"optuna.storages.journal._storage:JournalOperation.{name}"
        for name in (
            "CREATE_STUDY",
            "DELETE_STUDY",
            "SET_STUDY_USER_ATTR",
            "SET_STUDY_SYSTEM_ATTR",
            "CREATE_TRIAL",
            "SET_TRIAL_PARAM",
            "SET_TRIAL_STATE_VALUES",
            "SET_TRIAL_INTERMEDIATE_VALUE",
            "SET_TRIAL_USER_ATTR",
            "SET_TRIAL_SYSTEM_ATTR",
        )
    ),
    "study._storage",
    "study._directions",
    "study._get_trials(deepcopy, states, use_cache)",
    "study._study_id",
    "study._stop_flag",
    "study._thread_local.in_optimize_loop",
    "study._thread_local.cached_all_trials",
    "study._get_trials(deepcopy, states, use_cache)",
    "optuna.samplers._tpe.sampler:_split_trials(study, trials, n_below)",
    "optuna.samplers._tpe.sampler:default_gamma(x)",
    "tpe._sample(study, trial, search_space)",
    "tpe._build_parzen_estimator(study, search_space, trials, handle_below)",
    "tpe._compute_acquisition_func(samples, mpe_below, mpe_above)",
    "tpe._compare(samples, acquisition_func_vals)",
    "tpe._rng.rng",
    "tpe._n_ei_candidates",
    "tpe._gamma",
    "tpe._constant_liar",
    "gp._n_preliminary_samples",
    "gp._n_local_search",
    "grid._search_space",
    "grid._all_grids",
    "grid._param_names",
    "grid._same_search_space(search_space)",
    "distribution._contains(param_value_in_internal_repr)",
    "frozen_study._study_id",
    "trial._trial_id",
    "frozen_trial._trial_id",
    "journal._thread_lock.__enter__",
    "journal._backend.append_logs(logs)",
    "journal._backend.read_logs(log_number_from)",
    "journal._sync_with_backend()",
    "optuna.storages.journal._storage:JournalStorageReplayResult(worker_id_prefix)",
    "replay.apply_logs(logs)",
    "replay._trials.__setitem__",
    "replay._study_id_to_trial_ids",
    "replay.get_study(study_id)",
    # of commons.optuna_replay
    "replay.log_number_read",
    "replay._trial_id_to_study_id",
    "replay._trial_exists_and_updatable(trial_id, log)",
    "replay._is_issued_by_this_worker(log)",
    "replay._apply_create_trial(log)",
    "replay._apply_set_trial_param(log)",
    "replay._apply_set_trial_state_values(log)",
    "replay._apply_set_trial_intermediate_value(log)",
    "replay._apply_set_trial_user_attr(log)",
    "replay._apply_set_trial_system_attr(log)",
    "journal._worker_id_prefix",
    "optuna.distributions:check_distribution_compatibility(dist_old, dist_new)",
    "journal._replay_result",
    "optuna.storages._grpc.auto_generated.api_pb2_grpc:add_StorageServiceServicer_to_server",
    "optuna.storages._grpc.servicer:OptunaStorageProxyService(storage)",
    # of the tests
    "optuna.storages._grpc.server:make_server(storage, host, port)",
    "database._backend.engine.dispose",
]


@pytest.fixture
def examples(tmp_path):
    from optuna._imports import _LazyImport

    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal.log"))
    journal = JournalStorage(backend)
    study = optuna.create_study(storage=journal)
    return {
        "lazy": _LazyImport("json"),
        "study": study,
        "frozen_study": journal.get_all_studies()[0],
        "trial": study.ask(),
        "gp": optuna.samplers.GPSampler(),
        "tpe": optuna.samplers.TPESampler(),
        "grid": optuna.samplers.GridSampler({"x": [1, 2]}),
        "distribution": optuna.distributions.IntDistribution(1, 2),
        "frozen_trial": study.trials[0],
        "journal": journal,
        "replay": journal._replay_result,
        "database": optuna.storages.get_storage(RDBStorage("sqlite:///:memory:")),
    }


def test_optuna_has_what_we_need_of_its_internals(examples):
    assert missing("optuna", NEEDS, examples) == ""


def test_what_an_upgrade_took_away_is_one_line(examples, monkeypatch):
    monkeypatch.delattr(JournalStorage, "_sync_with_backend")
    monkeypatch.delattr("optuna.storages.get_storage")
    assert missing("optuna", NEEDS, examples) == (
        f"optuna {optuna.__version__} lacks optuna.storages:get_storage(storage), "
        "journal._sync_with_backend()"
    )


def test_an_argument_that_was_renamed_is_missing(examples, monkeypatch):
    monkeypatch.setattr("optuna.storages.get_storage", lambda place: place)
    assert "get_storage(storage)" in missing("optuna", NEEDS, examples)


def test_the_names_lead_to_what_they_say(examples):
    from commons.optuna_internals import append, cached, storage_of, study_id, trial_id

    study, trial = examples["study"], examples["trial"]
    assert storage_of(study) is examples["journal"] is cached(examples["journal"])
    assert study_id(study) == study_id(examples["frozen_study"]) == 0
    assert trial_id(trial) == trial_id(examples["frozen_trial"]) == 0
    assert cached(RDBStorage("sqlite:///:memory:")).__class__.__name__ == "_CachedStorage"
    number, record = 0, {"op_code": 8, "worker_id": "w", "trial_id": 0, "user_attr": {"a": 1}}
    append(examples["journal"], [record, {**record, "user_attr": {"b": 2}}])
    assert json.loads(json.dumps(study.trials[number].user_attrs)) == {"a": 1, "b": 2}


def test_a_sampler_may_stop_a_study_for_a_while(examples):
    from commons.optuna_internals import stoppable

    study = examples["study"]
    for stops in (True, False):
        with stoppable(study) as stopped:
            if stops:
                study.stop()
            assert stopped() is stops
    with pytest.raises(RuntimeError):
        study.stop()


def test_the_points_of_a_grid_are_known_by_number(examples):
    from commons.optuna_internals import contains, grid_ids, grid_space

    grid, other = examples["grid"], optuna.samplers.GridSampler({"x": [1, 3]})
    study = optuna.create_study(sampler=grid)
    for sampler in (grid, grid, other):
        study.sampler = sampler
        study.ask()
    assert grid_space(grid) == {"x": [1, 2]}
    assert grid_ids(grid, study.trials) == [0, 1]
    assert [contains(examples["distribution"], x) for x in (1, 3, "a")] == [True, False, False]


def test_a_renewed_study_shows_its_sampler_the_trials_of_now():
    from commons.optuna_internals import renew

    study = optuna.create_study()
    study.ask()
    assert len(study._get_trials(deepcopy=False, use_cache=True)) == 1
    study.add_trial(optuna.trial.create_trial(value=1.0))
    assert len(study._get_trials(deepcopy=False, use_cache=True)) == 1
    renew(study)
    assert len(study._get_trials(deepcopy=False, use_cache=True)) == 2
