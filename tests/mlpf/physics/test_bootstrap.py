import numpy as np

from mlpf.physics.bootstrap import draw_weights, event_keys


def test_the_key_of_an_event_is_its_content(drawn):
    keys = event_keys(drawn)
    assert len(set(keys.tolist())) == len(drawn)
    assert event_keys(drawn.take([3, 0])).tolist() == [keys[3], keys[0]]


def test_an_event_has_the_same_draws_wherever_it_stands():
    keys = np.arange(50, dtype=np.uint64)
    weights = draw_weights(keys, n_draws=20, seed=1)
    assert weights[0].tolist() == [1] * 50
    assert np.array_equal(draw_weights(keys[::-1], n_draws=20, seed=1), weights[:, ::-1])
    assert not np.array_equal(draw_weights(keys, n_draws=20, seed=2), weights)


def test_the_error_of_a_mean_is_that_of_statistics():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 3, 900)
    weights = draw_weights(np.arange(900, dtype=np.uint64), n_draws=400, seed=1)[1:]
    means = weights @ values / weights.sum(1)
    assert abs(means.std() / (values.std() / 30) - 1) < 0.1
