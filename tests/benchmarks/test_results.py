"""`python -m benchmarks.results` tells which figures are older than their code."""

import json
import re
import sys

import pytest

from benchmarks import results
from benchmarks.record import ROOT, hashes
from benchmarks.results import FOLDER, listing, main, read_results


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three results: up to date, stale (with a folder) and without a record."""
    code = hashes(["commons.asha", "commons.ranking"])
    about = {"date": "2026-11-28T03:00:00+00:00", "commit": "0123456789ab"}
    command = f"python -c 'import pathlib; pathlib.Path(\"{tmp_path}/{{}}\").touch()'"
    contents = {
        "fresh": {"record": {**about, "code": code, "command": command.format("fresh")}},
        "old": {
            "record": {
                **about,
                "code": {**code, "commons.asha": "0" * 16},
                "command": command.format("old"),
            }
        },
        "rows": [1, 2],
        "old/part": [1, 2],
    }
    for name, content in contents.items():
        file = tmp_path / "results" / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    monkeypatch.setattr(results, "read_results", lambda: read_results(tmp_path / "results"))
    return tmp_path


def test_the_listing_names_stale_files_their_modules_and_the_command(folder, capsys):
    assert main([]) == 0
    stale, command, without, summary = capsys.readouterr().out.splitlines()
    about = "of 2026-11-28, commit 0123456789ab; changed: commons.asha"
    assert stale == f"stale      old: {about}"
    assert command.lstrip().startswith("python -c ")
    assert without == "no record  rows"
    assert summary == "1 of 3 results are up to date"


@pytest.mark.parametrize(("name", "made"), [("stale", "old"), ("fresh", "fresh")])
def test_commands_run_again_on_demand(folder, name, made):
    assert main([f"run={name}"]) == 0
    assert [file.name for file in folder.iterdir() if file.is_file()] == [made]


def test_a_file_that_does_not_exist_or_names_no_command_is_a_usage_error(folder, capsys):
    assert main(["run=frsh"]) == 2
    assert "did you mean fresh?" in capsys.readouterr().err
    assert main(["run=rows"]) == 2
    assert "does not say which command" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["rm -rf x", f"{sys.executable} -c 1"])
def test_a_file_cannot_name_another_program(folder, capsys, command):
    file = folder / "results/fresh.json"
    content = json.loads(file.read_text())
    content["record"]["command"] = command
    file.write_text(json.dumps(content))
    assert main(["run=fresh"]) == 1
    assert "expected a command of python or make" in capsys.readouterr().err


def test_a_command_that_fails_is_told(folder, capsys):
    file = folder / "results/fresh.json"
    content = json.loads(file.read_text())
    content["record"]["command"] = "python -c 'raise SystemExit(3)'"
    file.write_text(json.dumps(content))
    assert main(["run=fresh"]) == 1
    assert "this command failed: python -c" in capsys.readouterr().err


def test_the_readme_marks_each_row_whose_figure_is_stale_as_older():
    readme = (ROOT / "README.md").read_text()
    files = dict(
        re.findall(r"^\[(.+)\]: \S*benchmarks/results/(\S+)\.json$", readme, re.MULTILINE)
    )
    assert files, "the rows of results link to their files"
    stale = stale_results()
    for row in re.findall(r"^\|.*", readme, re.MULTILINE):
        cited = {files[key] for key in re.findall(r"\]\[(.+?)\]", row) if key in files}
        assert not cited & stale or row.startswith("| older: "), f"{row}: see `make results`"


def test_the_page_of_results_marks_each_row_whose_figure_is_stale_as_older():
    rows = re.findall(r"^\|.*", (ROOT / "docs/results/index.md").read_text(), re.MULTILINE)
    cited = {row: {*re.findall(r"benchmarks/results/(\S+?)\.json", row)} for row in rows}
    assert sum(map(bool, cited.values())) > 20, "the rows of results link to their files"
    stale = stale_results()
    for row, files in cited.items():
        assert not files & stale or "| older: " in row, f"{row}: see `make results`"


def stale_results():
    """Return the names of the committed results whose code has changed since."""
    return {each.name for each in read_results() if each.is_stale}


def test_the_committed_results_can_be_listed():
    found = read_results()
    assert {file.stem for file in FOLDER.glob("*.json")} == {each.name for each in found}
    assert "results are up to date" in listing(found)
