from __future__ import annotations

from mlpf.delphes.damage import DamagedFile, first_line


def test_an_error_without_a_message_is_named_by_its_class():
    assert first_line(AssertionError()) == "AssertionError"
    assert first_line(OSError("\n\n  expected 3 bytes,\nreceived 2")) == "expected 3 bytes,"


def test_damage_is_a_value_error_as_callers_of_earlier_versions_expect():
    assert issubclass(DamagedFile, ValueError)
