"""The command `mlpf`: its subcommands are modules of this package, see `mlpf --help`."""

import sys

from commons.cli import run_subcommand

COMMANDS = {
    "train": "train a network, or with -m search its hyperparameters",
    "evaluate": "physics performance beside the rule-based candidates: figures, plots, displays",
    "generate": "proton collisions seen by the simulated detector, as Parquet",
    "convert": "published Delphes files to Parquet",
    "export": "a trained network as one file: ONNX, torch.export, weights",
    "reconstruct": "the particles that a trained network finds in events",
}


def main() -> None:
    """Run the command and leave with its exit code."""
    sys.exit(run_subcommand("mlpf", COMMANDS, sys.argv[1:]))


if __name__ == "__main__":
    main()
