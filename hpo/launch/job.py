"""What a process of this machine does that was started, or forked, for one Hydra job."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig

from commons.processes import descendants, end_at_once, kill, signal_when_parent_dies
from hpo import signals
from hpo.launch.payload import Payload, exit_code, unpack, write_result


def run_job(receive: Callable[[], Payload], config: DictConfig | None, result: Path) -> int:
    """Run the job of a payload and write its result; return the exit code.

    Args:
        receive: returns the payload; an interruption from then on ends the job.
        config: of the job; None: that of the payload.
        result: file for `read_result`.
    """
    # Registered first, so called last. The parent, which would do it too, may be dead.
    atexit.register(lambda: kill(descendants()))
    signal_when_parent_dies()
    with signals.interrupt():
        signals.ready()
        payload = receive()
        returned = payload.run(payload.config if config is None else config)
        write_result(returned, result)
        return exit_code(returned)


if __name__ == "__main__":
    end_at_once()
    try:
        sys.exit(run_job(lambda: unpack(sys.stdin.buffer.read()), None, Path(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit(130)
