"""Two live sweeps with the same seed and budget, side by side (`make repro-live`).

    python -m benchmarks.reproduce.live [searches=[asha_bo,qsvr]] [n_trials=20] [epochs=12] ...

Runs `python -m mlpf.train -m hpo=SEARCH` for each search on events that it generates on the first
call, one worker, so that a sweep can be repeated; prints epochs and best loss and leaves them in
`live.json` in the folder `out`; the committed one is `benchmarks/results/live.json`. A call that
was stopped goes on where it was.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commons.cli import Failure, run_command
from commons.files import write_json


@dataclass
class Settings:
    """What the command line may set."""

    searches: list[str] = field(default_factory=lambda: ["asha_bo", "qsvr"])
    n_trials: int = 20
    epochs: int = 12
    seed: int = 1
    experiment: str = "demo_short"
    out: Path = Path("outputs/pruners")


def main(arguments: list[str]) -> int:
    """Run the sweeps; see the module's text."""
    return run_command(_sweep, Settings, arguments, __doc__)


def _sweep(settings: Settings) -> int:
    rows = []
    for search in settings.searches:
        folder = settings.out / f"{search}-{settings.n_trials}-{settings.epochs}-{settings.seed}"
        command = sweep_command(settings, search, folder)
        print(f"\n$ python {' '.join(command)}", flush=True)
        if subprocess.run([sys.executable, *command], check=False).returncode != 0:
            raise Failure(f"hpo={search}: the sweep failed")
        rows.append(row(search, json.loads((folder / "summary.json").read_text())))
    print_rows(rows)
    result = {"settings": {**vars(settings), "out": str(settings.out)}, "rows": rows}
    write_json(settings.out / "live.json", result)
    return 0


def sweep_command(settings: Settings, search: str, folder: Path) -> list[str]:
    """Return the arguments of Python for one sweep."""
    return [
        *("-m", "mlpf.train", "-m", f"experiment={settings.experiment}", f"hpo={search}"),
        *("launcher=local", "hpo.n_workers=1", f"hpo.n_trials={settings.n_trials}"),
        *(f"trainer.max_epochs={settings.epochs}", f"seed={settings.seed}"),
        f"hydra.sweep.dir={folder}",
    ]


def row(search: str, summary: dict[str, Any]) -> dict[str, Any]:
    """Return what is compared of a sweep's `summary.json`."""
    trials, best = summary["n_trials"], summary["best"]
    return {
        "search": search,
        "epochs": summary["epochs"]["run"],
        "best_val_loss": None if best is None else best["value"],
        "complete": trials["complete"],
        "pruned": trials["pruned"],
        "worker_hours": summary["worker_hours"]["used"],
    }


def print_rows(rows: list[dict[str, Any]]) -> None:
    """Print a line per sweep."""
    print(f"\n{'hpo=':<14}{'epochs':>8}{'best val_loss':>15}{'complete':>10}{'pruned':>8}")
    for each in rows:
        loss = "-" if each["best_val_loss"] is None else f"{each['best_val_loss']:.4f}"
        counts = f"{each['complete']:>10}{each['pruned']:>8}"
        print(f"{each['search']:<14}{each['epochs']:>8}{loss:>15}{counts}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
