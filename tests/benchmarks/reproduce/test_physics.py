import json

import pytest

from benchmarks.reproduce import physics
from benchmarks.reproduce.physics import LIMITS, STUDIES, Limit, _figures, _line, main


def content(study, value):
    rows = []
    for limit in LIMITS[study]:
        for column in ("rules", "mlpf", "mlpf-rules"):
            figure = {"value": value, "error": 0.01, "n": 100, "unit": ""}
            rows.append(
                {"name": limit.name, "selection": limit.selection, "column": column, **figure}
            )
    return {"rows": rows}


def test_a_limit_is_met_inside_of_its_bounds_only():
    both = Limit("sum_pt_ratio", "all", "mlpf", at_least=0.98, at_most=1.02)
    met = [both.is_met(value, 0.1) for value in (0.97, 0.98, 1.02, 1.03)]
    assert met == [False, True, True, False]
    better = Limit("jet_purity", "eta<2.5", "mlpf-rules", at_least=0, by_errors=2)
    assert [better.is_met(value, 0.1) for value in (0.19, 0.21)] == [False, True]


def test_every_study_has_limits_and_networks():
    assert STUDIES.keys() == LIMITS.keys()
    for study in STUDIES.values():
        assert study.train or study.networks


def test_figures_are_those_of_the_evaluation_with_a_verdict():
    figures = _figures("own", content("own", 0.9))
    by_name = {(f["name"], f["selection"]): f for f in figures}
    assert not by_name["met_ratio", "all"]["met"]
    assert by_name["jet_iqr_ratio", "eta<2.5"]["met"]
    assert by_name["met_ratio", "all"]["rules"] == {"value": 0.9, "error": 0.01, "n": 100}
    assert "mlpf 0.9000 +- 0.0100" in _line(by_name["met_ratio", "all"])


def test_a_study_trains_then_measures_and_results_are_kept(tmp_path, monkeypatch):
    ran = []

    def run(module, *arguments):
        ran.append((module, *arguments))
        for argument in arguments:
            if argument.startswith("out="):
                out = tmp_path / argument.removeprefix("out=")
                out.mkdir(parents=True, exist_ok=True)
                (out / "evaluation.json").write_text(json.dumps(content("qcd_pu200", 0.5)))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(physics, "_run", run)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.pkl.bz2").touch()
    assert main(["delphes=in", "only=qcd_pu200", "out=physics.json"]) == 0
    assert [module for module, *_ in ran] == ["mlpf.convert", "mlpf.generate"] + 2 * [
        "mlpf.evaluate"
    ]
    result = json.loads((tmp_path / "physics.json").read_text())
    assert result["qcd_pu200"]["networks"].keys() == {"pretrained", "delphes_pu200"}


@pytest.mark.parametrize(
    ("argument", "told"),
    [("only=delhpes", "did you mean delphes?"), ("delphes=nowhere", "no *.pkl.bz2 there")],
)
def test_a_mistake_is_told_in_one_line(argument, told, capsys):
    assert main([argument]) == 2
    assert told in capsys.readouterr().err
