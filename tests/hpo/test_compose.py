"""What is composed the short way is what Hydra composes."""

from types import SimpleNamespace

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from hpo.compose import Composer

FIXED = ("epochs=5", "+extra={a: 1}")


@pytest.fixture
def app(tmp_path):
    """A Hydra application with a config group; composes in full and counts how often."""
    (tmp_path / "kind").mkdir()
    (tmp_path / "kind" / "small.yaml").write_text("size: 1\n")
    (tmp_path / "kind" / "large.yaml").write_text("size: 2\n")
    (tmp_path / "app.yaml").write_text(
        "defaults: [{kind: small}, _self_]\n"
        "x: 0\nname: a\nepochs: 1\nmaybe: 1\ntable: {a: 1}\n"
        "twice: ${eval_x:${x}}\nat: ${now:%f}\n"
    )
    OmegaConf.register_new_resolver("eval_x", lambda x: 2 * x, replace=True)
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("app", list(FIXED), RunMode.MULTIRUN)
        assert config.at  # resolved once, for all trials
        calls = []

        def load(master, overrides):
            calls.append(overrides)
            return loader.load_sweep_config(master, overrides)

        counting = SimpleNamespace(
            load_sweep_config=load, get_group_options=loader.get_group_options
        )
        yield SimpleNamespace(loader=loader, config=config, counting=counting, calls=calls)


def content(config):
    return OmegaConf.to_container(config, resolve=False)


@pytest.mark.parametrize(
    ("varied", "n_calls"),
    [
        ([["x=1", "name=b"], ["x=2.5", "name='c d'"], ["x=-1e-5", "name=null"]], 2),
        ([["table={a: 2}"], ["table={a: 3}"], ["table.a=4"]], 4),
        ([["kind=small"], ["kind=large"]], 2),
        ([["+new=1"], ["+new=2"]], 2),
        ([["++x=1"], ["++x=2"]], 2),
        ([["~maybe"], ["~maybe"]], 2),
        ([["hydra.job.name=n"], ["hydra.job.name=m"]], 2),
        ([[], []], 2),
    ],
)
def test_every_configuration_is_what_hydra_makes_of_its_overrides(app, varied, n_calls):
    composer = Composer(app.counting, app.config, FIXED)
    for overrides in varied:
        lines = [*FIXED, *overrides]
        composed = composer.compose(lines)
        wanted = app.loader.load_sweep_config(app.config, lines)
        assert content(composed) == content(wanted)
        assert composed.at == app.config.at
        assert composed.twice == 2 * composed.x
        assert OmegaConf.is_struct(composed) == OmegaConf.is_struct(wanted)
    assert len(app.calls) == n_calls


def test_a_configuration_is_nobody_elses(app):
    composer = Composer(app.counting, app.config, FIXED)
    composer.compose([*FIXED, "x=1"])
    second = composer.compose([*FIXED, "x=2"])
    second.table.a = 100
    assert composer.compose([*FIXED, "x=3"]).table.a == 1


def test_a_mistake_is_told_as_hydra_tells_it(app):
    composer = Composer(app.counting, app.config, FIXED)
    with pytest.raises(Exception, match="Could not override 'nonsense'"):
        composer.compose([*FIXED, "nonsense=1"])
    composer.compose([*FIXED, "table={a: 1}"])
    with pytest.raises(Exception, match="Could not override 'table'"):
        composer.compose([*FIXED, "table={b: 1}"])
