import pytest
import torch

from mlpf.network.heads import Heads


def test_heads_equal_separate_networks_on_the_concatenation():
    torch.manual_seed(0)
    heads = Heads([3, 5], n_heads=2, width=4, n_out=3, dropout=0.0).double()
    parts = [torch.randn(7, width, dtype=torch.float64) for width in (3, 5)]
    out, joined = heads(parts), torch.cat(parts, 1)
    for i in range(2):
        rows = slice(4 * i, 4 * i + 4)
        hidden = torch.nn.functional.elu(
            joined @ heads.hidden.weight[rows].T + heads.hidden.bias[rows]
        )
        mean, var = hidden.mean(1, keepdim=True), hidden.var(1, keepdim=True, correction=0)
        normed = (hidden - mean) / (var + 1e-5).sqrt()
        expected = normed @ heads.out_weight[i] + heads.out_bias[i]
        torch.testing.assert_close(out[:, 3 * i : 3 * i + 3], expected)


def test_heads_that_start_at_zero_answer_zero_and_learn():
    heads = Heads([4], n_heads=3, width=5, n_out=2, dropout=0.0, zero=True)
    out = heads([torch.randn(7, 4)])
    assert out.shape == (7, 6)
    assert out.eq(0).all()
    (out - 1).square().sum().backward()
    assert heads.out_weight.grad.ne(0).all()


@pytest.mark.parametrize("n_rows", [0, 1])
def test_few_rows_are_no_problem(n_rows):
    heads = Heads([2, 1], n_heads=2, width=3, n_out=1, dropout=0.5)
    assert heads([torch.zeros(n_rows, 2), torch.zeros(n_rows, 1)]).shape == (n_rows, 2)
