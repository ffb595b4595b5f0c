from benchmarks.reproduce.scaling.picture import draw
from commons.picture_style import Picture


def rows(nodes, **more):
    return [{"nodes": n, "speed_up": 0.9 * n, **more} for n in nodes]


def test_each_line_has_its_name_beside_its_end_and_measured_points_have_none(
    tmp_path, monkeypatch
):
    kept, save = [], Picture.save
    monkeypatch.setattr(Picture, "save", lambda p, path: kept.append(p) or save(p, path))
    simulated = rows((1, 4), policy="promotion") + rows((1, 4), policy="asha")
    result = {
        "study": {"n_trials": 16, "epochs": 9},
        "large": {"n_trials": 2000, "epochs": 27},
        "measured": rows((1, 4)),
        "simulated": simulated,
        "simulated_large": simulated,
        "synchronous": [r for load in (0.5, 5.0, 50.0) for r in rows((1, 4), load_epochs=load)],
    }
    draw(tmp_path / "a.png", result)
    few, many = kept[0].panels
    policies = {"pauses (promotion)", "stops (ASHA)", "ideal"}
    waits = {f"waits for rungs, load {load}" for load in ("0.5", "5", "50")}
    assert {text.get_text() for text in few.texts} == policies
    assert {text.get_text() for text in many.texts} == policies | waits
    assert [line.get_marker() for line in few.lines].count("o") == 1
    assert "16 trials of 9 epochs" in few.get_title("left")
    assert few.get_legend() is None
