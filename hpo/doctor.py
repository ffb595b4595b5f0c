"""Examine and mend the storage of a study: `python -m hpo.doctor`, see `--help`."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from commons.cli import run_command
from commons.clocks import clock_trouble
from commons.console import Console
from commons.lock_files import read_owner
from commons.locks import FileLock
from commons.optuna_internals import study_id as id_of
from commons.optuna_internals import trial_id
from commons.terminal import one_line
from hpo.attributes import LEASE, LEASE_S, N_TRIALS, misfits, stored
from hpo.report import with_folder
from hpo.settings import SweepSettings
from hpo.storage.finding import find_storage, find_study
from hpo.storage.opening import open_storage
from hpo.storage.passwords import hide, passwords
from hpo.storage.repair import Damage, mend_journal, scan
from hpo.study.lease import release_abandoned
from hpo.study.observation import Observer, owner_is_dead, owner_of
from hpo.study.portions import study_lock

USAGE = """\
Examine the storage of a study, mend what is safe to mend, and report what is lost.

    hpo doctor FOLDER [mend=false]                              the folder of a sweep
    python -m hpo.doctor storage=WHERE [study=NAME] [mend=false]

storage  journal file, sweep folder, or database URL
study    name of the study; default: all studies of the storage
mend     false: change nothing; true (the default): also mend

Locks left behind by dead processes are removed. Running trials whose worker is gone are given
back: the next worker continues them. If they run on other hosts, this watches for the duration of
a lease whether their workers live. Damaged places of a journal (a worker was killed while
writing, the disk was full, a node crashed) do not stop the workers of hpo, but other readers such
as optuna-dashboard. When no worker uses the journal, it is replaced by a clean copy, and the
damaged file is kept beside it. It is safe to run this at any time, also during a sweep.

