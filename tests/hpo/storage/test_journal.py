import errno
import io
import os
import pickle
import random
import subprocess
import sys
import threading
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from commons.locks import FileLock
from hpo.storage import journal as module
from hpo.storage.journal import JournalFile
from hpo.storage.records import dump, parse
from hpo.storage.repair import scan

HERE = Path(__file__).parent
CUT = b'{"op_code":7,"worker_id":"w","trial_id":0,"step":3,"interme'


def value(step, trial_id=0):
    return {
        "op_code": 7,
        "worker_id": "w",
        "trial_id": trial_id,
        "step": step,
        "intermediate_value": step / 7,
    }


def steps(path):
    return [record["step"] for record in JournalFile(path).read_logs(0)]


@pytest.fixture(autouse=True)
def forget_warnings():
    module._warned.clear()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.log"


@pytest.fixture
def journal(path):
    """A journal with the values of steps 0 to 4."""
    journal = JournalFile(path)
    journal.append_logs([value(step) for step in range(5)])
    return journal


def locking(*arguments):
    return subprocess.Popen(
        [sys.executable, str(HERE.parents[1] / "commons/locking.py"), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[2])},
    )


def a_study(storage):
    study = optuna.create_study(storage=storage, study_name="s", pruner=optuna.pruners.NopPruner())
    study.set_user_attr("what", {"nested": [1, "two", None]})
    study.enqueue_trial({"x": 0.5})

    def objective(trial):
        x = trial.suggest_float("x", 0, 1) + trial.suggest_categorical("c", ["a", "b"]).count("a")
        for step in range(3):
            trial.report(float("nan") if step == 1 else x, step)
        trial.set_user_attr("note", 'an "umlaut" ü and {"op_code":')
        if trial.number == 2:
            raise optuna.TrialPruned
        return x

    study.optimize(objective, n_trials=4)
    study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs={"by": "hand"}))
    study.ask()
    return study


def seen(storage):
    study = optuna.load_study(study_name="s", storage=storage)
    return repr([(t.number, t.state, t.params, t.intermediate_values) for t in study.trials])


def test_optuna_and_we_read_each_others_files(path, tmp_path):
    ours, theirs = tmp_path / "ours.log", tmp_path / "theirs.log"
    backend = JournalFileBackend(str(theirs), JournalFileOpenLock(str(theirs)))
    a_study(JournalStorage(JournalFile(ours)))
    a_study(JournalStorage(backend))
    for file in (ours, theirs):
        mine = JournalStorage(JournalFile(file))
        other = JournalStorage(JournalFileBackend(str(file), JournalFileOpenLock(str(file))))
        assert seen(mine) == seen(other)
        assert scan(file) == []
    numbers = [trial.number for trial in optuna.load_study(study_name="s", storage=mine).trials]
    assert numbers == list(range(6))


def test_the_lines_are_byte_for_byte_those_of_optuna(tmp_path):
    records = [value(0), {**value(1), "intermediate_value": float("nan"), "x": "ü"}]
    ours, theirs = tmp_path / "ours.log", tmp_path / "theirs.log"
    JournalFile(ours).append_logs(records)
    JournalFileBackend(str(theirs), JournalFileOpenLock(str(theirs))).append_logs(records)
    assert ours.read_bytes() == theirs.read_bytes()


def test_sixteen_processes_lose_nothing(path):
    processes = [locking("append", path, f"writer{n}", 50) for n in range(16)]
    assert [process.wait(120) for process in processes] == [0] * 16
    records = list(JournalFile(path).read_logs(0))
    for n in range(16):
        own = [record["step"] for record in records if record["worker_id"] == f"writer{n}"]
        assert own == list(range(50))
    assert len(records) == 800
    assert scan(path) == []


