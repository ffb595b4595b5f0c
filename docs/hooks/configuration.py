"""The page of all configuration keys, from the comments of the YAML files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import get_type_hints

from omegaconf import OmegaConf

from docs.hooks.comments import Key, Option, read
from hpo.launch.options import LocalOptions
from hpo.launch.slurm.options import SlurmOptions
from hpo.settings import SweepSettings

ROOT = Path(__file__).parents[2]
GROUPS = (
    *("data", "model", "loss", "optimizer", "scheduler", "trainer", "callbacks", "logger"),
    *("paths", "experiment", "hpo", "hpo/sampler", "hpo/pruner", "search_space", "launcher"),
)
COMMANDS = ("train", "evaluate", "generate", "convert", "export", "reconstruct")
PLUGINS = {
    "hydra.sweeper": ("optuna_async", SweepSettings),
    "hydra.launcher (hpo_local)": ("hpo_local", LocalOptions),
    "hydra.launcher (hpo_slurm)": ("hpo_slurm", SlurmOptions),
}


def options() -> list[Option]:
    """Return every option of the configuration, those of the sweeper's groups last."""
    own = [read(file, ROOT / "conf") for file in sorted((ROOT / "conf").rglob("*.yaml"))]
    plugin = ROOT / "hpo/conf"
    return own + [read(file, plugin, "hydra/sweeper") for file in sorted(plugin.rglob("*.yaml"))]


def descriptions(all_options: Iterable[Option]) -> dict[str, str]:
    """Return what is said of each key, by its name; the first option that says it counts."""
    found: dict[str, str] = {}
    for option in all_options:
        for key in option.keys:
            if key.text:
                found.setdefault(_name(key), key.text)
    return found


def undescribed(all_options: list[Option]) -> list[str]:
    """Return the file and name of keys that are said nothing of, here or in another option."""
    known = descriptions(all_options)
    return [
        f"{option.group}/{option.name}: {key.name}"
        for option in all_options
        for key in option.keys
        if not key.text and _name(key) not in known
    ]


def settings(kind: type) -> dict[str, str]:
    """Return the description of each field of a dataclass of settings, from its docstring."""
    section = (kind.__doc__ or "").partition("Attributes:\n")[2]
    items = re.findall(r"^        (\w[\w, ]*): (.*(?:\n {9,}.*)*)", section, flags=re.M)
    texts = {name: " ".join(text.split()) for names, text in items for name in names.split(", ")}
    return {name: texts.get(name, "") for name in get_type_hints(kind)}


def text() -> str:
    """Return the Markdown of all keys."""
    every = options()
    return "\n\n".join([*_commands(every), *_groups(every), *_plugins()])


def _name(key: Key) -> str:
    """Return the name by which keys of the same meaning are known."""
    return key.name.removeprefix("hydra.sweeper.params.").replace("hydra.sweeper.", "hpo.")


def _commands(every: list[Option]) -> Iterator[str]:
    by_name = {option.name: option for option in every if not option.group}
    for name in COMMANDS:
        yield f"## mlpf.{name}\n\n{_table(by_name[name], {})}"


def _groups(every: list[Option]) -> Iterator[str]:
    known = descriptions(every)
    for group in GROUPS:
        # MLPF's samplers and pruners are those of the plug-in with its seed and epochs.
        twin = group.replace("hpo/", "hydra/sweeper/")
        inside = [o for o in every if o.group == twin or (o.group == group and twin == group)]
        named = [option for option in inside if not option.name.startswith("_")]
        shared = [option for option in inside if option.name.startswith("_")]
        yield f"## {group}=..."
        for option in [*shared, *named]:
            is_shared = option in shared
            title = f"All options of `{group}`" if is_shared else f"`{group}={option.name}`"
            yield f"### {title}\n\n{_described(option, known)}"


def _described(option: Option, known: dict[str, str]) -> str:
    parts = [prose(option.text)] if option.text else []
    if any(key.text for key in option.keys):
        parts.append(_table(option, known))
    elif option.body:
        parts.append(f"```yaml\n{option.body}\n```")
    return "\n\n".join(parts)


def _table(option: Option, known: dict[str, str]) -> str:
    rows = []
    for said, keys in groupby(option.keys, lambda key: key.text or known.get(_name(key), "")):
        names = list(keys)
        rows += [(key, said if key is names[0] else '"' if said else "") for key in names]
    cells = [
        f"| `{_typed(key.name)}` | {_code(key.value)} | {prose(said)} |" for key, said in rows
    ]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *cells])


def _typed(name: str) -> str:
    return name.replace("hydra.sweeper.sampler", "hpo.sampler").replace(
        "hydra.sweeper.pruner", "hpo.pruner"
    )


def _plugins() -> Iterator[str]:
    for title, (option, kind) in PLUGINS.items():
        defaults = OmegaConf.to_container(OmegaConf.structured(kind))
        assert isinstance(defaults, dict)
        rows = [
            f"| `{title.split()[0]}.{name}` | {_code(_yaml(defaults.get(name)))} | {prose(said)} |"
            for name, said in settings(kind).items()
        ]
        head = ["| key | default | meaning |", "|---|---|---|"]
        yield f"## {title}\n\nOf any application with the option `{option}`.\n\n" + "\n".join(
            [*head, *rows]
        )


def _yaml(value: object) -> str:
    words = {None: "null", True: "true", False: "false", "???": "???"}
    return words[value] if isinstance(value, bool | None) else str(value)


def _code(value: str) -> str:
    return f"`{value}`" if value not in ("", "''", '""') else "(empty)"


def prose(comment: str) -> str:
    """Return a comment as Markdown: characters as they are, pages as links.

    >>> prose("see `c_d`, docs/howto/slurm.md")
    'see `c_d`, [slurm](../howto/slurm.md)'
    """
    parts = re.split(r"(`[^`]*`|docs/[\w/]+\.md)", comment)
    return "".join(_part(part) for part in parts)


def _part(part: str) -> str:
    if part.startswith("`"):
        return part.replace("|", "&#124;")
    if page := re.fullmatch(r"docs/([\w/]*?)(\w+)\.md", part):
        return f"[{page[2]}](../{page[1]}{page[2]}.md)"
    return re.sub(r"([\\*_\[\]<|{}])", r"\\\1", part)
