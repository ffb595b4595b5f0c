from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from mlpf.config import ConfigError, FileWriteError, config_dir
from mlpf.data.batch import Batch
from mlpf.data.datamodule import EventDataModule
from mlpf.data.events import from_arrays
from mlpf.data.files import read_events, write_events
from mlpf.data.mapped import MappedEvents
from mlpf.data.selection import Selection

# Lightning and torch at their tested versions disagree about a name.
pytestmark = pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.*")


def write(path: Path, n_events: int, first: int) -> None:
    """Events of 10 elements; each element carries the number of its event in column 1."""
    tower = np.array([1, 0, 0, 0, 1, 9, 9, 0, 0, 0, 0, 0], dtype="f4")
    x = [np.tile(tower, (10, 1)) for _ in range(n_events)]
    for i, event in enumerate(x):
        event[:, 1] = first + i
    y = [np.zeros((10, 7), dtype="f4")] * n_events
    write_events(from_arrays(x, y, y), path, {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files a, b, c and d with events 0-3, 4-7, 8-11 and 12-15."""
    for i, name in enumerate("abcd"):
        write(tmp_path / f"{name}.parquet", 4, 4 * i)
    return tmp_path


def make(folder: Path, **changes: object) -> EventDataModule:
    options = {"train": ["[ab].parquet"], "val": ["c.parquet"], "test": ["d.parquet"]}
    return EventDataModule(folder, **{**options, "max_elements_per_batch": 25, **changes})


def all_numbers(batches: list[list[int]]) -> list[int]:
    return [number for batch in batches for number in batch]


def numbers(events: MappedEvents | Batch) -> list[int]:
    """The numbers of the events, in order."""
    if isinstance(events, MappedEvents):
        events = events.take(range(len(events)))
    return [int(events.x[a, 1]) for a in events.offsets[:-1]]


def test_each_split_reads_its_files_in_order(folder):
    data = make(folder)
    data.setup()
    assert numbers(data.events("train")) == list(range(8))
    assert numbers(data.events("val")) == [8, 9, 10, 11]
    assert numbers(data.events("test")) == [12, 13, 14, 15]


def test_only_the_splits_of_the_stage_are_read(folder):
    (folder / "d.parquet").unlink()
    data = make(folder)
    data.setup("fit")
    with pytest.raises(ConfigError, match=rf"data.test matches no file: {folder}/d\.parquet"):
        data.setup("test")


def test_patterns_may_be_absolute(folder, tmp_path):
    data = make("elsewhere", train=[f"{folder}/a.parquet"], val=[f"{folder}/b.parquet"])
    assert numbers(data.events("train")) == [0, 1, 2, 3]


def test_a_file_in_two_splits_is_named(folder):
    data = make(folder, val=["b.parquet", "c.parquet"])
    message = rf"{folder}/b\.parquet is in train and in val"
    with pytest.raises(ConfigError, match=message):
        data.setup("fit")


def test_a_file_of_two_patterns_of_one_split_is_read_once(folder):
    assert numbers(make(folder, train=["a*", "a.parquet"]).events("train")) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": ["a.parquet", "z*.parquet"]}, r"data.train matches no file: .*/z\*\.parquet"),
        ({"val": []}, r"data.val names no files"),
        (
            {"selection": Selection(min_pt_gev=99)},
            r"data: train: selection\.min_pt_gev=99 removes everything",
        ),
        (
            {"selection": Selection(min_elements=11)},
            r"selection\.min_elements=11 removes everything",
        ),
    ],
)
def test_what_leaves_a_split_empty_is_named(folder, changes, message):
    with pytest.raises(ConfigError, match=message):
        make(folder, **changes).setup("fit")


def test_too_few_events_for_the_ranks_are_told_in_one_line(folder):
    data = make(folder)
    data.trainer = type("Trainer", (), {"global_rank": 0, "world_size": 9})()
    with pytest.raises(ConfigError, match=r"^data: 4 events .* cannot be shared evenly by 9 proc"):
        data.val_dataloader()


def test_a_checkpoint_of_other_events_is_refused_with_the_split(folder):
    data, other = make(folder), make(folder, val=["d.parquet"], test=[])
    same = make(folder, train=["a.parquet", "b.parquet"])
    same.load_state_dict(data.state_dict())
    assert same.fingerprint() == data.fingerprint() != other.fingerprint()
    with pytest.raises(ConfigError, match=rf"^data\.val: the files in {folder} hold other events"):
        other.load_state_dict(data.state_dict())


def test_events_are_checked_before_a_search_begins(folder, monkeypatch):
    make(folder).check()
    (folder / "c.parquet").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"^data: .*c\.parquet: not a readable Parquet"):
        make(folder).check()
    monkeypatch.setattr("mlpf.data.datamodule._CHECKED_BYTES", 0)  # large ones by the trials
    make(folder).check()


def test_a_training_needs_the_truth_and_a_test_does_not(folder):
    real = replace(read_events(folder / "b.parquet"), has_truth=False)
    write_events(real, folder / "b.parquet")
    for ask in (make(folder).check, make(folder).setup):
        with pytest.raises(ConfigError, match=r"b\.parquet has no truth \(columns ygen_\*\)"):
            ask()
    data = make(folder, train=["a.parquet"], test=["b.parquet"])
    (batch, *_) = data.test_dataloader()
    assert not batch.ygen.any()


def test_a_broken_file_is_named(folder):
    (folder / "b.parquet").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"b\.parquet: not a readable Parquet"):
        make(folder).setup("fit")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"max_elements_per_batch": 0},
            "max_elements_per_batch must be an integer >= 1, got 0",
        ),
        ({"max_events": {"train": 0}}, "max_events.train must be >= 1 or null, got 0"),
        ({"max_events": {"train": "all"}}, "max_events.train must be >= 1 or null, got all"),
        ({"seed": "abc"}, "seed must be an integer >= 0, got abc"),
        ({"cache_dir": 3}, "cache_dir must be a path or null, got 3"),
        ({"train": "a.parquet"}, "train must be a list of file name patterns, got a.parquet"),
        ({"val": None}, "val must be a list of file name patterns, got None"),
        ({"max_events": {"training": 5}}, r"max_events has keys .*, not \['training'\]"),
    ],
)
def test_impossible_settings_are_refused_at_once(folder, changes, message):
    with pytest.raises(ValueError, match=message):
        make(folder, **changes)


def test_copies_lie_beside_the_events_or_in_a_chosen_folder(folder, tmp_path, composed):
    make(folder).setup("fit")
    assert sorted(path.name.split("-")[0] for path in (folder / "mapped").iterdir()) == [
        "train",
        "val",
    ]
    chosen = ["data=delphes", f"data.folder={folder}", f"data.cache_dir={tmp_path}/fast"]
    data = composed(*chosen, "data.train=[a.parquet]", "data.val=[b.parquet]")
    data.setup("validate")
    assert [path.name[:4] for path in (tmp_path / "fast").iterdir()] == ["val-"]


def test_a_full_disk_is_no_mistake_of_the_configuration(folder):
    (folder / "file").touch()
    with pytest.raises(FileWriteError, match=r"data\.cache_dir=DIR"):
        make(folder, cache_dir=folder / "file" / "inside").setup("fit")


def test_a_selection_may_empty_a_file_but_not_a_split(folder):
    data = make(folder, selection=Selection(min_pt_gev=6))
    assert numbers(data.events("train")) == [6, 7]


@pytest.mark.parametrize(
    ("limit", "expected"), [(1, [0]), (5, [0, 1, 2, 3, 4]), (99, [*range(8)])]
)
def test_the_first_events_after_the_selection_are_used(folder, limit, expected):
    data = make(folder, max_events={"train": limit}, selection=Selection(max_elements=10))
    assert numbers(data.events("train")) == expected


def test_training_batches_are_shuffled_by_seed_and_epoch_and_validation_batches_are_not(folder):
    data, same, other = make(folder, seed=3), make(folder, seed=3), make(folder, seed=4)

    def order(module: EventDataModule, epoch: int) -> list[list[int]]:
        loader = module.train_dataloader()
        loader.sampler.set_epoch(epoch)
        return [numbers(batch) for batch in loader]

    assert order(data, 0) == order(same, 0)
    assert order(data, 0) != order(data, 1)
    assert order(data, 0) != order(other, 0)
    assert [numbers(batch) for batch in data.val_dataloader()] == [[8, 9], [10, 11]]


class Recorder(pl.LightningModule):
    """Keeps the numbers of the events that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: dict[str, list[list[int]]] = {"train": [], "val": [], "test": []}

    def training_step(self, batch: Batch) -> torch.Tensor:
        self.seen["train"].append(numbers(batch))
        return self.weight.sum()

    def validation_step(self, batch: Batch) -> None:
        self.seen["val"].append(numbers(batch))

    def test_step(self, batch: Batch) -> None:
        self.seen["test"].append(numbers(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(tmp_path: Path, **options: object) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(accelerator="cpu", default_root_dir=tmp_path, **{**quiet, **options})


def test_lightning_goes_through_all_events_in_a_new_order_each_epoch_and_resumes(folder, tmp_path):
    whole = Recorder()
    options = {"num_sanity_val_steps": 0, "enable_checkpointing": False}
    trainer(tmp_path, max_epochs=3, **options).fit(whole, make(folder))
    epochs = [whole.seen["train"][i : i + 4] for i in range(0, 12, 4)]
    assert [sorted(all_numbers(epoch)) for epoch in epochs] == [list(range(8))] * 3
    assert epochs[0] != epochs[1] != epochs[2]
    assert all_numbers(whole.seen["val"]) == [8, 9, 10, 11] * 3

    first = trainer(tmp_path, max_epochs=1, **options)
    first.fit(Recorder(), make(folder))
    first.save_checkpoint(tmp_path / "last.ckpt")
    resumed = Recorder()
    second = trainer(tmp_path, max_epochs=3, **options)
    second.fit(resumed, make(folder), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert [resumed.seen["train"][:4], resumed.seen["train"][4:]] == epochs[1:]


def test_lightning_tests_on_the_test_events(folder, tmp_path):
    model = Recorder()
    trainer(tmp_path).test(model, make(folder), verbose=False)
    assert model.seen["test"] == [[12, 13], [14, 15]]


def test_ranks_of_one_training_share_the_events(folder):
    shares = []
    for rank in range(2):
        data = make(folder)
        data.trainer = type("Trainer", (), {"global_rank": rank, "world_size": 2})()
        data.trainer.strategy = type("Strategy", (), {"root_device": torch.device("cpu")})()
        shares.append([numbers(batch) for batch in data.val_dataloader()])
    assert shares == [[[8, 9]], [[10, 11]]]


def test_a_batch_goes_to_the_device(folder):
    batch = next(iter(make(folder).val_dataloader()))
    moved = make(folder).transfer_batch_to_device(batch, torch.device("meta"), 0)
    assert moved.x.device.type == "meta"


@pytest.fixture
def composed() -> Callable[..., EventDataModule]:
    def build(*overrides: str) -> EventDataModule:
        with initialize_config_dir(config_dir(), version_base="1.3"):
            return instantiate(compose("train", overrides=list(overrides)).data)

    return build


def test_the_delphes_configuration_splits_a_converted_file_as_documented(tmp_path, composed):
    for i in range(5):
        write(tmp_path / f"tev14.{i:03d}.parquet", 2, 2 * i)
    data = composed("data=delphes", f"data.folder={tmp_path}", "data.selection.min_elements=10")
    data.setup()
    assert numbers(data.events("train")) == [0, 1, 2, 3, 4, 5]
    assert numbers(data.events("val")) == [6, 7]
    assert numbers(data.events("test")) == [8, 9]


def test_the_pythia8_configuration_names_its_folder_after_its_settings(composed):
    data = composed("data=pythia8", "paths.data_dir=/d", "data.source.pileup=50", "seed=7")
    assert data.folder == Path("/d/pythia8/ttbar_pu50_seed1_800_200_200")
    assert data.source.folder == str(data.folder)
    assert data.seed == 7