def test_a_writer_killed_while_writing_costs_its_own_record_only(journal, path, caplog):
    assert locking("die_writing", path).wait() == -9
    assert steps(path) == [0, 1, 2, 3, 4]
    assert caplog.text == ""  # it might still be writing
    journal.append_logs([value(5)])
    assert steps(path) == [0, 1, 2, 3, 4, 5]
    [damage] = scan(path)
    assert (damage.kind, damage.n_salvaged) == ("torn", 0)
    assert damage.what == "value of trial 0 at step 3"
    assert path.read_bytes()[damage.offset :][: damage.length] == CUT + b"\n"


@pytest.mark.parametrize(
    ("damaged", "expected", "kind", "what"),
    [
        (CUT + dump(value(9)), [9], "torn", "value of trial 0 at step 3"),
        (dump(value(8))[:-1] + dump(value(9)), [8, 9], "merged", ""),
        (CUT + CUT[:14] + dump(value(9)), [9], "torn", "of an unknown trial"),
        (dump(value(8))[:-1] + CUT + b"\n", [8], "torn", "value of trial 0 at step 3"),
        (b"\0" * 30 + dump(value(9)), [9], "garbage", "30 NUL bytes"),
        (b"\0" * 30 + b"\n", [], "garbage", "30 NUL bytes"),
        (b"\xff\xfe rubbish\n", [], "garbage", "bytes of no record"),
        (b"\n", [], "garbage", "an empty line"),
        (b"[1, 2]\n", [], "garbage", "bytes of no record"),
        (b"{" * 100_000 + b"\n", [], "torn", "a record of unknown kind"),
        (b'{"op_code":' * 1000 + b"[" * 100_000 + b"\n", [], "torn", "unknown kind"),
        (b'{"op_code":7,"worker_id":"w"}\n', [], "garbage", "value of an unknown trial"),
        (b'{"op_code":77,"worker_id":"w"}\n', [], "garbage", "operation 77"),
        (b'{"op_code":true,"worker_id":"w"}\n', [], "garbage", "unknown kind"),
        (dump(value(8)).replace(b'"w"', b'"\xff"'), [], "torn", "value of trial 0 at step 8"),
    ],
)
def test_a_damaged_line_gives_its_whole_records_in_order(
    journal, path, damaged, expected, kind, what, caplog
):
    early = JournalFile(path)
    before = [record["step"] for record in early.read_logs(0)]
    with path.open("ab") as file:
        file.write(damaged)
    journal.append_logs([value(5)])
    assert steps(path) == [0, 1, 2, 3, 4, *expected, 5]
    assert before + [record["step"] for record in early.read_logs(5)] == steps(path)
    [damage] = scan(path)
    assert (damage.kind, damage.n_salvaged) == (kind, len(expected))
    assert what in damage.what
    assert caplog.text.count("is damaged (") == 1
    assert f"{path}: the line at byte {damage.offset} is damaged" in caplog.text
    assert f"python -m hpo.doctor storage={path}" in caplog.text


@pytest.mark.parametrize(
    "record",
    [
        {"op_code": 0, "study_name": "s", "directions": [7]},
        {"op_code": 0, "study_name": "s", "directions": []},
        {"op_code": 2, "study_id": 0, "user_attr": {}},
        {"op_code": 4, "study_id": 0, "datetime_start": "yesterday"},
        {"op_code": 4, "study_id": 0, "datetime_start": None, "state": 9},
        {"op_code": 4, "study_id": 0, "datetime_start": None, "params": {"x": 1}},
        {"op_code": 4, "study_id": 0, "datetime_start": None, "value": 1, "values": [1, 2]},
        {"op_code": 4, "study_id": 0, "datetime_start": None, "intermediate_values": {"a": 1}},
        {"op_code": 4, "study_id": 0, "datetime_start": None, "user_attrs": [1]},
        {
            "op_code": 5,
            "trial_id": 0,
            "param_name": "x",
            "param_value_internal": 5,
            "distribution": optuna.distributions.distribution_to_json(
                optuna.distributions.CategoricalDistribution(["a"])
            ),
        },
        {
            "op_code": 5,
            "trial_id": 0,
            "param_name": "x",
            "param_value_internal": 0.5,
            "distribution": '{"name": "NoDistribution", "attributes": {}}',
        },
        {"op_code": 6, "trial_id": 0, "state": 1, "values": [0.5]},
        {"op_code": 6, "trial_id": 0, "state": 1, "values": 1, "datetime_complete": "2026-01-01"},
        {"op_code": 6, "trial_id": [], "state": 3, "values": None},
        {"op_code": 7, "trial_id": 0, "step": "one", "intermediate_value": 1},
    ],
)
def test_a_record_that_optuna_could_not_replay_is_skipped(path, record):
    a_study(JournalStorage(JournalFile(path)))
    before = seen(JournalStorage(JournalFile(path)))
    with path.open("ab") as file:
        file.write(dump({"worker_id": "w", **record}))
    assert seen(JournalStorage(JournalFile(path))) == before
    assert [damage.kind for damage in scan(path)] == ["garbage"]


