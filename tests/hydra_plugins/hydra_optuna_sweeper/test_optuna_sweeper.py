from hydra.core.plugins import Plugins


def test_the_class_of_hydra_optuna_sweeper_is_another_name_of_ours():
    name = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"
    found = Plugins.instance().class_name_to_class[name]
    assert found.__mro__[1].__name__ == "OptunaAsyncSweeper"
