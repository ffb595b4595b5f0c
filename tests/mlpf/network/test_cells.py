import math

import numpy as np
import pytest
import torch

from mlpf.detector import ECAL, HCAL
from mlpf.network.cells import Cells, cell_sums


@pytest.mark.parametrize("grid", [ECAL.grid, HCAL.grid])
def test_the_numbers_of_cells_are_those_of_the_simulation(grid):
    rng = np.random.default_rng(1)
    eta, phi = rng.uniform(-4.99, 4.99, 5000), rng.uniform(-math.pi, math.pi, 5000)
    found = Cells(grid).double().find(torch.tensor(eta), torch.tensor(phi))
    # Edges are float32: a direction that close to one may be on its other side.
    assert np.mean(found.numpy() == grid.find(eta, phi)) > 0.999


def test_a_direction_outside_of_the_grid_has_the_cell_at_its_edge():
    phi = torch.tensor([1.0, 1.0])
    cells = Cells(HCAL.grid)
    found = cells.find(torch.tensor([-9.0, 9.0]), phi)
    assert torch.equal(found, cells.find(torch.tensor([-4.99, 4.99]), phi))


def test_the_cells_are_those_of_the_simulation():
    rng = np.random.default_rng(0)
    eta, phi = rng.uniform(-4.99, 4.99, 5000), rng.uniform(-math.pi, math.pi, 5000)
    eta0, d_eta, phi0, d_phi = HCAL.grid.bounds(HCAL.grid.find(eta, phi))
    cells = Cells(HCAL.grid).double()
    got = cells.centers(torch.tensor(eta), torch.tensor(phi))
    np.testing.assert_allclose(got[0], eta0 + d_eta / 2, atol=1e-6)
    np.testing.assert_allclose(got[1], phi0 + d_phi / 2, atol=1e-6)


def test_outside_of_the_grid_and_at_its_seam_the_position_stays_near_the_element():
    eta = torch.tensor([-7.0, 5.5, 0.1, 0.1])
    phi = torch.tensor([1.0, -1.0, math.pi, -math.pi])
    center_eta, center_phi = Cells(HCAL.grid).centers(eta, phi)
    assert center_eta[:2].tolist() == [-7.0, 5.5]
    assert center_phi[:2].tolist() == [1.0, -1.0]
    assert (phi - center_phi)[2:].abs().max() <= math.pi / 72 + 1e-6


def test_sums_are_those_of_a_plain_loop():
    generator = torch.Generator().manual_seed(0)
    cell = torch.randint(0, 12, (60,), generator=generator) * 1_000_003
    values = torch.rand(60, 3, generator=generator, dtype=torch.float64)
    expected = torch.stack([values[cell == c].sum(0) for c in cell])
    torch.testing.assert_close(cell_sums(values, cell), expected)


def test_no_element_has_no_sum():
    assert cell_sums(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64)).shape == (0, 2)
