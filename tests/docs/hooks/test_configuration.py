from docs.hooks import configuration
from docs.hooks.comments import Key, Option

OPTIONS = configuration.options()


def test_every_key_of_the_configuration_is_described_or_inherits_a_description():
    assert configuration.undescribed(OPTIONS) == []


def test_a_key_without_a_description_is_found():
    bare = Option("group", "bare", "", (Key("group.none", "1", ""),), "")
    assert configuration.undescribed([*OPTIONS, bare]) == ["group/bare: group.none"]


def test_every_setting_of_sweeper_and_launchers_is_described():
    for _, kind in configuration.PLUGINS.values():
        described = configuration.settings(kind)
        assert len(described) > 4
        assert all(described.values()), described


def test_the_page_has_each_key_and_option():
    page = configuration.text()
    for option in OPTIONS:
        if option.group.startswith("hydra/sweeper"):
            assert f"`{option.group.replace('hydra/sweeper', 'hpo')}={option.name}`" in page
        elif option.group and not option.name.startswith("_") and "hpo/" not in option.group:
            assert f"### `{option.group}={option.name}`" in page
    assert "| `trainer.max_epochs` | `10` | Passes over the training events. |" in page
    assert "| `hydra.sweeper.lease_s` | `60.0` |" in page
    assert "[objectives](../reference/objectives.md)" in page


def test_an_option_that_only_changes_values_is_shown_as_yaml():
    page = configuration.text()
    small = page.partition("`model=gnn_lsh_small`")[2].partition("###")[0]
    assert "```yaml\nbin_size: 64\n" in small
