import base64
import hashlib
import re

import pytest

from commons.pages import SORT, Section, bullets, code, document, facts, folded, pictures, sortable

HOSTILE = "</td><script>alert(1)</script>\x1b[2J"


def test_a_page_has_its_sections_with_links_and_leaves_out_empty_ones():
    page = document("a & b", [Section("First part", "<p>x</p>"), Section("Empty", "")])
    assert "<title>a &amp; b</title>" in page
    assert '<a href="#first-part">First part</a>' in page
    assert '<section id="first-part"><h2>First part</h2><p>x</p></section>' in page
    assert "Empty" not in page


def test_only_the_script_of_the_page_may_run():
    policy = re.search(r'Policy" content="([^"]*)"', document("a", [], script=SORT))[1]
    digest = base64.b64encode(hashlib.sha256(SORT.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'")
    assert policy.endswith(f"script-src 'sha256-{digest}'")
    assert "script" not in document("a", [])


@pytest.mark.parametrize(
    "content",
    [
        sortable([HOSTILE], [[HOSTILE]]),
        bullets([HOSTILE]),
        code(HOSTILE),
        folded(HOSTILE, ""),
        facts({HOSTILE: {HOSTILE: [HOSTILE]}}),
        document(HOSTILE, [Section(HOSTILE, "x")]),
    ],
)
def test_what_comes_from_elsewhere_is_text(content):
    assert "<script>" not in content
    assert "&lt;script&gt;" in content
    assert "\x1b" not in content


def test_cells_hold_the_value_to_sort_by():
    table = sortable(["n", "v"], [[1, 0.123456789], [2, float("nan")], [3, None], [4, 'a"b']])
    assert '<td class="number" data-value="0.123456789">0.123457</td>' in table
    assert '<td class="number" data-value="">nan</td>' in table
    assert "<td></td>" in table
    assert '<td data-value="a&quot;b">' in table


def test_a_picture_is_part_of_the_page(tmp_path):
    (tmp_path / "a_b.png").write_bytes(b"\x89PNG")
    content = pictures([tmp_path / "a_b.png"], 560)
    assert 'width="560" src="data:image/png;base64,iVBORw=="' in content
    assert "<figcaption>a b</figcaption>" in content
    assert pictures([]) == bullets([]) == ""
