"""Values that cannot be right: each is found, and named with its event."""

import numpy as np
import pytest

from mlpf.data.checks import find_problem
from mlpf.schema import X_COLUMNS, Y_COLUMNS

OFFSETS = np.array([0, 2, 2, 4])  # the second event is empty
TABLES = {"x": X_COLUMNS, "ygen": Y_COLUMNS, "ycand": Y_COLUMNS}


def good():
    """A track and a tower in each of two events; the towers are nothing in truth."""
    columns = {f"{t}_{name}": np.zeros(4, "f4") for t, names in TABLES.items() for name in names}
    columns["x_type"][:] = 2, 1, 2, 1
    columns["x_cos_phi"][:] = columns["x_energy"][:] = 1
    columns["x_cos_phi_outer"][:] = columns["ygen_pid"][:] = columns["ycand_pid"][:] = 1, 0, 1, 0
    columns["x_eta_outer_or_e_em"][:] = -2, 30, -2, 30
    columns["ygen_cos_phi"][:] = columns["ycand_sin_phi"][:] = 1, 0, -1, 0
    columns["ygen_charge"][:] = -1, 0, 1, 0
    return columns


def test_good_values_and_no_values_are_no_problem():
    assert find_problem(good(), OFFSETS) == ""
    assert find_problem({k: v[:0] for k, v in good().items()}, np.array([0])) == ""


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("x_energy", np.nan, "x_energy is nan, need a number from 0 to 1e+06"),
        ("x_pt", np.inf, "x_pt is inf"),
        ("x_energy", -3, "x_energy is -3"),
        ("x_type", 3, "x_type is 3, need a whole number from 1 to 2"),
        ("x_type", 1.5, "x_type is 1.5"),
        ("x_charge", 2, "x_charge is 2"),
        ("x_is_gen_muon", 7, "x_is_gen_muon is 7"),
        ("x_eta", -50, "x_eta is -50"),
        ("x_sin_phi", 0.7, "x_sin_phi and x_cos_phi are 0.7 and 1, not a sine and a cosine"),
        ("x_cos_phi_outer", 0.2, "x_sin_phi_outer_or_e_had and x_cos_phi_outer are 0 and 0.2"),
        ("ygen_pid", 7, "ygen_pid is 7, need a whole number from 0 to 5"),
        ("ygen_pid", np.nan, "ygen_pid is nan"),
        ("ygen_pid", 1.5, "ygen_pid is 1.5"),
        ("ygen_energy", 1e30, "ygen_energy is 1e+30"),
        ("ycand_pid", -1, "ycand_pid is -1"),
        ("ycand_charge", 0.5, "ycand_charge is 0.5"),
        ("ycand_sin_phi", 0.0, "ycand_sin_phi and ycand_cos_phi are 0 and 0"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_event(column, value, message):
    columns = good()
    columns[column][2] = value
    assert find_problem(columns, OFFSETS).startswith(f"event 2, element 0: {message}")


def test_energies_of_a_tower_are_not_negative():
    columns = good()
    columns["x_eta_outer_or_e_em"][3] = -0.5
    found = find_problem(columns, OFFSETS)
    assert found == "event 2, element 1: x_eta_outer_or_e_em of a tower is -0.5, need an energy"


def test_the_direction_of_nothing_is_not_looked_at():
    columns = good()
    columns["ygen_sin_phi"][1] = 0.3
    assert find_problem(columns, OFFSETS) == ""
