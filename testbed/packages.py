"""Find SLURM, PostgreSQL, Redis and Chromium, or unpack the packages of the distribution.

Unpacking needs neither root nor an installation: `apt-get download` and `dpkg -x` into
`.cache/debian` of the repository, once. With `HPO_TEST_UNPACK=1` they are unpacked even if the
programs are installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "debian"

_SLURM = ("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins")
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
# The C library must be the system's own; nothing here uses LLVM and Perl.
_NOT_UNPACKED = ("libc6", "libgcc-s1", "libstdc++6", "libllvm", "libz3", "libperl")


class Unavailable(RuntimeError):
    """The programs are neither installed nor could they be unpacked."""


@dataclass(frozen=True)
class Programs:
    """Where programs are, and what they need to run.

    Attributes:
        folders: searched for programs in this order.
        libraries: folders with the shared libraries of unpacked packages; empty if installed.
    """

    folders: tuple[Path, ...]
    libraries: tuple[Path, ...] = ()

    def path(self, name: str) -> Path:
        """Return the file of a program.

        Raises:
            Unavailable: no folder has a program of this name.
        """
        for folder in self.folders:
            if os.access(folder / name, os.X_OK):
                return folder / name
        raise Unavailable(f"no program {name} in {', '.join(map(str, self.folders))}")

    def has(self, *names: str) -> bool:
        """Return whether all these programs are there."""
        try:
            return all(self.path(name) for name in names)
        except Unavailable:
            return False

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return a copy of an environment in which the programs are found and run."""
        ours, theirs = list(map(str, self.folders)), _search_path(base)
        # Folders of the system come last: the python of a virtual environment stays the first.
        path = [*ours, *theirs] if self.libraries else [*theirs, *ours]
        environment = {**base, "PATH": os.pathsep.join(dict.fromkeys(path))}
        if self.libraries:
            libraries = [*map(str, self.libraries), base.get("LD_LIBRARY_PATH", "")]
            environment["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, libraries))
        return environment


def find_slurm(*, unpack: bool | None = None) -> Programs:
    """Return the programs of SLURM: installed ones, or unpacked ones.

    Args:
        unpack: do not look for installed programs; None: as HPO_TEST_UNPACK says.

    Raises:
        Unavailable: neither way works; the message says how to enable the tests.
    """
    wanted = ("slurmctld", "slurmd", "sbatch", "srun", "scontrol", "sinfo", "scancel")
    search = [*_search_path(os.environ), *_SYSTEM_FOLDERS]
    installed = Programs(tuple(map(Path, search)))
    if not _unpack_asked(unpack) and installed.has(*wanted):
        folders = (installed.path(name).parent for name in wanted)
        return Programs(tuple(dict.fromkeys(folders)))
    root = _unpacked("slurm", _SLURM, "slurm-wlm")
    plugins = tuple(root.glob("usr/lib/*/slurm-wlm"))
    return Programs((root / "usr/bin", root / "usr/sbin"), (*plugins, *_libraries(root)))


def find_postgres(*, unpack: bool | None = None) -> Programs:
    """Return the programs of PostgreSQL, the newest version; see `find_slurm`."""
    if not _unpack_asked(unpack):
        for folder in [*_postgres_folders(Path("/")), *map(Path, _search_path(os.environ))]:
            if Programs((folder,)).has("initdb", "pg_ctl", "psql"):
                return Programs((folder,))
    root = _unpacked("postgresql", ("postgresql",), "postgresql")
    return Programs(tuple(_postgres_folders(root)), _libraries(root))


def find_redis(*, unpack: bool | None = None) -> Programs:
    """Return the programs of Redis, or of Valkey; see `find_slurm`."""
    search = Programs(tuple(map(Path, [*_search_path(os.environ), *_SYSTEM_FOLDERS])))
    for name in ("redis-server", "valkey-server"):
        if not _unpack_asked(unpack) and search.has(name):
            return Programs((search.path(name).parent,))
    root = _unpacked("redis", ("redis-server",), "redis-server")
    return Programs((root / "usr/bin",), _libraries(root))


def find_chromium(*, unpack: bool | None = None) -> Programs:
    """Return Chromium with its driver; see `find_slurm`."""
    installed = Programs(tuple(map(Path, _search_path(os.environ))))
    if not _unpack_asked(unpack) and installed.has("chromium", "chromedriver"):
        return installed
    root = _unpacked("chromium", ("chromium", "chromium-driver"), "chromium chromium-driver")
    # The program itself comes first: the script /usr/bin/chromium looks for it in the system.
    sound = tuple(root.glob("usr/lib/*/pulseaudio"))  # a library for libraries of its package
    return Programs((root / "usr/lib/chromium", root / "usr/bin"), (*_libraries(root), *sound))


def _search_path(environment: Mapping[str, str]) -> list[str]:
    return environment.get("PATH", os.defpath).split(os.pathsep)


def _unpack_asked(unpack: bool | None) -> bool:
    return os.environ.get("HPO_TEST_UNPACK") == "1" if unpack is None else unpack


def _postgres_folders(root: Path) -> list[Path]:
    folders = root.glob("usr/lib/postgresql/*/bin")
    return sorted(folders, key=lambda folder: float(folder.parent.name), reverse=True)


def _libraries(root: Path) -> tuple[Path, ...]:
    folders = (path.parent for path in root.glob("**/lib/*-linux-gnu*/*.so*"))
    return tuple(sorted(set(folders)))


def _unpacked(name: str, packages: Sequence[str], install: str) -> Path:
    """Return the folder where packages and the libraries they need are unpacked."""
    folder = CACHE / name
    if folder.is_dir():
        return folder
    try:
        if not (shutil.which("apt-get") and shutil.which("dpkg")):
            raise Unavailable("this is not Debian or Ubuntu: there is no apt-get")
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="apt-", dir=CACHE) as scratch:
            root = Path(scratch) / "root"
            try:
                _download(packages, Path(scratch), [])
            except Unavailable:  # no package lists on this machine, or old ones
                _download(packages, Path(scratch), _private_lists(Path(scratch)))
            for package in Path(scratch).glob("*.deb"):
                _run("dpkg", "-x", str(package), str(root))
            # As an installation does. A daemon named slurmctld-wlm would run without GPUs: SLURM
            # checks the name of the running program.
            for program in root.glob("usr/sbin/slurm*-wlm"):
                program.with_name(program.name.removesuffix("-wlm")).symlink_to(program.name)
            # Appears complete or not at all; another process may have been faster.
            if not folder.is_dir():
                root.rename(folder)
    except Unavailable as error:
        raise Unavailable(
            f"{install} is not installed and could not be unpacked into {folder} ({error}). "
            f"Install it (apt-get install --no-install-recommends {install}) or try again online."
        ) from None
    return folder


