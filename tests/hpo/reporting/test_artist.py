import io
import os
import signal
import subprocess
import sys
import time

import optuna
import pytest
from optuna.trial import create_trial

from hpo.reporting import artist
from hpo.reporting.artist import PICTURES, Artist, draw_report, main, pictures_of

FILES = {"report.html", *(f"{name}.png" for name in PICTURES)}


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_all_pictures_and_the_page_are_drawn_also_by_several_processes(study, subject, tmp_path):
    for n_processes in (1, 3):
        folder = tmp_path / str(n_processes)
        draw_report(subject(study), folder, None, {}, n_processes)
        assert names(folder) == FILES
        assert (folder / "report.html").read_text().count("<img ") == len(PICTURES)
    one, three = ((tmp_path / n / "history.png").read_bytes() for n in "13")
    assert one == three


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_front_and_comparison_are_drawn_where_there_are_any(subject, study, tmp_path):
    assert pictures_of(subject(study)).keys() == PICTURES.keys()
    two = optuna.create_study(directions=["minimize"] * 2)
    for number, marks in enumerate([{"enqueued": "default"}, {}]):
        curve = {1: 9.0, 2: 2.0 - number}
        two.add_trial(
            create_trial(values=[2.0 - number, 1.0], intermediate_values=curve, user_attrs=marks)
        )
    read = subject(two)
    more = {"front", "default_and_best"}
    assert pictures_of(read).keys() == {*PICTURES, *more}
    draw_report(read, tmp_path, None, {})
    assert names(tmp_path) == FILES | {f"{name}.png" for name in more}
    assert (tmp_path / "report.html").read_text().count("<img ") == len(PICTURES) + 2


def test_a_prepared_process_draws_and_ends(study, subject, tmp_path):
    made = Artist()
    made.prepare()
    process = made._process
    made.prepare()
    assert made._process is process  # one is enough
    made.draw(subject(study), tmp_path, "x: 1\n", {"again": "hpo report"})
    made.close()
    assert process.returncode is not None
    assert names(tmp_path) == FILES
    assert "hpo report" in (tmp_path / "report.html").read_text()


def test_if_the_process_was_killed_the_pictures_are_drawn_here(study, subject, tmp_path):
    made = Artist()
    made.prepare()
    made._process.kill()
    made._process.wait()
    made.draw(subject(study), tmp_path, None, {})
    made.close()
    assert names(tmp_path) == FILES


def test_a_process_that_is_not_needed_ends(monkeypatch):
    made = Artist()
    made.close()  # nothing was started
    made.prepare()
    made.close()
    assert made._process.returncode == -signal.SIGKILL


def test_the_process_ends_with_its_parent_without_drawing(monkeypatch):
    monkeypatch.setattr(artist, "draw_report", None)
    handler = signal.getsignal(signal.SIGINT)
    try:
        main(io.BytesIO(b""))
    finally:
        signal.signal(signal.SIGINT, handler)


def test_the_process_imports_matplotlib_before_it_is_asked(tmp_path):
    code = (
        "import io, sys; from hpo.reporting.artist import main\n"
        "assert 'matplotlib' not in sys.modules\n"
        "main(io.BytesIO(b''))\n"
        "assert 'matplotlib.figure' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_if_another_process_dies_all_is_drawn_by_the_first_one(
    study, subject, tmp_path, monkeypatch
):
    here, drawn = os.getpid(), []
    draw = artist._draw

    def dies_elsewhere(read, paths, names):
        if os.getpid() != here:
            os._exit(1)
        time.sleep(0.05)  # so that the other one begins too
        drawn.extend(names)
        draw(read, paths, names)

    monkeypatch.setattr(artist, "_draw", dies_elsewhere)
    draw_report(subject(study), tmp_path, None, {}, 2)
    assert names(tmp_path) == FILES
    assert drawn[-len(PICTURES) :] == [*PICTURES]


def test_each_picture_is_drawn_once(study, subject, tmp_path, monkeypatch):
    draw = artist._draw

    def note(read, paths, names):
        with (tmp_path / "drawn").open("a") as file:
            file.write(f"{names[0]} ")
        draw(read, paths, names)

    monkeypatch.setattr(artist, "_draw", note)
    draw_report(subject(study), tmp_path, None, {}, 3)
    assert sorted((tmp_path / "drawn").read_text().split()) == sorted(PICTURES)
