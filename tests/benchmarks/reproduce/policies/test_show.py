from io import StringIO

import pytest

from benchmarks.reproduce.policies.draws import make_draws
from benchmarks.reproduce.policies.found import find
from benchmarks.reproduce.policies.problems import made_up
from benchmarks.reproduce.policies.rows import Row
from benchmarks.reproduce.policies.show import Comparison
from commons.console import Console
from hpo.simulate.draws import Variant

SLOW = made_up()[0]


@pytest.fixture(scope="module")
def comparison():
    draws = make_draws(SLOW.table, range(6), Variant())
    front = find(draws, SLOW.tolerance, 20)

    def row(method, epochs, finals, workers=1, duration=None):
        key, rest = f"{method}{workers}", ([22] * 6, [2] * 6, duration, {}, {})
        return Row("slow", method, workers, "pool", key, epochs, finals, *rest)

    hyperband = [int(e) for e in draws.epochs]
    half = [e // 2 for e in hyperband]
    good, bad = draws.finals.tolist(), [None] * 6
    rows = [
        row("hyperband", hyperband, good),
        row("good", half, good, duration=[70.0] * 6),
        row("good", half, good, workers=8, duration=[12.0] * 6),
        row("bad", half, bad),
    ]
    return Comparison([SLOW], {"slow": draws}, {"slow": front}, rows, 0.5)


def test_the_tables_show_share_duration_p_and_gap(comparison):
    out = StringIO()
    comparison.print(Console(file=out, width=140), cap=0.6)
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    good, bad = (next(line for line in lines if line.startswith(n)) for n in ("good 5", "bad 5"))
    assert good.startswith("good 50% 50% 70 1.00 ")
    assert bad.startswith("bad 50% 50% 0.00 1.0000 ")
    assert any(line.startswith("good, 8 workers 50% 50% 12 1.00") for line in lines)
    assert any("too few for error bars" in line for line in lines)


def test_the_summary_tells_the_draws_and_what_all_methods_did(comparison):
    names = "scale first draws pool_size sweeps budget resume_epochs queue_epochs ladders cap"
    settings = dict.fromkeys(names.split())
    summary = comparison.summary(0.6, settings)
    facts = summary["tables"]["slow"]
    assert (facts["pool"], facts["rows"], facts["epochs"]) == (22, 60, 12)
    assert facts["independent"] < 6.1
    assert [(f["method"], f["workers"]) for f in summary["by_table"]] == [
        ("hyperband", 1),
        ("good", 1),
        ("good", 8),
        ("bad", 1),
    ]
    assert summary["overall"][3]["worst_p"] == 0
    assert summary["pairs"] == summary["samplers"] == []
    assert summary["family_left_out"] == []  # there is no other family


def test_pictures_show_one_worker(comparison, tmp_path):
    comparison.draw(tmp_path)
    assert (tmp_path / "slow.png").stat().st_size > 10_000
