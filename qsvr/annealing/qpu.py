"""A D-Wave quantum annealer as a dimod sampler: clique embedding, chain strength, cache.

Every variable of the dual problem couples to every other one, and each becomes a chain of qubits.
The embedding of a clique depends only on its size and on which qubits and couplers work, so it is
cached on disk as JSON. dwave-system reads the token from the environment (DWAVE_API_TOKEN); no
object here holds it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dimod
import numpy as np
from dimod.core.sampler import Sampler

from commons.files import write_json

TOKEN = "DWAVE_API_TOKEN"

log = logging.getLogger(__name__)

Chains = list[list[int]]


class QPUSampler(Sampler):
    """Samples fully coupled problems on a quantum annealer; it connects on first use.

    Args:
        solver: name of the solver; None: the one with the most qubits that the token may use.
        chain_strength: coupling within a chain, greater than 0, in units of the largest
            coefficient of the QUBO; published work used 10. None: dwave-system's default, which
            compensates the mean torque of a random problem on a chain.
        annealing_time_us: in microseconds; None: the solver's default.
        cache_folder: where embeddings are cached; None: `qsvr` in the user's cache folder.

    Attributes:
        chain_break_fraction: mean over the reads of the latest call; None before it.
    """

    def __init__(
        self,
        *,
        solver: str | None = None,
        chain_strength: float | None = None,
        annealing_time_us: float | None = None,
        cache_folder: str | Path | None = None,
    ) -> None:
        if chain_strength is not None and not chain_strength > 0:
            raise ValueError(f"chain_strength must be greater than 0, got {chain_strength}")
        self.solver = solver
        self.chain_strength = chain_strength
        self.annealing_time_us = annealing_time_us
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        self.cache_folder = Path(cache_folder or Path(cache, "qsvr"))
        self.chain_break_fraction: float | None = None
        self._qpu: Any = None
        self._chains: dict[int, Chains] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave the connection out: copies and other processes make their own."""
        return {**self.__dict__, "_qpu": None}

    @property
    def parameters(self) -> dict[str, list[str]]:
        """Keyword arguments of `sample`."""
        return {"num_reads": []}

    @property
    def properties(self) -> dict[str, Any]:
        """The settings of this sampler."""
        return {"solver": self.solver, "chain_strength": self.chain_strength}

    def sample(self, bqm: dimod.BinaryQuadraticModel, *, num_reads: int = 100) -> dimod.SampleSet:
        """Return `num_reads` annealed states; a broken chain takes the value of its majority.

        The problem is embedded as a clique. Solvers have an upper limit of reads.

        Raises:
            ValueError: DWAVE_API_TOKEN is not set, or the problem is too large for the solver;
                the message names the largest clique that fits.
            ModuleNotFoundError: dwave-system is not installed.
            ConnectionError: the solver cannot be reached, or refuses the problem.
        """
        if self._qpu is None:
            self._qpu = _connect(self.solver)
        from dwave.system import FixedEmbeddingComposite

        embedding = dict(zip(bqm.variables, self._clique(bqm.num_variables), strict=True))
        options: dict[str, float] = {"num_reads": num_reads}
        if self.chain_strength is not None:
            options["chain_strength"] = self.chain_strength * _largest_coefficient(bqm)
        if self.annealing_time_us is not None:
            options["annealing_time"] = self.annealing_time_us
        found: dimod.SampleSet
        with _without_token():
            found = FixedEmbeddingComposite(self._qpu, embedding=embedding).sample(bqm, **options)
            reads = found.record  # waits for the answer
        broken = np.average(reads.chain_break_fraction, weights=reads.num_occurrences)
        self.chain_break_fraction = float(broken)
        log.info("%d reads, %.1f %% of the chains broken", num_reads, 100 * broken)
        return found

    def _clique(self, size: int) -> Chains:
        """Chains of a clique: from memory, from disk, or computed and cached."""
        if size not in self._chains:
            name, graph = self._qpu.properties["chip_id"], self._qpu.to_networkx_graph()
            working = json.dumps([sorted(graph.nodes), sorted(map(sorted, graph.edges))])
            digest = hashlib.sha256(working.encode()).hexdigest()
            plain = re.sub(r"[^\w.-]", "_", name)
            file = self.cache_folder / f"{plain}-{digest[:16]}-{size}.json"
            chains = _read_chains(file, size, graph)
            if chains is None:
                chains = _find_chains(size, graph, name)
                write_json(file, chains)
            self._chains[size] = chains
        return self._chains[size]


def _connect(solver: str | None) -> Any:
    """A DWaveSampler that reads the environment and no configuration file."""
    if not os.environ.get(TOKEN):
        raise ValueError(f"a quantum annealer needs a token: set {TOKEN} in the environment")
    try:
        from dwave.system import DWaveSampler
    except ImportError as error:
        raise ModuleNotFoundError(
            "a quantum annealer needs dwave-system: pip install 'mlpf-hpo[qpu]'"
        ) from error
    choice = {} if solver is None else {"solver": solver}
    with _without_token():
        return DWaveSampler(config_file=False, **choice)


@contextlib.contextmanager
def _without_token() -> Iterator[None]:
    """Turn errors of the network and the service into ConnectionError, without the token."""
    try:
        yield
    except OSError as error:  # all errors of dwave.cloud that name a request or a solver
        token = os.environ.get(TOKEN, "")
        message = str(error).replace(token, "***") if token else str(error)
        raise ConnectionError(f"the quantum annealer cannot be used: {message}") from None


def _largest_coefficient(bqm: dimod.BinaryQuadraticModel) -> float:
    qubo = bqm.change_vartype(dimod.BINARY, inplace=False)
    return float(max(np.abs([*qubo.linear.values(), *qubo.quadratic.values()])))


def _find_chains(size: int, graph: Any, solver: str) -> Chains:
    from minorminer.busclique import find_clique_embedding

    def chains(size: int) -> Chains:
        found = find_clique_embedding(size, graph, seed=0, use_cache=False)
        return [sorted(map(int, found[node])) for node in sorted(found)]

    embedding = chains(size)
    if embedding:
        return embedding
    fits, too_large = 0, size
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        fits, too_large = (middle, too_large) if chains(middle) else (fits, middle)
    raise ValueError(
        f"{size} variables are too many for {solver}: its largest clique has {fits}; "
        "use fewer samples or bits"
    )


def _read_chains(file: Path, size: int, graph: Any) -> Chains | None:
    """The chains in a file; None if it is not there, damaged or not of this graph."""
    from dwave.embedding import is_valid_embedding

    couplings = list(itertools.combinations(range(size), 2))
    try:
        chains = json.loads(file.read_text())
        embedding = dict(enumerate(chains))
        valid = len(chains) == size and is_valid_embedding(embedding, couplings, graph)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        valid = False
    if not valid:
        log.warning("%s is not an embedding of %d variables; it is computed again", file, size)
        return None
    return [[int(qubit) for qubit in chain] for chain in chains]
