"""The names under which a study is stored are a file format."""

import re
from pathlib import Path

import pytest

from hpo import attributes
from hpo.attributes import all_stored, misfits, stored

NAMES = {k: v for k, v in vars(attributes).items() if k.isupper() and k != "DEFAULT"}


def test_no_two_records_have_the_same_name():
    assert len(set(NAMES.values())) == len(NAMES)


def test_a_prefix_begins_no_other_name():
    prefixes = [value for value in NAMES.values() if value.endswith(":")]
    assert prefixes
    for prefix in prefixes:
        assert [value for value in NAMES.values() if value.startswith(prefix)] == [prefix]


def test_the_table_of_the_page_has_exactly_these_names():
    page = (Path(__file__).parents[2] / "docs/reference/sweep_settings.md").read_text()
    table = page.partition("## What a study stores")[2].partition("## ")[0]
    rows = re.findall(r"^\| `([a-z_:]+)", table, flags=re.M)
    assert sorted(rows) == sorted(NAMES.values())


OWNER = {"id": "i", "host": "h", "pid": 7}
WORKER = {"start": 1.0, "end": 2, "busy_s": 0.5}
COMMAND = {"module": "a.b", "file": None, "arguments": ["-m"], "cwd": "/a"}
WATCHER = {"host": "h", "pid": 7, "beat": 3}
APP = {"config_name": "a", "searchpath": [], "groups": ["g"]}
LOSS = {"worker": "w", "until": 1e9, "held_s": 20.5, "lost_s": 3}
RIGHT = {
    "N_TRIALS": [0, 20],
    "SPACE": [{}, {"x": {"name": "FloatDistribution", "attributes": {"low": 0}}}],
    "FIXED": [{}, {"a": "1"}],
    "LEASE_S": [60, 0.5],
    "TIME": [0, 1.5],
    "CUSTOM_SPACE": [None, "a.b"],
    "STUDY_ID": ["i"],
    "FOLDER": ["/a"],
    "BEST": [[1.0, 0.0], [1, 0.5, 0]],
    "SOURCES": [[], ["/a/old.csv", "/a/first"]],
    "REPORTED": [0, 1],
    "COMMAND_CODE": [{"git": "a"}],
    "COMMAND": [COMMAND, {**COMMAND, "module": None, "file": "/a.py"}],
    "CODE": [[], [{"git": "a"}]],
    "APP": [APP, {**APP, "config_name": None, "own_groups": ["hpo"]}],
    "WORKER": [WORKER, {**WORKER, "job": None}],
    "LAUNCH": [
        {"job": "7", "workers": 4},
        {"job": "7", "workers": 4, "watcher": None},
        {"job": "7", "workers": 4, "watcher": WATCHER},
    ],
    "LEASE": [OWNER, {**OWNER, "born": 3}, {"id": "i"}, {"released": "r"}],
    "BEAT": [["i", 3], ["i", 3, 60.1, 0.5]],
    "PACE": [[3, 0.5]],
    "RETRIES": [0, 3],
    "PAUSED": [None, 3],
    "PARENT": [{"trial": 0, "step": 4}],
    "RUN": [{"overrides": ["a=1"], "worker": "w", "sampler_seed": None}],
    "SECONDS": [0, 1.5],
    "COST": [{}, {"core_s": 1.5, "cpu_s": 0}],
    "LOSSES": [[], [LOSS, LOSS]],
    "FIGURES": [{}, {"a": 1}, {"met ratio": -0.5}],
    "FAIL_REASON": ["no luck"],
    "DIVERGED": [3, "end"],
    "ENQUEUED": [attributes.DEFAULT, "first.yaml"],
    "ADDED": ["/a/old.csv", "postgresql://me:***@host/db::old"],
}
WRONG = [
    *(True, -1, float("nan"), float("inf"), [], ["i"], [1, 2, 3], [None, None], [["i"], "3"]),
    *({"id": 7}, {"id": "i", "host": "h", "pid": "7"}, {"job": 7, "workers": 4}, {"overrides": 7}),
    *({"job": "7", "workers": 4, "watcher": {}}, {"x": "FloatDistribution"}, {"a": 1}),
    *({**WORKER, "start": None}, {**APP, "own_groups": 7}, {"overrides": [7]}, {"x": {"name": 1}}),
]


def test_what_is_stored_is_read():
    assert set(NAMES) == set(RIGHT)
    for key, values in RIGHT.items():
        name = NAMES[key] + ("a" if NAMES[key].endswith(":") else "")
        for value in values:
            assert stored({name: value}, name, "absent") == value
            assert misfits({name: value}) == []
            assert all_stored({name: value, "x": 1}, NAMES[key]) == {name: value}


@pytest.mark.parametrize("key", RIGHT)
def test_a_value_of_the_wrong_type_counts_as_absent(key):
    name = NAMES[key] + ("a" if NAMES[key].endswith(":") else "")
    wrong = [value for value in WRONG if repr(value) not in map(repr, RIGHT[key])]
    refused = [value for value in wrong if stored({name: value}, name, "absent") == "absent"]
    # Leases that others have released, and records that may have any content.
    more = {"LEASE": 10, "FIGURES": 3, "COST": 4}
    assert len(refused) >= len(wrong) - more.get(key, 2)
    for value in refused:
        assert misfits({name: value, "of others": value}) == [name]
        assert all_stored({name: value}, NAMES[key]) == {}
    assert stored({}, name, "absent") == "absent"
