"""A result says what it is made by; only a change of behavior changes the hash of its code."""

import json
import platform

import pytest

from benchmarks import record
from benchmarks.record import changed, hash_of_text, hashes, write_result

CODE = '''"""A module."""
import numpy as np
from hpo.search.rungs import rungs


class Pruner:
    """A class."""

    eta: int = 3

    def prune(self, step: int) -> bool:
        """Tell it."""
        return step > self.eta  # strictly
'''


def python(text):
    return hash_of_text(text, True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', '"""Another text."""'),
        ('        """Tell it."""\n', ""),
        ("  # strictly", ""),
        ("step > self.eta", "(step  >  self.eta)"),
        ("from hpo.search.rungs import", "from commons.rungs import"),
    ],
    ids=["text of a module", "docstring", "comment", "formatting", "place of an own module"],
)
def test_a_change_without_behavior_keeps_the_hash(old, new):
    assert old in CODE
    assert python(CODE.replace(old, new)) == python(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("step > self.eta", "step >= self.eta"),
        ("int = 3", "int = 4"),
        ("import rungs", "import rungs as r"),
        ("import numpy as np", "import scipy as np"),
        ("eta: int = 3", "eta: bool = 3"),
    ],
)
def test_a_change_of_behavior_changes_the_hash(old, new):
    assert old in CODE
    assert python(CODE.replace(old, new)) != python(CODE)


def test_the_hash_of_code_is_the_same_for_every_python():
    assert python("def f(x: int = 0) -> str:\n    return f'{x!r:>3}'\n") == "0ffd20cde6569451"


def test_the_hash_of_a_yaml_file_is_of_its_values():
    first = hash_of_text("a: 1\nb: [x, 2]  # text\n", False)
    assert hash_of_text("b:\n- x\n- 2\na: 1\n", False) == first
    assert hash_of_text("b: [2, x]\na: 1\n", False) != first
    assert hash_of_text("b: [x, 2]\na: '1'\n", False) != first


@pytest.fixture
def root(tmp_path):
    """A small repository."""
    (tmp_path / "hpo/search").mkdir(parents=True)
    (tmp_path / "conf/hpo").mkdir(parents=True)
    (tmp_path / "hpo/__init__.py").write_text("")
    (tmp_path / "hpo/search/__init__.py").write_text("")
    (tmp_path / "hpo/search/asha.py").write_text("eta = 3\n")
    (tmp_path / "hpo/goals.py").write_text("sign = -1\n")
    (tmp_path / "conf/hpo/best.yaml").write_text("a: 1\n")
    return tmp_path


def test_a_package_stands_for_its_modules_and_a_folder_for_its_yaml_files(root):
    names = hashes(["hpo.search", "hpo.goals", "conf/hpo"], root)
    assert list(names) == ["hpo.search", "hpo.search.asha", "hpo.goals", "conf/hpo/best.yaml"]
    assert hashes(["conf/hpo/best.yaml"], root).items() <= names.items()


@pytest.mark.parametrize("name", ["hpo.nothing", "hpo.search.asha.eta", "conf/none.yaml", "hpo/"])
def test_a_name_that_is_nothing_is_an_error_that_names_it(root, name):
    with pytest.raises(ValueError, match=f"depends: {name}: no such module or file"):
        hashes([name], root)


def test_what_has_changed_is_told_by_name(root):
    code = hashes(["hpo.search", "conf/hpo"], root)
    assert changed(code, root) == []
    (root / "hpo/search/asha.py").write_text("eta = 3  # of [Li2020]_\n")
    (root / "hpo/search/new.py").write_text("nothing = 0\n")  # none of the others imports it
    assert changed(code, root) == []
    (root / "hpo/search/asha.py").write_text("eta = 4\n")
    (root / "conf/hpo/best.yaml").unlink()
    assert changed(code, root) == ["conf/hpo/best.yaml", "hpo.search.asha"]


def test_a_module_that_has_moved_has_not_changed(root):
    code = hashes(["hpo.search.asha", "hpo.goals"], root)
    (root / "commons").mkdir()
    (root / "hpo/search/asha.py").rename(root / "commons/halving.py")
    assert changed(code, root) == []
    (root / "commons/halving.py").write_text("eta = 4\n")
    assert changed(code, root) == ["hpo.search.asha"]


def test_the_record_says_what_the_figures_are_made_by(tmp_path):
    file = tmp_path / "new" / "x.json"
    depends = ["commons.asha", "conf/hpo/best.yaml"]
    write_result(file, {"rows": [1.5]}, command="make x", depends=depends, seeds=range(2))
    content = json.loads(file.read_text())
    found = content.pop("record")
    assert content == {"rows": [1.5]}
    assert found["command"] == "make x"
    assert found["date"].endswith("+00:00")
    assert found["seeds"] == [0, 1]
    assert found["code"] == hashes(depends)
    assert found["versions"].keys() == {"optuna"}
    assert found["machine"]["python"] == platform.python_version()
    assert found["machine"]["cores"] >= 1
    assert 0.1 < found["machine"]["memory_gib"] < 1e5


def test_the_record_says_whether_files_differ_from_the_commit(monkeypatch):
    monkeypatch.setattr(record, "commit", lambda: "0123456789ab+")
    found = record.make_record("make x", [])
    assert (found["commit"], found["dirty"], found["seeds"]) == ("0123456789ab", True, None)


def test_a_file_that_keeps_older_figures_stays_as_old_as_they_are(tmp_path):
    file = tmp_path / "x.json"
    options = {"command": "make x", "depends": ["commons.asha", "commons.rungs"]}
    write_result(file, {"rows": [1]}, **options)
    content = json.loads(file.read_text())
    content["record"]["code"]["commons.asha"] = "0" * 16
    file.write_text(json.dumps(content))
    write_result(file, {"rows": [1, 2]}, **options, extends=True)
    assert changed(json.loads(file.read_text())["record"]["code"]) == ["commons.asha"]
    write_result(file, {"rows": [1, 2]}, **options)
    assert changed(json.loads(file.read_text())["record"]["code"]) == []
