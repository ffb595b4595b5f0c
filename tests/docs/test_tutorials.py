"""Each tutorial runs as it is written, block by block, and prints what its page shows."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGES = [ROOT / "docs/start.md", *sorted((ROOT / "docs/tutorials").glob("*.md"))]
FENCE = re.compile(
    r"^(?:<!-- (?P<note>.+?) -->\n)?"
    r'```(?P<language>\w+)(?: title="(?P<title>.+?)")?\n(?P<text>.*?)^```$',
    flags=re.MULTILINE | re.DOTALL,
)
NUMBER = re.compile(r"(?<![\w.)-])-?\d+(\.\d+)?(e[+-]?\d+)?|\d+(\.\d+)?(e[+-]?\d+)?")


class Block(NamedTuple):
    """A fenced block of a page; `note` is the text of an HTML comment right before it."""

    note: str | None
    language: str
    title: str | None
    text: str


def blocks(page: str) -> list[Block]:
    return [Block(*match.group(*Block._fields)) for match in FENCE.finditer(page)]


def gist(line: str) -> str:
    """Return a line without what differs from run to run: numbers, widths of columns."""
    return " ".join(NUMBER.sub("#", line).split())


def is_printed(line: str, printed: list[str]) -> bool:
    """Return whether the output has this line; ` ...` at its end stands for any text."""
    if line.endswith(" ..."):
        return any(each.startswith(gist(line[:-4])) for each in printed)
    return gist(line) in printed


class Reader:
    """Does what a reader of the page does, in an empty folder."""

    def __init__(self, folder: Path, commands: Path) -> None:
        self.folder, self.printed = folder, ""
        commands.mkdir()
        for name, run in (("python", ""), ("hpo", "-m hpo"), ("mlpf", "-m mlpf")):
            file = commands / name
            file.write_text(f'#!/bin/sh\nexec "{sys.executable}" {run} "$@"\n')
            file.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{commands}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "100",
        }

    def follow(self, block: Block) -> None:
        """Write, change or run what a block holds, or look for it in what was printed last."""
        if block.note is not None:
            assert re.match("not run: .{10}", block.note), block
            compile(block.text, block.title or "", "exec")
        elif block.language == "console":  # the set-up, once per machine
            assert all(line.startswith("$ ") for line in block.text.splitlines()), block
        elif block.language == "text":
            self._expect(block.text)
        elif block.language == "bash":
            self._run(block.text)
        elif block.language == "diff":
            self._change(self.folder / str(block.title), block.text)
        else:
            file = self.folder / str(block.title)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)

    def _run(self, script: str) -> None:
        done = subprocess.run(
            ["timeout", "800", "bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.printed = done.stdout
        assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}"

    def _expect(self, text: str) -> None:
        printed = [gist(line) for line in self.printed.splitlines()]
        for line in text.splitlines():
            if line.strip() not in ("", "..."):
                assert is_printed(line, printed), f"not printed: {line}\n{self.printed}"

    def _change(self, file: Path, text: str) -> None:
        lines = text.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in "- ")
        new = "".join(line[1:] for line in lines if line[0] in "+ ")
        before = file.read_text()
        assert before.count(old) == 1, f"{file}: {old}"
        file.write_text(before.replace(old, new))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_the_page_says_can_be_done_and_prints_what_it_shows(page, tmp_path):
    folder = tmp_path / "work"
    given = HERE / "given" / page.stem
    shutil.copytree(given, folder) if given.exists() else folder.mkdir()
    (folder / "examples").symlink_to(ROOT / "examples")
    reader = Reader(folder, tmp_path / "bin")
    text = page.read_text()
    found = blocks(text)
    assert len(found) == len(re.findall("^```", text, flags=re.MULTILINE)) / 2
    for block in found:
        reader.follow(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_tells_what_comes_out_what_it_takes_and_what_to_do_when_it_fails(page):
    text = page.read_text()
    assert re.search(
        r"^\*\*At the end\*\* .+^\*\*You need\*\* .+^\*\*Time:\*\* \d+ min", text, re.M | re.S
    )
    headings = re.findall("^## (.+)$", text, flags=re.MULTILINE)
    assert headings[-2:] == ["When it fails", "Where to go on"]
    assert all(len(line) <= 100 or line.startswith("|") for line in text.splitlines())


def test_a_line_is_found_whatever_its_numbers_are_and_no_other_one():
    printed = [gist("best   0.43 (trial 14): x=-1.2e-3"), gist("page: /tmp/a/report.html")]
    assert is_printed("best 0.5 (trial 3): x=2.0", printed)
    assert is_printed("page: ...", printed)
    assert not is_printed("worst 0.5 (trial 3): x=2.0", printed)
    assert not is_printed("page:", printed)
