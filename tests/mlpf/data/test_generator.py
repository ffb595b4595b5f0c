"""Generator information, for chosen events and elements."""

from dataclasses import replace

import numpy as np
import pytest

from mlpf.data.events import Events, concatenate
from mlpf.data.generator import is_visible


def test_taking_events_takes_their_particles_and_the_shares_of_their_elements(known):
    events = known([2, 1, 3])
    taken = events.take([2, 0]).generator
    assert taken.offsets.tolist() == [0, 2, 5]
    np.testing.assert_array_equal(taken.pt, events.generator.pt[[3, 4, 0, 1, 2]])
    np.testing.assert_array_equal(taken.n_pileup, events.generator.n_pileup[[2, 0]])
    np.testing.assert_array_equal(
        taken.pileup_share, events.generator.pileup_share[[3, 4, 5, 0, 1]]
    )


def test_a_cut_on_elements_keeps_all_particles(known):
    events = known([2, 1])
    cut = events.select_elements(np.array([False, True, True])).generator
    np.testing.assert_array_equal(cut.pid, events.generator.pid)
    np.testing.assert_array_equal(cut.pileup_share, events.generator.pileup_share[1:])


def test_parts_cut_out_of_a_concatenation_are_the_parts(known, assert_same):
    parts = [known([2, 1]), known([3], 1), known([])]
    whole = concatenate(parts)
    assert_same(whole.take([0, 1]), parts[0])
    assert_same(whole.take([2]), parts[1])


def test_events_of_which_one_part_has_no_generator_have_none(known, numbered):
    assert concatenate([known([2]), numbered([1])]).generator is None


def test_a_generator_of_other_events_is_refused(known):
    events = known([2, 1])
    tables = (events.x, events.ygen, events.ycand, events.offsets)
    for other in (known([3]), known([2, 2]), known([1, 1, 1])):
        with pytest.raises(ValueError, match="generator has events and elements"):
            Events(*tables, generator=other.generator)


@pytest.mark.parametrize("name", ["pid", "n_pileup"])
def test_columns_of_other_lengths_are_refused(known, name):
    generator = known([2, 1]).generator
    with pytest.raises(ValueError, match=rf"{name} has shape \(1,\)"):
        replace(generator, **{name: np.ones(1)})


def test_neutrinos_and_dark_matter_are_invisible_and_the_rest_is_not():
    codes = np.array([12, -14, 16, 1000022, 4900211, 22, -211, 130, 2112, 13, 1000010020])
    assert is_visible(codes).tolist() == [False] * 5 + [True] * 6
