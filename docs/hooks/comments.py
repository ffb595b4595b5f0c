"""Configuration files of Hydra with the comments that describe their keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

_PLUMBING = ("_target_", "_partial_", "defaults", "hydra")


class Key(NamedTuple):
    """A key of a file; `text` is its own comment or that of the mapping it is in."""

    name: str
    value: str
    text: str


class Option(NamedTuple):
    """A file: an option of a group, or a command's configuration.

    Attributes:
        group: the folder, "hpo/pruner"; "" for a command.
        name: the file without its ending.
        text: the comment that the file begins with.
        keys: with the names that are typed, "trainer.max_epochs".
        body: the YAML without `text`, and without what only Hydra reads.
    """

    group: str
    name: str
    text: str
    keys: tuple[Key, ...]
    body: str


def read(file: Path, folder: Path, group: str = "") -> Option:
    """Read a file of a configuration folder.

    Args:
        file: the YAML file.
        folder: the configuration folder that it lies in.
        group: what the folder itself is: `hydra/sweeper` for the one of this package.
    """
    content = file.read_text()
    lines = content.splitlines()
    inside = file.relative_to(folder).parent.as_posix()
    group = "/".join(part for part in (group, inside) if part not in ("", "."))
    n_head = next(i for i, line in enumerate([*lines, ""]) if not line.startswith("#"))
    head, package = lines[:n_head], group.replace("/", ".")
    if head and (given := re.fullmatch(r"# @package (\S+)", head[0])):
        package, head = given[1].replace("_global_", ""), head[1:]
    node = yaml.compose(content)
    if not isinstance(node, yaml.MappingNode):
        return Option(group, file.stem, _told(head), (), "")
    keys = tuple(_keys(node, lines, package, ""))
    return Option(group, file.stem, _told(head), keys, _body(node, lines))


def _keys(node: yaml.MappingNode, lines: list[str], above: str, text: str) -> Iterator[Key]:
    for key, value in node.value:
        if key.value in _PLUMBING:
            continue
        name = f"{above}.{key.value}" if above else str(key.value)
        own = _comment(key, value, lines) or text
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from _keys(value, lines, name, own)
        else:
            yield Key(name, _value(value, lines), own)


def _comment(key: yaml.Node, value: yaml.Node, lines: list[str]) -> str:
    """Return the comment behind a key or its value, else the one in the lines above."""
    inline = not isinstance(value, yaml.CollectionNode) or value.flow_style
    end = value.end_mark if inline else key.end_mark
    behind = re.match(r":?\s*#\s*(.*)", lines[end.line][end.column :])
    if behind:
        return behind[1]
    first = last = key.start_mark.line
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return "" if first == 0 and lines[0].startswith("# @package") else _told(lines[first:last])


def _told(comment: list[str]) -> str:
    return " ".join(line.strip().lstrip("#").strip() for line in comment)


def _value(node: yaml.Node, lines: list[str]) -> str:
    """Return a value as it is written, in one line."""
    start, end = node.start_mark, node.end_mark
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        plain = yaml.safe_load(yaml.serialize(node))
        return yaml.safe_dump(plain, default_flow_style=True, width=1000).strip()
    part = lines[start.line : end.line + 1]
    part[-1] = part[-1][: end.column]
    part[0] = part[0][start.column :]
    return " ".join(line.strip() for line in part)


def _body(node: yaml.MappingNode, lines: list[str]) -> str:
    """Return the lines of the keys that a user may set."""
    starts = [key.start_mark.line for key, _ in node.value] + [len(lines)]
    shown = [
        "\n".join(lines[start:end])
        for (key, _), start, end in zip(node.value, starts, starts[1:], strict=False)
        if key.value not in _PLUMBING
    ]
    return "\n".join(shown).rstrip()
