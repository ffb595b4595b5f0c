import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.patches import Circle

from mlpf.evaluation.display import Display, Panel, draw_display, draw_displays, missing


def particle(pid, pt, eta, phi):
    return [pid, 0, pt, eta, np.sin(phi), np.cos(phi), pt * np.cosh(eta)]


def track(eta, phi):
    return [2, 1, 0, 0, 1, 0, eta, np.sin(phi), np.cos(phi), 1, 0, 0]


TOWER = [1] + [0] * 11
PARTICLES = np.array(
    [
        particle(1, 30, 0.5, 3.0),
        particle(2, 40, -1.0, np.pi / 2),
        particle(0, 99, 0, 0),  # no particle, whatever stands in its columns
        particle(1, 0.5, 0, 0),
    ]
)
ELEMENTS = np.array([track(0.6, -3.0), TOWER, track(1, 1), track(0, 0.1)])


@pytest.fixture
def drawn():
    panels = {
        "truth": Panel(PARTICLES, np.array([[55.4, 0.5, 3.0]])),
        "rules": Panel(PARTICLES * [1, 1, 0.5, 1, 1, 1, 1], np.zeros((0, 3))),
        "mlpf": Panel(np.zeros((4, 7))),
    }
    return draw_display(Display("a_$b", ELEMENTS, panels), "run, 80 events").figure


def test_the_missing_momentum_is_minus_the_vector_sum():
    some = np.array([particle(1, 3, 0, 0), particle(2, 4, 2, np.pi / 2), particle(0, 9, 0, 0)])
    np.testing.assert_allclose(missing(some), [-3, -4], atol=1e-12)


def test_panels_have_the_same_scales_and_say_how_many_particles_there_are(drawn):
    titles = [axes.get_title("left") for axes in drawn.axes]
    assert titles == ["truth: 3 particles", "rules: 3 particles", "MLPF: 0 particles"]
    assert len({axes.get_xlim() + axes.get_ylim() for axes in drawn.axes}) == 1
    assert len(drawn.legends) == 1
    assert drawn.get_suptitle() == r"a_\$b: run, 80 events"


def test_areas_are_proportional_to_pt_and_classes_have_their_markers(drawn):
    truth, rules, _ = drawn.axes
    hadrons, neutral, *_ = (c for c in truth.collections if not isinstance(c, LineCollection))
    assert hadrons.get_sizes()[0] / hadrons.get_sizes()[1] == pytest.approx(60)
    assert neutral.get_sizes()[0] / hadrons.get_sizes()[0] == pytest.approx(4 / 3)
    np.testing.assert_allclose(neutral.get_offsets(), [[-1, np.pi / 2]])
    assert hadrons.get_paths()[0] != neutral.get_paths()[0]
    halves = next(c for c in rules.collections if not isinstance(c, LineCollection))
    np.testing.assert_allclose(halves.get_sizes(), hadrons.get_sizes() / 2)


def test_a_track_is_a_line_to_the_calorimeter_the_short_way_round(drawn):
    (lines,) = (c for c in drawn.axes[0].collections if isinstance(c, LineCollection))
    (line,) = lines.get_segments()  # the soft one and the one without a particle have none
    np.testing.assert_allclose(line, [[0.5, 3.0], [0.6, 2 * np.pi - 3.0]])


def test_a_jet_across_the_edge_in_phi_is_seen_on_both_sides(drawn):
    centers = [p.center for p in drawn.axes[0].patches if isinstance(p, Circle)]
    np.testing.assert_allclose(centers, [(0.5, 3 - 2 * np.pi), (0.5, 3), (0.5, 3 + 2 * np.pi)])
    assert "55" in {text.get_text() for text in drawn.axes[0].texts}


def test_arrows_have_the_direction_and_relative_length_of_the_missing_momentum(drawn):
    arrows = [[t for t in axes.texts if not t.get_text()] for axes in drawn.axes]
    (truth,), (rules,), none = arrows
    (x, phi), (x_half, phi_half) = truth.xy, rules.xy
    px, py = missing(PARTICLES)
    assert phi == phi_half == pytest.approx(np.arctan2(py, px))
    assert (x + 5.2) / (x_half + 5.2) == pytest.approx(2)
    assert none == []


def test_events_are_numbered_files_also_without_truth_jets_and_elements(tmp_path):
    empty = Display("empty", np.zeros((0, 12)), {"mlpf": Panel(np.zeros((0, 7)))})
    (path,) = draw_displays([empty], tmp_path)
    assert path == tmp_path / "event_1.png"
    assert path.stat().st_size > 1000


def test_in_a_crowded_event_markers_are_small_and_only_the_leading_jets_are_drawn():
    crowd = np.tile(PARTICLES[:2], (3000, 1))  # 6000 particles, four times as many as usual
    elements = np.tile(ELEMENTS[:2], (3000, 1))
    jets = np.array([[20.0 + k, 0.1 * k, 0.0] for k in range(30)])
    (axes,) = draw_display(Display("", elements, {"mlpf": Panel(crowd, jets)})).panels
    hadrons = next(c for c in axes.collections if not isinstance(c, LineCollection))
    assert hadrons.get_sizes()[0] == pytest.approx(30)  # 1 point^2 per GeV
    numbers = {text.get_text() for text in axes.texts}
    assert {str(pt) for pt in range(38, 50)} <= numbers
    assert "37" not in numbers
