import pytest
from hydra.version import __version__

from tests.canary import missing

TYPES = (
    "ChoiceSweep",
    "IntervalSweep",
    "Override",
    "Quote",
    "QuotedString",
    "RangeSweep",
    "Transformer",
)
NEEDS = [
    "hydra._internal.callbacks:Callbacks()",
    "hydra._internal.config_loader_impl:ConfigLoaderImpl",
    "hydra._internal.core_plugins.basic_launcher:BasicLauncher",
    "hydra.core.config_loader:ConfigLoader.load_sweep_config(master_config, sweep_overrides)",
    "hydra.core.config_loader:ConfigLoader.load_configuration(config_name, overrides, run_mode)",
    "hydra.core.config_loader:ConfigLoader.get_group_options(group_name)",
    "hydra.core.override_parser.overrides_parser:OverridesParser.create(config_loader)",
    "hydra.core.override_parser.overrides_parser:OverridesParser.parse_override(s)",
    "parser.functions.definitions",
    "hydra.core.override_parser.overrides_parser:OverridesParser.parse_overrides(overrides)",
    *(f"hydra.core.override_parser.types:{name}" for name in TYPES),
    "hydra.core.override_parser.types:Override.get_key_element()",
    "hydra.core.override_parser.types:Override.get_value_string()",
    "hydra.core.override_parser.types:Override.is_add()",
    "hydra.core.override_parser.types:Override.is_choice_sweep()",
    "hydra.core.override_parser.types:Override.is_delete()",
    "hydra.core.override_parser.types:Override.is_sweep_override()",
    "hydra.core.override_parser.types:Override.sweep_iterator(transformer)",
    "hydra.core.override_parser.types:Override.value()",
    "hydra.core.override_parser.types:Quote.single",
    "hydra.core.override_parser.types:QuotedString.with_quotes()",
    "hydra.core.override_parser.types:RangeSweep.range()",
    "hydra.core.override_parser.types:Transformer.identity(x)",
    "hydra.core.override_parser.types:Transformer.str(x)",
    "hydra.core.plugins:Plugins.instance",
    "hydra.core.plugins:Plugins.instantiate_launcher(hydra_context, task_function, config)",
    "hydra.core.singleton:Singleton.get_state()",
    "hydra.core.singleton:Singleton.set_state(state)",
    "hydra.core.utils:JobReturn(status, _return_value)",
    "hydra.core.utils:JobReturn.return_value",
    "hydra.core.utils:JobStatus.FAILED",
    "hydra.core.utils:configure_log(log_config, verbose_config)",
    "hydra.core.utils:run_job(task_function, config, hydra_context, configure_logging)",
    "hydra.core.utils:run_job(job_dir_key, job_subdir_key)",
    "hydra.core.utils:setup_globals()",
    "hydra.utils:instantiate(config)",
    "override.input_line",
    "override.key_or_group",
    "choice.list",
    "choice.tags",
    "interval.start",
    "interval.end",
    "interval.tags",
    "range.step",
    "quoted.text",
]


@pytest.fixture
def examples():
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parse = OverridesParser.create().parse_override
    override = parse("a=interval(0, 1)")
    return {
        "override": override,
        "interval": override.value(),
        "choice": parse("a=choice(0, 4)").value(),
        "range": parse("a=range(0, 4)").value(),
        "parser": OverridesParser.create(),
        "quoted": next(parse("a='b','c'").sweep_iterator(transformer=lambda x: x)),
    }


def test_hydra_has_what_we_need_of_its_internals(examples):
    assert missing("hydra-core", NEEDS, examples) == ""


def test_what_an_upgrade_took_away_is_one_line(examples, monkeypatch):
    monkeypatch.delattr("hydra.core.utils.configure_log")
    monkeypatch.delattr("hydra.core.plugins.Plugins.instantiate_launcher")
    assert missing("hydra-core", NEEDS, examples) == (
        f"hydra-core {__version__} lacks "
        "hydra.core.plugins:Plugins.instantiate_launcher(hydra_context, task_function, config), "
        "hydra.core.utils:configure_log(log_config, verbose_config)"
    )


def test_the_error_of_a_failed_job_is_there_without_a_word(capsys):
    from hpo.hydra_internals import JobReturn, error_of, failed

    result = failed("it was killed")
    assert str(error_of(result)) == "it was killed"
    assert error_of(JobReturn()) is None
    assert capsys.readouterr() == ("", "")


def test_an_error_of_a_target_is_the_cause_in_every_version_of_hydra():
    from hydra.errors import InstantiationException

    from hpo.hydra_internals import instantiate

    with pytest.raises(InstantiationException, match="Invalid literal") as wrapped:
        instantiate({"_target_": "fractions.Fraction", "numerator": "x"})
    assert repr(wrapped.value.__cause__).startswith("ValueError(")
    with pytest.raises(InstantiationException, match="locating"):
        instantiate({"_target_": "fractions.Nope"})
    assert instantiate({"_target_": "fractions.Fraction", "numerator": 3}) == 3
