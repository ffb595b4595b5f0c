"""Tasks that train one trial together: rank 0 leads, the others follow.

Only rank 0 uses the study. It publishes each trial as a small file in a folder that all ranks
see; the others compose the same configuration and run the same application. Its decision at each
report is published too, so the ranks of an application that does not communicate stop together.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commons.files import replacing

_POLL_S = 0.05
_COMPLAINT_S = 5.0
# They tell a library its place in a job step. The application must not see them: it would treat
# the workers of a node as ranks of one training, and install signal handlers of its own.
_STEP_VARIABLES = (
    *("SLURM_NTASKS", "SLURM_NPROCS", "SLURM_NTASKS_PER_NODE", "SLURM_STEP_NUM_TASKS"),
    *("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"),
    *("PMI_RANK", "PMI_SIZE", "PMIX_RANK"),
    *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK"),
)


@dataclass
class Group:
    """One rank's view of its group; `Group()` is that of a worker that trains alone.

    Attributes:
        folder: seen by all ranks; used by this group alone, new at each start.
        rank: of this task, from 0.
        size: number of ranks.
        local_size: ranks per node.
        number: how many trials the group has begun.
    """

    folder: Path = Path()
    rank: int = 0
    size: int = 1
    local_size: int = 1
    number: int = 0

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Show the application its rank as torchrun would, and nothing of the job step."""
        before = dict(os.environ)
        for name in _STEP_VARIABLES:
            os.environ.pop(name, None)
        if self.size > 1:
            os.environ |= {
                "RANK": str(self.rank),
                "WORLD_SIZE": str(self.size),
                "LOCAL_RANK": str(self.rank % self.local_size),
                "LOCAL_WORLD_SIZE": str(self.local_size),
                "GROUP_RANK": str(self.rank // self.local_size),
                "TORCHELASTIC_RUN_ID": self.folder.name,
                "TORCHELASTIC_RESTART_COUNT": "0",
                "TORCHELASTIC_MAX_RESTARTS": "0",
            }
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def publish(self, overrides: list[str], trial_number: int, parent: int | None = None) -> None:
        """Make the other ranks run this trial (rank 0)."""
        if self.size == 1:
            return
        note = {
            "overrides": overrides,
            "trial": trial_number,
            "parent": parent,
            "address": os.environ.get("MASTER_ADDR") or socket.gethostname(),
            "port": _free_port(),
        }
        self.number += 1
        self._write(f"{self.number}.json", note)
        _meet_at(note)

    def catch_up(self) -> None:
        """Note the trials that another process has published in this one's place (rank 0)."""
        while self.size > 1 and (self.folder / f"{self.number + 1}.json").exists():
            self.number += 1

    def dismiss(self) -> None:
        """End the other ranks (rank 0)."""
        if self.size > 1:
            self.number += 1
            self._write(f"{self.number}.json", {})

    def trials(self) -> Iterator[dict[str, Any]]:
        """Yield what rank 0 publishes until it dismisses the group (other ranks)."""
        while True:
            self.number += 1
            note = self._wait_for(f"{self.number}.json")
            if not note:
                return
            _meet_at(note)
            yield note

    def decide(self, step: int, stop: bool) -> None:
        """Publish whether the trial stops after `step` (rank 0).

        Raises:
            RuntimeError: another rank has failed in this trial.
        """
        if self.size > 1:
            if (self.folder / f"{self.number}.failed").exists():
                raise RuntimeError(self.complaint())
            self._write(f"{self.number}.decision.{step}", {"stop": stop})

    def decision(self, step: int) -> bool:
        """Return what rank 0 has decided after `step`; wait for it (other ranks)."""
        note = self._wait_for(f"{self.number}.decision.{step}", f"{self.number}.end")
        return bool(note["stop"])

    def end(self) -> None:
        """Free the ranks that still wait for a decision in this trial (rank 0)."""
        if self.size > 1:
            self._write(f"{self.number}.end", {"stop": True})

    def complain(self, reason: str) -> None:
        """Tell rank 0, which only sees a lost connection, why the trial failed (other ranks)."""
        self._write(f"{self.number}.failed", {"reason": f"rank {self.rank}: {reason}"})

    def complaint(self) -> str | None:
        """Return why another rank failed in this trial, if one did (rank 0)."""
        path, deadline = self.folder / f"{self.number}.failed", time.monotonic() + _COMPLAINT_S
        while self.size > 1 and time.monotonic() < deadline:
            if path.exists():
                return str(json.loads(path.read_text())["reason"])
            time.sleep(_POLL_S)
        return None

    def _write(self, name: str, note: dict[str, Any]) -> None:
        with replacing(self.folder / name) as partial:
            partial.write_text(json.dumps(note))

    def _wait_for(self, *names: str) -> dict[str, Any]:
        # No time limit: if rank 0 dies, srun ends the whole step (--kill-on-bad-exit).
        while True:
            for path in (self.folder / name for name in names):
                if path.exists():
                    note: dict[str, Any] = json.loads(path.read_text())
                    return note
            time.sleep(_POLL_S)


def _meet_at(note: dict[str, Any]) -> None:
    os.environ |= {"MASTER_ADDR": str(note["address"]), "MASTER_PORT": str(note["port"])}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
