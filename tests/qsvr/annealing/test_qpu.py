"""The annealer against dwave-system's mock: the plumbing, not the physics."""

import copy
import json
import logging
import pickle
import sys

import dimod
import minorminer.busclique
import numpy as np
import pytest
from dwave.samplers import SimulatedAnnealingSampler
from dwave.system.testing import MockDWaveSampler

from qsvr.annealing.qpu import QPUSampler
from qsvr.annealing.samplers import make_sampler
from qsvr.estimator import QSVR

PEGASUS = {"topology_type": "pegasus", "topology_shape": [4]}
ZEPHYR = {"topology_type": "zephyr", "topology_shape": [2, 4]}
SECRET = "DEV-0123456789abcdef"
X = np.linspace(-1, 1, 6)[:, None]
Y = np.sin(2 * X.ravel())


class Machine:
    """What `dwave.system.DWaveSampler` is during a test: a mock, and how it was called."""

    def __init__(self, **settings):
        annealer = SimulatedAnnealingSampler()
        self.settings = {"substitute_sampler": annealer, **PEGASUS, **settings}
        self.asked_for, self.sampled, self.error = [], [], None

    def __call__(self, **options):
        if self.error:
            raise self.error
        self.asked_for.append(options)
        qpu = MockDWaveSampler(parameter_warnings=False, **self.settings)
        sample = qpu.sample

        def recorded(bqm, **options):
            self.sampled.append((bqm, options))
            return sample(bqm, num_reads=options["num_reads"])

        qpu.sample = recorded
        return qpu


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    monkeypatch.setenv("DWAVE_API_TOKEN", SECRET)
    monkeypatch.setattr("dwave.system.DWaveSampler", machine)
    return machine


@pytest.fixture
def embeddings_made(monkeypatch):
    made, find = [], minorminer.busclique.find_clique_embedding

    def recorded(size, *arguments, **options):
        made.append(size)
        return find(size, *arguments, **options)

    monkeypatch.setattr("minorminer.busclique.find_clique_embedding", recorded)
    return made


def clique(n_variables, seed=0):
    q = np.random.default_rng(seed).normal(size=(n_variables, n_variables))
    return dimod.BinaryQuadraticModel(q, dimod.BINARY)


@pytest.mark.parametrize("topology", [PEGASUS, ZEPHYR])
def test_a_fully_coupled_problem_is_embedded_and_its_states_have_its_energies(
    machine, tmp_path, topology
):
    machine.settings |= topology
    bqm = clique(12).relabel_variables({i: f"bit {i}" for i in range(12)}, inplace=False)
    found = QPUSampler(cache_folder=tmp_path).sample(bqm, num_reads=20)
    assert found.record.num_occurrences.sum() == 20
    assert set(found.variables) == set(bqm.variables)
    np.testing.assert_allclose(bqm.energies(found), found.record.energy)
    embedded, _ = machine.sampled[0]
    assert embedded.num_variables > 12


def test_qubits_that_do_not_work_are_avoided(machine, tmp_path):
    machine.settings["broken_nodes"] = list(range(0, 264, 7))
    QPUSampler(cache_folder=tmp_path).sample(clique(10), num_reads=5)
    embedded, _ = machine.sampled[0]
    assert not set(embedded.variables) & set(machine.settings["broken_nodes"])


def test_the_estimator_fits_on_it(machine, tmp_path):
    sampler = QPUSampler(cache_folder=tmp_path, chain_strength=1.0)
    model = QSVR(gamma=2.0, sampler=sampler, n_reads=50, random_state=0).fit(X, Y)
    assert np.corrcoef(model.predict(X), Y)[0, 1] > 0.9
    assert model.sampler is sampler
    assert 0 <= sampler.chain_break_fraction <= 1
    assert machine.sampled[0][1] == {"num_reads": 50}


@pytest.mark.parametrize("chain_strength", [2.0, 10.0])
def test_chain_strength_is_in_units_of_the_largest_coefficient(machine, tmp_path, chain_strength):
    bqm = clique(8)
    sampler = QPUSampler(cache_folder=tmp_path, chain_strength=chain_strength)
    sampler.sample(bqm, num_reads=1)
    embedded, _ = machine.sampled[0]
    within_chains = -min(embedded.to_ising()[1].values())
    largest = max(map(abs, [*bqm.linear.values(), *bqm.quadratic.values()]))
    assert within_chains == pytest.approx(chain_strength * largest)


def test_broken_chains_are_counted(machine, tmp_path):
    weak = QPUSampler(cache_folder=tmp_path, chain_strength=1e-3)
    strong = QPUSampler(cache_folder=tmp_path, chain_strength=10.0)
    assert weak.chain_break_fraction is None
    found = weak.sample(clique(12), num_reads=20)
    expected = np.average(found.record.chain_break_fraction, weights=found.record.num_occurrences)
    assert weak.chain_break_fraction == pytest.approx(expected)
    assert weak.chain_break_fraction > 0.3
    strong.sample(clique(12), num_reads=20)
    assert strong.chain_break_fraction < 0.1


