"""What job arrays of a sweep cost at most: what is asked of SLURM x the time limit."""

from __future__ import annotations

from hpo.launch.slurm.options import SlurmOptions
from hpo.launch.slurm.site import n_elements


def at_most(options: SlurmOptions, n_workers: int) -> str:
    """Return what so many workers cost at most in one run of their jobs, as text.

    >>> at_most(SlurmOptions(gpus_per_trial=0, cpus_per_task=2, requeue=False, timeout_min=90), 4)
    'at most 4 jobs x 90 min: 12 core-hours'
    """
    n, shape, hours = n_elements(options, n_workers), options.shape, options.timeout_min / 60
    size = f"{n} job{'s' * (n > 1)} x "
    figures = []
    if options.whole_nodes or options.exclusive or shape.nodes > 1:
        size += f"{shape.nodes} node{'s' * (shape.nodes > 1)} x "
        figures.append(f"{n * shape.nodes * hours:.5g} node-hours")
    if options.gpus_of_node:
        figures.append(f"{n * shape.nodes * options.gpus_of_node * hours:.5g} GPU-hours")
    if options.cpus_per_task is None:
        figures.append("core-hours not known (cpus_per_task is the site's)")
    else:
        cores = options.cpus_per_task * shape.tasks_per_node * shape.nodes
        figures.append(f"{n * cores * hours:.5g} core-hours")
    again = "; a job at its limit is requeued while trials are left, for as much again"
    again *= options.requeue
    return f"at most {size}{options.timeout_min} min: {', '.join(figures)}{again}"