def test_the_last_line_waits_for_its_end(journal, path):
    whole = dump(value(5))
    reader = JournalFile(path)
    with path.open("ab", buffering=0) as file:
        file.write(whole[:30])
        assert len(list(reader.read_logs(0))) == 5
        assert [damage.kind for damage in scan(path)] == ["unfinished"]
        file.write(whole[30:-1])
        assert list(reader.read_logs(5)) == []
        file.write(b"\n")
        assert list(reader.read_logs(5)) == [value(5)]
    assert scan(path) == []


class GrowingFile(io.RawIOBase):
    """Gives what another process has written by the time of each read."""

    def __init__(self, content, sizes):
        self._content, self._sizes, self._at = content, iter(sizes), 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        self._at = offset
        return offset

    def readinto(self, buffer):
        size = next(self._sizes, len(self._content))
        piece = self._content[self._at : max(size, self._at)][: len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def test_a_line_that_is_finished_between_two_reads_of_the_file_is_read_whole(journal):
    lines = [dump(value(step)) for step in (5, 6, 7)]
    content, torn = b"".join(lines), len(lines[0]) + 10
    file = io.BufferedReader(GrowingFile(content, [torn, torn]))
    blocks = [*journal._blocks(file, 0)]
    assert [line for _, block in blocks for line in block] == lines
    assert [at for at, _ in blocks] == [0, len(lines[0])]


def test_records_can_be_read_from_any_number(path, monkeypatch):
    monkeypatch.setattr(module, "_STRIDE", 10)
    journal = JournalFile(path)
    journal.append_logs([value(step) for step in range(57)])
    path.write_bytes(path.read_bytes().replace(b'}\n{"op_code":7', b'}{"op_code":7', 30))
    for number in [0, 57, 3, 20, 19, 21, 56, 10, 58, 40, 0]:
        assert [r["step"] for r in journal.read_logs(number)] == list(range(57))[number:]
    for number in range(
        57
    ):  # given up in the middle of a damaged line, as Optuna does on an error
        fresh = JournalFile(path)
        logs = fresh.read_logs(0)
        for _ in range(number + 1):
            next(logs)
        assert [r["step"] for r in fresh.read_logs(number + 1)] == list(range(number + 1, 57))
    copy = pickle.loads(pickle.dumps(journal))
    assert len(list(copy.read_logs(0))) == 57


def test_only_new_bytes_are_parsed(journal, path, monkeypatch):
    list(journal.read_logs(0))
    parsed = []
    monkeypatch.setattr(module, "parse", lambda line: parsed.append(line) or parse(line))
    journal.append_logs([value(5)])
    assert len(list(journal.read_logs(5))) == 1
    assert list(journal.read_logs(6)) == []
    assert parsed == [dump(value(5))]


def test_reading_does_not_wait_for_the_lock(journal, path):
    with journal._lock:
        assert steps(path) == [0, 1, 2, 3, 4]


def test_writing_waits_for_the_lock(journal, path):
    writer = threading.Thread(target=lambda: JournalFile(path).append_logs([value(5)]))
    with FileLock(path):
        writer.start()
        writer.join(0.3)
        assert writer.is_alive()
        assert steps(path) == [0, 1, 2, 3, 4]
    writer.join(10)
    assert steps(path) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("is_of_one_host", [True, False])
def test_the_wait_for_the_disk_holds_the_lock_only_where_others_see_no_write_before_it(
    journal, path, monkeypatch, is_of_one_host
):
    held = []

    def failing(descriptor):
        held.append(path.with_name(f"{path.name}.lock").exists())
        assert steps(path) == [0, 1, 2, 3, 4, 5]
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module, "is_of_one_host", lambda _: is_of_one_host)
    monkeypatch.setattr("hpo.storage.journal.os.fsync", failing)
    with pytest.raises(OSError, match="Input/output error"):
        journal.append_logs([value(5)])
    assert held == [not is_of_one_host]
    assert not path.with_name(f"{path.name}.lock").exists()


