"""Names of what a study stores beside Optuna's own fields: a file format, see docs/sweeps.md.

A study has user attributes. A trial has user attributes for people and system attributes for
workers.
"""

from __future__ import annotations

# Of a study.
N_TRIALS = "hpo:n_trials"  # trials of the study when it is finished
SPACE = "hpo:space"  # search space: distribution by key
FIXED = "hpo:fixed"  # fixed overrides: value by key
LEASE_S = "hpo:lease_s"  # seconds without a heartbeat after which a worker is considered dead
TIME = "hpo:time_s"  # how long it was worked on under a time limit
CUSTOM_SPACE = "hpo:custom_search_space"  # function that suggests more, or None
STUDY_ID = "hpo:study_id"  # unique; a folder that belongs to the study has it too
FOLDER = "hpo:folder"  # the sweep folder, absolute
COMMAND_CODE = "hpo:code"  # code and configuration of the last command
APP = "hpo:app"  # what `hpo.reporting.best` needs to know of the application
WORKER = "hpo:worker:"  # + name of a worker: its figures, see `hpo.worker.record`
LAUNCH = "hpo:launch:"  # + launch id: a SLURM array and the command that watches it

# Of a trial, for workers.
LEASE = "hpo:lease"  # its worker, see `hpo.study.lease`
BEAT = "hpo:beat"  # id of a lease, and how often its owner has shown life
PACE = "hpo:pace"  # intervals between its reports: how many, and the slowest (s)
RETRIES = "hpo:retries"  # how often it was given back without progress
PAUSED = "hpo:paused"  # the step at which a policy paused it

# Of a trial, for people.
RUN = "run"  # its overrides, its worker, the seed of its sampler
CODE = "code"  # versions of code, configuration and data that it ran with, oldest first
SECONDS = "seconds"  # wall time inside the application
FAIL_REASON = "fail_reason"  # why it failed
DIVERGED = "diverged"  # the step at which its value was not finite, or a text
SKIPPED = "skipped"  # why a screen ended it before its first epoch
