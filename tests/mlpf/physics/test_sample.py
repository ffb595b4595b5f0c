import numpy as np

from mlpf.physics.sample import Sample, usable


def test_counts_and_sums_are_per_event(drawn):
    sample = Sample.of(drawn.take([0, 1]))
    counts = sample.count(sample.true_class, 6)
    assert counts.sum(1).tolist() == drawn.sizes[:2].tolist()
    where = sample.is_track
    assert sample.count(sample.true_class, 6, where)[:, 2:].sum() == 0
    assert np.allclose(
        sample.total(sample.events.x[:, 1])[0], sample.events.x[: drawn.sizes[0], 1].sum()
    )


def test_the_rules_are_an_answer_unless_the_events_have_none(drawn, truth):
    assert list(Sample.of(drawn, truth(drawn)).answers) == ["rules", "mlpf"]
    assert list(Sample.of(drawn, truth(drawn), has_rules=False).answers) == ["mlpf"]


def test_a_particle_that_is_not_finite_is_not_usable():
    labels = np.ones((3, 7))
    labels[1, 0], labels[2, 6] = 0, np.nan
    assert usable(labels).tolist() == [True, False, False]
