"""Command: published Delphes files (`*.pkl.bz2`) to Parquet."""

import hydra
from omegaconf import DictConfig

from mlpf.config import config_dir
from mlpf.delphes.conversion import run


@hydra.main(config_path=config_dir(), config_name="convert", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Run `mlpf.delphes.conversion.run`; see `python -m mlpf.convert --help`."""
    run(cfg)


if __name__ == "__main__":
    main()
