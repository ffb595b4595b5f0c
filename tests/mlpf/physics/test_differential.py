from mlpf.physics.accumulator import Accumulator
from mlpf.physics.differential import DifferentialFigure
from mlpf.physics.sample import Sample


def test_efficiency_and_fake_rate_lie_in_the_bin_of_their_element(by_hand):
    true, given = [2, 0, 2, 0.1, 0, 1, 2], [2, 0, 50, 0.1, 0, 1, 50]
    nothing = [0] * 7
    rows = [(1, true, given), (1, true, nothing), (1, nothing, given)]
    figure = Accumulator([DifferentialFigure(["rules"])], [], n_draws=0)
    figure.add(Sample.of(by_hand(rows)))
    found = list(figure.results())
    curves = {(r.name, r.x_label): r for r in found if r.selection == "neutral_hadron"}
    efficiency = curves["efficiency", "true energy [GeV]"]
    fake = curves["fake_rate", "energy of the candidate [GeV]"]
    for curve, energy in ((efficiency, 2), (fake, 50)):
        filled = [i for i, n in enumerate(curve.n) if n]
        assert len(filled) == 1
        assert curve.edges[filled[0]] <= energy < curve.edges[filled[0] + 1]
        assert curve.values[filled[0]] == 0.5
        assert curve.n[filled[0]] == 2
    assert sum(curves["efficiency", "true eta"].n) == 2
    assert len(found) == 5 * 4
