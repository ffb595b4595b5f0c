import contextlib
import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import optuna
import pytest

from hpo.dashboard import Settings, main, reading_only, serve
from hpo.report import write_report
from hpo.storage.opening import open_storage
from testbed.browser import browser
from testbed.packages import Unavailable

HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture
def folder(tmp_path):
    storage = open_storage(None, tmp_path)
    study = optuna.create_study(storage=storage, study_name="s")
    for number in range(5):
        trial = study.ask()
        x = trial.suggest_float("x", 0, 10)
        trial.set_user_attr("run", {"overrides": [], "worker": HOSTILE})
        for step in range(1, 4):
            trial.report(x + 1 / step, step)
        study.tell(trial, float((number * 7) % 5))
    return tmp_path


@pytest.fixture
def page():
    """A page of a browser."""
    with contextlib.ExitStack() as stack:
        try:
            page = stack.enter_context(browser())
        except (Unavailable, RuntimeError, OSError) as error:
            pytest.skip(f"Chromium does not start here: {str(error)[:200]}")
        yield page


@contextlib.contextmanager
def served(folder):
    server, url = serve(Settings(str(folder), port=0))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_study_can_be_read_but_not_changed(folder):
    before = (folder / "journal.log").read_bytes()
    with served(folder) as url:
        root = url.partition("/dashboard")[0]
        with urllib.request.urlopen(f"{root}/api/studies") as answer:
            studies = json.load(answer)["study_summaries"]
        assert [study["study_name"] for study in studies] == ["s"]
        for method in ("DELETE", "POST", "PUT", "PATCH"):
            request = urllib.request.Request(f"{root}/api/studies/0", method=method, data=b"{}")
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(request)
            assert error.value.code == 403
            error.value.close()
    assert (folder / "journal.log").read_bytes() == before


def test_only_reading_requests_reach_the_application():
    seen = []
    answer = reading_only(lambda environment, start: seen.append(environment) or [b"page"])
    assert answer({"REQUEST_METHOD": "GET"}, None) == [b"page"]
    assert b"only reads" in answer({"REQUEST_METHOD": "DELETE"}, lambda *_: None)[0]
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}", "study=t"], "study=t: the storage has s"),
        (["{folder}/nothing"], "no such journal file"),
        (["{folder}", "port=x"], "port=x: expected a whole number"),
        (["{folder}", "port=99999"], "port=99999 of host=127.0.0.1 cannot be used"),
        (["{folder}", "host=nowhere.invalid"], "host=nowhere.invalid cannot be used"),
    ],
)
def test_a_mistake_is_one_clear_line(folder, capsys, arguments, message):
    assert main([argument.format(folder=folder) for argument in arguments]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_a_port_in_use_is_named(folder, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main([str(folder), f"port={port}"]) == 2
    assert f"port={port} of host=127.0.0.1 cannot be used" in capsys.readouterr().err


def test_without_the_package_the_extra_is_named(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    assert main([str(folder)]) == 1
    assert "pip install 'mlpf-hpo[dashboard]'" in capsys.readouterr().err


def test_the_command_prints_the_address_and_ends_with_an_interruption(folder):
    command = [sys.executable, "-m", "hpo.dashboard", str(folder), "port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        assert line.startswith("the study is shown at http://127.0.0.1:")
        with urllib.request.urlopen(line.split()[-1]) as page:
            assert b"<html" in page.read()
        process.send_signal(2)
        assert process.wait(timeout=30) == 0


def test_the_dashboard_shows_the_trials_in_a_browser(folder, page):
    with served(folder) as url:
        page.open(url)
        page.wait_for('document.body.innerText.includes("Best Trial")')
        assert page.run("return document.title")
        assert page.errors() == []


def test_the_page_of_a_report_has_no_error_loads_nothing_and_its_table_sorts(folder, page):
    write_report(open_storage(None, folder), "s", folder)
    page.open(f"file://{folder}/report.html")
    rows = "return [...document.querySelectorAll('#trials tbody tr')]"
    names = page.run(
        'return [...document.querySelectorAll("#trials thead th")].map(h => h.innerText)'
    )
    column = names.index("value")
    click = f'document.querySelectorAll("#trials thead button")[{column}].click()'
    values = []
    for _ in range(2):
        page.run(click)
        values.append(page.run(f"{rows}.map(row => row.children[{column}].innerText)"))
    assert values == [[*"01234"], [*"43210"]]
    assert HOSTILE in page.run("return document.querySelector('#trials').innerText")
    assert page.run("return performance.getEntriesByType('resource').length") <= 8
    broken = "return [...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert page.run(broken) == 0
    assert page.run("return document.images.length") == 8
    assert page.errors() == []
