"""Names of what a study stores beside Optuna's own fields: a file format, see docs/sweeps.md.

Records of a study are user attributes of the study; those of a trial are user attributes if people
read them, and system attributes if only workers do.
"""

from __future__ import annotations

# Of a study.
N_TRIALS = "hpo:n_trials"  # trials of the study when it is finished
SPACE = "hpo:space"  # search space: distribution by key
FIXED = "hpo:fixed"  # fixed overrides that make the problem: value by key
APP = "hpo:app"  # what `hpo.reporting.best` has to know of the application
WORKER = "hpo:worker:"  # + name of a worker: its figures, see `hpo.worker.record`
LAUNCH = "hpo:launch:"  # + launch id: a SLURM array and the command that watches it

# Of a trial, for workers.
LEASE = "hpo:lease"  # who works on it, see `hpo.study.lease`
RETRIES = "hpo:retries"  # how often it was given back without progress
PAUSED = "hpo:paused"  # the step at which a policy has paused it

# Of a trial, for people.
RUN = "run"  # its overrides, its worker, the seed of its sampler
SECONDS = "seconds"  # wall time inside the application
FAIL_REASON = "fail_reason"  # why it failed
DIVERGED = "diverged"  # the step at which its value was not finite, or a text
SKIPPED = "skipped"  # why a screen has ended it before its first epoch