def test_a_file_replaced_by_its_mended_copy_goes_on_where_it_was(journal, path):
    with path.open("ab") as file:
        file.write(CUT)
    journal.append_logs([value(5)])
    assert len(list(journal.read_logs(0))) == 6
    clean = b"".join(map(dump, JournalFile(path).read_logs(0)))
    path.with_suffix(".new").write_bytes(clean)
    path.with_suffix(".new").replace(path)
    journal.append_logs([value(6)])
    assert list(journal.read_logs(6)) == [value(6)]


def test_nul_bytes_that_a_network_file_system_showed_for_a_moment_are_read_again(
    journal, path, monkeypatch, caplog
):
    """What another host writes may be seen as NUL bytes until the file is opened anew."""
    whole = dump(value(5))
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"\0" * 20 + whole[20:])

    def meanwhile(_):
        with path.open("r+b") as file:
            file.seek(size)
            file.write(whole)

    monkeypatch.setattr(module.time, "sleep", meanwhile)
    assert steps(path) == [0, 1, 2, 3, 4, 5]
    assert "is damaged (" not in caplog.text


@pytest.mark.parametrize("taken", [0, 1, 40])
@pytest.mark.parametrize("end", [b"", CUT])
def test_a_full_disk_leaves_no_part_of_a_record(journal, path, monkeypatch, taken, end):
    with path.open("ab") as file:
        file.write(end)
    write = os.write

    def full(descriptor, content):
        if taken and len(content) > taken + 1 and content[:8] != b'{"host":':
            return write(descriptor, content[:taken])
        if content[:8] == b'{"host":':  # the lock
            return write(descriptor, content)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hpo.storage.journal.os.write", full)
    before = path.read_bytes()
    with pytest.raises(OSError, match="No space left on device"):
        journal.append_logs([value(5)])
    # The newline after what a dead writer left may stay: others may have read that line already.
    assert path.read_bytes() in (before, before + b"\n")
    monkeypatch.setattr("hpo.storage.journal.os.write", write)
    journal.append_logs([value(6)])
    assert steps(path) == [0, 1, 2, 3, 4, 6]
    assert len(scan(path)) == len(end[:1])


def test_whole_records_before_the_one_that_did_not_fit_stay(journal, path, monkeypatch):
    """Others may have read them: what ends with a newline never goes away again."""
    write, two = os.write, len(dump(value(5)) + dump(value(6))) + 9

    def full(descriptor, content):
        if content[:8] == b'{"host":' or len(content) > two:
            return write(descriptor, content[:two] if len(content) > two else content)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hpo.storage.journal.os.write", full)
    with pytest.raises(OSError, match="No space left"):
        journal.append_logs([value(5), value(6), value(7), value(8)])
    assert steps(path) == [0, 1, 2, 3, 4, 5, 6]
    assert scan(path) == []


def test_a_record_that_is_no_json_writes_nothing(journal, path):
    with pytest.raises(TypeError):
        journal.append_logs([value(5), {"op_code": 7, "what": object()}])
    journal.append_logs([])
    assert steps(path) == [0, 1, 2, 3, 4]