Exit code: 0 healthy or mended, 1 something is left for you or the storage cannot be read, 2 wrong
usage.
"""

_SHOWN = 60  # characters of a value
_NO_LIMIT = sys.maxsize  # of retries: the one of the sweep is not known here


@dataclass
class Settings:
    """What the command line may set, see USAGE."""

    storage: str
    study: str | None = None
    mend: bool = True


@dataclass(frozen=True)
class Finding:
    """A line of the report.

    Attributes:
        what: the text.
        verdict: "fine", "mended", or "left" for the user.
    """

    what: str
    verdict: Literal["fine", "mended", "left"] = "fine"


def examine(
    storage: BaseStorage, journal: Path | None, studies: Sequence[str], mend: bool
) -> Iterator[Finding]:
    """Examine studies of a storage, mend it if asked to, and yield the findings.

    A journal is examined too; None: the storage is a database.

    Raises:
        OSError: the journal cannot be read.
    """
    if journal is not None:
        for protected in (journal, journal.parent / "tickets"):
            yield from _examine_lock(FileLock(protected), mend)
        if trouble := clock_trouble(journal.parent):
            yield Finding(trouble, "left")
    if not studies:
        yield Finding("no study in this storage")
    observers: dict[int, Observer] = {}
    for name in studies:
        yield from _examine_study(storage, name, journal and journal.parent, mend, observers)
    if journal is not None:
        yield from _examine_journal(storage, journal, mend, observers)


def _examine_lock(lock: FileLock, mend: bool) -> Iterator[Finding]:
    owner = read_owner(lock.file)
    if owner is None:
        return
    what = f"lock {lock.file.name} of {owner}, {_age(owner.modified_ns / 1e9)} old"
    if not mend:
        if owner.is_dead:
            yield Finding(f"{what}: that process is dead; mend=true removes it", "left")
        else:
            yield Finding(f"{what}: if it stays, mend=true finds out whether it was left behind")
        return
    try:
        broken = lock.break_orphaned()
    except OSError as error:
        yield Finding(f"{what}: it could not be removed: {error}", "left")
        return
    if broken is None:
        yield Finding(f"{what}: in use")
    else:
        yield Finding(f"{what}: it was left behind; removed", "mended")


def _examine_study(
    storage: BaseStorage,
    name: str,
    folder: Path | None,
    mend: bool,
    observers: dict[int, Observer],
) -> Iterator[Finding]:
    study_id = storage.get_study_id_from_name(name)
    trials = storage.get_all_trials(study_id, deepcopy=False)
    counts = Counter(trial.state.name for trial in trials)
    attributes = storage.get_study_user_attrs(study_id)
    to_come = stored(attributes, N_TRIALS, 0) - len(trials)  # tickets are created in portions
    counts["WAITING"] += max(0, to_come)
    states = ", ".join(f"{counts[s.name]} {s.name}" for s in TrialState if counts[s.name])
    yield Finding(f"study {one_line(name)}: {states or 'no trial'}")
    yield from _ignored("the study", attributes)
    for trial in trials:
        both = {**trial.user_attrs, **trial.system_attrs}
        yield from _ignored(f"trial {trial.number}", both)
    if not _is_leased(storage, study_id, trials):
        for number in (trial.number for trial in trials if trial.state == TrialState.RUNNING):
            yield Finding(
                f"  trial {number} runs without a lease, so its process may be dead; if it is: "
                f"study.tell({number}, state=optuna.trial.TrialState.FAIL)",
                "left",
            )
        return
    observer = observers[study_id] = Observer(_lease_s(storage, study_id))
    yield from _watch(storage, study_id, observer)
    troubles = {
        trial_id(trial): f"  trial {trial.number}: {_trouble(trial, observer)}"
        for trial in storage.get_all_trials(study_id, deepcopy=False)
        if observer.is_abandoned(trial)
    }
    if not mend:
        for trouble in troubles.values():
            yield Finding(f"{trouble}; mend=true gives it back", "left")
        return
    try:
        if troubles:
            with study_lock(folder) if folder else nullcontext():
                release_abandoned(storage, study_id, observer, _NO_LIMIT)
    except OSError as error:
        yield Finding(f"  trials could not be given back: {error}", "left")
    for key, trouble in troubles.items():
        if storage.get_trial(key).state == TrialState.RUNNING:
            yield Finding(f"{trouble}; not given back", "left")
        else:
            yield Finding(f"{trouble}; given back, the next worker goes on with it", "mended")


def _ignored(owner: str, attributes: Mapping[str, Any]) -> Iterator[Finding]:
    for key in misfits(attributes):
        shown = one_line(repr(attributes[key]))[:_SHOWN]
        yield Finding(
            f"  attribute {one_line(key)} of {owner} is of the wrong type and ignored: {shown}",
            "left" if key.startswith("hpo:") else "fine",  # others may use the other names
        )


def _is_leased(storage: BaseStorage, study_id: int, trials: list[FrozenTrial]) -> bool:
    """Tell whether the workers of a study take leases: those of plain Optuna do not."""
    return any(key.startswith("hpo:") for key in storage.get_study_user_attrs(study_id)) or any(
        LEASE in trial.system_attrs for trial in trials
    )


def _lease_s(storage: BaseStorage, study_id: int) -> float:
    """Return the duration of leases in a study; the default if it is not stored."""
    return float(stored(storage.get_study_user_attrs(study_id), LEASE_S, SweepSettings.lease_s))


def _watch(storage: BaseStorage, study_id: int, observer: Observer) -> Iterator[Finding]:
    """Look at the leases of running trials until each has changed or is abandoned."""
    doubtful = observer.doubtful(storage.get_all_trials(study_id, deepcopy=False))
    if doubtful:
        yield Finding(
            f"  running: {len(doubtful)}; looking for up to {observer.duration_s:g} s whether "
            "their workers live"
        )
    while doubtful:
        time.sleep(min(1.0, observer.duration_s / 10))
        doubtful = observer.doubtful(storage.get_all_trials(study_id, deepcopy=False), doubtful)


def _trouble(trial: FrozenTrial, observer: Observer) -> str:
    lease = owner_of(trial)
    if not lease:
        return "its worker died before it took the lease, or while it gave the trial back"
    host = next(iter(str(lease.get("host")).split()), "")
    owner = f"process {lease.get('pid')} of {host}"
    if owner_is_dead(trial):
        return f"{owner} is dead"
    return f"{owner} has not renewed its lease for {observer.duration_s:g} s"


def _examine_journal(
    storage: BaseStorage, journal: Path, mend: bool, observers: dict[int, Observer]
) -> Iterator[Finding]:
    damages = _settled_damages(journal)
    if not damages:
        yield Finding(f"journal {journal}: no damage")
        return
    yield Finding(f"journal {journal}: damaged lines: {len(damages)}")
    for damage in damages:
        lost = f"lost: {damage.what}" if damage.what else "nothing is lost"
        kept = f"; records kept: {damage.n_salvaged}" if damage.n_salvaged else ""
        yield Finding(
            f"  {damage.kind} line at byte {damage.offset}, {damage.length} bytes; {lost}{kept}"
        )
    user = _user(storage, observers)
    if user is not None:
        yield Finding(
            f"  not mended, as {user}; workers skip the damage; mend it when they are done", "left"
        )
    elif not mend:
        yield Finding("  not in use; mend=true replaces it by a clean copy", "left")
    else:
        try:
            kept_as = mend_journal(journal)
        except OSError as error:
            yield Finding(f"  it could not be mended: {error}", "left")
        else:
            yield Finding(f"  mended; the damaged file is kept as {kept_as.name}", "mended")


def _settled_damages(journal: Path) -> list[Damage]:
    damages = scan(journal)
    if damages and damages[-1].kind == "unfinished":
        time.sleep(0.2)  # maybe it was being written this moment
        damages = scan(journal)
    return damages


def _user(storage: BaseStorage, observers: dict[int, Observer]) -> str | None:
    """Say which trial may still be written to the storage; None: it is not in use."""
    for study in storage.get_all_studies():
        study_id = id_of(study)
        trials = storage.get_all_trials(study_id, deepcopy=False)
        is_leased = _is_leased(storage, study_id, trials)
        observer = observers.get(study_id) or Observer(_lease_s(storage, study_id))
        for trial in trials:
            is_gone = is_leased and observer.is_abandoned(trial)
            if trial.state == TrialState.RUNNING and not is_gone:
                return f"trial {trial.number} of study {study.study_name} is running"
    return None


def _age(since: float) -> str:
    seconds = max(0.0, time.time() - since)
    for unit, length in (("days", 86400), ("hours", 3600), ("min", 60)):
        if seconds > 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    logging.disable(logging.WARNING)  # the report says the same
    try:
        return run_command(_diagnose, Settings, with_folder(arguments), USAGE)
    finally:
        logging.disable(logging.NOTSET)


def _diagnose(settings: Settings) -> int:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    console = Console(soft_wrap=True)
    verdicts = Counter[str]()
    marks = {"fine": " ", "mended": "+", "left": "!"}
    secrets = passwords(settings.storage)
    location = find_storage(settings.storage)
    storage = open_storage(str(location), Path.cwd(), exists=True)
    journal = location.absolute() if isinstance(location, Path) else None
    if settings.study is not None:
        names = [find_study(storage, settings.study)]
    else:
        names = [study.study_name for study in storage.get_all_studies()]
    for finding in examine(storage, journal, names, settings.mend):
        verdicts[finding.verdict] += 1
        console.print(f"{marks[finding.verdict]} {hide(finding.what, secrets)}")
    left, mended = verdicts["left"], verdicts["mended"]
    console.print(
        f"left for you: {left}, mended: {mended}" if left or mended else "nothing is wrong"
    )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
