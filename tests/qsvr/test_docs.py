import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "benchmarks/results/repro_qsvr_small.json"
PAGE = (ROOT / "docs/explanation/qsvr.md").read_text()


def test_the_examples_of_the_page_run_one_after_the_other():
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/explanation/qsvr.md", "exec"), names)
    assert "pipeline" in names


def test_the_figures_of_the_page_are_those_of_the_committed_results():
    rows = json.loads(FIGURES.read_text())["published"]["rows"]
    shown = [row for row in rows if row["fraction"] == 0.25 and "4 QSVR" not in row["model"]]
    for row in shown:
        figures = " / ".join(f"{row[key]:.3f}" for key in ("best", "worst", "mean", "std"))
        n_rows, n_fits = row["n_train"], row["n_fits"]
        assert f"| {n_rows} | {n_fits} | {figures} | {row['untrained']:.3f} |" in PAGE
