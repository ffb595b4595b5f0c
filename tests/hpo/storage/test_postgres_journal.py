import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from optuna.trial import TrialState

from hpo.optimize import optimize
from hpo.settings import SettingError
from hpo.storage.identity import StorageLostError
from hpo.storage.opening import open_storage
from hpo.storage.postgres_journal import PostgresJournal


@pytest.fixture(scope="module")
def server(postgres):
    """A data base of the module; its table is emptied for each test."""
    postgres.query("CREATE DATABASE journals")
    yield postgres
    postgres.query("DROP DATABASE journals WITH (FORCE)", database="postgres")


@pytest.fixture
def url(server):
    if server.query("SELECT to_regclass('hpo_journal')", "journals"):
        server.query("TRUNCATE hpo_journal", "journals")
    return f"journal+{server.url.rpartition('/')[0]}/journals"


def record(i):
    return {"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"i": i}}


def test_records_of_several_writers_are_read_in_one_order_without_gaps(url):
    writers, reader = [PostgresJournal(url) for _ in range(3)], PostgresJournal(url)
    with ThreadPoolExecutor(3) as pool:
        for batch in range(10):
            list(pool.map(lambda w, b=batch: w.append_logs([record(b), record(b)]), writers))
    found = [each["user_attr"]["i"] for each in reader.read_logs(0)]
    assert found == [batch for batch in range(10) for _ in range(6)]
    assert [each["user_attr"]["i"] for each in reader.read_logs(59)] == [9]
    assert list(reader.read_logs(60)) == []
    for journal in (*writers, reader):
        journal._disconnect()


def test_threads_share_a_study_and_finish_exactly_its_trials(url, tmp_path):
    def work(_):
        optimize(
            lambda trial: trial.suggest_float("x", 0, 1),
            study_name="s",
            storage=url,
            n_trials=12,
            folder=tmp_path,
        )

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    study = optuna.load_study(study_name="s", storage=open_storage(url, tmp_path))
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 12


def test_a_data_base_without_the_last_record_is_an_error_and_nothing_is_written(
    url, server, tmp_path
):
    study = optuna.create_study(storage=open_storage(url, tmp_path, patience_s=1))
    server.query("TRUNCATE hpo_journal", "journals")
    for use in (lambda: study.set_user_attr("a", 1), lambda: study.trials):
        with pytest.raises(StorageLostError, match="not the journal any more") as caught:
            use()
        assert url.split(":")[2].split("@")[0] not in str(caught.value)
    assert server.query("SELECT count(*) FROM hpo_journal", "journals") == "0"


def test_the_data_base_goes_away_for_a_moment(url, server, tmp_path):
    study = optuna.create_study(storage=open_storage(url, tmp_path, patience_s=60))
    server.stop()
    timer = threading.Timer(0.5, server.start)
    timer.start()
    study.set_user_attr("a", 1)
    timer.join()
    assert study.user_attrs == {"a": 1}
    again = pickle.loads(pickle.dumps(study._storage))
    assert again.get_study_user_attrs(0) == {"a": 1}


def test_a_wrong_password_is_one_line_without_it(url, tmp_path):
    wrong = url.replace("optuna:", "optuna:hunter2", 1)
    with pytest.raises(SettingError, match="password authentication failed") as caught:
        open_storage(wrong, tmp_path, patience_s=60)
    assert "hunter2" not in str(caught.value)
