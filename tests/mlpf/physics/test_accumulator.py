import json

import numpy as np

from mlpf.physics.figures import all_figures
from mlpf.physics.sample import Sample


def as_json(events, answer, batches, **options):
    figures = all_figures(["rules", "mlpf"], **options)
    for indices in batches:
        part = events.take(indices)
        figures.add(Sample.of(part, answer(part)))
    return json.dumps([result.as_dict() for result in figures.results()], allow_nan=False)


def test_neither_order_nor_batches_change_a_byte(drawn, noisy):
    n = len(drawn)
    one_by_one = as_json(drawn, noisy, [[i] for i in range(n)], n_draws=20)
    assert as_json(drawn, noisy, [[i] for i in reversed(range(n))], n_draws=20) == one_by_one
    assert as_json(drawn, noisy, [range(8), range(8, n)], n_draws=20) == one_by_one
    assert as_json(drawn, noisy, [range(n)], n_draws=20, seed=2) != one_by_one


def test_more_events_than_wait_at_once_are_all_counted(drawn, noisy, as_row):
    figures = all_figures(["rules"], n_draws=1)
    for i in list(range(12)) * 4:
        figures.add(Sample.of(drawn.take([i])))
    row = as_row(list(figures.results()), "accuracy", "all", "rules")
    assert row.n == 4 * len(drawn.x)
    assert figures.n_events == 48


def test_without_draws_there_are_no_errors(drawn, noisy):
    figures = all_figures(["rules", "mlpf"], n_draws=0)
    figures.add(Sample.of(drawn, noisy(drawn)))
    assert all(r.error is None for r in figures.results() if hasattr(r, "error"))


def test_the_digest_knows_the_events_and_not_their_order(drawn):
    def digest(indices):
        figures = all_figures(["rules"], n_draws=0)
        for i in indices:
            figures.add(Sample.of(drawn.take([i])))
        return figures.digest()

    assert digest([0, 1, 2]) == digest([2, 0, 1]) != digest([0, 1, 3])


def test_no_event_at_all_is_no_error_before_the_end(drawn):
    figures = all_figures(["rules"], n_draws=0)
    figures.add(Sample.of(drawn.take(np.zeros(0, int))))
    assert figures.n_events == 0
