import json
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.reproduce import trainings
from benchmarks.reproduce.trainings import (
    DEFAULT,
    FOUND,
    LOSS,
    curves,
    draw_bands,
    errors,
    evaluate_runs,
    fall,
    gain,
    gains,
)
from commons.picture_style import Picture


def trained(folder, losses, towers=0.9, met=2.0):
    """Write what a training and `mlpf.evaluate` of it leave."""
    (folder / "evaluation").mkdir(parents=True)
    lines = "".join(f"{e},{loss}\n" for e, loss in enumerate(losses, 1))
    (folder / "metrics.csv").write_text(f"epoch,val_loss\n{lines}")
    named = [("tower_accuracy", "towers", towers, 0.8), ("met_rms", "all", met, 4.0)]
    rows = [
        {"name": name, "selection": selection, "column": column, "value": value}
        for name, selection, mlpf, rules in named
        for column, value in (("mlpf", mlpf), ("rules", rules))
    ]
    rows.append({"name": "jet_response_iqr", "selection": "eta<2.5", "column": "mlpf"})
    rows[-1]["value"] = None
    (folder / "evaluation/evaluation.json").write_text(json.dumps({"rows": rows}))
    return folder


def test_errors_are_small_where_a_network_is_good_and_absent_where_nothing_was_measured(tmp_path):
    found = errors(trained(tmp_path / "0", [1.0], towers=0.9) / "evaluation/evaluation.json")
    assert found["towers of wrong class"] == pytest.approx({"rules": 0.2, "mlpf": 0.1})
    assert found["MET error (GeV)"] == {"rules": 4.0, "mlpf": 2.0}
    assert "jet width (IQR / median)" not in found


def test_a_network_that_was_measured_is_not_measured_again(tmp_path, monkeypatch):
    old, new = trained(tmp_path / "old", [1.0]), tmp_path / "new"
    measured = []

    def evaluate(networks, files, settings):
        measured.append((networks, files, settings.n_draws))
        return SimpleNamespace(content={"rows": []})

    monkeypatch.setattr(trainings, "evaluate", evaluate)
    monkeypatch.setattr(trainings, "networks", lambda run, _: run)
    monkeypatch.setattr(trainings, "event_files", lambda cfg: cfg.split)
    evaluate_runs([old, new], 20)
    assert measured == [(str(new), "test", 0)]
    assert json.loads((new / "evaluation/evaluation.json").read_text()) == {"rows": []}


def test_the_gain_is_the_relative_decrease_of_the_mean_with_its_standard_error():
    row = gain([1.9, 2.0, 2.1], [1.0, 1.0, 1.0])
    assert row["relative_decrease"] == pytest.approx(0.5)
    assert row[DEFAULT]["std"] == pytest.approx(0.1)
    assert row["error"] == pytest.approx(0.5 * 0.1 / 3**0.5 / 2)


def test_gains_are_of_the_best_loss_of_each_training_and_of_its_physics(tmp_path):
    runs = {
        DEFAULT: [trained(tmp_path / f"d{i}", [4.0, 2.0 + i, 5.0]) for i in range(2)],
        FOUND: [trained(tmp_path / f"f{i}", [1.0, 3.0, 3.0], met=1.0) for i in range(2)],
    }
    measured = gains(runs)
    assert measured[LOSS][DEFAULT]["each"] == [2.0, 3.0]
    assert measured[LOSS]["relative_decrease"] == pytest.approx(0.6)
    assert measured["MET error (GeV)"]["relative_decrease"] == pytest.approx(0.5)
    assert measured["MET error (GeV)"]["rules"] == 4.0
    assert measured["towers of wrong class"]["relative_decrease"] == 0


def test_the_fall_compares_the_best_losses_at_three_quarters_and_at_the_end():
    losses = np.array([[8.0, 4.0, 2.0, 9.0, 1.0, 1.0, 1.0, 0.5]])
    assert fall(losses) == pytest.approx(0.5)
    assert fall(np.ones((3, 8))) == 0


def test_trainings_of_different_lengths_are_refused(tmp_path):
    runs = [trained(tmp_path / str(n), [1.0] * n) for n in (2, 3)]
    with pytest.raises(ValueError, match="shape"):
        curves(runs)


def test_the_bands_are_drawn_with_their_names_beside_them(tmp_path, monkeypatch):
    kept = []
    save = Picture.save
    monkeypatch.setattr(Picture, "save", lambda p, path: kept.append(p) or save(p, path))
    losses = {DEFAULT: np.array([[3.0, 2.0], [3.5, 2.5]]), FOUND: np.array([[2.0, 1.0]] * 2)}
    draw_bands(losses, "equal trainings", tmp_path / "bands.png")
    assert (tmp_path / "bands.png").stat().st_size > 5000
    (panel,) = kept[0].panels
    heights = {text.get_text(): text.get_position()[1] for text in panel.texts}
    assert heights.keys() == {DEFAULT, FOUND}
    assert heights[DEFAULT] > heights[FOUND]
    assert "mean of 2 and 2 trainings" in panel.get_title("left")
