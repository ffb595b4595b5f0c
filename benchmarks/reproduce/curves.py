"""Fetch the 296 learning curves of MLPF trainings (`make curves`).

    python -m benchmarks.reproduce.curves

From the repository of J. P. García Amboage et al., Apache-2.0; checked by its SHA-256.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pooch

from commons.cli import Failure, run_command

ADDRESS = (
    "https://raw.githubusercontent.com/JP-Amboage/performance-pred/main/"
    "data/mlpf/delphes_trainings_processed.csv"
)
TARGET = Path("data/curves/mlpf_delphes.csv")
MLPF_SHA256 = "83c7ae6933f20379d8edbb733dbc5a5a463009c99ecb3d6d906459c4c14d7fa6"


@dataclass
class Settings:
    """The command takes no arguments."""


def main(arguments: list[str]) -> int:
    """Fetch the file unless it is there."""
    return run_command(_fetch, Settings, arguments, __doc__)


def _fetch(_: Settings) -> None:
    try:
        path = pooch.retrieve(
            ADDRESS, f"sha256:{MLPF_SHA256}", fname=TARGET.name, path=TARGET.parent
        )
    except (OSError, ValueError) as error:  # no network; another file
        raise Failure(f"{ADDRESS}: {error}") from error
    print(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
