"""The job script that each SLURM site would be sent (`docs/howto/sites/`).

    python -m benchmarks.reproduce.sites [out=DIR]

Runs `python -m mlpf.train -m hpo=asha_bo launcher=SITE launcher.dry_run=true` for every site of
`conf/launcher` and keeps what it prints, with the paths of this machine replaced. A test compares
the committed scripts with the configuration.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from commons.cli import run_command

SITES = ("jureca", "juwels_booster", "coresite", "lumi")
N_WORKERS = 96


@dataclass
class Settings:
    """What the command line may set."""

    out: Path = Path("docs/howto/sites")


def main(arguments: list[str]) -> int:
    """Write the scripts; see the module's text."""
    return run_command(_write, Settings, arguments, __doc__)


def _write(settings: Settings) -> int:
    settings.out.mkdir(parents=True, exist_ok=True)
    for site in SITES:
        path = settings.out / f"{site}.sh"
        path.write_text(script(site))
        print(path)
    return 0


def script(site: str) -> str:
    """Return the script for 96 workers at a site, with names in place of this machine's paths."""
    overrides = ["hpo=asha_bo", f"launcher={site}", "launcher.account=ACCOUNT"]
    command = [*overrides, f"hpo.n_workers={N_WORKERS}", "launcher.dry_run=true"]
    text = subprocess.run(
        [sys.executable, "-m", "mlpf.train", "-m", *command],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    text = text.replace(sys.executable, "python").replace(str(Path.cwd()), "FOLDER")
    return re.sub(r"\d{8}-\d{6}-[0-9a-f]{4}", "LAUNCH", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
