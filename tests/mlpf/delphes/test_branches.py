from __future__ import annotations

import builtins
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from mlpf.config import ConfigError
from mlpf.delphes import branches
from mlpf.delphes.branches import BRANCHES, open_chunks
from mlpf.delphes.damage import DamagedFile


def refusal(path: Path) -> str:
    with pytest.raises(DamagedFile) as error:
        list(open_chunks(path)[1])
    assert "\n" not in str(error.value)
    return str(error.value)


def with_branches(path: Path, **fields: object) -> Path:
    with uproot.recreate(path) as file:
        file.mktree("Delphes", fields)
    return path


@pytest.mark.parametrize("content", [b"", b"ro", b"PAR1" * 100])
def test_another_kind_of_file_is_named_as_such(tmp_path, content):
    (tmp_path / "a.root").write_bytes(content)
    assert refusal(tmp_path / "a.root") == "not a ROOT file"


@pytest.mark.parametrize("n_bytes", [18, 1000, 100_000, 201_695])
def test_a_truncated_file_says_how_much_is_there(tmp_path, n_bytes, delphes_file):
    whole = delphes_file("pu0_skim").read_bytes()
    (tmp_path / "cut.root").write_bytes(whole[:n_bytes])
    assert refusal(tmp_path / "cut.root") == f"truncated: {n_bytes} of 201696 bytes are there"


def test_damage_in_the_middle_is_one_line(tmp_path, delphes_file):
    content = bytearray(delphes_file("pu0_skim").read_bytes())
    for start in range(400, len(content), 500):
        content[start : start + 20] = bytes(20)
    (tmp_path / "a.root").write_bytes(content)
    assert refusal(tmp_path / "a.root").startswith("not a readable ROOT file (")


def test_a_file_without_the_tree_says_what_it_has(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as file:
        assert file.mktree("events", {"pt": "f4"}) is not None
    assert refusal(tmp_path / "a.root") == "no tree Delphes, found events (TTree)"
    with uproot.recreate(tmp_path / "b.root") as file:
        file["Delphes"] = np.histogram([1.0, 2.0])
    assert refusal(tmp_path / "b.root") == "no tree Delphes, found Delphes (TH1D)"


def test_another_card_is_told_by_the_branches_it_lacks(tmp_path):
    # The card delphes_card_CMS.tcl writes Particle, not PileUpMix, and other flow objects.
    card = ("Event", "Particle", "Track", "Tower", "EFlowTrack", "EFlowPhoton")
    path = with_branches(tmp_path / "a.root", **dict.fromkeys(card, "f4"))
    assert refusal(path) == (
        "no branch PileUpMix, PFChargedHadron, PFElectron, PFMuon, PFNeutralHadron, PFPhoton; "
        f"need the output of MLPF's card delphes_card_CMS_PileUp.tcl, found {', '.join(card)}"
    )


def all_branches() -> dict[str, object]:
    names = [f"{name}.{field}" for name, fields in BRANCHES.items() for field in fields]
    return dict.fromkeys(BRANCHES, "f4") | dict.fromkeys(names, "var * float32")


def test_a_branch_without_one_of_its_parts_is_named(tmp_path):
    fields = all_branches()
    del fields["Tower.Particles"]
    message = refusal(with_branches(tmp_path / "a.root", **fields))
    assert message.startswith("no branch Tower.Particles; need the output of MLPF's card")


def test_a_branch_of_another_class_is_named(tmp_path):
    path = with_branches(tmp_path / "a.root", **all_branches())
    assert refusal(path) == "branch Track.Particle holds float[], need TRef[]"


def test_a_tree_without_events_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(branches, "_LINKS", {})  # which uproot can't write
    path = with_branches(tmp_path / "a.root", **all_branches())
    assert refusal(path) == "no event in the tree Delphes"


class FakeTree:
    """Three events with two tracks each and nothing else, in portions of at most two events."""

    def __init__(self, **changed: object):
        self.arrays = {name: ak.Array([np.zeros(0, np.float32)] * 3) for name in branches._NAMES}
        self.arrays["Tower.Particles"] = ak.Array([[{"refs": [1]}], [], []])[:, :0]
        for name in BRANCHES:
            if f"{name}.Particle" in self.arrays:
                self.arrays[f"{name}.Particle"] = ak.Array([[{"ref": 1}]] * 3)[:, :0]
        for field in BRANCHES["Track"]:
            self.arrays[f"Track.{field}"] = ak.Array([[1.0, 2.0]] * 3)
        self.arrays["Track.Particle"] = ak.Array([[{"ref": 7}, {"ref": 0x3000008}]] * 3)
        self.arrays |= {name.replace("_", "."): ak.Array(v) for name, v in changed.items()}

    def iterate(self, names, **_):
        for start in (0, 2):
            yield {name: self.arrays[name][start : start + 2] for name in names}

    def __contains__(self, name):
        return name in self.arrays

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_of_a_link_the_lower_24_bits_count():
    first, second = branches._chunks(FakeTree(), FakeTree())
    assert first["Track"]["Particle"].tolist() == [7, 8, 7, 8]
    assert first["Track"].event.tolist() == [0, 0, 1, 1]
    assert (len(first["Tower"]), len(second["Track"])) == (0, 2)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"Track_PT": [[1, 2], [3, 4], [5, np.nan]]}, "event 2: Track.PT is nan"),
        ({"Track_Eta": [[1, 2], [3, np.inf], [5, 6]]}, "event 1: Track.Eta is inf"),
        ({"Track_Phi": [[1, 2], [3, 4], [5]]}, "event 2: Track.Phi has another number of objects"),
    ],
)
def test_impossible_values_are_named_with_their_event(changed, message):
    tree = FakeTree(**changed)
    with pytest.raises(DamagedFile, match=f"^{message}$"):
        list(branches._chunks(tree, tree))


def test_without_uproot_the_message_says_what_to_install(tmp_path, monkeypatch):
    imported = builtins.__import__

    def without(name, *rest):
        if name == "uproot":
            raise ModuleNotFoundError(name=name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"a\.root: .*uproot: pip install 'mlpf-hpo\[root\]'"):
        open_chunks(tmp_path / "a.root")
