from __future__ import annotations

import bz2
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from mlpf.delphes import published
from mlpf.delphes.published import correct, read_published
from mlpf.delphes.unpickle import DamagedPickle, RefusedPickle

REAL = Path(__file__).parents[4] / "shared" / "data" / "delphes"


def event(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """An event of `n` elements in the published layout: half tracks, half towers."""
    rng = np.random.default_rng(seed)
    arrays = {"X": rng.random((n, 12)), "ygen": rng.random((n, 7)), "ycand": rng.random((n, 7))}
    arrays["X"][:, 0] = np.where(np.arange(n) < n // 2, 2, 1)
    arrays["X"][:, 9] = rng.choice([-1, 1], n)
    for key in ("ygen", "ycand"):
        arrays[key][:, 0] = rng.integers(0, 6, n)
    return arrays


def content(sizes: list[int]) -> dict[str, list[np.ndarray]]:
    events = [event(n, seed) for seed, n in enumerate(sizes)]
    return {key: [e[key] for e in events] for key in ("X", "ygen", "ycand")}


def write(path: Path, value: object, protocol: int = 4) -> Path:
    path.write_bytes(bz2.compress(pickle.dumps(value, protocol=protocol)))
    return path


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_events_of_both_precisions_are_read_and_further_keys_ignored(tmp_path, dtype):
    value = {k: [a.astype(dtype) for a in v] for k, v in content([4, 0, 7]).items()}
    value["ygen_remaining"] = [np.zeros((3, 7))] * 3
    events = read_published(write(tmp_path / "a.pkl.bz2", value))
    assert events.sizes.tolist() == [4, 0, 7]
    assert events.x.dtype == np.float32
    np.testing.assert_allclose(events.ycand[4:], value["ycand"][2], rtol=1e-6)


def changed(change) -> dict[str, list[np.ndarray]]:
    value = content([4, 5, 6])
    change(value)
    return value


def set_value(key: str, event: int, column: int, value: float):
    def change(c):
        c[key][event][1, column] = value

    return change


def set_event(key: str, event: int, value: object):
    return lambda c: c[key].__setitem__(event, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("ygen"), "no list under the key 'ygen'"),
        (lambda c: c.update(X=np.zeros((3, 12))), "no list under the key 'X'"),
        (lambda c: c.update(X=[], ygen=[], ycand=[]), "no events under the key 'X'"),
        (lambda c: c["ycand"].pop(), "different numbers of events: .*'ycand': 2"),
        (set_event("X", 1, np.zeros((5, 11))), r"event 1: X has shape \(5, 11\), need \(n, 12\)"),
        (set_event("X", 2, np.zeros(12)), r"event 2: X has shape \(12,\)"),
        (set_event("X", 0, [[1.0] * 12]), "event 0: X has shape list"),
        (set_event("ygen", 2, np.zeros((5, 7))), "event 2: ygen has 5 elements, X has 6"),
        (set_value("ycand", 1, 6, np.nan), "event 1: ycand holds a value that is not finite"),
        (set_value("X", 0, 1, np.inf), "event 0: X holds a value that is not finite"),
        (set_value("X", 2, 0, 0), "event 2: X holds an element that is neither"),
        (set_value("ygen", 0, 0, 6), "event 0: ygen holds a class outside 0 to 5"),
        (
            lambda c: c.update({k: [v[0]] * 3 for k, v in c.items()}),
            "one array stands for several",
        ),
    ],
)
def test_a_wrong_file_is_damaged_and_the_message_names_file_and_event(tmp_path, change, message):
    path = write(tmp_path / "a.pkl.bz2", changed(change))
    with pytest.raises(DamagedPickle, match=f"{path}: {message}"):
        read_published(path)


@pytest.mark.parametrize("value", [[1], None, "text", {1: 2}])
def test_something_else_than_a_dict_of_lists_is_damaged(tmp_path, value):
    with pytest.raises(DamagedPickle, match="no list under the key 'X'"):
        read_published(write(tmp_path / "a.pkl.bz2", value))


