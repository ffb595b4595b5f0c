"""What is generated: physics settings, files, seeds and provenance.

Each Parquet file has its own seeds, so the events depend neither on the number of processes nor
on the order in which the files are made.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq

from mlpf import __version__, detector
from mlpf.data.files import read_provenance
from mlpf.generation.particle_flow import labels
from mlpf.generation.processes import MINIMUM_BIAS, Process
from mlpf.schema import SPLITS

# Settings of the published data set. Its PDF set comes from LHAPDF there; 13 is the same set.
COMMON: Final = (
    "Beams:eCM = 14000.",
    "Tune:pp = 14",
    "Tune:ee = 7",
    "PDF:pSet = 13",
    "SpaceShower:rapidityOrder = on",
    "SpaceShower:pT0Ref = 1.56",
    "SpaceShower:pTmaxFudge = 0.91",
    "SpaceShower:pTdampFudge = 1.05",
    "SpaceShower:alphaSvalue = 0.127",
    "TimeShower:alphaSvalue = 0.127",
    "SigmaProcess:alphaSvalue = 0.140",
    "BeamRemnants:primordialKThard = 1.88",
    "MultipartonInteractions:pT0Ref = 2.09",
    "MultipartonInteractions:alphaSvalue = 0.126",
    "ColourReconnection:range = 1.71",
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 10",
    "6:m0 = 172.5",
)

_MAX_PYTHIA_SEED = 900_000_000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all files of a folder have in common; `mlpf.PythiaSource` describes the fields."""

    process: Process
    pileup: float
    seed: int
    n_minbias: int
    count_once: bool = True

    def described(self) -> dict[str, Any]:
        """Return the settings for the metadata of a file."""
        names = (field.name for field in fields(self) if field.name != "process")
        return self.process.described() | {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class EventFile:
    """One file to be made: number `number` (from 0) of a split."""

    path: Path
    split: str
    number: int
    n_events: int
    settings: Settings

    @property
    def seeds(self) -> tuple[int, np.random.Generator]:
        """Pythia's seed and the source of all other random numbers."""
        return independent_seeds(self.settings.seed, SPLITS.index(self.split), self.number)

    @property
    def cache(self) -> Path:
        """Folder for what several files share."""
        return self.path.parent / "pythia"

    @property
    def pool_seed(self) -> tuple[int, int]:
        """Seeds of the pile-up pool: training events share none with the others."""
        return (self.settings.seed, 0 if self.split == "train" else 1)

    @property
    def pool_path(self) -> Path:
        """File of the pile-up pool."""
        seed, purpose = self.pool_seed
        size, settings = self.settings.n_minbias, digest(MINIMUM_BIAS.settings)
        return self.cache / f"pool-{seed}-{purpose}-{size}-{settings}.npy"

    def is_done(self) -> bool:
        """Tell whether the file exists and is complete.

        Raises:
            ValueError: it exists, but was made with other settings, or is damaged.
        """
        if not self.path.is_file():
            return False
        made = read_provenance(self.path)
        for key, asked in self.settings.described().items():
            if made.get(key) != asked:
                raise ValueError(
                    f"{self.path} was made with {key}={made.get(key)}, not {key}={asked}: "
                    "choose another folder or delete the old files"
                )
        return bool(pq.read_metadata(self.path).num_rows == self.n_events)

    def provenance(self) -> dict[str, Any]:
        """Return how the events are made, for the metadata of the file."""
        pythia_seed, _ = self.seeds
        return {
            "generator": pythia_version(),
            "made_by": f"mlpf.generate {__version__}",
            **self.settings.described(),
            "split": self.split,
            "file": self.number,
            "pythia_seed": pythia_seed,
            "pool_seed": list(self.pool_seed),
            "settings": [*COMMON, *self.settings.process.settings],
            "settings_pileup": [*COMMON, *MINIMUM_BIAS.settings],
            "detector_card": detector.CARD,
            "vertex_sigma_z_mm": detector.VERTEX_SIGMA_Z_MM,
            "labels": labels(count_once=self.settings.count_once),
        }


def portions(total: int, size: int) -> list[int]:
    """Return `total` as a list of numbers up to `size`.

    >>> portions(250, 100)
    [100, 100, 50]
    """
    return [min(size, total - start) for start in range(0, total, size)]


def independent_seeds(seed: int, *use: int) -> tuple[int, np.random.Generator]:
    """Return a seed for Pythia and a generator for the rest, independent for each `use`."""
    pythia, other = np.random.SeedSequence(entropy=seed, spawn_key=use).spawn(2)
    pythia_seed = int(pythia.generate_state(1)[0]) % _MAX_PYTHIA_SEED + 1
    return pythia_seed, np.random.default_rng(other)


def pythia_version() -> str:
    """Return the name and version of the installed package."""
    return f"pythia8mc {importlib.metadata.version('pythia8mc')}"


def digest(process: Sequence[str]) -> str:
    """Return a short name of these settings in this version of Pythia."""
    text = "\n".join((pythia_version(), *COMMON, *process))
    return hashlib.sha256(text.encode()).hexdigest()[:8]
