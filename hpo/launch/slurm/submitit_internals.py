"""Everything private of submitit that we use, in one place.

`tests/hpo/launch/slurm/test_submitit_internals.py` says what of it is missing after an upgrade.
"""

from __future__ import annotations

from submitit import SlurmExecutor
from submitit.core.utils import FailedJobError, environment_variables

__all__ = ["Executor", "FailedJobError", "environment_variables"]


class Executor(SlurmExecutor):
    """submitit's executor, which also writes scripts where there is no SLURM."""

    @classmethod
    def affinity(cls) -> int:
        """Return a positive number: SLURM is there."""
        return 2

    def script(self, n_jobs: int, command: str | None = None) -> str:
        """Return the script of an array of `n_jobs` jobs, without submitting it.

        It runs the shell words `command` instead of the jobs' function, if given.
        """
        if n_jobs > 1:
            self.parameters["map_count"] = n_jobs
        return self._make_submission_file_text(command or self._submitit_command_str, "") + "\n"
