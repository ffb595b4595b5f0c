from mlpf.evaluation.style import LOOKS, label, look


def test_columns_differ_without_color_too():
    some = LOOKS.values()
    assert len({style.marker for style in some}) == len({style.color for style in some}) == 3
    rules, mlpf = LOOKS["rules"], LOOKS["mlpf"]
    assert rules.line != mlpf.line
    assert rules.filled != mlpf.filled
    assert look("other").label == "other"


def test_only_whole_words_become_symbols():
    assert label("opt_in of theta") == "opt in of theta"
    assert label("dr<0.1, abs(eta) 1-2") == r"$\Delta R$<0.1, $|\eta|$ 1-2"
    assert label("met_response iqr") == "MET response IQR"


def test_a_limit_on_eta_is_one_on_its_size():
    assert label("eta<2.5, massless") == r"$|\eta|$<2.5, massless"
    assert label("true eta") == r"true $\eta$"
