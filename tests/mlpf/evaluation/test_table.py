import pytest

from mlpf.evaluation.table import Line, grouped, key_lines, lines, markdown, measured


def line(name, rules, mlpf, error, columns=()):
    cells = {"rules": (rules, None), "mlpf": (mlpf, None), "mlpf-rules": (mlpf - rules, error)}
    return Line(name, "all", "", 10, cells | dict(columns))


@pytest.mark.parametrize(
    ("some", "verdict"),
    [
        (line("tower_accuracy", 0.90, 0.92, 0.004), "better"),
        (line("tower_accuracy", 0.90, 0.88, 0.004), "worse"),
        (line("tower_accuracy", 0.90, 0.907, 0.004), "same"),
        (line("met_rms", 25.0, 20.0, 1.0), "better"),
        (line("fake_rate", 0.10, 0.12, 0.001), "worse"),
        (line("sum_pt_ratio", 1.12, 0.98, 0.01), "better"),
        (line("jet_response_median", 1.01, 0.95, 0.01), "worse"),
        (line("multiplicity_shift", -0.05, 0.03, 0.01), "better"),
        (line("jet_efficiency", 0.9, 0.9, None), "same"),
        (line("jets_per_event", 6.8, 6.1, 0.1, {"truth": (6.0, None)}), "better"),
        (line("jets_per_event", 6.8, 6.1, 0.1), ""),
        (line("tower_accuracy", 0.9, 0.92, 0.001, {"rules": (None, None)}), ""),
    ],
)
def test_nearer_to_the_ideal_by_more_than_two_errors_is_better(some, verdict):
    assert some.verdict == verdict


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.0172, 0.0012, "0.0172 ± 0.0012"),
        (25.22, 12.3, "25 ± 12"),
        (1234.5, 130.0, "1234 ± 130"),
        (0.98, 0.0, "0.98"),
        (-4.0, float("nan"), "-4"),
        (float("nan"), 0.1, ""),
    ],
)
def test_a_value_ends_at_the_second_digit_of_its_error(value, error, text):
    assert measured(value, error) == text


def test_a_line_has_all_columns_a_mark_and_a_unit(evaluation):
    towers, met, *_ = lines(evaluation)
    expected = (
        *("tower accuracy", "towers", "", "0.8959 ± 0.0016", "0.9131 ± 0.0012"),
        *("0.0172 ± 0.0012", "▲ better", "10", ""),
    )
    assert towers.cells() == expected
    assert met.cells()[6:] == ("= same", "80", "GeV")


def test_figures_are_grouped_and_the_groups_have_an_order(evaluation):
    names = {group: [m.name for m in some] for group, some in grouped(lines(evaluation)).items()}
    assert list(names.items()) == [
        ("Classes", ["tower_accuracy", "fake_rate"]),
        ("Jets", ["jet_efficiency"]),
        ("Missing transverse momentum", ["met_rms"]),
    ]


def test_the_key_figures_are_the_first_of_their_name(evaluation):
    evaluation["rows"].append(evaluation["rows"][3] | {"selection": "other"})
    found = [(some.name, some.selection) for some in key_lines(evaluation)]
    expected = [("tower_accuracy", "towers"), ("met_rms", "all")]
    assert found == [*expected, ("jet_efficiency", "|eta|<2.5 <b>")]


def test_of_several_networks_each_has_its_key_figures_and_two_their_difference(evaluation):
    evaluation["settings"]["networks"] = {"a": "x", "b": "y"}
    row = evaluation["rows"][1]
    evaluation["rows"] = [
        row | {"selection": f"{name}, {of}"} for name in "ab" for of in ("x", "y")
    ]
    pair = {"selection": "b - a, x", "column": "mlpf-mlpf", "value": 0.01, "error": 0.002}
    evaluation["rows"].append(row | pair)
    found = key_lines(evaluation)
    assert [line.selection for line in found] == ["a, x", "b, x", "b - a, x"]
    assert found[-1].cells()[2:7] == ("", "", "", "0.0100 ± 0.0020", "")


def test_markdown_has_a_table_per_group_and_shows_names_as_text(evaluation):
    evaluation["rows"].append(evaluation["rows"][0] | {"name": "a|b\n## c", "unit": "`x`"})
    text = markdown(evaluation)
    assert text.count("## Jets") == text.count("## Missing\n") == 1
    assert r"| \|eta\|&lt;2.5 &lt;b> | 1 | 0.930 ± 0.010 | 0.910 ± 0.010 |" in text
    assert r"| a\|b ## c | towers |" in text
    assert "\n## c" not in text
    tables = [part for part in text.splitlines() if part.startswith("|")]
    assert {part.replace(r"\|", "").count("|") for part in tables} == {10}
    assert "- jets: &lt;i>fastjet&lt;/i> is not installed" in text
