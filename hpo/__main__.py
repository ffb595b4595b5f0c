"""The command `hpo`: its subcommands are modules of this package, see `hpo --help`."""

import sys

from commons.cli import run_subcommand

COMMANDS = {
    "report": "table, best configuration and pictures of a study",
    "dashboard": "a study in a browser, with optuna-dashboard",
    "doctor": "what is wrong with the storage of a study, and mending it",
    "worker": "one more worker of a study, started by anything",
    "serve": "one process in front of a storage, where a file system is slow",
    "simulate": "sweeps replayed from recorded learning curves, or with more workers",
}


def main() -> None:
    """Run the command and leave with its exit code."""
    sys.exit(run_subcommand("hpo", COMMANDS, sys.argv[1:]))


if __name__ == "__main__":
    main()
