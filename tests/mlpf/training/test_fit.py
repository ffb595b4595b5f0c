"""Whole trainings of a second: what they leave behind, and that stopping does not change them."""

import shutil

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

import hpo
from mlpf.config import ConfigError
from mlpf.data.batch import Batch
from mlpf.data.files import read_events
from mlpf.data.loader import BatchSampler
from mlpf.network.saved import load_network
from mlpf.torch_internals import ProcessRaisedException
from mlpf.training.callbacks import METRICS_FILE, read_history, write_history
from mlpf.training.fit import _plain_exceptions, _summarize, train
from mlpf.training.losses import ParticleFlowLoss
from mlpf.training.module import TrainingModule
from mlpf.training.objective import Objective


@pytest.fixture(scope="module")
def run(compose_tiny, tmp_path_factory):
    """The folder of four epochs without a break, and the value that `train` returned."""
    folder = tmp_path_factory.mktemp("straight")
    return folder, train(compose_tiny(*FOUR_EPOCHS), folder)


FOUR_EPOCHS = ("trainer.max_epochs=4", "model.dropout=0.2", "scheduler=onecycle")


def rows(folder):
    """The metrics without the wall time; NaN compares as its text."""
    history = read_history(folder / "metrics.csv")
    return [{k: repr(v) for k, v in row.items() if k != "seconds"} for row in history]


def weights(folder, name="last"):
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_a_training_leaves_metrics_checkpoints_picture_and_configuration(run):
    folder, best = run
    history = read_history(folder / "metrics.csv")
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert best == min(row["val_loss"] for row in history)
    assert best < 0.8 * history[0]["val_loss"]
    wanted = {"train_loss", "val_loss_cls", "val_accuracy", "val_tower_accuracy", "lr", "seconds"}
    assert wanted <= history[0].keys()
    assert (folder / "loss_curves.png").stat().st_size > 10_000
    assert OmegaConf.load(folder / "config.yaml").data.seed == 1
    found = {path.name for path in folder.rglob("*") if path.is_file()}
    checkpoints = {f"{name}.ckpt" for name in ("last", "previous", "best")}
    assert found == {"config.yaml", "metrics.csv", "loss_curves.png"} | checkpoints


def test_the_loss_of_the_epoch_is_that_of_all_elements_at_once(run, events_folder):
    folder, _ = run
    network = load_network(folder / "checkpoints/last.ckpt")
    batch = Batch.from_events(read_events(events_folder / "val.parquet"))
    with torch.no_grad():
        prediction = network(batch)
        losses = ParticleFlowLoss()(prediction, batch)
    last = read_history(folder / "metrics.csv")[-1]
    assert last["val_loss"] == pytest.approx(float(losses["loss"]), rel=1e-5)
    right = (prediction.pid == batch.ygen[:, 0]).double().mean()
    assert last["val_accuracy"] == pytest.approx(float(right))


def test_the_schedule_moves_with_the_optimizer_steps(run):
    rates = [row["lr"] for row in read_history(run[0] / "metrics.csv")]
    assert rates[0] > 0.5e-2  # the rise ends in the second epoch
    assert rates[3] == pytest.approx(4e-7 * 1e-2)


@pytest.mark.parametrize("kill_after", ["training step 2", "epoch 2"])
def test_a_training_killed_and_started_again_ends_bit_for_bit_as_without_a_break(
    run, compose_tiny, tmp_path, monkeypatch, kill_after
):
    def die(*args):
        raise MemoryError(kill_after)

    with monkeypatch.context() as patch:
        if kill_after == "epoch 2":  # metrics.csv has its row, the checkpoint has not
            patch.setattr(
                "mlpf.training.checkpoint.EpochCheckpoints.on_train_epoch_end", second(die)
            )
        else:  # in the middle of the third epoch
            patch.setattr(TrainingModule, "training_step", in_epoch(2, die))
        with pytest.raises(MemoryError):
            train(compose_tiny(*FOUR_EPOCHS), tmp_path)
    assert len(rows(tmp_path)) == 2
    best = train(compose_tiny(*FOUR_EPOCHS), tmp_path)
    assert best == run[1]
    assert rows(tmp_path) == rows(run[0])
    assert same(weights(tmp_path), weights(run[0]))
    assert same(weights(tmp_path, "best"), weights(run[0], "best"))


