import optuna
import pytest

from hpo.storage.finding import find_storage, find_study


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
