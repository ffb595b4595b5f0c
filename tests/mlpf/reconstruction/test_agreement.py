"""Differences of logits and classes are found, and NaN is never agreement."""

import numpy as np
import pytest
import torch
from torch import nn

from mlpf.reconstruction.agreement import compare


class Known(nn.Module):
    """A network with probabilities .6 and .4 for classes 0 and 1."""

    def forward(self, x):
        n = len(x)
        pid = torch.tensor([0.6, 0.4, 0, 0, 0, 0]).expand(n, 6)
        return pid, torch.zeros(n, 3), torch.zeros(n, 7)


EVENTS = [np.zeros((n, 12), np.float32) for n in (3, 0, 7)]


def shifted(by, at=0):
    def run(x):
        pid, charge, particles = (out.numpy().copy() for out in Known()(torch.from_numpy(x)))
        if len(x) == 7:
            pid[at, 0] *= np.exp(by)
        return pid, charge, particles

    return run


def test_equal_outputs_agree():
    found = compare(Known(), shifted(0.0), EVENTS)
    assert found.is_met
    assert (found.n_events, found.n_elements) == (3, 10)
    assert (found.max_dlogit, found.share_equal) == (0, 1)


@pytest.mark.parametrize(("by", "is_met"), [(9e-4, True), (1.1e-3, False), (-0.5, False)])
def test_the_largest_difference_of_a_logit_decides(by, is_met):
    found = compare(Known(), shifted(by), EVENTS)
    assert found.max_dlogit == pytest.approx(abs(by), rel=1e-3)
    assert found.is_met == is_met
    assert found.share_equal == (0.9 if by < -0.4 else 1)


def test_a_particle_more_is_another_class():
    def run(x):
        pid, charge, particles = shifted(0.0)(x)
        particles[:1, 0] = 1
        return pid, charge, particles

    found = compare(Known(), run, EVENTS)
    assert found.share_equal == 0.8
    assert not found.is_met


def test_nan_is_no_agreement():
    assert not compare(Known(), shifted(np.nan), EVENTS).is_met
