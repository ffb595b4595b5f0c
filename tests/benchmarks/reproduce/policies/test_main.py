import json

import pytest

from benchmarks.record import ROOT
from benchmarks.reproduce.policies.__main__ import (
    _COMPARED,
    _SLOW,
    Settings,
    _methods,
    _possible,
    main,
    make_jobs,
)
from benchmarks.reproduce.policies.problems import made_up
from benchmarks.reproduce.policies.rows import Store
from commons.console import Console
from hpo.simulate.methods import read_methods


@pytest.fixture
def compare(tmp_path):
    def run(*arguments):
        out = tmp_path / "p.json"
        assert main(["scale=tiny", "n_jobs=1", f"out={out}", "ladders=20", *arguments]) == 0
        return json.loads(out.read_text())

    return run


def test_all_tables_in_one_go_with_pictures_and_more_rows_later(compare, tmp_path, capsys):
    first = compare("methods=[hyperband,asha]", "draws=4")
    assert {row["table"] for row in first["rows"]} == {"slow", "late"}
    methods = "methods=[hyperband,asha,svr,random_asha]"
    done = compare(methods, "draws=4", "workers=[1,4]", "simulate=false")
    assert done["rows"] == first["rows"]
    assert {f["method"] for f in done["overall"]} == {"hyperband", "asha"}
    result = compare(methods, "draws=4", "workers=[1,4]", "sweeps=2")
    text = capsys.readouterr().out
    assert len(result["rows"]) == 2 * (1 + 2 + 2 + 1)
    assert all(row in result["rows"] for row in first["rows"])
    overall = {(f["method"], f["workers"]): f for f in result["overall"]}
    assert overall["hyperband", 1]["share"] == overall["hyperband", 1]["p"] == 1
    assert overall["asha", 4]["tables"] == 2
    assert [(f["method"], f["other"]) for f in result["pairs"]] == [("svr", "asha")] * 2
    assert len(result["samplers"]) == 2
    assert result["tables"]["slow"]["pool"] == 22
    assert "4 draws, which share 37% of their rows" in text
    assert "asha, 4 workers" in text
    assert {path.name for path in (tmp_path / "p").iterdir()} == {"slow.png", "late.png"}


def test_a_row_without_its_package_is_left_out_or_refused(tmp_path, capsys):
    methods = tmp_path / "mine.yaml"
    methods.write_text("mine: {reference: {_target_: no_such_package.search}}\n")
    arguments = ["scale=tiny", f"methods_file={methods}", f"out={tmp_path / 'p.json'}"]
    assert main([*arguments, "methods=[mine]"]) == 2
    assert "methods=mine: needs no_such_package, which is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("scale=huge", "scale"),
        ("draws=1", "draws=1: must be at least 2"),
        ("workers=[0]", "workers=[0]: expected numbers of at least 1"),
        ("resume_epochs=-1", "resume_epochs=-1.0: must be at least 0"),
        ("methods=[nothing]", "nothing"),
    ],
)
def test_wrong_arguments_are_refused(argument, told, tmp_path, capsys):
    assert main(["scale=tiny", argument, f"out={tmp_path / 'p.json'}"]) == 2
    assert told in capsys.readouterr().err


def test_without_any_table_the_command_says_where_it_looked(tmp_path, capsys):
    assert main([f"curves={tmp_path}", f"out={tmp_path / 'p.json'}"]) == 2
    assert "none of the tables is there" in capsys.readouterr().err


def test_the_methods_compared_exist_and_slow_ones_are_only_shown_where_they_are_done(tmp_path):
    known = [*read_methods(ROOT / "hpo/simulate/methods.yaml")]
    known += read_methods(ROOT / "benchmarks/reproduce/policies/peers.yaml")
    assert set(_COMPARED) <= set(known)
    assert set(_COMPARED) > _SLOW
    settings = Settings(scale="tiny", methods=["hyperband"], out=tmp_path / "p.json")
    settings.methods = None
    store = Store(tmp_path / "p.json")
    jobs = [j for p in made_up() for j in make_jobs(settings, p, _methods(settings))]
    todo = {job.method.name for job in _possible(settings, jobs, store, Console())}
    assert not todo & _SLOW
    assert {"best", "ladder", "tpe_hyperband"} <= todo
