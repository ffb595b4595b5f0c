import pytest
from omegaconf import OmegaConf

from hpo.storage.passwords import hide, hide_in, passwords, stored_passwords, without_passwords

URL = "postgresql://me:hunter2@host:5432/db"


def test_passwords_are_found_in_urls_and_objects():
    assert passwords(URL) == ("hunter2",)
    assert passwords({"_target_": "optuna.storages.RDBStorage", "url": URL}) == ("hunter2",)
    assert passwords("sqlite:///study.db") == ()
    assert passwords(None) == ()


def test_only_the_password_is_hidden():
    assert hide(f"'storage={URL}?a=b'", ["hunter2"]) == (
        "'storage=postgresql://me:***@host:5432/db?a=b'"
    )


def test_a_configuration_keeps_no_trace_of_it(monkeypatch):
    monkeypatch.setenv("ADDRESS", URL)
    config = OmegaConf.create(
        {
            "plain": URL,
            "from_environment": "${oc.env:ADDRESS}",
            "nested": [{"copy": "${plain}"}, 1, None],
            "whole": "${nested}",
            "missing": "???",
            "broken": "${nowhere}",
            "other": "http://you:other@host",
        }
    )
    OmegaConf.set_readonly(config, True)
    hide_in(config, passwords(URL))
    del_broken = OmegaConf.masked_copy(
        config, ["plain", "from_environment", "nested", "whole", "other"]
    )
    text = OmegaConf.to_yaml(del_broken, resolve=True)
    assert "hunter2" not in text
    assert "me:***@host" in text
    assert "you:other@host" in text


@pytest.mark.parametrize("spec", [URL, {"_target_": "a.B", "urls": [URL, 1]}])
def test_passwords_go_to_the_environment(spec):
    kept = without_passwords(spec)
    assert "hunter2" not in str(kept)
    assert "me:${oc.env:HPO_STORAGE_PASSWORD_0}@host" in str(kept)
    assert stored_passwords() == ("hunter2",)
    assert without_passwords(kept) == kept


@pytest.mark.parametrize("spec", [None, "a/j.log", "sqlite:///s.db", "postgresql://host/db"])
def test_a_setting_without_password_stays_as_it_is(spec):
    assert without_passwords(spec) == spec
    assert stored_passwords() == ()
