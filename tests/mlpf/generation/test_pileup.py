"""Pools of pile-up events and their mixing."""

import numpy as np
import pytest

from mlpf.generation.pileup import Pool, join, mix
from mlpf.generation.simulation import RECORD


def pool_of(sizes, px=1.0):
    records = np.zeros(sum(sizes), dtype=RECORD)
    records["px"], records["energy"], records["x"] = px, px, 2.0
    records["pid"] = np.repeat(np.arange(len(sizes)), sizes)  # tells the events apart
    return Pool(records, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))


@pytest.fixture
def saved(tmp_path):
    pool_of([2, 0, 3]).save(tmp_path / "sub" / "pool.npy")
    return tmp_path / "sub" / "pool.npy"


def test_a_pool_comes_back_from_disk_as_it_was(saved):
    pool, back = pool_of([2, 0, 3]), Pool.load(saved)
    np.testing.assert_array_equal(back.records, pool.records)
    np.testing.assert_array_equal(back.offsets, pool.offsets)
    assert [path.name for path in saved.parent.iterdir()] == ["pool.npy"]


def test_a_pool_is_mapped_and_not_read(saved):
    pool = Pool.load(saved)
    assert isinstance(pool.records, np.memmap)
    assert not pool.records.flags.writeable
    assert isinstance(pool.part(1, 3).records, np.memmap)


def test_a_pool_that_is_not_whole_is_named(saved):
    content = saved.read_bytes()
    for length in range(0, len(content), 7):
        saved.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"pool\.npy: not a pool .*; delete it$"):
            Pool.load(saved)


@pytest.mark.parametrize(
    ("records", "offsets", "message"),
    [
        (np.zeros(3), [0, 3], "another version"),
        (np.array([{}], dtype=object), [0, 1], "not a pool"),
        (np.zeros(3, dtype=RECORD), [0, 2], "its offsets do not fit"),
        (np.zeros(3, dtype=RECORD), [0, 4, 3], "its offsets do not fit"),
        (np.zeros(3, dtype=RECORD), [1, 3], "its offsets do not fit"),
        (np.zeros(3, dtype=RECORD), [], "its offsets do not fit"),
    ],
)
def test_other_arrays_are_refused(tmp_path, records, offsets, message):
    with (tmp_path / "pool.npy").open("wb") as file:
        np.save(file, records, allow_pickle=True)
        np.save(file, np.array(offsets, dtype=np.int64))
    with pytest.raises(ValueError, match=rf"pool\.npy: .*{message}"):
        Pool.load(tmp_path / "pool.npy")


def test_joined_and_parted_pools_keep_their_events():
    joined = join([pool_of([2, 1]), pool_of([4])])
    assert [len(joined.event(i)) for i in range(len(joined))] == [2, 1, 4]
    part = joined.part(1, 3)
    assert [len(part.event(i)) for i in range(len(part))] == [1, 4]
    np.testing.assert_array_equal(part.event(0), joined.event(1))


def test_what_cannot_be_seen_is_left_out_of_each_event():
    pool = pool_of([3, 1, 2])
    pool.records["pid"] = 211, 12, 22, 1000022, -16, 130
    pool.records["pz"] = 0, 0, 1000, 0, 0, 100  # eta 7.6 is beyond the detector, 5.3 is not
    seen = pool.seen()
    assert seen.records["pid"].tolist() == [211, 130]
    assert np.diff(seen.offsets).tolist() == [1, 0, 1]


def test_without_pile_up_only_the_vertex_moves():
    hard = pool_of([3]).records
    crossing = mix(hard, None, 0, np.random.default_rng(0))
    mixed = crossing.particles
    assert len(mixed) == 3
    np.testing.assert_array_equal(mixed.px, hard["px"])
    np.testing.assert_array_equal(mixed.py, 0)
    assert set(mixed.z) == {*crossing.vertex_z} != {0.0}
    assert not crossing.collision.any()


def test_pile_up_without_a_pool_is_refused():
    with pytest.raises(ValueError, match="needs a pool"):
        mix(pool_of([3]).records, None, 50, np.random.default_rng(0))


def test_interactions_are_poisson_turned_at_random_and_spread_along_the_beam():
    rng = np.random.default_rng(1)
    hard, pool = pool_of([1], px=5.0).records, pool_of([1] * 50)
    counts, angles, vertices, chosen = [], [], [], []
    for _ in range(400):
        crossing = mix(hard, pool, 20, rng)
        mixed = crossing.particles
        assert crossing.collision.tolist() == [*range(len(mixed))]
        np.testing.assert_array_equal(mixed.z, crossing.vertex_z)
        counts.append(len(crossing.vertex_z) - 1)
        angles.append(np.arctan2(mixed.py, mixed.px)[1:])
        vertices.append(mixed.z)
        chosen.append(mixed.pid[1:])
        np.testing.assert_allclose(np.hypot(mixed.px, mixed.py)[1:], 1.0)
        np.testing.assert_allclose(np.arctan2(mixed.y, mixed.x), np.arctan2(mixed.py, mixed.px))
        assert mixed.px[0] == 5.0
    np.testing.assert_allclose([np.mean(counts), np.var(counts)], [20, 20], rtol=0.15)
    np.testing.assert_allclose(np.concatenate(angles).std(), 2 * np.pi / np.sqrt(12), rtol=0.02)
    np.testing.assert_allclose(np.concatenate(vertices).std(), 53.0, rtol=0.03)
    assert set(np.concatenate(chosen)) == set(range(50))
