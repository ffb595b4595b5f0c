import pickle
import shutil

import optuna
import pytest

from hpo.storage.identity import StorageLostError
from hpo.storage.opening import open_storage


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.db"


@pytest.fixture
def study(path):
    storage = open_storage(f"sqlite:///{path}", path.parent, patience_s=0.01)
    return optuna.create_study(study_name="s", storage=storage)


@pytest.mark.parametrize("use", ["read", "write"])
def test_a_deleted_file_is_not_begun_again_and_goes_on_when_it_is_back(study, path, use):
    uses = {"read": lambda: study.trials, "write": lambda: study.set_user_attr("a", 1)}
    path.rename(path.with_name("away"))
    for _ in range(2):
        with pytest.raises(StorageLostError, match=r"unreachable for 0 s .*study\.db"):
            uses[use]()
    assert not path.exists()
    path.with_name("away").rename(path)
    uses[use]()


def test_another_file_in_its_place_is_an_error(study, path):
    shutil.copy(path, path.with_name("older"))
    study.set_user_attr("a", 1)
    path.with_name("older").replace(path)
    with pytest.raises(StorageLostError, match=r"study\.db: another file is in the place"):
        study.set_user_attr("b", 2)
    assert optuna.load_study(study_name="s", storage=f"sqlite:///{path}").user_attrs == {}


def test_a_storage_sent_to_another_process_does_not_begin_the_file_again(study, path):
    sent = pickle.dumps(study)
    pickle.loads(sent).set_user_attr("a", 1)
    assert study.user_attrs == {"a": 1}
    path.rename(path.with_name("away"))
    with pytest.raises(FileNotFoundError, match=r"study\.db"):
        pickle.loads(sent)
    assert not path.exists()


def test_a_file_that_should_exist_is_not_created(path):
    with pytest.raises(ValueError, match=r"No such file .*study\.db"):
        open_storage(f"sqlite:///{path}", path.parent, exists=True)
    assert not path.exists()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_left_to_sqlalchemy(url, tmp_path):
    optuna.create_study(storage=open_storage(url, tmp_path))
    assert not [*tmp_path.iterdir()]
