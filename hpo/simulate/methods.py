"""The methods that a simulation compares: named nodes of `methods.yaml` and of a user's file.

A method has either a `reference`, a function such as those of `hpo.simulate.synchronous`, or a
`pruner`, with an optional `sampler` (without it, trials are the rows of a pool in their order) or
`enqueue_best` (how many of the best configurations of an earlier study come before the pool), and
`gpus_per_trial` (a number, or numbers by epochs) where it differs from that of the others.
`baseline: true` marks a method with which all others are paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import InstantiationException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from hpo.growth import Growth
from hpo.hydra_internals import instantiate
from hpo.search.pbt import PopulationPruner
from hpo.simulate.gpus import gpus_per_trial

_PARTS = {"reference", "pruner", "sampler"}
_OTHERS = {"baseline", "enqueue_best", "gpus_per_trial"}


@dataclass(frozen=True)
class Method:
    """A method, before its objects are made for a run.

    In its node, ${epochs}, ${seed} and ${n_workers} stand for those of a run (a sampler is given
    the seed in any case).
    """

    name: str
    node: dict[str, Any]

    @property
    def mode(self) -> str:
        """How its trials are chosen: "pool" or "sampler"."""
        return "sampler" if "sampler" in self.node else "pool"

    @property
    def is_reference(self) -> bool:
        """Whether it is synchronous."""
        return "reference" in self.node

    @property
    def is_baseline(self) -> bool:
        """Whether all other methods are compared with it."""
        return bool(self.node.get("baseline", False))

    @property
    def n_enqueued(self) -> int:
        """How many of the best configurations of an earlier study are its first trials."""
        return int(self.node.get("enqueue_best", 0))

    @property
    def growth(self) -> Growth | None:
        """How many GPUs a trial has; None: as in the other methods."""
        given = self.node.get("gpus_per_trial")
        return None if given is None else gpus_per_trial(given)

    def resolved(self, values: Mapping[str, int]) -> dict[str, Any]:
        """Return the node with the values of a run in place.

        Raises:
            ValueError: it asks for a value that is not there.
        """
        try:
            config = OmegaConf.create({**values, "method": self.node})
            node = OmegaConf.to_container(config.method, resolve=True)
        except OmegaConfBaseException as error:
            raise ValueError(f"method {self.name}: {str(error).splitlines()[0]}") from error
        return dict(node)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Policy:
    """The objects of an asynchronous method, made for one run."""

    pruner: BasePruner
    sampler: dict[str, Any] | None


def read_methods(path: Path) -> dict[str, Method]:
    """Return the methods of a YAML file by name.

    Raises:
        ValueError: the file is missing or is not what it should be.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a YAML file"
        raise ValueError(f"{path}: {reason}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected names of methods, each with a node")
    return {str(name): make_method(str(name), node) for name, node in content.items()}


def make_method(name: str, node: Any) -> Method:
    """Return a method, checked as far as possible without making it.

    Raises:
        ValueError: a key is unknown or missing.
    """
    if not isinstance(node, dict) or ("reference" in node) == ("pruner" in node):
        raise ValueError(f"method {name}: needs either a reference or a pruner")
    if unknown := set(node) - _PARTS - _OTHERS:
        known = ", ".join(sorted(_PARTS | _OTHERS))
        raise ValueError(f"method {name}: unknown key {min(unknown)}; known: {known}")
    for key in _PARTS & set(node):
        if not isinstance(node[key], dict) or "_target_" not in node[key]:
            raise ValueError(f"method {name}: {key} needs a _target_")
    n_enqueued = node.get("enqueue_best", 1)
    if type(n_enqueued) is not int or n_enqueued < 1:
        raise ValueError(f"method {name}: enqueue_best must be at least 1, got {n_enqueued!r}")
    method = Method(name, node)
    if "enqueue_best" in node and method.is_reference:
        raise ValueError(f"method {name}: a reference has no enqueue_best")
    try:
        _ = method.growth
    except ValueError as error:
        raise ValueError(f"method {name}: {error}") from error
    return method


def make_policy(method: Method, values: Mapping[str, int]) -> Policy:
    """Return the fresh objects of an asynchronous method.

    Raises:
        ValueError: a `_target_` cannot be made, or is of a wrong kind.
    """
    node = method.resolved(values)
    pruner = _make(method, "pruner", node["pruner"], BasePruner)
    if isinstance(pruner, PopulationPruner):
        raise ValueError(
            f"method {method.name}: population based training cannot be simulated, as a table of "
            "curves does not say how a training goes on with other hyperparameters"
        )
    sampler = None
    if "sampler" in node:  # seeded; of what the sweep makes for each trial this is the trial run
        sampler = {"seed": values["seed"], **node["sampler"]}
        _make(method, "sampler", sampler, BaseSampler)
    return Policy(pruner, sampler)


def make_reference(method: Method, values: Mapping[str, int]) -> Any:
    """Return a synchronous method as a function of the losses of a pool.

    Raises:
        ValueError: a `_target_` cannot be made.
    """
    return _make(method, "reference", {**method.resolved(values)["reference"], "_partial_": True})


def missing_package(method: Method, values: Mapping[str, int]) -> str | None:
    """Return the name of a package that a method needs and that is not installed."""
    try:
        (make_reference if method.is_reference else make_policy)(method, values)
    except ValueError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ModuleNotFoundError):
                return cause.name
            cause = cause.__cause__
        raise
    return None


def _make(method: Method, key: str, node: dict[str, Any], kind: type = object) -> Any:
    try:
        made = instantiate(node, _convert_="all")
    except InstantiationException as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise ValueError(f"method {method.name}: {key}: {reason}") from error
    if not isinstance(made, kind):
        raise ValueError(f"method {method.name}: {key} is not a {kind.__name__} of Optuna")
    return made
