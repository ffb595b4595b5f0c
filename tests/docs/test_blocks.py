"""Every block of code in the pages is tried, as far as that takes little time.

Python runs, all blocks of a page in one namespace. YAML is parsed. Of a command, the configuration
is composed or the arguments are read. `text`, `console`, `csv` and `diff` are not run; `sh` is for
a cluster alone, and its syntax is checked. The tutorials and start.md run in full, see
test_tutorials.py.
"""

import re
import runpy
import shlex
import subprocess
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra import compose, initialize, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from commons.cli import parse
from hpo.__main__ import COMMANDS as HPO
from hpo.optimize import optimize
from mlpf.__main__ import COMMANDS as MLPF
from mlpf.command import apart
from mlpf.config import config_dir
from mlpf.reconstruction.reconstruct import reconstruct_files

ROOT = Path(__file__).parents[2]
RUN_IN_FULL = {ROOT / "docs/start.md", *(ROOT / "docs/tutorials").glob("*.md")}
OUTSIDE = (
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CODE_OF_CONDUCT.md",
    "CHANGELOG.md",
    "examples/README.md",
)
PAGES = sorted({*(ROOT / "docs").rglob("*.md"), *(ROOT / page for page in OUTSIDE)} - RUN_IN_FULL)
FENCE = re.compile(r"^(<!-- not run: .{10,} -->\n)?```(\w*)[^\n]*\n(.*?)^```$", re.M | re.S)
NOT_RUN = {"text", "console", "csv", "diff"}
MAKEFILE = (ROOT / "Makefile").read_text()
PROJECT = (ROOT / "pyproject.toml").read_text()
# Commands that take their file of conf/ alone.
APART = {"evaluate", "export", "reconstruct"}
FLAGS = {"-m", "--multirun", "--help", "--cfg", "job"}


def place(page):
    return page.relative_to(ROOT).as_posix()


BLOCKS = [
    (place(page), language, text, bool(note))
    for page in PAGES
    for note, language, text in FENCE.findall(page.read_text())
]
COMMANDS = sorted(
    {
        line
        for _, language, text, note in BLOCKS
        if language == "bash" and not note
        for line in text.replace("\\\n", " ").splitlines()
        if shlex.split(line, comments=True)
    }
)


def composes(name, words):
    """Compose the configuration of a command, of a sweep over keys that of its first job."""
    chosen = []
    for override in OverridesParser.create().parse_overrides(words):
        if override.is_sweep_override():
            first = next(override.sweep_string_iterator())
            chosen.append(f"{override.get_key_element()}={first}")
        else:
            chosen.append(override.input_line)
    if name in APART:
        with initialize(config_path=None, version_base="1.3"):
            compose(apart(name)["config_name"], chosen)
    else:
        with initialize_config_dir(config_dir(), version_base="1.3"):
            compose(name, chosen, return_hydra_config=True)


def reads(module, words, monkeypatch):
    """Let a command read its arguments, and do nothing."""
    module = import_module(module)
    if hasattr(module, "__path__"):
        module = import_module(f"{module.__name__}.__main__")
    read = []

    def run_command(work, kind, arguments, text):
        read.append(parse(kind, arguments))
        return 0

    monkeypatch.setattr(module, "run_command", run_command)
    assert module.main(words) == 0
    assert len(read) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_can_be_given_as_it_is_written(command, monkeypatch):
    program, *words = shlex.split(command, comments=True)
    if program == "make":
        assert re.search(rf"^{words[0]}:", MAKEFILE, flags=re.M)
    elif program == "pip":
        extras = re.findall(r"mlpf-hpo\[([\w,]+)\]", command)
        for extra in ",".join(extras).split(","):
            assert not extra or re.search(rf"^{extra} = \[", PROJECT, flags=re.M)
    elif program == "source":
        assert words == [".venv/bin/activate"]
    elif program == "pre-commit":
        assert words == ["install"]
        assert (ROOT / ".pre-commit-config.yaml").is_file()
    else:
        module = f"{program}.{words[0]}" if program in ("mlpf", "hpo") else words[1]
        words = words[1:] if program in ("mlpf", "hpo") else words[2:]
        package, _, name = module.partition(".")
        assert program in ("mlpf", "hpo") or command.startswith("python -m ")
        if package == "mlpf":
            assert name in MLPF
            if not any(word.startswith("--config") for word in words):
                composes(name, [word for word in words if word not in FLAGS])
        else:
            assert package != "hpo" or name in HPO
            reads(module, words, monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=place)
