import json

import pytest

from commons.console import Console
from hpo.simulate.report_time import print_rows, write
from hpo.simulate.timeline import Timeline
from hpo.simulate.timelines import make_row


@pytest.fixture
def rows():
    seconds = {"trained": 7200.0, "lost": 900.0, "unfinished": 0.0, "other": 900.0}
    worker_s = {"present": 9000.0, "queued": 3600.0, **seconds}
    found = Timeline(3600.0, ((1800.0, 3600.0, 2.5),), worker_s, (0.5,) * 50, 3, 4)
    nothing = Timeline(3600.0, (), worker_s, (0.5,) * 50)
    return [
        {"name": name, **make_row([t], "minimize", 4)}
        for name, t in (("asha", found), ("none", nothing))
    ]


def test_the_table_has_a_line_per_row(rows, capsys):
    print_rows(Console(width=110), rows, "against time")
    lines = capsys.readouterr().out.splitlines()
    asha = next(line.split() for line in lines if "asha" in line)
    figures = ["10", "80.0%", "10.0%", "1", "h", "3", "4", "2.5", "30", "min"]
    assert asha == ["asha", "1", "h", *figures]
    assert next(line.split() for line in lines if "none" in line)[-1] == "none"


def test_rows_that_count_gpus_say_so(capsys, tmp_path):
    seconds = {"trained": 7200.0, "lost": 0.0, "unfinished": 0.0, "other": 0.0}
    worker_s = {"present": 7200.0, "queued": 0.0, **seconds}
    timeline = Timeline(3600.0, ((1800.0, 3600.0, 2.5),), worker_s, (0.5,) * 50)
    rows = [{"name": "grows", **make_row([timeline], "minimize", 1, "gpu")}]
    print_rows(Console(width=110), rows, "against time")
    text = capsys.readouterr().out
    assert "GPU-hours" in text
    assert "core-hours" not in text
    write(rows, tmp_path, "One method")
    assert (tmp_path / "timeline.png").stat().st_size > 10_000


def test_files_hold_the_rows_and_a_picture(rows, tmp_path):
    write(rows, tmp_path / "new", "Two methods")
    assert json.loads((tmp_path / "new" / "timeline.json").read_text()) == rows
    assert (tmp_path / "new" / "timeline.png").stat().st_size > 10_000
