import numpy as np
import pytest

from benchmarks.reproduce.policies.problems import made_up

syne = pytest.importorskip("benchmarks.reproduce.policies.syne", exc_type=ImportError)


@pytest.mark.parametrize("kind", ["stopping", "promotion"])
def test_asha_trains_few_trials_to_the_end(kind):
    losses = made_up()[0].table.losses[:22]
    run = syne.syne_asha(losses, kind, 0)
    assert run.spent.n_started == 22
    assert set(run.lengths) <= {1, 3, 9, 12}
    assert run.spent.epochs < 0.5 * losses.size
    assert run.final in losses[:, -1]
    assert (run.spent.n_resumed > 0) == (kind == "promotion")
    again = syne.syne_asha(losses, kind, 0)
    assert np.array_equal(run.lengths, again.lengths)
