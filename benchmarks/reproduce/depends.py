"""The code that the figures of this room are made by, as `benchmarks.record` has it."""

from __future__ import annotations

from typing import Final

PAUSES: Final = ("hpo.search.ladder", "hpo.search.pausing", "hpo.search.promotion")
PROPOSALS: Final = (  # hpo=asha_bo and hpo=best
    "commons.unit_cube",
    "conf/hpo/sampler/diverse_tpe.yaml",
    "hpo.search.bounded",
    "hpo.search.diverse",
    "hpo.search.seeded",
)
SIMULATED: Final = (  # sweeps in virtual time
    "hpo.curves",
    "hpo.simulate.cluster",
    "hpo.simulate.engine",
    "hpo.simulate.run",
    "hpo.simulate.storage",
    "hpo.simulate.study",
    "hpo.simulate.trials",
)
EVENTS: Final = (  # our own
    "mlpf.detector",
    "mlpf.generation.particle_flow",
    "mlpf.generation.pileup",
    "mlpf.generation.processes",
    "mlpf.generation.production",
    "mlpf.generation.pythia",
    "mlpf.generation.simulation",
    "mlpf.schema",
)
DELPHES: Final = ("mlpf.delphes.conversion", "mlpf.delphes.labels", "mlpf.delphes.published")
TRAINING: Final = (  # of model=gnn_lsh and gnn_lsh_small
    "conf/loss/default.yaml",
    "conf/model/gnn_lsh.yaml",
    "conf/optimizer/adam.yaml",
    "conf/scheduler/exponential.yaml",
    "mlpf.data.batch",
    "mlpf.data.loader",
    "mlpf.data.selection",
    "mlpf.network.bins",
    "mlpf.network.cells",
    "mlpf.network.encoding",
    "mlpf.network.gnn_lsh",
    "mlpf.network.heads",
    "mlpf.network.model",
    "mlpf.network.neighbors",
    "mlpf.network.resolution",
    "mlpf.training.losses",
    "mlpf.training.module",
    "mlpf.training.schedulers",
)
EVALUATION: Final = (  # of mlpf.evaluate
    "mlpf.network.candidates",
    "mlpf.network.decoding",
    "mlpf.physics",
)