def second(die):
    from mlpf.training.checkpoint import EpochCheckpoints

    original = EpochCheckpoints.on_train_epoch_end

    def hook(self, trainer, module):
        if trainer.current_epoch == 1:
            die()
        original(self, trainer, module)

    return hook


def in_epoch(epoch, die):
    original = TrainingModule.training_step

    def step(self, batch, batch_idx):
        if self.current_epoch == epoch and batch_idx == 2:
            die()
        return original(self, batch, batch_idx)

    return step


def test_a_finished_training_is_only_summarized(run, compose_tiny, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(run[0], folder)
    before = rows(folder)
    assert train(compose_tiny(*FOUR_EPOCHS), folder) == run[1]
    assert rows(folder) == before


def test_the_last_line_has_the_towers_and_what_is_logged_of_met_and_jets(tmp_path, caplog):
    towers = {"val_tower_accuracy": 0.9071, "val_rule_based_tower_accuracy": 0.8982}
    worse = {"epoch": 1.0, "val_loss": 0.6, **towers, "val_met_ratio": 1.4}
    best = {"epoch": 2.0, "val_loss": 0.5, **towers, "val_met_ratio": 0.853}
    write_history([worse, best | {"val_jet_efficiency": 0.957}], tmp_path / METRICS_FILE)
    with caplog.at_level("INFO", "mlpf"):
        assert _summarize(Objective("val_loss", "min"), tmp_path)["val_loss"] == 0.5
    line = (
        "best epoch 2 of 2: val_loss 0.5, tower accuracy 0.9071 (rule-based 0.8982), "
        "MET error / rules 0.8530, jets found 0.9570; files in"
    )
    assert line in caplog.text


def test_a_folder_with_another_training_is_refused(run, compose_tiny):
    with pytest.raises(ConfigError, match="another `optimizer`"):
        train(compose_tiny(*FOUR_EPOCHS, "optimizer.lr=1e-3"), run[0])


def test_a_training_goes_on_with_other_hyperparameters_and_its_optimizer_state(
    compose_tiny, tmp_path, caplog, monkeypatch
):
    fixed = ("optimizer=adamw", "scheduler=exponential", "scheduler.expdecay_decay_steps=1")
    train(compose_tiny(*fixed, "scheduler.rate=0.9"), tmp_path)
    before = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
    n_steps, (group,) = before["global_step"], before["optimizer_states"][0]["param_groups"]
    assert group["lr"] == pytest.approx(1e-2 * 0.9**n_steps)
    seen = []

    def look(self, batch, batch_idx):
        if not seen:
            optimizer = self.trainer.optimizers[0]
            state = optimizer.state[optimizer.param_groups[0]["params"][0]]
            seen.append((dict(optimizer.param_groups[0]), state["step"].item()))
            seen.append([m.p for m in self.network.modules() if hasattr(m, "p")])
        return original(self, batch, batch_idx)

    original = TrainingModule.training_step
    monkeypatch.setattr(TrainingModule, "training_step", look)
    changed = ("optimizer.lr=2e-2", "optimizer.weight_decay=0.5", "model.dropout=0.3")
    options = ("resume_changed=true", "trainer.max_epochs=3", "scheduler.rate=0.9")
    train(compose_tiny(*fixed, *changed, *options), tmp_path)
    (group, step), dropouts = seen
    assert group["lr"] == pytest.approx(2e-2 * 0.9**n_steps)
    assert (group["weight_decay"], group["initial_lr"]) == (0.5, 2e-2)
    assert step == n_steps
    assert set(dropouts) == {0.3}
    after = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
    assert after["lr_schedulers"][0]["base_lrs"] == [2e-2]
    last = after["optimizer_states"][0]["param_groups"][0]["lr"]
    assert last == pytest.approx(2e-2 * 0.9 ** after["global_step"])
    assert "resuming with other settings (config.1.yaml): " in caplog.text
    assert OmegaConf.load(tmp_path / "config.1.yaml").optimizer.lr == 2e-2


def test_a_diverged_training_stops_and_says_where(compose_tiny, tmp_path):
    with pytest.raises(FloatingPointError, match=r"diverged in epoch 1: .*val_loss\b"):
        train(compose_tiny("optimizer=sgd", "optimizer.lr=1e30"), tmp_path)
    assert not (tmp_path / "checkpoints").exists()


def test_a_loss_that_is_not_finite_ends_the_training_within_the_steps_of_a_log_entry(
    compose_tiny, tmp_path
):
    with pytest.raises(FloatingPointError, match=r"^diverged in epoch 1, step 2: train_loss\b"):
        train(compose_tiny(*DIVERGES, "trainer.log_every_n_steps=2"), tmp_path)


DIVERGES = ("optimizer=sgd", "optimizer.lr=1e30")


def test_accumulated_batches_are_one_large_batch(compose_tiny, tmp_path):
    step = ("trainer.max_epochs=1", "model.dropout=0", "optimizer=sgd", "optimizer.lr=0.1")
    train(compose_tiny(*step, "data.max_elements_per_batch=100000"), tmp_path / "one")
    train(compose_tiny(*step, "trainer.accumulate_grad_batches=100"), tmp_path / "many")
    expected, found = weights(tmp_path / "one"), weights(tmp_path / "many")
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=1e-6, msg=name)


