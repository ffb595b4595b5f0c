"""What the targets of `make repro` share: scales, steps that resume, cost, places of files.

    tiny    checks in CI that everything runs; its figures mean nothing
    small   hours of a small machine; its results are committed
    full    the sizes of the published results: prints the commands for a SLURM cluster

Runs and journals of a target lie in `outputs/repro/TARGET/SCALE`; remove the folder to begin
again. Results are `repro_TARGET_SCALE.json`, `.csv` and `.png`: those of small in
`benchmarks/results`, which are committed, all others in `results`.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.record import write_result
from commons.cli import Failure, choose
from commons.files import replacing, write_json
from commons.processes import n_cores

SCALES: Final = ("tiny", "small", "full")
SMALL_IS_FULL: Final = "the published size is that of SCALE=small, which two cores can do"
SITE: Final = "jureca"
COSTS: Final = ("wall_s", "core_s", "cpu_s")  # of a step
_GPUS_PER_NODE: Final = 4
_CORES_PER_NODE: Final = 128


@dataclass
class Target:
    """One target of `make repro` at one scale.

    Args:
        name: of the target, without `repro-`.
        scale: tiny, small or full.
        n_steps: how many steps there are, for the lines that show progress.
        root: folder in which all files are.

    Raises:
        UsageError: there is no such scale.
    """

    name: str
    scale: str
    n_steps: int
    root: Path = field(default_factory=Path)
    steps: dict[str, dict[str, Any]] = field(init=False)
    _begun: int = field(default=0, init=False)
    _rerun: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Check the scale; read which steps are done."""
        choose("scale", self.scale, SCALES)
        self.steps = json.loads(self._file.read_text()) if self._file.is_file() else {}

    @property
    def folder(self) -> Path:
        """Where the runs are."""
        return self.root / "outputs/repro" / self.name / self.scale

    @property
    def results(self) -> Path:
        """The results without their suffix: `results.with_suffix(".json")` and so on."""
        folder = "benchmarks/results" if self.scale == "small" else "results"
        return self.root / folder / f"repro_{self.name.replace('-', '_')}_{self.scale}"

    @property
    def _file(self) -> Path:
        return self.folder / "steps.json"

    def step(self, name: str, work: Callable[[], object], what: Sequence[str] = ()) -> None:
        """Do a step unless an earlier call did; time and CPU time of all calls are added.

        Args:
            name: of the step, different for each.
            work: does it; may be interrupted at any time and is then called again.
            what: settings of the step. It is done again if they have changed, and after a step
                that was done in this call, because that may have changed its input.
        """
        self._begun += 1
        title = f"repro-{self.name} {self.scale} [{self._begun} of {self.n_steps}] {name}"
        before = self.steps.get(name, dict.fromkeys(COSTS, 0.0))
        if not self._rerun and before.get("done") and before["what"] == list(what):
            print(f"{title}: done before", flush=True)
            return
        self._rerun = True
        print(f"\n{title}", flush=True)
        start, done = os.times(), False
        try:
            work()
            done = True
        finally:
            end = os.times()
            wall_s, cpu_s = end.elapsed - start.elapsed, sum(end[:4]) - sum(start[:4])
            spent = dict(zip(COSTS, (wall_s, wall_s * n_cores(), cpu_s), strict=True))
            added = {kind: before[kind] + spent[kind] for kind in COSTS}
            self.steps[name] = {"what": list(what), "done": done, **added}
            write_json(self._file, self.steps)

    def run(self, name: str, module: str, *arguments: str) -> None:
        """Do the step `python -m MODULE ARGUMENTS`.

        Raises:
            Failure: the command ended with another exit code than 0.
        """
        self.step(name, lambda: run(module, *arguments), [module, *arguments])

    def keep_picture(self, picture: Path, name: str) -> None:
        """Copy a picture that a step has drawn among the results, with the step's name."""
        path = self.results.with_name(f"{self.results.name}_{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            shutil.copyfile(picture, partial)

    def cost(self) -> dict[str, float]:
        """Return the time (s), core-hours (time x cores of the machine) and CPU time (h)."""
        wall_s, core_s, cpu_s = (sum(s[kind] for s in self.steps.values()) for kind in COSTS)
        return {"wall_s": wall_s, "core_h": core_s / 3600, "cpu_h": cpu_s / 3600}

    def write(
        self, figures: Mapping[str, Any], *, depends: Sequence[str], seeds: Sequence[int]
    ) -> None:
        """Write the figures and the cost as JSON, and print cost and place.

        `depends` and `seeds` are those of `benchmarks.record.write_result`.
        """
        cost = self.cost()
        steps = {name: {kind: s[kind] for kind in COSTS} for name, s in self.steps.items()}
        path = self.results.with_suffix(".json")
        command = f"make repro-{self.name} SCALE={self.scale}"
        content = {**figures, "scale": self.scale, "cost": {**cost, "steps": steps}}
        write_result(path, content, command=command, depends=depends, seeds=seeds)
        print(
            f"{command}: {cost['wall_s'] / 60:.1f} min, {cost['core_h']:.2f} core-hours, "
            f"{cost['cpu_h']:.2f} h of CPU time; {path.with_suffix('')}.*"
        )


def run(module: str, *arguments: str) -> None:
    """Run `python -m MODULE ARGUMENTS` and show the command.

    Raises:
        Failure: it ended with another exit code than 0.
    """
    print(f"$ python -m {module} {shlex.join(arguments)}", flush=True)
    done = subprocess.run([sys.executable, "-m", module, *arguments], check=False)
    if done.returncode != 0:
        command = shlex.join(["python", "-m", module, *arguments])
        raise Failure(f"this step failed, the same command resumes it: {command}")


@dataclass(frozen=True)
class ClusterCommand:
    """One command for a SLURM cluster.

    Args:
        what: it does, in a line.
        arguments: of `python -m mlpf.train`, without those of the site.
        gpu_h: expected GPU-hours.
    """

    what: str
    arguments: tuple[str, ...]
    gpu_h: float

    @property
    def words(self) -> tuple[str, ...]:
        """All words after `python`; with `launcher.dry_run=true` added nothing is submitted."""
        return ("-m", "mlpf.train", "-m", *self.arguments, f"launcher={SITE}")


def print_commands(name: str, commands: Sequence[ClusterCommand], basis: str) -> None:
    """Print the commands of SCALE=full and what they are expected to cost.

    Args:
        name: of the target.
        commands: in their order; each needs the ones before it.
        basis: what the cost was estimated from.
    """
    print(f"repro-{name} full: commands for a SLURM cluster (launcher={SITE}, or another site).")
    print("Set SBATCH_ACCOUNT. Run each when the one before has ended. To see a job script first,")
    print("add launcher.dry_run=true.")
    for number, command in enumerate(commands, 1):
        print(f"\n# {number}. {command.what}: about {command.gpu_h:.0f} GPU-hours")
        print(f"python {shlex.join(command.words)}")
    gpu_h = sum(command.gpu_h for command in commands)
    node_h = gpu_h / _GPUS_PER_NODE
    print(
        f"\nexpected cost: about {gpu_h:.0f} GPU-hours = {node_h:.0f} node-hours = "
        f"{node_h * _CORES_PER_NODE:.0f} core-hours; {basis}"
    )
