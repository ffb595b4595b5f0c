import pytest
from omegaconf import OmegaConf

from hpo.storage.passwords import (
    argument_without,
    hide,
    hide_in,
    passwords,
    setting_keys,
    stored_passwords,
    with_passwords,
    without_passwords,
)

URL = "postgresql://me:hunter2@host:5432/db"


def application(**values):
    """A composed configuration of an application, as far as it matters here."""
    hydra = {
        "sweeper": {"storage": None, "enqueue": [], "sampler": None, "pruner": None},
        "overrides": {"task": [], "hydra": []},
        "job": {"override_dirname": ""},
    }
    hydra["sweeper"].update(values.pop("sweeper", {}))
    hydra["overrides"]["task"] = values.pop("task", [])
    hydra["job"]["override_dirname"] = ",".join(hydra["overrides"]["task"])
    config = OmegaConf.create({"hydra": hydra, **values})
    OmegaConf.set_readonly(config.hydra, True)
    OmegaConf.set_struct(config, True)
    return config


@pytest.mark.parametrize(
    "spec",
    [
        URL,
        "postgresql://host/db?user=me&password=hunter2",
        "mysql://host/db?ssl_ca=a.pem&sslpassword=hunter2&x=1",
        "host=h dbname=d user=u password='hunter2'",
        'host=h password = "hunter2" dbname=d',
        {"_target_": "a.B", "url": URL},
        {"_target_": "a.B", "urls": [[URL, 1]]},
        {"_target_": "a.B", "password": "hunter2"},
        {"_target_": "a.B", "passwd": "hunter2"},
        {"_target_": "a.B", "api_token": "hunter2"},
        {"_target_": "a.B", "client-secret": "hunter2"},
        {"_target_": "a.B", "key": "hunter2"},
        {"_target_": "a.B", "API_KEY": "hunter2"},
        {"_target_": "a.B", "engine_kwargs": {"connect_args": {"password": "hunter2"}}},
        {"_target_": "a.B", "secret": {"any": ["hunter2"]}},
        {"_target_": "a.B", "dsn": "redis://:hunter2@host/0"},
    ],
    ids=str,
)
def test_a_secret_is_found_and_goes_to_the_environment(spec):
    assert passwords(spec) == ("hunter2",)
    kept = without_passwords(spec)
    assert "hunter2" not in str(kept)
    assert "${oc.env:HPO_SECRET_0}" in str(kept)
    assert stored_passwords() == ("hunter2",)
    assert without_passwords(kept) == kept
    assert with_passwords(kept) == spec


@pytest.mark.parametrize(
    "spec",
    [
        None,
        "a/j.log",
        "sqlite:///s.db",
        "postgresql://host/db",
        "postgresql://me:${oc.env:DB_PASSWORD}@host/db",
        {"_target_": "a.B", "n_tokens": 5, "monkey": "x", "password": None, "keys": "a"},
        {"_target_": "a.B", "is_key": True},
    ],
    ids=str,
)
def test_a_setting_without_secrets_stays_as_it_is(spec):
    assert passwords(spec) == ()
    assert without_passwords(spec) == spec
    assert stored_passwords() == ()


def test_a_quoted_secret_may_have_blanks():
    assert passwords("host=h password='my secret, really' dbname=d") == ("my secret, really",)


def test_two_secrets_have_two_variables_and_one_has_one():
    kept = without_passwords([URL, {"token": "other-one", "password": "hunter2"}])
    assert kept[0] == "postgresql://me:${oc.env:HPO_SECRET_0}@host:5432/db"
    assert kept[1] == {"token": "${oc.env:HPO_SECRET_1}", "password": "${oc.env:HPO_SECRET_0}"}


def test_only_the_password_is_hidden():
    assert hide(f"'storage={URL}?a=b'", ["hunter2"]) == (
        "'storage=postgresql://me:***@host:5432/db?a=b'"
    )
    assert hide("refused: password = x, of me", []) == "refused: password = ***, of me"
    assert hide("hunter%32 is hunter2", ["hunter%32"]) == "*** is ***"
    assert hide("a short one is no part of a word", ["a"]) == "a short one is no part of a word"


def test_a_configuration_keeps_no_trace_of_the_password_of_a_storage(monkeypatch):
    monkeypatch.setenv("ADDRESS", URL)
    config = application(
        sweeper={"storage": "${mine.storage}"},
        mine={"storage": {"_target_": "a.B", "url": "${oc.env:ADDRESS}", "key": "hunter3"}},
        plain=URL,
        from_environment="${oc.env:ADDRESS}",
        nested=[{"copy": "${plain}"}, 1, None],
        whole="${nested}",
        missing="???",
        broken="${nowhere}",
        other="http://you:other@host",
    )
    hide_in(config)
    del config.broken, config.missing
    text = OmegaConf.to_yaml(config, resolve=True)
    assert "hunter" not in text
    assert config.mine.storage.key == "***"
    assert text.count("me:***@host") == 6
    assert "you:other@host" in text


def test_an_application_keeps_its_own_secrets_but_its_files_do_not():
    config = application(
        logger={"api_key": "S-key", "pad_token": "<pad>", "sort": {"key": "pt"}},
        db={"password": "S-password", "copy": "${db.password}", "port": 1},
        env={"HF_TOKEN": "S-token"},
    )
    before = OmegaConf.to_container(config, resolve=True)
    hide_in(config)
    assert OmegaConf.to_container(config, resolve=True) == before
    written = OmegaConf.to_yaml(config)
    assert "S-" not in written
    assert "pad_token: <pad>" in written
    assert "key: pt" in written


def test_arguments_keep_their_meaning_without_secrets():
    node = "hydra.sweeper.storage={_target_: a.B, password: 'pw1', url: 'x://me:hunter2@h'}"
    config = application(
        sweeper={"storage": {"_target_": "a.B", "password": "pw1", "url": "x://me:hunter2@h"}},
        task=[node, "lr=1", "+copy=hunter2", "db.password=S-pass", "token=choice(a,b)"],
    )
    hide_in(config)
    written = OmegaConf.to_container(config.hydra)
    assert written["overrides"]["task"] == [
        "hydra.sweeper.storage={_target_: a.B, password: '***', url: 'x://me:***@h'}",
        "lr=1",
        "+copy=${oc.env:HPO_SECRET_1}",
        "db.password=${oc.env:HPO_SECRET_2}",
        "token=choice(a,b)",
    ]
    assert written["job"]["override_dirname"] == ",".join(written["overrides"]["task"])
    keys = setting_keys(config)
    assert argument_without("+hydra.sweeper.storage.password=pw1", keys).endswith("=***")
