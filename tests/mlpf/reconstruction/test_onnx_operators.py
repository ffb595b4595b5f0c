"""Our translations compute what PyTorch computes, ties and empty tensors included."""

import numpy as np
import onnxscript
import pytest
import torch

from mlpf.reconstruction import onnx_operators

op = onnxscript.opset18


def test_a_sort_keeps_the_order_of_equal_values():
    x = np.array([2, 1, 2, 1, 0, 2] * 50, np.float32)
    _, order = onnx_operators._sort(x, stable=True)
    np.testing.assert_array_equal(order.value, torch.argsort(torch.from_numpy(x), stable=True))
    values, order = onnx_operators._sort(x, stable=True, descending=True)
    assert values.value[0] == 2
    np.testing.assert_array_equal(order.value[:3], [0, 2, 5])


def test_a_diagonal_is_replaced():
    x, values = np.arange(8, dtype=np.float32).reshape(2, 2, 2), np.array([[-1, -2], [-3, -4]])
    found = onnx_operators._diagonal_scatter(x, values.astype(np.float32), 0, 1, 2)
    expected = torch.diagonal_scatter(
        torch.from_numpy(x), torch.from_numpy(values).float(), dim1=1, dim2=2
    )
    np.testing.assert_array_equal(found.value, expected)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_means_and_lengths(weight):
    one, other = np.float32([3.0]), np.float32([4.0])
    assert onnx_operators._hypot(one, other).value == 5
    assert onnx_operators._lerp(one, other, np.float32([weight])).value == 3 + weight
