from mlpf.evaluation.screen import key_lines


def row(name, selection, column, value, error=None):
    return {
        "name": name,
        "selection": selection,
        "column": column,
        "value": value,
        "error": error,
    }


def test_eight_lines_show_rules_network_and_difference():
    rows = [
        row("tower_accuracy", "towers", "rules", 0.90718, 0.001),
        row("tower_accuracy", "towers", "mlpf", 0.91511, 0.001),
        row("tower_accuracy", "towers", "mlpf-rules", 0.00793, 0.00042),
        row("jet_efficiency", "eta<2.5", "mlpf", 0.95),
        row("jet_purity", "eta<2.5", "mlpf", 0.9),
        row("ms_per_event", "batch 4", "mlpf", 12.5, 0.1),
        row("met_rms", "all", "rules", None),
    ]
    heading, *lines = key_lines({"settings": {"batch_size": 4}, "rows": rows})
    assert heading.split() == ["rules", "MLPF", "MLPF", "-", "rules"]
    assert len(lines) == 8
    assert lines[0].split()[2:] == ["0.907", "0.915", "0.00793", "±", "0.00042"]
    assert lines[2].split()[-3:] == ["-", "-", "-"]
    assert "0.95, 0.9" in lines[4]
    assert lines[7].split() == ["ms", "per", "event", "-", "12.5", "-"]
    assert max(map(len, lines)) < 90


def test_the_lines_of_one_of_several_networks_are_its_own():
    rows = [row("tower_accuracy", f"{n}, towers", "mlpf", v) for n, v in (("a", 0.1), ("b", 0.2))]
    heading, first, *_ = key_lines({"settings": {"batch_size": 1}, "rows": rows}, "b")
    assert heading.startswith("b ")
    assert "0.2" in first
