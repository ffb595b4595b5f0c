import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from commons.picture_style import Picture
from mlpf.evaluation.display import Display, Panel
from mlpf.evaluation.page import html_page, write_report


class Reader(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)

    def named(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def test_what_comes_from_files_is_text_and_nothing_is_loaded_or_run(evaluation, tmp_path):
    picture = tmp_path / 'a"onload="x.png'
    picture.write_bytes(b"\x89PNG")
    page = html_page(evaluation, [picture], provenance={"files": ["<u>.parquet", "b"]})
    reader = Reader(page)
    assert reader.open == []
    assert not {"script", "link", "iframe", "b", "i"} & {tag for tag, _ in reader.tags}
    for text in ("runs/<script>alert(1)</script>", "jets: <i>fastjet</i> is not installed"):
        assert text in reader.texts
    assert {"mlpf.train -m 'x&y'", "<u>.parquet", "b", "a: 1<2"} <= set(reader.texts)
    (image,) = reader.named("img")
    assert set(image) == {"alt", "src"}
    assert image["src"].startswith("data:image/png;base64,")
    assert not re.search(r"https?://|src=\"(?!data:)", page)
    policy = next(m["content"] for m in reader.named("meta") if "http-equiv" in m)
    assert policy.startswith("default-src 'none'")


def test_the_page_has_the_figures_the_marks_and_a_link_to_each_section(evaluation):
    reader = Reader(html_page(evaluation))
    assert reader.texts.count("▲ better") == 2  # key figures, and their group
    assert {a["class"] for a in reader.named("td") if "class" in a} >= {"better", "worse", "same"}
    sections = [attributes["id"] for attributes in reader.named("section")]
    assert [a["href"] for a in reader.named("a")] == [f"#{name}" for name in sections]
    assert sections[0] == "key-figures"
    assert "speed" not in sections  # nothing is there
    assert "0.9131 ± 0.0012" in reader.texts
    viewport = [m for m in reader.named("meta") if m.get("name") == "viewport"]
    assert "width=device-width" in viewport[0]["content"]


def test_a_report_is_a_table_pictures_and_a_page_that_holds_them(evaluation, tmp_path):
    event = Display("event 3", np.zeros((0, 12)), {"rules": Panel(np.zeros((0, 7)))})
    paths = write_report(evaluation, tmp_path / "new" / "out", [event])
    names = ["table.md", "efficiency_against_true_energy.png", "event_1.png", "evaluation.html"]
    assert [path.name for path in paths] == names
    page = paths[-1].read_text()
    for picture in paths[1:3]:
        assert base64.b64encode(picture.read_bytes()).decode() in page
    assert page.index("event 1</figcaption>") > page.index("efficiency against true energy</fig")


def test_the_titles_of_the_pictures_name_the_networks_and_the_events(
    evaluation, tmp_path, monkeypatch
):
    titles = []
    draw = Picture.save
    monkeypatch.setattr(
        Picture, "save", lambda p, path: titles.append(p.figure.get_suptitle()) or draw(p, path)
    )
    event = Display("Event 3", np.zeros((0, 12)), {"rules": Panel(np.zeros((0, 7)))})
    split = {"split": "test", "data": {"folder": "data/qcd"}}
    write_report(evaluation, tmp_path, [event], split)
    assert titles == [
        f"{what}: a, 80 events of the split test of qcd" for what in ("Efficiency", "Event 3")
    ]
    write_report(evaluation, tmp_path, [], {**split, "files": "data/some.parquet"})
    write_report(evaluation, tmp_path)
    assert titles[2:] == ["Efficiency: a, 80 events of some.parquet", "Efficiency: a, 80 events"]


@pytest.mark.parametrize("column", ["rules", "mlpf"])
def test_one_algorithm_alone_is_shown_too(evaluation, column):
    evaluation["rows"] = [row for row in evaluation["rows"] if row["column"] == column]
    assert "tower accuracy" in html_page(evaluation)
