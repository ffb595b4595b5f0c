"""Command: published files (`*.pkl.bz2`) and Delphes files (`*.root`) to Parquet."""

import sys
from pathlib import Path

import hydra
import pyarrow.parquet as pq
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue

from commons.console import Console
from mlpf.command import ended_in_one_line, run_command
from mlpf.config import ConfigError, WorkError, config_dir
from mlpf.delphes.conversion import convert_files


def run(cfg: DictConfig) -> None:
    """Convert the files of `cfg.src`.

    Raises:
        ConfigError: nothing was converted.
        WorkError: some files were damaged and left out.
    """
    try:
        problems = convert_files(
            str(cfg.src),
            Path(cfg.dst),
            events_per_file=cfg.events_per_file,
            overwrite=bool(cfg.overwrite),
            n_processes=cfg.n_processes,
        )
        files = sorted(Path(cfg.dst).glob("*.parquet"))
        n_events = sum(pq.read_metadata(file).num_rows for file in files)
    except (ValueError, OSError, MissingMandatoryValue) as error:
        raise ConfigError(str(error)) from error
    console = Console(stderr=True, soft_wrap=True)
    for problem in problems:
        console.print(problem)
    console.print(f"{n_events} events in {len(files)} files in {cfg.dst}")
    if problems:
        raise WorkError(f"left out {len(problems)} files, see above")


@hydra.main(config_path=config_dir(), config_name="convert", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Run the command; see `python -m mlpf.convert --help`."""
    with ended_in_one_line():
        run(cfg)


if __name__ == "__main__":
    sys.exit(run_command(main, "convert"))