def test_the_place_of_the_file_is_fixed_when_it_is_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    journal = JournalFile("journal.log")
    monkeypatch.chdir(tmp_path / "other")
    journal.append_logs([value(0)])
    assert steps(tmp_path / "journal.log") == [0]


def test_a_study_whose_workers_write_over_a_torn_line_goes_on(path):
    storage = JournalStorage(JournalFile(path))
    study = optuna.create_study(storage=storage, study_name="s")
    trial = study.ask()
    with path.open("ab") as file:
        file.write(CUT)
    trial.report(0.5, 1)
    study.tell(trial, 0.5)
    late = optuna.load_study(study_name="s", storage=JournalStorage(JournalFile(path)))
    assert late.trials[0].state == TrialState.COMPLETE
    assert late.trials[0].intermediate_values == {1: 0.5}


RECORDS = st.one_of(
    st.builds(value, st.integers(0, 99), st.integers(0, 9)),
    st.builds(
        lambda key, content: {
            "op_code": 8,
            "worker_id": "w",
            "trial_id": 0,
            "user_attr": {key: content},
        },
        st.text(max_size=5) | st.just('{"op_code":'),
        st.recursive(
            st.none() | st.text(max_size=5) | st.floats(allow_nan=False),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner)
            ),
            max_leaves=4,
        ),
    ),
)


@settings(max_examples=150, deadline=None)
@given(
    first=st.lists(RECORDS, max_size=5),
    then=st.lists(RECORDS, min_size=1, max_size=5),
    damage=st.data(),
)
def test_whatever_is_cut_or_glued_two_readers_agree_and_only_the_damaged_is_lost(
    tmp_path_factory, first, then, damage
):
    path = tmp_path_factory.mktemp("j") / "journal.log"
    whole = b"".join(map(dump, first))
    cut = damage.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    kept = [record for record, end in zip(first, _ends(first), strict=True) if end <= cut + 1]
    early = JournalFile(path)
    read = list(early.read_logs(0))
    if damage.draw(st.booleans()):  # by Optuna, which glues its record to the cut one
        backend = JournalFileBackend(str(path), JournalFileOpenLock(str(path)))
        backend.append_logs(then)
    else:
        JournalFile(path).append_logs(then)
    read += early.read_logs(len(read))
    late = list(JournalFile(path).read_logs(0))
    assert read == late == kept + then
    n_lost = sum(bool(item.what) for item in scan(path))
    whole_or_nothing = {0, *_ends(first), *(end - 1 for end in _ends(first))}
    assert n_lost == (cut not in whole_or_nothing)


@settings(max_examples=150, deadline=None)
@given(
    records=st.lists(RECORDS, min_size=1, max_size=6),
    seed=st.integers(0, 2**32),
    n_bytes=st.integers(1, 60),
)
def test_whatever_bytes_are_overwritten_the_rest_is_read(tmp_path_factory, records, seed, n_bytes):
    path = tmp_path_factory.mktemp("j") / "journal.log"
    content = bytearray(b"".join(map(dump, records)))
    rubbish = random.Random(seed)
    at = rubbish.randrange(len(content))
    for place in range(at, min(at + n_bytes, len(content))):
        content[place] = rubbish.choice([0, 10, 34, 44, 58, 123, 125, 255])
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.time, "sleep", lambda _: None)
        early = JournalFile(path)
        read = list(early.read_logs(0))
        JournalFile(path).append_logs([value(100)])
        read += early.read_logs(len(read))
        late = list(JournalFile(path).read_logs(0))
    assert read == late
    assert late[-1] == value(100)
    spans = [(end - len(dump(r)), end, r) for r, end in zip(records, _ends(records), strict=True)]
    untouched = [r for begin, end, r in spans if begin >= at + n_bytes or end <= at]
    following = iter(late)
    assert all(record in following for record in untouched)  # in this order


def _ends(records):
    lengths = [len(dump(record)) for record in records]
    return [sum(lengths[: n + 1]) for n in range(len(lengths))]
