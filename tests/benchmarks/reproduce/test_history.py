from benchmarks.reproduce.history import draw_history, history_of, write_history

TRIALS = """\
number,state,val_loss,epochs
0,COMPLETE,0.5,4
1,PRUNED,0.9,1
2,FAIL,,0
"""


def test_trials_of_all_stages_follow_each_other_without_those_that_have_no_value(tmp_path):
    for stage in ("stage1", "stage2"):
        (tmp_path / stage).mkdir()
        (tmp_path / stage / "trials.csv").write_text(TRIALS)
    rows = history_of(tmp_path, ["stage1", "stage2"])
    assert [row["stage"] for row in rows] == ["stage1"] * 2 + ["stage2"] * 2
    assert rows[1] == {
        "stage": "stage1",
        "trial": 1,
        "state": "pruned",
        "epochs": 1,
        "val_loss": 0.9,
    }
    write_history(rows, tmp_path / "history.csv")
    table = (tmp_path / "history.csv").read_text().splitlines()
    assert table[:2] == ["stage,trial,state,epochs,val_loss", "stage1,0,complete,4,0.5"]
    draw_history(rows, "two stages", tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 5000
