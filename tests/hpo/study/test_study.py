import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from hpo.attributes import N_TRIALS
from hpo.search.space import Space, parse_space
from hpo.settings import SettingError
from hpo.storage.identity import StorageLostError
from hpo.study import study as hpo_study
from hpo.study.portions import study_lock
from hpo.study.study import SweepSpec, existing_study


def spec(folder, n_trials=3, **changes):
    settings = {
        "study_name": "s",
        "storage": None,
        "sweep_dir": folder,
        "sampler": None,
        "pruner": None,
        "direction": "minimize",
        "n_trials": n_trials,
        "space": parse_space({"x": "interval(0, 1)"}, []),
    }
    return SweepSpec(**{**settings, **changes})


def open_study(spec, storage):
    with study_lock(spec.sweep_dir) as lock:
        return hpo_study.open_study(spec, storage, lock)


@pytest.fixture(params=["journal", "sqlite", "postgresql", "grpc"])
def pair(request, storages):
    """Two storages on one study, as two workers have them."""
    return storages(request.param), storages(request.param)


def test_a_study_has_as_many_tickets_as_trials_whoever_opens_it(pair, tmp_path):
    for storage in (*pair, pair[0]):
        open_study(spec(tmp_path), storage)
    study = open_study(spec(tmp_path, n_trials=5), pair[1])
    assert [trial.state for trial in study.trials] == [TrialState.WAITING] * 5


def test_failures_are_counted_against_the_whole_budget(pair, tmp_path):
    study = open_study(spec(tmp_path, n_trials=4), pair[0])
    limit = spec(tmp_path, n_trials=4, max_failure_rate=0.25)
    for failed, expected in ((1, False), (2, True)):
        study.tell(study.ask().number, state=TrialState.FAIL)
        tickets = limit.tickets(pair[1], None)
        tickets.look()
        assert tickets.too_many_failures is expected, failed
        assert (tickets.take() is None) is expected, failed


def test_a_foreign_study_is_joined_if_its_trials_searched_the_same_space(storages, tmp_path):
    storage = storages("journal")
    study = optuna.create_study(storage=storage, study_name="s")
    study.tell(study.ask(parse_space({"x": "interval(0, 1)"}, []).distributions), 1.0)
    assert len(open_study(spec(tmp_path), storage).trials) == 3


def test_a_foreign_study_with_another_space_is_refused(storages, tmp_path):
    storage = storages("journal")
    study = optuna.create_study(storage=storage, study_name="s")
    study.tell(study.ask(parse_space({"y": "range(0, 3)"}, []).distributions), 1.0)
    with pytest.raises(
        ValueError, match=r"^x: not searched in study 's', Float\(.*\) in this command; "
    ):
        open_study(spec(tmp_path), storage)


def test_what_a_function_suggests_does_not_hide_a_change_of_params(storages, tmp_path):
    function = {"custom_search_space": "some.function"}
    study = open_study(spec(tmp_path, **function), storages("journal"))
    study.tell(study.ask({"more": FloatDistribution(0, 1)}).number, 1.0)
    assert open_study(spec(tmp_path, **function), storages("journal")).study_name == "s"
    wider = parse_space({"x": "interval(0, 2)"}, [])
    for space, key in ((Space({}), "x"), (wider, "x"), (spec(tmp_path).space, "custom_search_sp")):
        changed = spec(tmp_path, space=space, **(function if key == "x" else {}))
        with pytest.raises(SettingError, match=f"^{key}.* or begin anew with restart=s$"):
            open_study(changed, storages("journal"))


def test_a_study_that_had_a_function_alone_does_not_get_params_later(storages, tmp_path):
    function = {"custom_search_space": "some.function"}
    open_study(spec(tmp_path, space=Space({}), **function), storages("journal"))
    with pytest.raises(SettingError, match=r"^x: not searched in study 's', Float"):
        open_study(spec(tmp_path, **function), storages("journal"))


def test_a_study_of_others_is_joined_with_a_function_if_params_fit(storages, tmp_path):
    study = optuna.create_study(storage=storages("journal"), study_name="s")
    space = parse_space({"x": "interval(0, 1)", "more": "range(0, 3)"}, []).distributions
    study.tell(study.ask(space), 1.0)
    joined = spec(tmp_path, custom_search_space="some.function")
    assert open_study(joined, storages("journal")).study_name == "s"


def test_another_name_in_a_folder_without_one_needs_another_folder(storages, tmp_path):
    folder = tmp_path / "constant"
    open_study(spec(folder, study_name="first"), storages("journal"))
    changed = spec(folder, study_name="first", space=parse_space({"x": "range(0, 9)"}, []))
    with pytest.raises(SettingError, match=r"another study_name and hydra\.sweep\.dir, or begin"):
        open_study(changed, storages("journal"))


def test_looking_for_a_study_makes_no_file(tmp_path):
    folder = tmp_path / "sweep"
    for storage in (None, str(tmp_path / "s.log"), f"sqlite:///{tmp_path}/s.db"):
        assert existing_study(spec(folder, storage=storage)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_smaller_command_does_not_shrink_the_budget(pair, tmp_path):
    open_study(spec(tmp_path, n_trials=5), pair[0])
    assert open_study(spec(tmp_path, n_trials=2), pair[1]).user_attrs[N_TRIALS] == 5


def test_a_worker_finds_the_study_it_was_started_for_and_no_other(tmp_path):
    wanted, storage = spec(tmp_path), spec(tmp_path).open_storage()
    study = open_study(wanted, storage)
    assert wanted.find(storage) == study._study_id
    study.set_user_attr("hpo:study_id", "of a new one")
    with pytest.raises(StorageLostError, match="was started for is another one by now"):
        wanted.find(storage)
    storage.delete_study(study._study_id)
    with pytest.raises(StorageLostError, match="was started for is not in its storage any more"):
        wanted.find(storage)
