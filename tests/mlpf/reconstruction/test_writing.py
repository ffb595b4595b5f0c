"""Files of particles are read back by awkward, pandas, pyarrow and uproot, event by event."""

import json

import awkward as ak
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import uproot

from mlpf.reconstruction.particles import FLOAT_COLUMNS, INT_COLUMNS, ParticleRows
from mlpf.reconstruction.writing import FORMATS, particle_file


def rows(*sizes):
    n = sum(sizes)
    columns = {name: np.arange(n, dtype=np.int32) for name in INT_COLUMNS}
    columns |= {name: np.arange(n, dtype=np.float32) / 2 for name in FLOAT_COLUMNS}
    return ParticleRows(columns, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))


def numbers(first, n, file=0):
    return {"file": np.full(n, file), "event": np.arange(first, first + n)}


@pytest.fixture(params=FORMATS)
def written(request, tmp_path):
    """Two portions of events, of which some are empty, and no event at the end."""
    path = tmp_path / f"found.{request.param}"
    with particle_file(path, request.param, {"seed": 3}) as writer:
        writer.write(numbers(0, 3), rows(2, 0, 1))
        writer.write(numbers(4, 1), rows(3))
        writer.write(numbers(5, 0), rows())
    return path


def test_portions_become_one_list_per_event(written):
    if written.suffix == ".root":
        with uproot.open(written) as file:
            tree = file["events"]
            found = {name: tree[f"particle_{name}"].array() for name in ("pdg_id", "pt")}
            found["event"] = tree["event"].array()
            assert json.loads(file["provenance"]) == {"seed": 3}
            assert tree["nparticle"].array().tolist() == [2, 0, 1, 3]
    else:
        found = ak.from_parquet(written)
        assert json.loads(pq.read_schema(written).metadata[b"provenance"]) == {"seed": 3}
    assert found["event"].tolist() == [0, 1, 2, 4]
    assert found["pdg_id"].tolist() == [[0, 1], [], [2], [0, 1, 2]]
    assert found["pt"].tolist() == [[0, 0.5], [], [1], [0, 0.5, 1]]


def test_pandas_reads_the_parquet_file(tmp_path):
    with particle_file(tmp_path / "found.parquet", "parquet", {}) as writer:
        writer.write(numbers(0, 2, file=1), rows(2, 0))
    table = pd.read_parquet(tmp_path / "found.parquet")
    assert list(table.columns) == ["file", "event", *INT_COLUMNS, *FLOAT_COLUMNS]
    assert table["file"].tolist() == [1, 1]
    exploded = table.explode(["pt", "pdg_id"]).dropna()
    assert exploded["event"].tolist() == [0, 0]
    assert exploded["pt"].tolist() == [0, 0.5]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_appears_only_when_it_is_complete(kind, tmp_path):
    def fail():
        with particle_file(tmp_path / "found", kind, {}) as writer:
            writer.write(numbers(0, 1), rows(1))
            raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_without_events_can_be_read(kind, tmp_path):
    with particle_file(tmp_path / "found", kind, {}):
        pass
    if kind == "root":
        with uproot.open(tmp_path / "found") as file:
            assert file["events"].num_entries == 0
    else:
        assert len(pq.read_table(tmp_path / "found")) == 0
