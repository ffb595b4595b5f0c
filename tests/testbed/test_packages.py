"""Programs are found where they are installed, or unpacked, or their lack is explained."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from testbed import packages
from testbed.packages import Programs, Unavailable, find_postgres, find_slurm


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without SLURM, PostgreSQL and apt; the folder for unpacked packages."""
    monkeypatch.setattr(packages, "CACHE", tmp_path / "debian")
    monkeypatch.setattr(packages, "_SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "debian"


def program(path: Path) -> Path:
    """Make an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path


def test_what_is_missing_is_told_with_how_to_get_it(nothing_installed: Path) -> None:
    with pytest.raises(Unavailable, match=r"slurm-wlm is not installed .*no apt-get.*install"):
        find_slurm(unpack=True)


def test_an_installed_slurm_is_found_and_needs_no_libraries(
    nothing_installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sbatch", "srun", "scontrol", "sinfo", "scancel"):
        program(tmp_path / "bin" / name)
    for name in ("slurmctld", "slurmd"):
        program(tmp_path / "sbin" / name)
    monkeypatch.setattr(packages, "_SYSTEM_FOLDERS", (tmp_path / "bin", tmp_path / "sbin"))
    found = find_slurm(unpack=False)
    assert found == Programs((tmp_path / "sbin", tmp_path / "bin"))


def test_an_unpacked_folder_is_used_again(nothing_installed: Path) -> None:
    root = nothing_installed / "postgresql"
    for version in ("9.6", "15", "17"):
        program(root / "usr/lib/postgresql" / version / "bin/psql")
    library = program(root / "usr/lib/x86_64-linux-gnu/libpq.so.5")
    found = find_postgres(unpack=True)
    assert found.path("psql") == root / "usr/lib/postgresql/17/bin/psql"
    assert found.libraries == (library.parent,)


@pytest.mark.parametrize(
    ("libraries", "path"),
    [((), ["/venv/bin", "/ours"]), ((Path("/lib"),), ["/ours", "/venv/bin"])],
)
def test_unpacked_programs_come_first_on_the_path_and_installed_ones_last(
    libraries: tuple[Path, ...], path: list[str]
) -> None:
    programs = Programs((Path("/ours"),), libraries)
    environment = programs.environment({"PATH": "/venv/bin", "HOME": "/home"})
    assert environment["PATH"] == os.pathsep.join(path)
    assert environment.get("LD_LIBRARY_PATH") == ("/lib" if libraries else None)
    assert environment["HOME"] == "/home"


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no program sbatch in"):
        Programs((tmp_path,)).path("sbatch")
