"""Checksums of values."""

from dataclasses import replace

import numpy as np

from mlpf.data.checksums import Checksums
from mlpf.data.events import Events


def texts(*parts):
    checksums = Checksums()
    for part in parts:
        checksums.add(part)
    return checksums.texts()


def test_they_do_not_depend_on_the_portions(known):
    events = known([2, 0, 3, 1])
    assert texts(events) == texts(*(events.take([i]) for i in range(4)))
    assert texts(events) != texts(events.take([0, 2, 1, 3]))


def test_each_table_has_its_own(known, numbered):
    events, other = known([2, 3]), known([2, 3])
    other.ycand[3, 2] += 1
    other.generator.energy[1] += 1
    differ = {name for name, text in texts(other).items() if text != texts(events)[name]}
    assert differ == {"ycand", "gen_energy"}
    real = replace(numbered([2, 3]), has_truth=False)
    assert {"ygen", "gen_pid"}.isdisjoint(texts(real))


def test_they_are_of_the_numbers_that_a_file_holds(known):
    events = known([2, 3])
    tables = (getattr(events, name).astype(np.float64) for name in ("x", "ygen", "ycand"))
    wide = replace(events.generator, charge=events.generator.charge.astype(float))
    assert texts(Events(*tables, events.offsets, generator=wide)) == texts(events)