def test_truncated_and_foreign_files_are_damaged(tmp_path):
    path = write(tmp_path / "a.pkl.bz2", content([4]))
    whole = path.read_bytes()
    cut_pickle = bz2.compress(bz2.decompress(whole)[:-50])
    for data in (b"", whole[: len(whole) // 2], cut_pickle, b"PAR1", bz2.compress(b"")):
        path.write_bytes(data)
        with pytest.raises(DamagedPickle, match=r"a\.pkl\.bz2: truncated or not"):
            read_published(path)


def test_a_file_that_unpacks_beyond_the_limit_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "MAX_BYTES", 1000)
    path = tmp_path / "a.pkl.bz2"
    path.write_bytes(bz2.compress(bytes(100_000)))
    with pytest.raises(DamagedPickle, match="unpacks to more than 1000 bytes"):
        read_published(path)


class Attack:
    def __reduce__(self):
        return (os.system, ("false",))


def test_a_file_that_would_run_code_is_refused_by_name(tmp_path):
    path = write(tmp_path / "a.pkl.bz2", content([4]) | {"z": Attack()})
    with pytest.raises(RefusedPickle, match=f"refused: posix.system in {path}"):
        read_published(path)


def read_arrays(tmp_path: Path, n: int = 200):
    path = write(tmp_path / "a.pkl.bz2", content([n]))
    return read_published(path)


def test_the_charge_of_a_track_is_given_to_its_particle(tmp_path):
    events = read_arrays(tmp_path)
    fixed = correct(events)
    track = (events.x[:, 0] == 2) & (events.ygen[:, 0] > 0)
    assert 0 < track.sum() < len(track)
    np.testing.assert_array_equal(fixed.ygen[track, 1], events.x[track, 9])
    np.testing.assert_array_equal(fixed.ygen[~track], events.ygen[~track])
    np.testing.assert_array_equal(np.delete(fixed.ygen, 1, 1), np.delete(events.ygen, 1, 1))


def test_zeros_of_candidates_are_filled_without_touching_what_is_there(tmp_path):
    events = read_arrays(tmp_path)
    pid, pt, eta, energy = (events.ycand[:, i] for i in (0, 2, 3, 6))
    charged, neutral = np.isin(pid, (1, 4, 5)), np.isin(pid, (2, 3))
    complete = correct(events).ycand
    np.testing.assert_array_equal(complete, events.ycand)
    kept = np.arange(len(pid)) % 2 == 0
    expected = events.ycand.copy()
    energy[charged & ~kept] = 0
    pt[neutral & ~kept] = 0
    expected[charged & ~kept, 6] = (pt * np.cosh(eta))[charged & ~kept]
    expected[neutral & ~kept, 2] = (energy / np.cosh(eta))[neutral & ~kept]
    np.testing.assert_allclose(correct(events).ycand, expected, rtol=1e-6)


def test_correcting_changes_a_copy(tmp_path):
    events = read_arrays(tmp_path)
    before = events.ygen.copy()
    correct(events)
    np.testing.assert_array_equal(events.ygen, before)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"needs the Delphes events in {REAL}")
@pytest.mark.parametrize(
    ("name", "n_events", "mean_size"), [("pu0_0", 500, 151), ("pu20_0", 400, 693)]
)
def test_real_files_are_read_whole_and_corrected(name, n_events, mean_size):
    published_events = read_published(REAL / f"tev14_pythia8_ttbar_{name}.pkl.bz2")
    assert len(published_events) == n_events
    assert published_events.sizes.mean() == pytest.approx(mean_size, abs=1)
    events = correct(published_events)
    tracks = events.x[:, 0] == 2
    charge = {"before": published_events.ygen[tracks, 1], "after": events.ygen[tracks, 1]}
    agree = {k: np.mean(v == events.x[tracks, 9]) for k, v in charge.items()}
    assert agree["after"] == 1 > agree["before"] > 0.95
    pid, pt, eta, energy = (events.ycand[:, i] for i in (0, 2, 3, 6))
    assert np.all((pt > 0) == (pid > 0))
    np.testing.assert_allclose(energy, pt * np.cosh(eta), rtol=1e-5)
