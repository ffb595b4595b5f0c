import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/qsvr.md").read_text()


def test_the_examples_of_the_page_run_one_after_the_other():
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/qsvr.md", "exec"), names)
    assert "pipeline" in names
