"""Whose folder it is: that of one study and its trials, never of another."""

import optuna
import pytest

from hpo.attributes import STUDY_ID
from hpo.settings import SettingError
from hpo.storage.folders import (
    RECORD,
    FolderTakenError,
    Owner,
    StudyFolder,
    check_study_folder,
    claim_study_folder,
    identify,
    owner_of,
)


def new(name="s"):
    return optuna.create_study(study_name=name)


def claimed(folder, name="s"):
    study = new(name)
    claim_study_folder(folder, study)
    return study


def test_a_folder_records_its_study_and_the_study_its_folder(tmp_path):
    study = claimed(tmp_path)
    assert owner_of(tmp_path) == Owner("s", study.user_attrs[STUDY_ID])
    assert study.user_attrs["hpo:folder"] == str(tmp_path)
    claim_study_folder(tmp_path, study)
    assert owner_of(tmp_path).study_id == study.user_attrs[STUDY_ID]


def test_two_studies_have_two_ids():
    first, second = new(), new()
    assert identify(first) == identify(first) != identify(second)


def test_the_folder_of_another_study_is_refused_before_the_study_exists(tmp_path):
    claimed(tmp_path, "a")
    with pytest.raises(SettingError, match=r"belongs to study 'a': choose another hydra\.sweep\."):
        check_study_folder(tmp_path, "b", None)


@pytest.mark.parametrize("again", [None, {STUDY_ID: "of the new one"}])
def test_a_study_made_again_does_not_get_the_folder_of_the_deleted_one(tmp_path, again):
    claimed(tmp_path)
    with pytest.raises(
        SettingError, match=r"an earlier study 's', .*restart=s puts this one aside"
    ):
        check_study_folder(tmp_path, "s", again)


def test_trials_without_a_record_are_not_those_of_a_new_study(tmp_path):
    (tmp_path / "trials/0000").mkdir(parents=True)
    with pytest.raises(SettingError, match="holds trials, but its storage no study 's'"):
        check_study_folder(tmp_path, "s", None)


def test_a_study_of_an_earlier_version_keeps_its_folder_and_gets_a_record(tmp_path):
    (tmp_path / "trials/0000").mkdir(parents=True)
    study = new()
    check_study_folder(tmp_path, "s", study.user_attrs)
    claim_study_folder(tmp_path, study)
    assert owner_of(tmp_path).study_id == study.user_attrs[STUDY_ID]


def test_a_study_has_one_folder(tmp_path):
    study = claimed(tmp_path / "a")
    with pytest.raises(SettingError, match=f"^the study 's' is in the folder {tmp_path}/a: "):
        check_study_folder(tmp_path / "b", "s", study.user_attrs)


def test_a_folder_that_was_moved_stays_that_of_its_study(tmp_path):
    study = claimed(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    claim_study_folder(tmp_path / "b", study)
    assert study.user_attrs["hpo:folder"] == str(tmp_path / "b")


def test_a_study_whose_folder_is_gone_takes_another(tmp_path):
    study = claimed(tmp_path / "a")
    (tmp_path / "a" / RECORD).unlink()
    claim_study_folder(tmp_path / "b", study)
    assert owner_of(tmp_path / "b").study_id == study.user_attrs[STUDY_ID]


def test_a_trial_gets_its_folder_again_and_nobody_else_does(tmp_path):
    home = StudyFolder(tmp_path, "s", "id of s")
    folder = home.take(7)
    assert folder == tmp_path / "trials/0007"
    assert owner_of(folder) == Owner("s", "id of s", 7)
    (folder / "last.ckpt").touch()
    assert home.take(7) == folder
    for other in (StudyFolder(tmp_path, "t", "id of t"), StudyFolder(tmp_path, "s", "newer")):
        with pytest.raises(
            FolderTakenError, match="belongs to trial 7 of study 's', not to trial 7"
        ):
            other.take(7)


def test_a_folder_of_another_number_is_refused(tmp_path):
    home = StudyFolder(tmp_path, "s", "id")
    home.take(3).rename(tmp_path / "trials/0004")
    with pytest.raises(FolderTakenError, match="belongs to trial 3 of study 's', not to trial 4"):
        home.take(4)


def test_files_without_a_record_are_kept_for_a_trial_that_was_begun_alone(tmp_path):
    home, folder = StudyFolder(tmp_path, "s", "id"), tmp_path / "trials/0000"
    folder.mkdir(parents=True)
    (folder / "last.ckpt").touch()
    with pytest.raises(FolderTakenError, match="holds files, but not of trial 0"):
        home.take(0)
    assert home.take(0, is_begun=True) == folder
    assert owner_of(folder) == Owner("s", "id", 0)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"trial": "x"}'])
def test_a_record_that_cannot_be_read_is_an_error_that_names_the_file(tmp_path, text):
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(FolderTakenError, match=str(tmp_path / RECORD)):
        owner_of(tmp_path)


def test_what_a_lost_run_has_left_is_put_aside_and_no_trial_resumes_from_it(tmp_path):
    home = StudyFolder(tmp_path, "s", "id")
    for n in (1, 2):
        assert home.put_aside(3) is None
        (home.take(3) / "last.ckpt").write_text(f"of run {n}")
        aside = home.put_aside(3)
        assert aside == tmp_path / f"trials/0003.lost-{n}"
        assert (aside / "last.ckpt").read_text() == f"of run {n}"
        assert not (tmp_path / "trials/0003").exists()
    home.take(3)
    assert StudyFolder(tmp_path, "s", "of another").put_aside(3) is None


@pytest.fixture
def home(tmp_path):
    study = claimed(tmp_path)
    return StudyFolder(tmp_path, "s", study.user_attrs[STUDY_ID])


def test_a_child_begins_with_its_parents_files_and_a_record_of_its_own(home):
    parent = home.take(3)
    for name in (
        "checkpoints/last.ckpt",
        ".hydra/config.yaml",
        "run.log",
        "x.held",
        ".a.12.partial",
    ):
        (parent / name).parent.mkdir(exist_ok=True)
        (parent / name).write_text(name)
    child = home.take(7, parent=3)
    files = sorted(path.name for path in child.rglob("*") if path.is_file())
    assert files == ["last.ckpt", RECORD]
    assert owner_of(child) == Owner("s", home.study_id, 7)
    assert owner_of(parent) == Owner("s", home.study_id, 3)


def test_the_folder_of_a_child_is_filled_once(home):
    (home.take(3) / "state").write_text("1")
    child = home.take(7, parent=3)
    (home.of(3) / "state").write_text("2")
    (child / "own").write_text("3")
    assert home.take(7, is_begun=True, parent=3) == child
    assert (child / "state").read_text() == "1"


def test_a_child_of_a_trial_without_a_folder_begins_with_nothing(home):
    assert [path.name for path in home.take(7, parent=3).iterdir()] == [RECORD]


def test_a_stranger_is_nobodys_parent(home, tmp_path):
    (tmp_path / "trials/0003").mkdir(parents=True)
    (tmp_path / "trials/0003/state").touch()
    (tmp_path / "trials/0003" / RECORD).write_text('{"study": "s", "study_id": "x", "trial": 3}')
    assert [path.name for path in home.take(7, parent=3).iterdir()] == [RECORD]
