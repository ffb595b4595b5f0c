"""Command: proton collisions from Pythia 8, seen by the simulated detector, to Parquet."""

import sys

import hydra
from omegaconf import DictConfig

from mlpf.command import ended_in_one_line, run_command
from mlpf.config import ConfigError, build, config_dir


def run(cfg: DictConfig) -> None:
    """Make the events that `cfg.data.source` describes.

    Raises:
        ConfigError: `data` has no source, a value is out of range, or the folder cannot be written
            or holds other events.
        KeyboardInterrupt: Ctrl-C was pressed; the message says how to go on.
    """
    if cfg.data.get("source") is None:
        raise ConfigError("data has no source to generate from; choose data=pythia8")
    try:
        build(cfg, "data.source").prepare(cfg.n_processes)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("run the same command to make the missing files") from None
    except (OSError, ValueError) as error:
        raise ConfigError(str(error)) from error


@hydra.main(config_path=config_dir(), config_name="generate", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Run the command; see `python -m mlpf.generate --help`."""
    with ended_in_one_line():
        run(cfg)


if __name__ == "__main__":
    sys.exit(run_command(main, "generate"))
