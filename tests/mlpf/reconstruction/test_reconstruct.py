"""Every event once, with its number; broken ones are named and left out."""

import json

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot

from mlpf import load_network, write_events
from mlpf.config import ConfigError
from mlpf.data.events import concatenate
from mlpf.network.candidates import particles
from mlpf.reconstruction.models import Model, open_model
from mlpf.reconstruction.reconstruct import reconstruct as reconstruct_events
from mlpf.reconstruction.reconstruct import reconstruct_files
from mlpf.reconstruction.writing import particle_file
from tests.mlpf.reconstruction.conftest import composed, some_events


@pytest.fixture
def reconstruct(run, tmp_path):
    def call(*arguments, model=None, out="found.parquet"):
        chosen = f"model={model}" if model else f"run={run}"
        return reconstruct_files(
            composed("reconstruct", chosen, f"out={tmp_path}/{out}", *arguments)
        )

    return call


def test_particles_are_those_that_the_network_finds(run, reconstruct, tmp_path):
    events = some_events(20, 0, 33)
    write_events(events, tmp_path / "a.parquet")
    summary = reconstruct(f"events={tmp_path}/a.parquet")
    expected = particles(load_network(run), events, p_none_max=0.7)
    found = ak.from_parquet(tmp_path / "found.parquet")
    assert found["event"].tolist() == [0, 1, 2]
    assert ak.num(found["pt"]).tolist() == np.diff(expected.offsets).tolist()
    np.testing.assert_allclose(ak.flatten(found["pt"]), expected.pt, rtol=1e-5)
    np.testing.assert_allclose(ak.flatten(found["energy"]), expected.energy, rtol=1e-5)
    assert (summary.n_events, summary.n_particles) == (3, len(expected.pt))
    assert "3 events" in str(summary)
    assert "events/s" in str(summary)
    pz = found["pt"] * np.sinh(found["eta"])
    momentum = np.sqrt(found["pt"] ** 2 + pz**2)
    shell = np.sqrt(momentum**2 + found["mass"] ** 2)
    np.testing.assert_allclose(ak.flatten(found["energy"]), ak.flatten(shell), rtol=1e-5)


def test_an_onnx_file_and_root_give_the_same(reconstruct, onnx_file, run, tmp_path):
    arguments = [f"events={run}/test.parquet"]
    reconstruct(*arguments)
    reconstruct(*arguments, model=onnx_file, out="found.root")
    expected = ak.from_parquet(tmp_path / "found.parquet")
    with uproot.open(tmp_path / "found.root") as file:
        found = file["events"].arrays()
    assert found["event"].tolist() == [0, 1, 2, 3]
    assert found["particle_pdg_id"].tolist() == expected["pdg_id"].tolist()
    assert found["particle_element"].tolist() == expected["element"].tolist()
    for name in ("pt", "eta", "phi", "energy", "mass", "probability"):
        ours, theirs = ak.flatten(found[f"particle_{name}"]), ak.flatten(expected[name])
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_files_keep_their_order_and_events_their_numbers(reconstruct, tmp_path):
    write_events(some_events(3, 5), tmp_path / "b.parquet")
    write_events(some_events(4), tmp_path / "a.parquet")
    reconstruct(f"events=[{tmp_path}/b.parquet,{tmp_path}/a*]")
    table = pq.read_table(tmp_path / "found.parquet")
    assert table["file"].to_pylist() == [0, 0, 1]
    assert table["event"].to_pylist() == [0, 1, 0]
    provenance = json.loads(table.schema.metadata[b"provenance"])
    assert [file["name"] for file in provenance["events"]] == [
        f"{tmp_path}/b.parquet",
        f"{tmp_path}/a.parquet",
    ]
    assert provenance["model"]["p_none_max"] == 0.7


def test_a_broken_event_is_named_and_left_out(reconstruct, tmp_path):
    events = some_events(3, 4, 5)
    events.x[3, 1] = np.nan
    write_events(events, tmp_path / "a.parquet")
    summary = reconstruct(f"events={tmp_path}/a.parquet")
    assert pq.read_table(tmp_path / "found.parquet")["event"].to_pylist() == [0, 2]
    [problem] = summary.problems
    assert "a.parquet: event 1, element 0: x_pt is nan" in problem


def test_the_network_sees_a_file_in_portions(run, tmp_path, monkeypatch):
    monkeypatch.setattr("mlpf.data.layout._PORTION", 40)
    events = concatenate([some_events(10, seed=seed) for seed in range(30)])
    write_events(events, tmp_path / "a.parquet")
    model, sizes = open_model(str(run)), []

    def find(events):
        sizes.append(len(events.x))
        return model.find(events)

    watched = Model(find, {})
    with particle_file(tmp_path / "found", "parquet", {}) as writer:
        summary = reconstruct_events(watched, [tmp_path / "a.parquet"], writer, n_events=30)
    assert summary.n_events == 30
    assert len(sizes) > 5
    assert sum(sizes) == 300


def test_an_event_of_40_000_elements_is_reconstructed(reconstruct, tmp_path):
    write_events(some_events(40_000, 0), tmp_path / "a.parquet")
    summary = reconstruct(f"events={tmp_path}/a.parquet")
    assert summary.n_events == 2
    assert summary.n_particles > 1000


def test_a_file_of_something_else_is_named_before_any_work(reconstruct, tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"events: .*a\.parquet: not a readable Parquet file"):
        reconstruct(f"events={tmp_path}/a.parquet")
    assert not (tmp_path / "found.parquet").exists()


def test_the_format_must_be_known(reconstruct, run):
    with pytest.raises(ConfigError, match="format=csv: need one of parquet, root"):
        reconstruct(f"events={run}/test.parquet", "format=csv")


def test_events_are_never_replaced_by_their_particles(reconstruct, tmp_path):
    write_events(some_events(5), tmp_path / "found.parquet")
    before = (tmp_path / "found.parquet").read_bytes()
    with pytest.raises(ConfigError, match="is one of the files of events"):
        reconstruct(f"events={tmp_path}/found.parquet", "overwrite=true")
    assert (tmp_path / "found.parquet").read_bytes() == before
