from enum import Enum

import pytest
from hydra import compose, initialize
from hydra.types import HydraContext
from hydra.version import __version__
from omegaconf import OmegaConf, open_dict, read_write
from omegaconf.errors import ReadonlyConfigError

from tests.canary import missing


class Quality(Enum):
    BAD = 1


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
    "loader._apply_overrides_to_config(overrides, cfg)",
    "hydra._internal.core_plugins.basic_launcher:BasicLauncher",
    "hydra.core.config_loader:ConfigLoader.load_sweep_config(master_config, sweep_overrides)",
    "hydra.core.config_loader:ConfigLoader.load_configuration(config_name, overrides, run_mode)",
    "loader._parse_overrides_and_create_caching_repo(config_name, overrides)",
    "hydra._internal.config_repository:CachingConfigRepository.get_group_options(group_name)",
    "hydra._internal.config_repository:CachingConfigRepository.load_config(config_path)",
    "hydra.plugins.config_source:ConfigResult(config, header, defaults_list)",
    "hydra.core.object_type:ObjectType.CONFIG",
    "hydra.core.hydra_config:HydraConfig.set_config(cfg)",
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
    "hydra.core.override_parser.types:Override.is_hydra_override()",
    "hydra.core.override_parser.types:Override.is_sweep_override()",
    "hydra.core.override_parser.types:Override.sweep_iterator(transformer)",
    "hydra.core.override_parser.types:Override.value()",
    "hydra.core.override_parser.types:OverrideType.CHANGE",
    "hydra.core.override_parser.types:Quote.single",
    "hydra.core.override_parser.types:QuotedString.with_quotes()",
    "hydra.core.override_parser.types:Override(type, key_or_group, value_type, _value)",
    "hydra.core.override_parser.types:Override(input_line)",
    "hydra.core.override_parser.types:ValueType.ELEMENT",
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
    "hydra.core.utils:_save_config(cfg, filename, output_dir)",
    "hydra.core.utils:copy.deepcopy",
    "hydra.core.utils:configure_log(log_config, verbose_config)",
    "hydra.core.utils:run_job(task_function, config, hydra_context, configure_logging)",
    "hydra.core.utils:run_job(job_dir_key, job_subdir_key)",
    "hydra.core.utils:setup_globals()",
    "hydra.utils:instantiate(config)",
    "override.input_line",
    "override.key_or_group",
    "override.package",
    "override.type",
    "choice.list",
    "choice.tags",
    "interval.start",
    "interval.end",
    "interval.tags",
    "range.step",
    "quoted.text",
    "omegaconf:DictConfig._set_parent(parent)",
    "omegaconf:DictConfig._get_node(key)",
    "omegaconf:AnyNode._value()",
]


@pytest.fixture
def examples():
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parse = OverridesParser.create().parse_override
    override = parse("a=interval(0, 1)")
    return {
        "loader": ConfigLoaderImpl,
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


def test_a_job_changes_only_its_own_configuration_and_its_callbacks_see_it_whole(tmp_path):
    from hydra.core import utils
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.utils import JobStatus

    from hpo.hydra_internals import run, without_callbacks

    seen, context = [], without_callbacks(HydraContext(None, None))

    def task(config):
        own = HydraConfig.get()
        seen.append((own.runtime.output_dir, own.job.name, "hydra" in config, config.twin))
        with read_write(config), open_dict(config):
            config.x = 7
        assert config.twin == 7
        with pytest.raises(ReadonlyConfigError):
            own.job.name = "other"
        return config.x

    with initialize(config_path=None, version_base="1.3"):
        fixed = ["+x=3", "+twin=${x}", "hydra.job.name=n-${x}", f"hydra.sweep.dir={tmp_path}"]
        config = compose(overrides=[*fixed, "hydra.sweep.subdir=0"], return_hydra_config=True)
    patched = utils.copy, utils._save_config, HydraConfig.set_config
    result = run(context, config, task, log=False)
    assert (utils.copy, utils._save_config, HydraConfig.set_config) == patched
    assert (result.status, result.return_value) == (JobStatus.COMPLETED, 7)
    assert seen == [(str(tmp_path / "0"), "n-3", False, 3)]
    assert config.x == 3
    assert result.hydra_cfg.hydra.job.name == "n-3"
    assert (tmp_path / "0/.hydra/config.yaml").read_text() == "x: 3\ntwin: ${x}\n"


def test_plain_values_are_those_of_the_whole_without_one_node():
    from hpo.hydra_internals import plain_values

    content = {"a": "${b}", "b": 1, "c": {"d": ["${a}", None]}, "e": "${c}", "f": "???", "g": None}
    config = OmegaConf.create({**content, "quality": Quality.BAD, "hydra": {"job": 1}})
    assert plain_values(config, without="hydra") == {**content, "quality": Quality.BAD}
    whole = OmegaConf.to_container(config)
    assert [*plain_values(config, without="hydra")] == [key for key in whole if key != "hydra"]


LINES = [
    *("lr=0.001", "lr=1e-05", "lr=-1.5e+20", "lr=1e5", "lr=-0.0", "lr=0", "lr=-0"),
    *("lr=12", "a.b_2.c=-7", "flag=true", "flag=false", "act=relu", "act=_x1"),
    *("lr=123456789012345678901234567890", "lr=007", "lr=1_000", "lr=.5", "lr=5."),
    *("lr=1E5", "lr=+1", "lr=TRUE", "lr=null", "lr=NULL", "lr=inf", "lr=nan"),
    *("lr=-inf", "lr=", "lr='1'", "lr=[1]", "lr=${x}", "lr=a-b", "a.1=2", "a/b=c"),
    *("hydra.verbose=true", "lr=nano", "lr=nullable", "lr=trues", "é=1", "lr=é"),
    *("+lr=1", "++lr=1", "~lr", "~lr=1", "a@b=c", "lr=1,2", "lr=choice(1,2)"),
    *("lr=range(1,2)", "lr=*", "lr=a:b", "lr=a=b", "a.=1", ".a=1", "1a=1", "lr=1a"),
    *("lr=1.5.2", "lr=0x1"),
]


@pytest.mark.parametrize("line", [*LINES, "lr= 1", "lr=1 ", "lr=a b", "lr=1\n", "lr=true\n"])
def test_an_override_is_read_as_hydra_reads_it(line):
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    from hpo.hydra_internals import _parsed

    try:
        theirs = OverridesParser.create().parse_override(line)
    except HydraException:
        with pytest.raises(HydraException):
            _parsed(line)
    else:
        assert repr(_parsed(line)) == repr(theirs)  # types too


def test_what_numbers_and_words_set_is_read_without_hydras_parser(monkeypatch):
    from hpo import hydra_internals as module

    module._parsed.cache_clear()
    monkeypatch.setattr(module, "OverridesParser", None)
    lines = ["lr=1e-05", "width=64", "net.depth=-2", "decay=0.25", "flag=true", "act=relu"]
    assert [module._parsed(x).value() for x in lines] == [1e-5, 64, -2, 0.25, True, "relu"]
    with pytest.raises(AttributeError):
        module._parsed("lr=[1]")


def test_a_resolved_log_needs_no_other_part_of_the_configuration():
    from hpo.hydra_internals import resolved_log

    whole = OmegaConf.create({"name": "x", "log": {"file": "${name}.log", "root": None}})
    assert resolved_log(whole.log) == {"file": "x.log", "root": None}
    assert resolved_log(None) is None
