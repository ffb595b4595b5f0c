import numpy as np
import pytest

from hpo.simulate.cluster import Cluster, Duration, duration


@pytest.fixture
def random():
    return np.random.default_rng(1)


def test_a_constant_draws_no_number(random):
    assert Duration((3.0,)).draw(random) == 3
    assert Cluster().fault(random, 1e9) is None
    assert random.random() == np.random.default_rng(1).random()


def test_measured_times_are_drawn_equally_often(random):
    times = [Duration((1.0, 2.0, 9.0)).draw(random) for _ in range(3000)]
    assert {time: times.count(time) for time in (1, 2, 9)} == pytest.approx(
        dict.fromkeys((1, 2, 9), 1000), rel=0.1
    )


def test_a_lognormal_time_has_its_median_and_spread(random):
    logs = np.log([Duration((60.0,), 0.5).draw(random) for _ in range(4000)])
    assert np.median(logs) == pytest.approx(np.log(60), abs=0.03)
    assert logs.std() == pytest.approx(0.5, rel=0.05)


def test_the_mean_slowness_of_trials_is_1(random):
    for cluster in (Cluster(), Cluster(epoch_sigma=0.4)):
        factors = np.array([cluster.slowness(random) for _ in range(6000)])
        assert factors.mean() == pytest.approx(1, abs=0.02)
    assert np.log(factors).std() == pytest.approx(0.4, rel=0.05)
    assert Cluster(epoch_sigma=0.0).slowness(random) == 1


def test_faults_come_at_the_sum_of_their_rates_and_in_proportion(random):
    cluster = Cluster(failures_per_hour=1.0, preemptions_per_hour=3.0)
    faults = [cluster.fault(random, 900.0) for _ in range(4000)]
    happened = [fault for fault in faults if fault is not None]
    assert len(happened) / 4000 == pytest.approx(1 - np.exp(-1), abs=0.025)
    assert max(after for after, _ in happened) < 900
    assert np.mean([is_preemption for _, is_preemption in happened]) == pytest.approx(
        0.75, abs=0.03
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (300, Duration((300.0,))),
        ([1, 2.5], Duration((1.0, 2.5))),
        ({"median": 60, "sigma": 1}, Duration((60.0,), 1.0)),
    ],
)
def test_a_time_has_three_forms(given, expected):
    assert duration("queue_s", given) == expected


@pytest.mark.parametrize(
    "given",
    [
        *(-1, "long", True, float("nan"), float("inf")),
        *([], [1, -1], [1, None]),
        *({"median": 1}, {"median": -1, "sigma": 1}),
        *({"median": 1, "sigma": -1}, {"median": [1], "sigma": 1}),
    ],
)
def test_what_is_no_time_is_refused_with_its_key(given):
    with pytest.raises(ValueError, match=r"queue_s=.*expected seconds, a list"):
        duration("queue_s", given)
