import pytest
import torch

from mlpf.network.bins import BinLayout, Binning, Hashing


def layout_of(sizes, bin_size):
    offsets = torch.tensor([0, *sizes]).cumsum(0)
    return BinLayout.from_offsets(offsets, bin_size, int(offsets[-1]))


def test_rows_go_to_bins_and_come_back():
    layout = layout_of([3, 0, 5, 4], 4)
    torch.manual_seed(0)
    order = torch.cat([torch.randperm(3), 3 + torch.randperm(5), 8 + torch.randperm(4)])
    binning = Binning.from_order(layout, order)
    x = torch.arange(1.0, 13.0).unsqueeze(1)
    binned = binning.to_bins(x)
    assert binned.shape == (4, 4, 1)
    assert binned[0, :, 0].tolist() == x[order[[0, 1, 2, 2]], 0].tolist()
    assert binned[2, :, 0].tolist() == [x[order[7], 0]] * 4  # an empty slot has a copy
    torch.testing.assert_close(binning.from_bins(binned), x)


@pytest.mark.parametrize(
    ("sizes", "bin_size", "n_slots"),
    [([7], 4, 8), ([8], 4, 8), ([7, 0, 1], 4, 12), ([3], 100, 100), ([0], 4, 0), ([2, 2], 1, 4)],
)
def test_each_event_is_padded_to_whole_bins_only(sizes, bin_size, n_slots):
    layout = layout_of(sizes, bin_size)
    assert len(layout.valid) == n_slots
    assert layout.valid.sum() == sum(sizes)


def clustered(n_clusters, per_cluster):
    centers = 5 * torch.randn(n_clusters, 8)
    label = torch.arange(n_clusters).repeat(per_cluster)
    return centers[label] + 0.1 * torch.randn(len(label), 8), label


def test_hashing_moves_rows_and_brings_near_points_into_one_bin():
    torch.manual_seed(1)
    bin_size, shares = 32, []
    for _ in range(10):
        points, label = clustered(40, 16)
        layout = layout_of([len(points)], bin_size)
        binning = Hashing(8, 100)(points, layout)
        assert not torch.equal(binning.slot, layout.slots)
        bins = binning.slot // bin_size
        same_cluster = label[:, None] == label
        shares.append((bins[:, None] == bins)[same_cluster].float().mean())
    chance = bin_size / (40 * 16)
    assert torch.stack(shares).mean() > 10 * chance


def test_a_common_offset_of_the_embedding_changes_no_bin():
    torch.manual_seed(0)
    points = torch.randn(300, 8, dtype=torch.float64)
    layout, hashing = layout_of([100, 200], 16), Hashing(8, 100).double()
    assert torch.equal(hashing(points, layout).slot, hashing(points + 1e3, layout).slot)


def test_an_event_uses_its_own_number_of_codes():
    torch.manual_seed(0)
    points = torch.randn(200, 8, dtype=torch.float64)
    hashing = Hashing(8, 100).double()
    alone = hashing(points[:40], layout_of([40], 16)).slot
    beside = hashing(points, layout_of([40, 160], 16)).slot
    assert torch.equal(alone, beside[:40])


def test_more_bins_than_the_codebook_knows_are_filled_all_the_same():
    torch.manual_seed(0)
    binning = Hashing(8, 4)(torch.randn(100, 8), layout_of([100], 2))
    assert binning.slot.sort().values.tolist() == list(range(100))


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 100])
def test_an_event_alone_lies_in_the_bins_it_has_beside_an_empty_one(size):
    torch.manual_seed(0)
    points, hashing = torch.randn(size, 8, dtype=torch.float64), Hashing(8, 100).double()
    alone, beside = layout_of([size], 16), layout_of([size, 0], 16)
    assert torch.equal(alone.valid, beside.valid)
    assert torch.equal(hashing(points, alone).slot, hashing(points, beside).slot)
    assert torch.equal(hashing(points, alone).source, hashing(points, beside).source)


def test_elements_of_one_code_are_ordered_by_the_next_projection_then_by_row():
    hashing = Hashing(2, 2)
    hashing.codebook = torch.tensor([[1.0], [0.0]])
    points = torch.tensor([[3.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 5.0], [-2.0, 0.0]])
    slot = hashing(points, layout_of([5], 5)).slot  # code 0: x > 0, ascending; code 1: x < 0
    assert slot.tolist() == [1, 3, 0, 4, 2]


def test_gathers_without_gradients_are_those_with_them():
    torch.manual_seed(0)
    layout = layout_of([5, 7], 4)
    binning = Binning.from_order(layout, torch.cat([torch.randperm(5), 5 + torch.randperm(7)]))
    x = torch.randn(12, 3)
    with torch.no_grad():
        binned = binning.to_bins(x)
        rows = binning.from_bins(binned)
    assert torch.equal(binned, binning.to_bins(x))
    assert torch.equal(rows, x)
