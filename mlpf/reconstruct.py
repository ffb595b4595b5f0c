"""Command: the particles that a trained network finds in events, to Parquet or ROOT."""

import sys

import hydra
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue

from commons.console import Console
from mlpf.command import apart, ended_in_one_line, run_command
from mlpf.config import ConfigError, FileWriteError, WorkError
from mlpf.reconstruction.reconstruct import reconstruct_files


def run(cfg: DictConfig) -> None:
    """Reconstruct the events of `cfg.events`.

    Raises:
        ConfigError: an argument is wrong, or a file is no file of events.
        WorkError: events were left out, or a file is damaged (then nothing is written).
        FileWriteError: the particles cannot be written.
    """
    try:
        summary = reconstruct_files(cfg)
    except MissingMandatoryValue as error:
        raise ConfigError(f"{error.full_key}=FILE is needed (see --help)") from error
    except ValueError as error:
        raise WorkError(f"{error}; nothing was written") from error
    except OSError as error:
        raise FileWriteError(str(error)) from error
    Console(stderr=True, soft_wrap=True).print(f"{summary}, in {cfg.out}", markup=False)
    if summary.problems:
        raise WorkError(
            "\n".join([*summary.problems, f"left out: {len(summary.problems)} events"])
        )


@hydra.main(**apart("reconstruct"))
def main(cfg: DictConfig) -> None:
    """Run the command; see `python -m mlpf.reconstruct --help`."""
    with ended_in_one_line():
        run(cfg)


if __name__ == "__main__":
    sys.exit(run_command(main, "reconstruct"))