def test_an_accuracy_can_be_the_objective(compose_tiny, tmp_path):
    accuracy = ("objective.name=val_tower_accuracy", "objective.mode=max")
    best = train(compose_tiny(*accuracy, "trainer.max_epochs=3"), tmp_path)
    values = [row["val_tower_accuracy"] for row in read_history(tmp_path / "metrics.csv")]
    assert best == max(values)
    checkpoint = torch.load(tmp_path / "checkpoints/best.ckpt", weights_only=True)
    assert checkpoint["epoch"] == values.index(best)


def test_several_objectives_are_returned_in_their_order_of_the_epoch_that_the_first_one_chose(
    compose_tiny, tmp_path
):
    names = "[val_tower_accuracy,n_parameters,val_loss,val_momentum_iqr_neutral]"
    several = (
        f"objective.name={names}",
        "objective.mode=[max,min,min,min]",
        "physics.max_events=4",
    )
    values = train(compose_tiny(*several, "trainer.max_epochs=3"), tmp_path)
    history = read_history(tmp_path / "metrics.csv")
    best = max(history, key=lambda row: row["val_tower_accuracy"])
    logged = ("val_tower_accuracy", "val_loss", "val_momentum_iqr_neutral")
    assert [values[place] for place in (0, 2, 3)] == [best[name] for name in logged]
    network = load_network(tmp_path)
    assert values[1] == sum(weight.numel() for weight in network.parameters())
    assert OmegaConf.load(tmp_path / "config.yaml").objective == {
        "name": "val_tower_accuracy",
        "mode": "max",
        "names": ["val_tower_accuracy", "n_parameters", "val_loss", "val_momentum_iqr_neutral"],
    }


def test_a_logged_value_can_be_bounded(compose_tiny, tmp_path, monkeypatch):
    noted = {}
    monkeypatch.setattr(hpo, "note_figures", noted.update)
    bound = "hpo.goals.constraints={val_loss: '<= 9', val_momentum_iqr_neutral: '>= 0'}"
    short = ("physics.max_events=4", "trainer.max_epochs=1")
    value = train(compose_tiny("hpo=random", bound, *short), tmp_path)
    (row,) = read_history(tmp_path / "metrics.csv")
    assert noted["val_loss"] == value == row["val_loss"]
    assert noted["val_momentum_iqr_neutral"] == row["val_momentum_iqr_neutral"]


def test_other_events_under_the_same_names_are_refused(run, compose_tiny, events_folder, tmp_path):
    shutil.copytree(run[0], tmp_path / "run")
    data = tmp_path / "data"
    shutil.copytree(events_folder, data)
    shutil.copy(data / "test.parquet", data / "train.parquet")
    recorded = OmegaConf.load(tmp_path / "run/config.yaml")
    recorded.data.folder = str(data)
    OmegaConf.save(recorded, tmp_path / "run/config.yaml")
    with pytest.raises(ConfigError, match=r"^data.train: the files in .* hold other events"):
        train(compose_tiny(*FOUR_EPOCHS, f"data.folder={data}"), tmp_path / "run")


def test_gradient_clipping_changes_the_training(compose_tiny, tmp_path):
    free = train(compose_tiny("trainer.max_epochs=1"), tmp_path / "free")
    clip = "trainer.gradient_clip_val=1e-12"
    clipped = train(compose_tiny("trainer.max_epochs=1", clip), tmp_path / "clipped")
    assert clipped > free + 0.1