def _private_lists(scratch: Path) -> list[str]:
    """Fetch package lists into a private folder; return the options of apt-get that use them."""
    for folder in ("lists/partial", "cache/archives/partial"):
        (scratch / folder).mkdir(parents=True, exist_ok=True)
    paths = {"State::Lists": scratch / "lists", "Cache": scratch / "cache"}
    options = [f"-oDir::{key}={path}" for key, path in paths.items()]
    _run("apt-get", "-q", *options, "-oAPT::Sandbox::User=", "update")
    return options


def _download(packages: Sequence[str], scratch: Path, options: Sequence[str]) -> None:
    """Download packages and the libraries they need that this machine does not have."""
    if any(_is_installed(package) for package in packages):
        # apt would leave out what is installed: let it plan for an empty machine.
        (scratch / "status").touch()
        options = [*options, f"-oDir::State::status={scratch / 'status'}"]
    plan = _run("apt-get", "-s", "--no-install-recommends", *options, "install", *packages)
    missing = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    chosen = [
        name
        for name in missing
        if name.startswith(("lib", "slurm", "postgresql-", "redis", "chromium"))
        and not name.startswith(_NOT_UNPACKED)
        and (name == "chromium-common" or not name.endswith(("-perl", "-common")))
    ]
    _run("apt-get", *options, "-oAPT::Sandbox::User=", "download", *chosen, cwd=scratch)


def _is_installed(package: str) -> bool:
    command = ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}", package]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.startswith("ii")


def _run(*command: str, cwd: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    result = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise Unavailable(f"{' '.join(command[:2])}: {reason}")
    return result.stdout
