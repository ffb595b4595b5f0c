"""Every command of the README runs as it is written; it and its neighbors are in order."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
APP = ROOT / "tests/hpo/app"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


BLOCKS = [block.splitlines() for block in blocks("bash")]
OTHERS = [line for block in BLOCKS for line in block if not line.startswith("python ")]
LINKS = dict(re.findall(r"^\[([^\]]+)\]: (\S+)$", README, flags=re.MULTILINE))
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "examples/README.md")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with what the README says a Hydra user has: app.py and app.yaml."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "app.py").write_text(blocks("python")[0])
    (folder / "app.yaml").write_text(blocks("yaml")[0])
    return folder


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block[-1])
def test_the_python_commands_of_a_block_run_one_after_the_other(block, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for command in (line for line in block if line.startswith("python ")):
        arguments = [sys.executable, *shlex.split(command, comments=True)[1:]]
        result = subprocess.run(
            arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]


def test_every_other_command_is_a_make_target_that_ci_runs_or_the_activation():
    assert OTHERS == ["make demo", "source .venv/bin/activate"]
    assert "make demo" in (ROOT / ".ci/run").read_text()
    assert "\ndemo:" in (ROOT / "Makefile").read_text()


def test_the_application_shown_is_the_one_that_is_tested():
    assert blocks("python")[0] == (APP / "app.py").read_text()
    assert blocks("yaml")[0] == (APP / "app.yaml").read_text()


def test_the_optuna_study_shown_runs_and_is_pruned():
    names: dict[str, object] = {}
    exec(compile(blocks("python")[1], "README.md", "exec"), names)
    states = {trial.state.name for trial in names["study"].trials}
    assert states == {"COMPLETE", "PRUNED"}


def test_the_readme_has_at_most_900_words_and_100_columns():
    assert len(README.split()) <= 900
    assert [line for line in README.splitlines() if len(line) > 100] == []


def test_the_extras_that_the_readme_installs_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    shown = re.findall(r'pip install "\.\[([\w,]+)\]"', README)
    extras = {extra for some in shown for extra in some.split(",")}
    assert extras == {"mlpf", "simulation", "qsvr"}
    assert extras <= project["optional-dependencies"].keys()


def test_each_result_links_to_its_command_and_to_a_json_file():
    rows = re.findall(r"^\|.*\| \[(.+)\] \[JSON\]\[(\d+)\] \|$", README, flags=re.MULTILINE)
    assert len(rows) == README.split("## Results")[1].count("\n|") - 2
    for command, file in rows:
        assert LINKS[command].startswith("benchmarks/")
        assert f"{command}:" in (ROOT / "Makefile").read_text()
        assert LINKS[file].endswith(".json")


@pytest.mark.parametrize("page", PAGES)
def test_links_and_paths_of_a_page_lead_to_files(page):
    text = (ROOT / page).read_text()
    links = re.findall(r"\]\((?!http)([^)#]+)", text)
    links += re.findall(r"^\[[^\]]+\]: (?!http)([^#\s]+)", text, flags=re.MULTILINE)
    for target in links:
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_the_paths_that_contributors_are_told_exist():
    paths = re.findall(r"`([\w.]+/[\w./]+)`", CONTRIBUTING)
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_good_examples_of_the_style_are_in_the_sources():
    docstring, test = re.findall(r"# good\n(.*?)```", CONTRIBUTING, flags=re.DOTALL)
    assert docstring.strip() in (ROOT / "mlpf/network/neighbors.py").read_text()
    assert test.removesuffix(" ...\n") in (ROOT / "tests/hpo/search/test_ladder.py").read_text()


def test_the_workflow_of_the_forge_calls_the_checks_of_this_repository():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert "bash .ci/run" in commands
    assert any(command.startswith("make test-python ") for command in commands)
    assert jobs["python"]["strategy"]["matrix"]["version"] == ["3.12", "3.13"]


@pytest.mark.parametrize("name", ["bug", "question", "feature"])
def test_a_form_for_issues_has_what_the_forge_asks_for(name):
    form = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{name}.yml").read_text())
    assert {"name", "description", "body"} <= form.keys()
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len({*ids})
    for field in form["body"]:
        assert field["type"] in {"textarea", "input", "dropdown"}
        assert field["attributes"]["label"]
