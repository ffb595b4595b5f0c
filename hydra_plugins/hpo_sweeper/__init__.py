"""What Hydra can discover: the sweeper `optuna_async`, the launchers `hpo_local` and `hpo_slurm`.

Hydra imports this module whenever any application starts, so the work is imported when needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hpo.hydra_internals import JobReturn
from hpo.launch.slurm.options import SlurmOptions


class _Deferred:
    """Keeps its options and what Hydra hands over until there is work to do."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what the work needs."""
        self._context, self._function, self._whole_config = hydra_context, task_function, config


class OptunaAsyncSweeper(_Deferred, Sweeper):
    """Asynchronous, pruned, resumable Optuna sweeps; see `hpo.sweep.sweep`."""

    def sweep(self, arguments: list[str]) -> None:
        """Run the sweep of these command-line overrides."""
        from hpo.sweep.sweep import Sweep, SweepOptions

        options = SweepOptions(**self._options)
        Sweep(options, self._context, self._whole_config, self._function, arguments).run()


class LocalLauncher(_Deferred, Launcher):
    """Jobs as processes of this machine; see `hpo.launch.local`."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs; return when all have ended."""
        from hpo.launch.local import LocalOptions, launch

        options = LocalOptions(**self._options)
        return launch(
            options,
            self._context,
            self._whole_config,
            self._function,
            job_overrides,
            initial_job_idx,
        )


class SlurmLauncher(_Deferred, Launcher):
    """Jobs as one SLURM job array; see `hpo.launch.slurm`."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Submit the jobs of a plain multirun; return when all have ended."""
        from hpo.launch.slurm.launcher import launch

        return launch(
            self.slurm(),
            self._context,
            self._whole_config,
            self._function,
            job_overrides,
            initial_job_idx,
        )

    def slurm(self) -> Any:
        """Return the site, for a sweeper that does not wait for its jobs."""
        from hpo.launch.slurm.site import Slurm

        return Slurm(SlurmOptions(**self._options))


_SCREEN = {
    "_target_": "hpo.search.screen.Screen",
    "regressor": None,
    "optimism": 2.0,
    "max_share": 0.75,
}


@dataclass
class OptunaAsyncConf:
    """Settings of the sweeper; the names are those of hydra-optuna-sweeper where it has them."""

    _target_: str = "hydra_plugins.hpo_sweeper.OptunaAsyncSweeper"
    _recursive_: bool = False  # samplers and pruners are built by each worker
    _convert_: str = "all"
    study_name: Any = "${hydra.job.name}"
    storage: Any = None  # null: journal file in the sweep folder; else path, URL or _target_
    direction: Any = "minimize"
    n_trials: int = 20  # of the study, earlier commands included
    n_workers: int | None = None  # null: n_jobs, else one per core
    n_jobs: int | None = None  # hydra-optuna-sweeper's name of n_workers
    max_failure_rate: float = 0.0  # share of n_trials that may fail
    max_retries: int = 3  # of a trial whose worker died
    lease_s: float = 60.0  # a worker not heard of for so long is dead
    patience_s: float = 300.0  # the storage may be out of reach for so long
    sampler: Any = None
    pruner: Any = None
    params: Any = None  # key -> interval(), choice(), range(), tag(log, ...)
    custom_search_space: str | None = None  # dotted path of f(cfg, trial)
    earlier_studies: Any = None  # journals, sweep folders, URLs or CSV files to learn from
    screen: Any = field(default_factory=lambda: dict(_SCREEN))  # skips new trials by what they say


@dataclass
class LocalConf:
    """Settings of the launcher; see `hpo.launch.local.LocalOptions`."""

    _target_: str = "hydra_plugins.hpo_sweeper.LocalLauncher"
    threads_per_worker: int | None = 1
    max_processes: int | None = None
    grace_s: float = 30.0


@dataclass
class SlurmConf(SlurmOptions):
    """Settings of the launcher; see `hpo.launch.slurm.options.SlurmOptions`."""

    _target_: str = "hydra_plugins.hpo_sweeper.SlurmLauncher"
    _convert_: str = "all"


_SAMPLERS = {
    "tpe": {"_target_": "optuna.samplers.TPESampler", "seed": None, "n_startup_trials": 10},
    "diverse_tpe": {
        "_target_": "hpo.search.diverse.DiverseSampler",
        "sampler": {
            "_target_": "optuna.samplers.TPESampler",
            "_partial_": True,
            "n_startup_trials": 10,
        },
        "random_every": 2,
        "min_distance": 0.1,
        "seed": None,
    },
    "random": {"_target_": "optuna.samplers.RandomSampler", "seed": None},
    "gp": {"_target_": "optuna.samplers.GPSampler", "seed": None, "n_startup_trials": 10},
}
_ASHA = {"_target_": "hpo.search.asha.AshaPruner", "min_resource": 1, "reduction_factor": 3}


def _forecasting(target: str, regressor: str) -> dict[str, Any]:
    return {
        "_target_": target,
        "max_resource": "???",  # steps of a full trial
        "optimism": 2.75,
        "n_finished": 1,
        "decision_epochs": None,
        "regressor": regressor,
        "wrapped": _ASHA,
    }


_PRUNERS: dict[str, dict[str, Any]] = {
    "asha": _ASHA,
    "hyperband": {
        "_target_": "optuna.pruners.HyperbandPruner",
        "min_resource": 1,
        "max_resource": "???",  # steps of a full trial; "auto" would differ between workers
        "reduction_factor": 3,
    },
    "median": {"_target_": "optuna.pruners.MedianPruner"},
    "promotion": {
        "_target_": "hpo.PromotionPruner",
        "min_resource": 1,
        "reduction_factor": 3,
        "max_resource": None,  # steps of a full trial, which does not pause at its end
    },
    "svr": _forecasting("qsvr.SVRPruner", "svr"),  # svr, qsvr: the extra [qsvr]
    "qsvr": _forecasting("qsvr.QSVRPruner", "qsvr"),
    "freeze_thaw": {
        "_target_": "hpo.search.freeze_thaw.FreezeThawPruner",
        "new_share": 1.0,
        "max_epochs": None,  # of all trials together
        "forecaster": {
            "_target_": "qsvr.Forecaster",
            "max_resource": "???",  # steps of a full trial
            "optimism": 2.1,
            "decision_epochs": None,
            "regressor": "last",
        },
    },
    "none": {"_target_": "optuna.pruners.NopPruner"},
}


def _register() -> None:
    store = ConfigStore.instance()
    # Package `hydra`, so that the sweeper can bring along a sweep folder that is the same for the
    # next command: without it no command could find the study of the one before.
    sweeper = {
        "defaults": [
            "_self_",
            {"sampler@sweeper.sampler": "diverse_tpe"},
            {"pruner@sweeper.pruner": "asha"},
        ],
        "sweeper": OptunaAsyncConf,
        "sweep": {"dir": "outputs/sweeps/${hydra.sweeper.study_name}"},
    }
    store.store(
        group="hydra/sweeper", name="optuna_async", node=sweeper, package="hydra", provider="hpo"
    )
    store.store(group="hydra/launcher", name="hpo_local", node=LocalConf, provider="hpo")
    store.store(group="hydra/launcher", name="hpo_slurm", node=SlurmConf, provider="hpo")
    for kind, nodes in (("sampler", _SAMPLERS), ("pruner", _PRUNERS)):
        for name, node in nodes.items():
            store.store(group=f"hydra/sweeper/{kind}", name=name, node=node, provider="hpo")


_register()
