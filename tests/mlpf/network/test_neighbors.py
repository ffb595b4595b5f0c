from itertools import pairwise

import pytest
import torch

from mlpf.network import neighbors
from mlpf.network.neighbors import find_neighbors, nearest
from tests.mlpf.network.layouts import layout_of


def reference(points, k):
    """One element at a time, from the definition."""
    found = []
    for point in points:
        distances = (points - point).square().sum(1).sqrt().float().tolist()
        keys = [
            (d, float(p[0]), i) for i, (d, p) in enumerate(zip(distances, points, strict=True))
        ]
        found.append([i for _, _, i in sorted(keys)[:k]])
    return found


def edges(points, sizes, k):
    """The neighbors of each element of a batch, as rows of the batch."""
    found = find_neighbors(points, layout_of(sizes), k)
    source, first = found.source.tolist(), found.first.tolist()
    rows = [source[a:b] for a, b in pairwise(first)]
    counts = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    assert torch.equal(found.target, torch.repeat_interleave(counts))
    return rows


@pytest.mark.parametrize("k", [1, 4, 60])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neighbors_equal_a_plain_loop_over_the_definition(k, dtype, monkeypatch):
    monkeypatch.setitem(neighbors._N_DISTANCES, "cpu", 100)  # parts of a few rows
    torch.manual_seed(0)
    points = torch.randn(50, 3).to(dtype)
    assert nearest(points, k).tolist() == reference(points, k)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_neighbors_are_searched_inside_each_event(k):
    torch.manual_seed(0)
    sizes = [0, 7, 1, 0, 3, 20, 0]
    points = torch.randn(sum(sizes), 2)
    expected, start = [], 0
    for event in points.split(sizes):
        expected += [[start + i for i in row] for row in reference(event, k)]
        start += len(event)
    assert edges(points, sizes, k) == expected


@pytest.mark.parametrize("sizes", [[0], [0, 0], []])
def test_a_batch_without_elements_has_no_edges(sizes):
    assert edges(torch.randn(0, 2), sizes, 3) == []


def test_points_at_the_same_distance_are_taken_in_the_order_of_their_first_coordinate():
    grid = torch.cartesian_prod(torch.arange(5.0), torch.arange(5.0))  # full of ties
    order = torch.randperm(25, generator=torch.Generator().manual_seed(0))
    found, shuffled = nearest(grid, 3), nearest(grid[order], 3)
    assert found.tolist() == reference(grid, 3)
    assert torch.equal(found, nearest(grid, 3))
    first = grid[found][:, :, 0]
    assert torch.equal(grid[order][shuffled][:, :, 0], first[order])
    equal = torch.zeros(6, 2)
    assert nearest(equal, 2).tolist() == [[0, 1]] * 6


def test_neighbors_are_exact_far_from_the_origin():
    torch.manual_seed(0)
    points = torch.randn(100, 4).double() + 1000.0
    points = points.float()
    assert nearest(points, 5).tolist() == nearest(points.double(), 5).tolist()


def test_memory_grows_with_the_number_of_elements_and_not_with_its_square(monkeypatch):
    sizes, search = [], neighbors._nearest_of

    def spied(queries, points, k):
        sizes.append(len(queries) * len(points))
        return search(queries, points, k)

    monkeypatch.setattr(neighbors, "_nearest_of", spied)
    nearest(torch.randn(3000, 2), 2)
    assert len(sizes) > 50
    assert max(sizes) <= 2**17


def test_the_search_is_compiled_once_for_all_sizes():
    compiled = []

    def backend(graph, _):
        compiled.append(graph)
        return graph.forward

    search = torch.compile(neighbors._nearest_of, fullgraph=True, dynamic=True, backend=backend)
    for n in (30, 40, 50):
        points = torch.randn(n, 3)
        expected = neighbors._nearest_of(points[:10], points, 4)
        assert torch.equal(search(points[:10], points, 4), expected)
    assert len(compiled) == 1


def test_a_compiled_search_has_one_part_and_the_same_result(monkeypatch):
    monkeypatch.setitem(neighbors._N_DISTANCES, "cpu", 100)
    points = torch.randn(50, 3)
    in_parts = nearest(points, 4)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert torch.equal(nearest(points, 4), in_parts)


def test_the_neighbors_are_those_of_pyg_lib():
    pytest.importorskip("pyg_lib", reason="NOT TESTED: pyg-lib is not installed")
    sizes, k = [0, 7, 1, 3, 200], 5
    torch.manual_seed(0)
    points = torch.randn(sum(sizes), 4)
    first = torch.tensor([0, *sizes]).cumsum(0)
    target, source = torch.ops.pyg.knn(points, points, first, first, k, False, 1)
    theirs = {tuple(edge) for edge in torch.stack([source, target], 1).tolist()}
    ours = find_neighbors(points, layout_of(sizes), k)
    assert theirs == set(zip(ours.source.tolist(), ours.target.tolist(), strict=True))
