"""Command: a trained network as one file: ONNX, `torch.export` program, or weights."""

import sys

import hydra
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue

from commons.console import Console
from mlpf.command import apart, ended_in_one_line, run_command
from mlpf.config import ConfigError, FileWriteError, WorkError
from mlpf.reconstruction.export import Disagreement, export
from mlpf.reconstruction.exporting import NotExportable


def run(cfg: DictConfig) -> None:
    """Export the network that `cfg.run` or `cfg.model` names.

    Raises:
        ConfigError: an argument is wrong.
        WorkError: the network cannot be exported, or gives other results than in PyTorch.
        FileWriteError: the file cannot be written.
    """
    try:
        report = export(cfg)
    except MissingMandatoryValue as error:
        raise ConfigError(f"{error.full_key}=FILE is needed (see --help)") from error
    except (Disagreement, NotExportable) as error:
        raise WorkError(str(error)) from error
    except OSError as error:
        raise FileWriteError(str(error)) from error
    Console(stderr=True, soft_wrap=True).print(report, markup=False)


@hydra.main(**apart("export"))
def main(cfg: DictConfig) -> None:
    """Run the command; see `python -m mlpf.export --help`."""
    with ended_in_one_line():
        run(cfg)


if __name__ == "__main__":
    sys.exit(run_command(main, "export"))
