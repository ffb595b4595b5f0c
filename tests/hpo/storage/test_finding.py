import optuna
import pytest

import hpo
from hpo.storage.finding import find_storage, find_study
from hpo.storage.opening import open_storage


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "journal.log"
    path.touch()
    return path


def test_a_journal_is_named_by_its_path_or_its_folder(journal):
    assert find_storage(str(journal)) == find_storage(str(journal.parent)) == journal


def test_a_database_is_named_by_its_url(tmp_path):
    (tmp_path / "s.db").touch()
    for url in (f"sqlite:///{tmp_path}/s.db", "postgresql://host/db", "grpc://host:1"):
        assert find_storage(url) == url


@pytest.mark.parametrize("text", ["{folder}", "{folder}/no.log", "sqlite:///{folder}/no.db"])
def test_a_file_that_is_not_there_is_not_created(text, tmp_path):
    text = text.format(folder=tmp_path)
    with pytest.raises(ValueError, match=f"^storage={text}: no such") as error:
        find_storage(text)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def storage(*names):
    memory = optuna.storages.InMemoryStorage()
    for name in names:
        optuna.create_study(storage=memory, study_name=name)
    return memory


def test_the_only_study_need_not_be_named():
    assert find_study(storage("a"), None) == "a"
    assert find_study(storage("b", "a"), "b") == "b"


@pytest.mark.parametrize(
    ("names", "wanted", "message"),
    [
        (["b", "a"], None, r"^study=\.\.\. is missing: the storage has a, b$"),
        (["b", "a"], "c", "^study=c: the storage has a, b$"),
        ([], None, r"^study=\.\.\. is missing: the storage has no study$"),
        ([], "c", "^study=c: the storage has no study$"),
    ],
)
def test_a_study_that_is_not_clear_is_an_error_with_the_choice(names, wanted, message):
    with pytest.raises(ValueError, match=message):
        find_study(storage(*names), wanted)


@pytest.fixture
def folder(tmp_path):
    storage = open_storage(None, tmp_path)
    study = optuna.create_study(storage=storage, study_name="first")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    return tmp_path


def test_a_study_is_found_by_its_folder_its_journal_and_its_url(folder):
    url = f"sqlite:///{folder}/study.db"
    optuna.copy_study(
        from_study_name="first", from_storage=open_storage(None, folder), to_storage=url
    )
    for where in (folder, str(folder), folder / "journal.log", url):
        assert [trial.number for trial in hpo.load(where).trials] == [0, 1]


def test_one_of_several_studies_is_named(folder):
    optuna.create_study(storage=open_storage(None, folder), study_name="second")
    assert len(hpo.load(folder, "first").trials) == 2
    with pytest.raises(
        ValueError, match=r"study=\.\.\. is missing: the storage has first, second"
    ):
        hpo.load(folder)


@pytest.mark.parametrize("where", ["absent", "absent.log", "sqlite:///absent.db", ""])
def test_what_does_not_exist_is_an_error_and_is_not_created(where, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no such"):
        hpo.load(where)
    assert not list(tmp_path.iterdir())


def test_an_unknown_study_is_an_error(folder):
    before = sorted(folder.iterdir())
    with pytest.raises(ValueError, match="study=other: the storage has first"):
        hpo.load(folder, "other")
    assert sorted(folder.iterdir()) == before


def test_a_file_that_is_no_journal_is_an_error(tmp_path):
    (tmp_path / "journal.log").write_bytes(b"\x00\xff no journal")
    with pytest.raises(ValueError, match="the storage has no study"):
        hpo.load(tmp_path)
    assert (tmp_path / "journal.log").read_bytes() == b"\x00\xff no journal"
