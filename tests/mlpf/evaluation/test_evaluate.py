import json

import numpy as np
import pytest

from mlpf.config import ConfigError
from mlpf.data.portions import EventReader
from mlpf.data.selection import Selection
from mlpf.evaluation.evaluate import evaluate
from mlpf.evaluation.inputs import EventFiles
from mlpf.evaluation.stream import Settings
from mlpf.physics.jets import has_fastjet
from tests.mlpf.evaluation.test_stream import network


@pytest.fixture(scope="module")
def files(events_folder):
    def chosen(*names, **options):
        readers = [EventReader.open(events_folder / name, generator=True) for name in names]
        return EventFiles(readers, **options)

    return chosen


def test_the_content_is_that_of_the_json(files):
    found = evaluate({"net": network()}, files("test.parquet"), Settings(n_draws=3), n_shown=1)
    content = found.content
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert set(content) == {"schema", "settings", "rows", "curves", "missing"}
    assert set(content["rows"][0]) == {
        *("name", "selection", "column", "value", "error", "n", "unit")
    }
    names = {row["name"] for row in content["rows"]}
    wanted = {"tower_accuracy", "efficiency", "fake_rate", "momentum_resolution", "met_rms"}
    wanted |= {"sum_pt_ratio", "unphysical_share", "ms_per_event", "calibration_error"}
    jets = {"jet_efficiency", "jet_purity", "jet_response_median", "jet_response_iqr"}
    assert wanted | (jets if has_fastjet() else set()) <= names
    assert content["settings"]["n_events"] == 8
    assert len(found.events) == 1


def test_batches_of_one_and_eight_agree_and_files_in_any_order(files):
    def values(paths, **options):
        settings = Settings(n_draws=3, speed="none", **options)
        rows = evaluate({"net": network()}, files(*paths), settings).content["rows"]
        return rows, np.array([row["value"] or 0.0 for row in rows])

    one, numbers = values(["test.parquet", "val.parquet"])
    other, _ = values(["val.parquet", "test.parquet"])
    assert one == other
    _, eight = values(["test.parquet", "val.parquet"], batch_size=8)
    np.testing.assert_allclose(eight, numbers, rtol=1e-5, atol=1e-5)


def test_a_selection_that_nothing_passes_is_named(files):
    none = files("test.parquet", selection=Selection(min_elements=999))
    with pytest.raises(ConfigError, match=r"data\.selection: no event passes it"):
        evaluate({"net": network()}, none, Settings())
