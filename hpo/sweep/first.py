"""The first trials of a sweep, as its user names them: checked like all others."""

from __future__ import annotations

from omegaconf import DictConfig
from optuna.samplers import BruteForceSampler, GridSampler
from optuna.trial import FrozenTrial

from hpo.attributes import own_trials
from hpo.launch.payload import Payload
from hpo.search.finite import grid_id
from hpo.search.pbt import PopulationPruner
from hpo.search.points import Point, read_points
from hpo.search.seeded import build, make_sampler
from hpo.settings import SettingError
from hpo.study.added import Wanted, read_added
from hpo.study.best_points import with_best
from hpo.study.study import SweepSpec, existing_study
from hpo.sweep.preflight import check_composed, first_value, whole_space
from hpo.worker.template import Template


def first_points(
    spec: SweepSpec, app: Payload, here: bool, template: Template | None
) -> tuple[Point, ...]:
    """Return the points of `hpo.enqueue`; `here` and `template` as in `hpo.sweep.preflight`.

    Raises:
        SettingError: an entry is no point of the search space, cannot be read, or such a trial
            could not begin.
    """
    if not spec.enqueue:
        return ()
    space = whole_space(spec, app)
    sampler, _ = make_sampler(spec.sampler, 0)
    only_inside = isinstance(sampler, BruteForceSampler)
    config = default_config(spec, app, template)
    entries = [each for entry in spec.enqueue for each in with_best(entry, space)]
    points = read_points(entries, space, config, only_inside=only_inside)
    if len(points) > spec.n_trials:
        rule = "{enqueue}: {} points, but {n_trials}={}"
        raise SettingError(rule, len(points), spec.n_trials)
    if isinstance(sampler, GridSampler):
        for point in points:
            grid_id(sampler, point.params)
    first = {name: first_value(each) for name, each in space.distributions.items()}
    trials = [first | point.params for point in points]
    check_composed(spec, app, here, template, trials)
    return tuple(points)


def default_config(spec: SweepSpec, app: Payload, template: Template | None) -> DictConfig:
    """Return the configuration of a trial that leaves all searched keys at their defaults.

    Its node `hydra` is not that of a job. The template has it, Hydra takes a tenth of a second.
    """
    config = None if template is None else template.filled(spec.space.fixed)
    return app.compose(spec.space.fixed, 0) if config is None else config


def trials_to_add(spec: SweepSpec, app: Payload) -> tuple[FrozenTrial, ...]:
    """Return the trials of `hpo.add`; none if the study has begun.

    Raises:
        SettingError: a source cannot be read or does not fit, or the search cannot use them.
    """
    study = None if spec.begins_anew or not spec.add else existing_study(spec)
    begun = study is not None and own_trials(study.get_trials(deepcopy=False))
    if not spec.add or begun:
        return ()
    if isinstance(make_sampler(spec.sampler, 0)[0], GridSampler):
        raise SettingError("{add}: a grid visits all of its points and learns from no trial")
    if spec.pruner is not None and isinstance(build(spec.pruner), PopulationPruner):
        rule = "{add}: population based training goes on from checkpoints, which such trials lack"
        raise SettingError(rule)
    space = whole_space(spec, app)
    wanted = Wanted(space, spec.directions, spec.goals, spec.own_groups)
    return tuple(read_added(spec.add, wanted))