def test_the_solver_and_the_annealing_time_are_passed_on_and_no_configuration_file(
    machine, tmp_path
):
    sampler = QPUSampler(
        solver="Advantage_system6.1", annealing_time_us=50.0, cache_folder=tmp_path
    )
    sampler.sample(clique(3), num_reads=7)
    assert machine.asked_for == [{"config_file": False, "solver": "Advantage_system6.1"}]
    assert machine.sampled[0][1] == {"num_reads": 7, "annealing_time": 50.0}


def test_a_problem_that_is_too_large_names_the_largest_that_fits(machine, tmp_path):
    sampler = QPUSampler(cache_folder=tmp_path)
    with pytest.raises(
        ValueError, match=r"300 variables are too many for Mock.* has (\d+)"
    ) as error:
        sampler.sample(clique(300))
    largest = int(str(error.value).split("clique has ")[1].split(";")[0])
    sampler.sample(clique(largest), num_reads=1)
    with pytest.raises(ValueError, match=f"clique has {largest};"):
        sampler.sample(clique(largest + 1))


def test_an_embedding_is_made_once_and_read_by_later_samplers(machine, tmp_path, embeddings_made):
    first = QPUSampler(cache_folder=tmp_path / "new" / "folder")
    for _ in range(2):
        first.sample(clique(9), num_reads=1)
    QPUSampler(cache_folder=tmp_path / "new" / "folder").sample(clique(9), num_reads=1)
    assert embeddings_made == [9]
    assert len(machine.asked_for) == 2  # one connection each
    (file,) = (tmp_path / "new" / "folder").iterdir()
    chains = json.loads(file.read_text())
    assert len(chains) == 9
    assert all(isinstance(qubit, int) for chain in chains for qubit in chain)
    assert set(machine.sampled[-1][0].variables) == {q for chain in chains for q in chain}


def test_another_size_or_working_graph_has_its_own_file(machine, tmp_path, embeddings_made):
    QPUSampler(cache_folder=tmp_path).sample(clique(5), num_reads=1)
    QPUSampler(cache_folder=tmp_path).sample(clique(6), num_reads=1)
    machine.settings["broken_edges"] = [MockDWaveSampler(**PEGASUS).edgelist[0]]
    QPUSampler(cache_folder=tmp_path).sample(clique(6), num_reads=1)
    assert embeddings_made == [5, 6, 6]
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    "content",
    [b"", b"[[1, 2", b"\xff\xfe", b"7", b'{"a": [1]}', b"[[0], [1], [2], [3], [4]]", b"[[[1]]]"],
)
def test_a_damaged_or_wrong_file_is_made_again_with_a_warning(
    machine, tmp_path, embeddings_made, caplog, content
):
    QPUSampler(cache_folder=tmp_path).sample(clique(5), num_reads=1)
    (file,) = tmp_path.iterdir()
    good = file.read_bytes()
    file.write_bytes(content)
    QPUSampler(cache_folder=tmp_path).sample(clique(5), num_reads=1)
    assert embeddings_made == [5, 5]
    assert file.read_bytes() == good
    assert f"{file} is not an embedding of 5 variables" in caplog.text


def test_without_a_token_the_variable_to_set_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("DWAVE_API_TOKEN", raising=False)
    with pytest.raises(ValueError, match="set DWAVE_API_TOKEN in the environment"):
        QPUSampler(cache_folder=tmp_path).sample(clique(3))


def test_without_dwave_system_the_extra_to_install_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("DWAVE_API_TOKEN", SECRET)
    monkeypatch.setitem(sys.modules, "dwave.system", None)
    with pytest.raises(ModuleNotFoundError, match=r"mlpf-hpo\[qpu\]"):
        QPUSampler(cache_folder=tmp_path).sample(clique(3))


def test_errors_of_the_service_are_connection_errors_without_the_token(machine, tmp_path):
    machine.error = OSError(f"401 for token {SECRET}")
    with pytest.raises(ConnectionError, match=r"cannot be used: 401 for token \*\*\*") as raised:
        QPUSampler(cache_folder=tmp_path).sample(clique(3))
    assert raised.value.__suppress_context__


def test_the_token_is_nowhere(machine, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    sampler = QPUSampler(cache_folder=tmp_path)
    found = QSVR(sampler=sampler, n_reads=5).fit(X, Y)
    files = "".join(file.read_text() for file in tmp_path.iterdir())
    shown = [repr(sampler), repr(vars(sampler)), repr(found), str(sampler.properties)]
    assert SECRET not in "".join([*shown, caplog.text, files, repr(machine.asked_for)])
    assert SECRET.encode() not in pickle.dumps(sampler)


def test_a_copy_connects_itself(machine, tmp_path):
    sampler = QPUSampler(cache_folder=tmp_path)
    sampler.sample(clique(3), num_reads=1)
    copy.deepcopy(sampler).sample(clique(3), num_reads=1)
    assert len(machine.asked_for) == 2


def test_the_folder_is_in_the_users_cache_if_none_is_given(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert make_sampler("qpu").cache_folder == tmp_path / "qsvr"


def test_a_chain_strength_of_zero_is_rejected():
    with pytest.raises(ValueError, match=r"chain_strength must be greater than 0, got 0\.0"):
        QPUSampler(chain_strength=0.0)
