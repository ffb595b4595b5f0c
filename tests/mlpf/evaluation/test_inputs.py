import numpy as np
import pytest

from mlpf import Events, write_events
from mlpf.config import ConfigError
from mlpf.data.events import no_labels
from mlpf.evaluation.inputs import event_files, networks
from tests.mlpf.evaluation.runs import compose_evaluate, make_run


@pytest.fixture(scope="module")
def run_folder(compose_tiny, tmp_path_factory):
    cfg = compose_tiny("data.selection.min_pt_gev=2", "data.max_events.test=5")
    return make_run(cfg, tmp_path_factory.mktemp("runs") / "one")


def command(*overrides):
    return compose_evaluate("out=nowhere", *overrides)


def count(files):
    return sum(map(len, files.portions()))


def test_a_run_brings_its_test_events_with_its_cuts(run_folder):
    files = event_files(command(f"run={run_folder}"))
    events = list(files.portions())
    assert sum(map(len, events)) == files.n_events == 5
    assert min(part.x[:, 1].min() for part in events) >= 2
    assert files.has("ycand")
    assert not files.has("gen")


def test_another_split_or_folder_or_files_can_be_named(run_folder, events_folder, tmp_path):
    run = f"run={run_folder}"
    assert count(event_files(command(run, "split=train"))) == 24
    write_events(next(event_files(command(run)).portions()), tmp_path / "test.parquet")
    assert count(event_files(command(run, f"data.folder={tmp_path}"))) == 5
    files = f"files=[{events_folder}/t*.parquet]"
    assert count(event_files(command("model=x", files))) == 24 + 8
    assert count(event_files(command("model=x", files, "max_events=3"))) == 3
    assert count(event_files(command("model=x", f"data.folder={events_folder}"))) == 8


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["split=tets"], r"split=tets: no such split; did you mean test\?"),
        (["files=[/nowhere/*.parquet]"], r"files=/nowhere/\*\.parquet: no such file"),
        (["data.folder=/nowhere"], r"no file of the split test \(test\.parquet\) in /nowhere"),
        (["max_events=0"], "max_events must be an integer >= 1 or null, got 0"),
        (["files=3"], "files=3: no such file"),
    ],
)
def test_events_that_cannot_be_found_are_named(run_folder, overrides, message):
    with pytest.raises(ConfigError, match=message):
        event_files(command(f"run={run_folder}", *overrides))


def test_a_weight_file_names_no_events():
    with pytest.raises(ConfigError, match=r"data\.folder=DIR or files=\[GLOB,...\] is needed"):
        event_files(command("model=weights.pt"))


def test_events_need_a_truth_and_there_must_be_some(tmp_path):
    x = np.tile(np.array([1, 5, 0, 0, 1, 5, 5, 0, 0, 0, 0, 0], np.float32), (2, 1))
    unknown = {"has_truth": False, "has_rules": False}
    real = Events(x, no_labels(2), no_labels(2), np.array([0, 2]), **unknown)
    write_events(real, tmp_path / "real.parquet")
    with pytest.raises(ConfigError, match=r"real\.parquet: no truth in it .*mlpf\.reconstruct"):
        event_files(command("model=x", f"files={tmp_path}/real.parquet"))
    write_events(Events(x[:0], x[:0, :7], x[:0, :7], np.array([0])), tmp_path / "none.parquet")
    with pytest.raises(ConfigError, match=r"no events in .*none\.parquet"):
        event_files(command("model=x", f"files={tmp_path}/none.parquet"))


def test_a_broken_value_is_named_with_file_and_event(tmp_path):
    x = np.tile(np.array([1, 5, 0, 0, 1, 5, 5, 0, 0, 0, 0, 0], np.float32), (2, 1))
    x[1, 5] = -1
    write_events(
        Events(x, no_labels(2), no_labels(2), np.array([0, 1, 2])), tmp_path / "a.parquet"
    )
    with pytest.raises(ConfigError, match=r"a\.parquet: event 1, element 0: x_energy is -1"):
        count(event_files(command("model=x", f"files={tmp_path}/a.parquet")))


def test_networks_have_the_names_of_their_folders(run_folder, tmp_path):
    assert list(networks(str(run_folder), None)) == ["one"]
    assert list(networks([str(run_folder), str(run_folder)], None)) == ["1", "2"]


@pytest.mark.parametrize(
    ("run", "model", "message"),
    [
        (None, None, "run=DIR or model=FILE is needed"),
        ("a", "b", "one of them"),
        ([], None, "run names no folder"),
        ("/nowhere", None, r"run=/nowhere: no config\.yaml in it"),
        (None, "mlpf.onnx", r"model=mlpf\.onnx: an ONNX file; give the run or its weight file"),
        (None, "/nowhere.pt", r"/nowhere\.pt: not found"),
        (None, "pretraned", r"/pretraned: not found; .*; did you mean pretrained\?"),
    ],
)
def test_a_run_that_is_none_is_one_line(run, model, message):
    with pytest.raises(ConfigError, match=message):
        networks(run, model)
