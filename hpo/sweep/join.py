"""Joining a study with this process as a worker, started by anything: `python -m hpo.worker`.

The command of a sweep records in the study how it was typed. A process that knows only the study
types it again, with `hydra.sweeper.join=true`: whatever the launcher, it is one worker then.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from hpo.hydra_internals import error_of
from hpo.launch.payload import Payload
from hpo.storage.passwords import argument_without, setting_keys
from hpo.study.study import SweepSpec
from hpo.sweep.crew import plan, worker
from hpo.worker.template import Template

_log = logging.getLogger(__name__)


class OwnProcess:
    """A crew of one worker, this process."""

    status = None

    def __init__(self, spec: SweepSpec, app: Payload, template: Template | None = None) -> None:
        self._spec, self._app, self._template = spec, app, template

    def work(self, n_workers: int, n_waiting: int) -> list[str] | None:  # noqa: ARG002
        """Work until no trial is left for this worker."""
        launch_id, (job,), folder = plan(self._spec, 1)
        function = worker(self._spec, self._app, launch_id, self._template)
        app = replace(self._app, function=function)
        _log.info("this process is a worker of study '%s': %s", self._spec.study_name, folder)
        error = error_of(app.run(app.compose(job, 0)))
        return [] if error is None else [str(error)]

    def leave(self) -> None:
        """Do nothing: the worker has given its trial back."""

    def drain(self) -> bool:
        """Return False: the worker has ended."""
        return False

    def finish(self) -> None:
        """Do nothing: the worker has ended."""


def typed_command(app: Payload) -> dict[str, Any] | None:
    """Return how the command of this process was typed, without secrets; None: interactively."""
    script, arguments = app.script, sys.argv[1:]
    if script.module is None and script.file is None:
        return None
    keys = setting_keys(app.config)
    return {
        "module": script.module,
        "file": script.file,
        "arguments": [a if a.startswith("-") else argument_without(a, keys) for a in arguments],
        "cwd": str(Path.cwd()),
    }
