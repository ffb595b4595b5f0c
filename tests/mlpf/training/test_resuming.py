"""A training goes on as it began, or says in one line what is different."""

import pytest
import torch
from omegaconf import OmegaConf

from mlpf.config import ConfigError
from mlpf.training.resuming import check_change, check_same_training, record


@pytest.fixture
def run(compose_tiny, tmp_path):
    """The folder of a training of three epochs, as far as resuming looks at it."""
    record(compose_tiny("trainer.max_epochs=3"), tmp_path, is_resumed=False)
    torch.save({"epoch": 2}, tmp_path / "last.ckpt")
    return tmp_path


def check(cfg, run):
    check_same_training(cfg, run, run / "last.ckpt")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lr=1e-3", "another `optimizer`: lr was 0.01, is now 0.001; take another"),
        ("seed=2", "another `data`: seed was 1, is now 2"),
        ("objective.name=val_accuracy", "another `objective`: name was val_loss"),
        ("trainer.gradient_clip_val=0.1", "another `trainer`: gradient_clip_val was null, is now"),
        ("trainer.accumulate_grad_batches=2", "accumulate_grad_batches was 1, is now 2"),
        ("trainer.precision=bf16-mixed", "precision was 32-true, is now bf16-mixed"),
        ("trainer.limit_train_batches=2", "limit_train_batches was 1.0, is now 2"),
        ("+trainer.gradient_clip_algorithm=value", "gradient_clip_algorithm was null, is now"),
        ("trainer.max_epochs=1", "^trainer.max_epochs=1, but .* holds a training of 3 epochs;"),
    ],
)
def test_what_would_be_another_training_is_refused_in_one_line(
    run, compose_tiny, override, message
):
    with pytest.raises(ConfigError, match=message) as error:
        check(compose_tiny("trainer.max_epochs=3", override), run)
    assert "\n" not in str(error.value)


CHANGEABLE = [
    "optimizer.lr=1e-3",
    "optimizer.weight_decay=0.1",
    "model.dropout=0.3",
    "trainer.gradient_clip_val=0.1",
]


@pytest.mark.parametrize("override", CHANGEABLE)
def test_what_keeps_the_meaning_of_the_weights_may_change_where_that_is_allowed(
    run, compose_tiny, override
):
    with pytest.raises(ConfigError, match=r"the old settings, or resume_changed=true$"):
        check(compose_tiny("trainer.max_epochs=3", override), run)
    check(compose_tiny("trainer.max_epochs=3", override, "resume_changed=true"), run)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.output_dim=16", "another `model`: output_dim was 8, is now 16; take another"),
        ("model.clip_value_low=0.1", "another `model`: clip_value_low was 0.0, is now 0.1"),
        ("scheduler.expdecay_decay_steps=5", "another `scheduler`: expdecay_decay_steps was"),
        ("seed=2", "another `data`: seed was 1, is now 2"),
        ("loss.weight_pt=2", "another `loss`: weight_pt was 1.0, is now 2"),
    ],
)
def test_all_else_is_refused_by_name_all_the_same(run, compose_tiny, override, message):
    with pytest.raises(ConfigError, match=message) as error:
        check(
            compose_tiny(
                "trainer.max_epochs=3", "optimizer.lr=1e-3", override, "resume_changed=true"
            ),
            run,
        )
    assert "resume_changed" not in str(error.value)
    assert "lr was" not in str(error.value)


@pytest.mark.parametrize("override", CHANGEABLE)
def test_a_search_may_change_what_a_training_can_go_on_with(compose_tiny, override):
    check_change(compose_tiny(), compose_tiny(override))


def test_weights_of_the_loss_may_change_only_if_it_is_not_the_objective(compose_tiny):
    before, after = compose_tiny(), compose_tiny("loss.weight_pt=2")
    with pytest.raises(ConfigError, match=r"^loss\.weight_pt: no training goes on with another"):
        check_change(before, after)
    accuracy = ("objective.name=val_tower_accuracy", "objective.mode=max")
    check_change(compose_tiny(*accuracy), compose_tiny(*accuracy, "loss.weight_pt=2"))


@pytest.mark.parametrize("override", ["model.bin_size=16", "optimizer=adamw", "data.seed=7"])
def test_a_search_of_anything_else_is_refused_with_the_keys_that_may(compose_tiny, override):
    with pytest.raises(ConfigError, match=r"only with other values of optimizer\.lr, ") as error:
        check_change(compose_tiny(), compose_tiny(override))
    assert str(error.value).startswith(override.partition("=")[0])


@pytest.mark.parametrize(
    "override",
    ["trainer.max_epochs=5", "trainer.threads=2", "data.cache_dir=/fast", "hpo=random"],
)
def test_where_and_how_long_it_trains_may_change(run, compose_tiny, override):
    check(compose_tiny("trainer.max_epochs=3", override), run)


def test_the_first_configuration_stays_and_others_are_written_beside(run, compose_tiny, caplog):
    first = (run / "config.yaml").read_text()
    for _ in range(2):
        record(compose_tiny("trainer.max_epochs=5"), run, is_resumed=True)
    record(compose_tiny("trainer.max_epochs=7"), run, is_resumed=True)
    assert (run / "config.yaml").read_text() == first
    files = sorted(path.name for path in run.glob("config.*"))
    assert files == ["config.1.yaml", "config.2.yaml", "config.yaml"]
    assert OmegaConf.load(run / "config.2.yaml").trainer.max_epochs == 7
    assert "(config.1.yaml): trainer.max_epochs was 3, is now 5" in caplog.text


def test_settings_of_a_sweep_are_no_change_of_the_training(run, compose_tiny, caplog):
    record(compose_tiny("trainer.max_epochs=3"), run, is_resumed=True)
    assert [path.name for path in run.glob("config*")] == ["config.yaml"]
    assert not caplog.records


@pytest.mark.parametrize("text", ["model: {a: [", "- a", None, "trainer: 5"])
def test_a_damaged_configuration_is_named(run, compose_tiny, text):
    (run / "config.yaml").unlink()
    if text:
        (run / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"config\.yaml: (missing or )?damaged"):
        check(compose_tiny(), run)


def test_a_run_of_an_earlier_version_has_no_objective(run, compose_tiny):
    recorded = OmegaConf.load(run / "config.yaml")
    del recorded["objective"]
    OmegaConf.save(recorded, run / "config.yaml")
    check(compose_tiny("trainer.max_epochs=3"), run)