def test_two_processes_train_as_one_with_all_their_elements(compose_tiny, tmp_path):
    """All batches of an epoch are one step, of two ranks or of one with a single large batch."""
    step = ("trainer.max_epochs=2", "model.dropout=0", "optimizer=sgd", "optimizer.lr=0.1")
    whole = compose_tiny(*step, "data.max_elements_per_batch=100000")
    train(whole, tmp_path / "one")
    many = ("trainer.accumulate_grad_batches=100", "logger=tensorboard")
    cfg = compose_tiny(*step, *many, "trainer=ddp_cpu")
    best = train(cfg, tmp_path)
    expected, found = weights(tmp_path / "one"), weights(tmp_path)
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=1e-6, msg=name)
    sizes = read_events(f"{cfg.data.folder}/train.parquet").sizes
    bound = cfg.data.max_elements_per_batch
    sampler = BatchSampler(sizes, bound, shuffle=True, seed=cfg.seed, world_size=2)
    elements = [sizes[np.concatenate(sampler._batches()[rank::2])].sum() for rank in (0, 1)]
    assert elements[0] != elements[1]  # the mean of the ranks' means would be wrong
    history = read_history(tmp_path / "metrics.csv")
    assert [row["epoch"] for row in history] == [1, 2]
    assert history[0]["train_loss"] > history[1]["train_loss"] + 1e-3  # the steps were no nothing
    for both, alone in zip(history, read_history(tmp_path / "one/metrics.csv"), strict=True):
        assert both.keys() == alone.keys()
        for name in both.keys() - {"seconds"}:
            assert both[name] == pytest.approx(alone[name], rel=1e-5, abs=1e-7, nan_ok=True), name
    assert best == min(row["val_loss"] for row in history)
    network = load_network(tmp_path / "checkpoints/last.ckpt")
    batch = Batch.from_events(read_events(f"{cfg.data.folder}/val.parquet"))
    with torch.no_grad():
        loss = ParticleFlowLoss()(network(batch), batch)["loss"]
    assert history[-1]["val_loss"] == pytest.approx(float(loss), rel=1e-5)


def test_the_error_of_a_rank_is_the_error_of_the_training():
    text = "\n-- Process 1 terminated with the following error:\nTraceback ...\n"
    for line, kind in (
        ("mlpf.config.DivergedError: diverged in epoch 2: val_loss", FloatingPointError),
        ("mlpf.config.ConfigError: data: no file", ConfigError),
        ("KeyError: 'x'", ProcessRaisedException),
    ):
        with pytest.raises(kind, match=line.partition(": ")[2]), _plain_exceptions():
            raise ProcessRaisedException(text + line + "\n", 1, 1234)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lr=-1", "optimizer and scheduler: Invalid learning rate"),
        ("scheduler.rate=2", r"optimizer and scheduler: rate must be in \(0, 1\]"),
        ("model.dropout=7", "model.dropout must be"),
        ("trainer.threads=0", "trainer.threads must be >= 1"),
        ("trainer.gradient_clip_val=-1", "trainer.gradient_clip_val must be > 0 or null"),
        ("seed=abc", "seed must be an integer >= 0, got abc"),
        ("model.bin_size=2.5", "model.bin_size must be an integer"),
        ("loss.weight_pt=abc", "loss.weight_pt must be >= 0, got abc"),
        ("trainer.precision=8-maybe", "trainer.precision must be .*8-maybe"),
        ("data.train=[nothing.parquet]", "data.train matches no file:"),
        ("callbacks.checkpoint.monitor=val_los", "no val_los among .*val_loss"),
        ("objective.name=val_los", "objective.name: no val_los .*did you mean val_loss.*val_accu"),
        ("seed=4294967296", "seed must be an integer >= 0 and <= 4294967295, got 4294967296"),
        ("trainer.precision=bf16-true", "trainer.precision must be 32-true, 16-mixed or bf16-mi"),
        ("trainer.precision=transformer-engine", "trainer.precision must be .* got transformer"),
        ("trainer.accelerator=tpu", "trainer: .*torch_xla"),
        ("trainer.limit_val_batches=0.01", "trainer: .* 0.01 of the `val_dataloader`"),
        ("callbacks.metrics=null", r"metrics\.csv: no epoch in it; callbacks.metrics writes it"),
        ("objective.mode=least", "objective: mode must be min or max, got least"),
        ("trainer.max_epochs=ten", "trainer.max_epochs must be an integer >= 1, got ten"),
    ],
)
def test_a_bad_value_is_one_line_that_names_its_key(compose_tiny, tmp_path, override, message):
    with pytest.raises(ConfigError, match=message) as error:
        train(compose_tiny(override), tmp_path)
    assert "\n" not in str(error.value)
