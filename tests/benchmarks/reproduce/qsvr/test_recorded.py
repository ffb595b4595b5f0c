import numpy as np
import pytest

from benchmarks.reproduce.qsvr.protocols import swapped_r2
from benchmarks.reproduce.qsvr.recorded import SINGLE, combined_fits, read_runs, single_fits


def test_recorded_runs_give_their_stored_r2(mlpf, qpu):
    single, combination = read_runs(qpu)
    fits, difference = single_fits(mlpf, single)
    assert difference < 1e-9
    swapped = [fit.r2(swapped_r2) for fit in fits.by_model[SINGLE]]
    found = np.max(swapped), np.min(swapped), np.mean(swapped), np.std(swapped)
    np.testing.assert_allclose(found, (0.9483, 0.7425, 0.8809, 0.0561), atol=5e-5)
    assert len(fits.by_model["untrained"]) == 10
    assert combined_fits(mlpf, combination)[1] < 1e-9


def test_runs_of_another_table_or_with_another_r2_are_refused(mlpf, qpu):
    single, _ = read_runs(qpu)
    other = {**single, "X3": single["X3"] + 0.1}
    with pytest.raises(ValueError, match="not made from these curves"):
        single_fits(mlpf, other)
    other = {**single, "r2_published": single["r2_published"] + 1e-6}
    with pytest.raises(ValueError, match="differ from the stored ones by 1e-06"):
        single_fits(mlpf, other)


def test_a_pickle_among_the_recorded_runs_is_not_opened(tmp_path):
    with pytest.raises(ValueError, match=r"no single20\.npz there"):
        read_runs(tmp_path)
    np.savez(tmp_path / "single20.npz", X0=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"single20\.npz: not an archive"):
        read_runs(tmp_path)