def test_blocks_have_a_language_that_is_tried_or_meant_to_be_read(page):
    known = {*NOT_RUN, "python", "yaml", "bash", "sh"}
    text = page.read_text()
    found = FENCE.findall(text)
    assert {language for _, language, _ in found} <= known
    assert 2 * len(found) == len(re.findall("^```", text, flags=re.M))
    outside = re.sub(FENCE, "", text)
    assert not re.search(r"^\n    [\w$]", outside, flags=re.M), "an indented block is not tried"


def curves():
    """Write recorded learning curves, where the page expects the published ones."""
    Path("data/curves").mkdir(parents=True)
    random = np.random.default_rng(0)
    values = np.cumsum(-random.random((163, 12)), axis=1)
    header = ",".join(["lr", *(f"loss_{i}" for i in range(12))])
    table = np.column_stack([random.random(163), values])
    np.savetxt("data/curves/mlpf_delphes.csv", table, "%.4f", ",", header=header, comments="")


def study():
    """Run a study of three trials in the folder of a sweep."""
    folder = Path("outputs/sweeps/asha_bo")
    folder.mkdir(parents=True)
    storage = str(folder / "journal.log")
    optimize(
        lambda trial: trial.suggest_float("x", 0, 1),
        study_name="asha_bo",
        storage=storage,
        n_trials=3,
    )


def particles(events_folder):
    """Write the particles of a few events."""
    with initialize(config_path=None, version_base="1.3"):
        name = apart("reconstruct")["config_name"]
        events = f"events={events_folder}/test.parquet"
        for out in ("particles.parquet", "particles.root"):
            reconstruct_files(compose(name, ["model=pretrained", events, f"out={out}"]))


@pytest.mark.parametrize("page", PAGES, ids=place)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch, events_folder):
    blocks = [block for block in BLOCKS if block[:2] == (place(page), "python")]
    if not blocks:
        return
    monkeypatch.chdir(tmp_path)
    given = {"simulate": curves, "sweeps": study, "reconstruct": lambda: particles(events_folder)}
    given.get(page.stem, lambda: None)()
    script = "\n".join(text for *_, text, note in blocks if not note)
    (tmp_path / "page.py").write_text(script)
    runpy.run_path("page.py", run_name="page")
    for *_, text, _ in blocks:
        compile(text, place(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=place)
def test_the_yaml_of_a_page_is_yaml_and_a_site_composes(page, tmp_path):
    for _, language, text, _ in BLOCKS:
        if language == "yaml" and text in page.read_text():
            assert yaml.safe_load(text)
            if "defaults: [_slurm]" in text:
                (tmp_path / "launcher").mkdir()
                (tmp_path / "launcher/mine.yaml").write_text(text)
                with initialize_config_dir(config_dir(), version_base="1.3"):
                    searched = f"hydra.searchpath=[file://{tmp_path}]"
                    chosen = compose("train", ["hpo=asha", "launcher=mine", searched])
                assert chosen.launcher.sbatch["mail-type"] == "END"


def test_the_cluster_lines_have_no_mistake_of_syntax():
    scripts = "\n".join(text for _, language, text, _ in BLOCKS if language == "sh")
    subprocess.run(["bash", "-n"], input=scripts, text=True, check=True)
