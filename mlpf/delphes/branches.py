"""Branches of a Delphes ROOT file, read with `uproot` a few events at a time.

Supported is what the Delphes card of MLPF writes ([MLPF]_, `delphes_card_CMS_PileUp.tcl`): a tree
`Delphes` with one entry per event, where each branch in `BRANCHES` is a split TClonesArray. Other
branches are left alone: `uproot` cannot read all of them.

.. [MLPF] J. Pata et al., "MLPF: efficient machine-learned particle-flow reconstruction using
   graph neural networks", arXiv:2101.08578.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from commons.extras import remedy
from mlpf.config import ConfigError
from mlpf.data.ragged import offsets_of
from mlpf.delphes.damage import DamagedFile, first_line
from mlpf.detector import Ints

TREE: Final = "Delphes"
CARD: Final = "delphes_card_CMS_PileUp.tcl"
BRANCHES: Final[Mapping[str, tuple[str, ...]]] = {
    "PileUpMix": ("fUniqueID", "PID", "Charge", "PT", "Eta", "Phi", "E"),
    "Track": ("PT", "Eta", "Phi", "EtaOuter", "PhiOuter", "Charge", "Particle"),
    "Tower": ("ET", "Eta", "Phi", "E", "Eem", "Ehad", "Particles"),
    "PFChargedHadron": ("Charge", "PT", "Eta", "Phi", "Particle"),
    "PFElectron": ("Charge", "PT", "Eta", "Phi", "Particle"),
    "PFMuon": ("Charge", "PT", "Eta", "Phi", "Particle"),
    "PFNeutralHadron": ("Eta", "Phi", "E"),
    "PFPhoton": ("Eta", "Phi", "E"),
}
# Of PileUpMix too: the generator information. Read if all are there.
GENERATOR: Final = ("IsPU", "X", "Y", "Z")
# Uncompressed: 10 events with pile-up 200. What is made of them takes several times as much.
CHUNK: Final = "20 MB"

_NAMES: Final = tuple(f"{name}.{part}" for name in BRANCHES for part in BRANCHES[name])
_NUMBERS: Final = ("float[]", "double[]", "int32_t[]", "uint32_t[]")
_LINKS: Final = {"Particle": ("TRef[]",), "Particles": ("TRefArray[]",)}
NUMBER_BITS: Final = 24  # of links; the others may hold the process that wrote the file


@dataclass(frozen=True)
class Objects:
    """The objects of one branch in B events, all events one after another.

    Args:
        offsets: shape (B + 1,); event b has the objects offsets[b] to offsets[b + 1].
        columns: values by name, each of shape (n,); the links `Particles` have shape (L,), object
            by object.
        n_links: number of links in `Particles` of each object, shape (n,); empty without them.
    """

    offsets: Ints
    columns: Mapping[str, NDArray[Any]]
    n_links: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def __len__(self) -> int:
        return int(self.offsets[-1])

    @property
    def event(self) -> Ints:
        """Number of the event of each object, shape (n,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


Chunk = Mapping[str, Objects]


def open_chunks(path: Path) -> tuple[int, Iterator[Chunk]]:
    """Return the number of events of a file and, a few events at a time, its `BRANCHES`.

    Those of `GENERATOR` are with them if the file has them.

    Raises:
        ConfigError: `uproot` is not installed.
        DamagedFile: the file is truncated, no ROOT file, has no tree `Delphes` or no event in it,
            lacks a branch, a value is not finite, or the branches of an object disagree on its
            number; also when the chunks are read. The message names the branch, not the file.
    """
    try:
        import uproot
    except ModuleNotFoundError as error:
        raise ConfigError(f"{path}: ROOT files need uproot: {remedy('uproot')}") from error
    with _one_line():
        _check_header(path)
        # A path, not a text, of which uproot would take what follows a colon as an object.
        file = uproot.open(path, handler=uproot.MemmapSource)
        tree = _checked_tree(file)
        return int(tree.num_entries), _chunks(file, tree)


def _chunks(file: Any, tree: Any) -> Iterator[Chunk]:
    parts = dict(BRANCHES)
    if all(f"PileUpMix.{part}" in tree for part in GENERATOR):
        parts["PileUpMix"] += GENERATOR
    names = [f"{name}.{part}" for name in parts for part in parts[name]]
    first_event = 0
    with _one_line(), file:
        for arrays in tree.iterate(names, step_size=CHUNK, how=dict):
            yield {name: _objects(name, parts[name], arrays, first_event) for name in parts}
            first_event += len(arrays[names[0]])


@contextmanager
def _one_line() -> Iterator[None]:
    """Turn what reading a damaged file raises into a DamagedFile of one line."""
    try:
        yield
    except DamagedFile:
        raise
    except Exception as error:  # what uproot raises is open-ended
        raise DamagedFile(f"not a readable ROOT file ({first_line(error)})") from error


def _check_header(path: Path) -> None:
    """Compare the size of a file with that in its header: "root", version, begin, end."""
    with path.open("rb") as file:
        header = file.read(20)
    if header[:4] != b"root":
        raise DamagedFile("not a ROOT file")
    is_large = int.from_bytes(header[4:8]) >= 1_000_000  # beyond 2 GB: numbers of 8 bytes
    end, size = int.from_bytes(header[12 : 20 if is_large else 16]), path.stat().st_size
    if size < end:
        raise DamagedFile(f"truncated: {size} of {end} bytes are there")


def _checked_tree(file: Any) -> Any:
    classes = file.classnames(recursive=False, cycle=False)
    if classes.get(TREE) != "TTree":
        found = ", ".join(f"{name} ({kind})" for name, kind in classes.items())
        raise DamagedFile(f"no tree {TREE}, found {found or 'nothing'}")
    tree = file[TREE]
    missing = [name for name in BRANCHES if name not in tree]
    missing = missing or [name for name in _NAMES if name not in tree]
    if missing:
        there = [name for name in tree.keys(recursive=False) if not name.endswith("_size")]
        raise DamagedFile(
            f"no branch {', '.join(missing)}; need the output of MLPF's card {CARD}, "
            f"found {', '.join(there) or 'none'}"
        )
    for name in _NAMES:
        need = _LINKS.get(name.partition(".")[2], _NUMBERS)
        if tree[name].typename not in need:
            raise DamagedFile(f"branch {name} holds {tree[name].typename}, need {need[0]}")
    if not tree.num_entries:
        raise DamagedFile(f"no event in the tree {TREE}")
    return tree


def _objects(
    name: str, parts: Sequence[str], arrays: Mapping[str, Any], first_event: int
) -> Objects:
    import awkward as ak

    columns, n_links = {}, np.zeros(0, dtype=np.int64)
    sizes = ak.to_numpy(ak.num(arrays[f"{name}.{parts[0]}"]))
    offsets = offsets_of(sizes)
    for part in parts:
        array = arrays[f"{name}.{part}"]
        different = np.flatnonzero(ak.to_numpy(ak.num(array)) != sizes)
        if len(different):
            event = first_event + int(different[0])
            raise DamagedFile(f"event {event}: {name}.{part} has another number of objects")
        if part == "Particles":
            n_links = ak.to_numpy(ak.num(ak.flatten(array.refs)))
        columns[part] = values = _flat(array, part)
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            event = first_event + int(np.searchsorted(offsets, wrong[0], side="right")) - 1
            raise DamagedFile(f"event {event}: {name}.{part} is {values[wrong[0]]}")
    return Objects(offsets, columns, n_links)


def _flat(array: Any, part: str) -> NDArray[Any]:
    """Return the values of all events one after another; of links, only the bits that count."""
    import awkward as ak

    if part == "Particles":
        array = ak.flatten(array.refs)
    elif part == "Particle":
        array = array.ref
    values: NDArray[Any] = ak.to_numpy(ak.flatten(array))
    is_number = part in ("fUniqueID", "Particle", "Particles")
    return values.astype(np.int64) & (1 << NUMBER_BITS) - 1 if is_number else values
