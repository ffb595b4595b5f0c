import json
import pickle
import threading

import optuna
import pytest
import redis
from optuna.storages.journal import JournalRedisBackend
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import TrialState

from hpo.optimize import optimize
from hpo.settings import SettingError
from hpo.storage.identity import StorageLostError
from hpo.storage.opening import open_storage
from hpo.storage.redis_journal import RedisJournal


@pytest.fixture
def url(redis_server):
    """A data base of the server, empty."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushdb()
    return redis_server.url


class TestRedisJournal(StorageTestCase):
    @pytest.fixture
    def storage(self, url, tmp_path):
        return open_storage(url, tmp_path, patience_s=1)


def record(i):
    return {"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"i": i}}


def test_any_number_of_records_is_one_request_and_the_next_reader_begins_where_it_is(url):
    writer, reader = RedisJournal(url), RedisJournal(url)
    writer.append_logs([record(i) for i in range(2500)])
    reader._client.config_resetstat()
    assert [r["user_attr"]["i"] for r in reader.read_logs(0)] == list(range(2500))
    assert [r["user_attr"]["i"] for r in reader.read_logs(2499)] == [2499]
    assert list(reader.read_logs(2500)) == []
    assert reader._client.info("commandstats")["cmdstat_eval"]["calls"] == 3 + 1 + 1


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optunas_own_backend_reads_the_study_and_we_read_its(url, tmp_path):
    study = optuna.create_study(storage=open_storage(url, tmp_path), study_name="s")
    study.add_trial(optuna.trial.create_trial(value=0.5))
    theirs = optuna.load_study(
        study_name="s", storage=optuna.storages.JournalStorage(JournalRedisBackend(url))
    )
    assert theirs.trials[0].value == 0.5
    theirs.add_trial(optuna.trial.create_trial(value=0.25))
    assert [trial.value for trial in study.trials] == [0.5, 0.25]


def test_processes_share_a_study_and_finish_exactly_its_trials(url, tmp_path):
    def work():
        optimize(
            lambda trial: trial.suggest_float("x", 0, 1),
            study_name="s",
            storage=url.replace("redis://", "valkey://"),
            n_trials=12,
            folder=tmp_path,
        )

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    study = optuna.load_study(study_name="s", storage=open_storage(url, tmp_path))
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 12


def test_a_record_that_cannot_be_replayed_is_skipped_by_all_alike(url, tmp_path):
    study = optuna.create_study(storage=open_storage(url, tmp_path), study_name="s")
    with redis.Redis.from_url(url) as client:
        for bad in (b'{"op_code":6}', b"no json", b""):
            number = client.incr(":log_number")
            client.set(f":log:{number}", bad)
    study.set_user_attr("after", 1)
    assert open_storage(url, tmp_path).get_study_user_attrs(0) == {"after": 1}


def test_a_server_that_has_lost_its_data_is_an_error_and_nothing_is_written(url, tmp_path):
    study = optuna.create_study(storage=open_storage(url, tmp_path, patience_s=1))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        client.set(":log:0", json.dumps(record(7)))
        client.set(":log_number", 0)
        for use in (lambda: study.set_user_attr("a", 1), lambda: study.trials):
            with pytest.raises(StorageLostError, match="not the journal any more") as caught:
                use()
            assert url.split(":")[2].split("@")[0] not in str(caught.value)
        assert client.get(":log_number") == b"0"


def test_the_server_goes_away_for_a_moment(url, redis_server, tmp_path, caplog):
    study = optuna.create_study(storage=open_storage(url, tmp_path, patience_s=60))
    redis_server.stop()
    timer = threading.Timer(0.5, redis_server.start)
    timer.start()
    study.set_user_attr("a", 1)
    timer.join()
    assert study.user_attrs == {"a": 1}
    assert "the storage is unreachable, waiting for it" in caplog.text


def test_it_is_opened_again_in_another_process(url, tmp_path):
    storage = open_storage(url, tmp_path, patience_s=1)
    optuna.create_study(storage=storage, study_name="s")
    again = pickle.loads(pickle.dumps(storage))
    assert again.get_study_id_from_name("s") == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda url: url.replace(":", ":x", 2).replace("redis:x", "redis:"),
            "invalid username-pass",
        ),
        (lambda url: "redis://:hunter2@127.0.0.1:1/0", "Connection refused"),
        (lambda url: "redis://127.0.0.1:port/0", "port"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_line_without_the_password(
    url, tmp_path, change, text
):
    with pytest.raises(SettingError) as caught:
        open_storage(change(url), tmp_path, patience_s=60)
    assert text in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
