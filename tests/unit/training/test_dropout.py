"""Dropout masks from a counter: the distribution of torch's, at a fraction of the cost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evenweave.rng import mix
from evenweave.training.dropout import FastDropout, dropped, new_key, use_fast_dropout


def kept_mask(shape: tuple[int, ...], p: float) -> torch.Tensor:
    return dropped(torch.ones(shape), p, new_key()) != 0


def oracle(key: int, threshold: int, size: int) -> list[int]:
    """Which elements are kept, one at a time."""
    kept = []
    with np.errstate(over="ignore"):
        for place in range(size):
            draw = int(mix(np.uint64(key), np.uint64(place // 4)))
            kept.append(int((draw >> (16 * (place % 4))) & 0xFFFF >= threshold))
    return kept


@pytest.mark.parametrize("size", [0, 1, 3, 4, 7, 64, 1001, 1024, 1025, 5000])
def test_both_kernels_are_their_oracle(size: int) -> None:
    p = 20000 / 65536
    x = torch.randn(size)
    kept = torch.tensor(oracle(12345, 20000, size))
    out = dropped(x, p, np.uint64(12345))
    torch.testing.assert_close(out, x * kept / (1 - p), rtol=1e-6, atol=0)
    half = x.bfloat16()
    expected = (half.float() * kept * np.float32(1 / (1 - p))).bfloat16()
    assert torch.equal(dropped(half, p, np.uint64(12345)), expected)


def test_bfloat16_keeps_infinities_and_what_is_no_number() -> None:
    x = torch.tensor([float("inf"), -float("inf"), float("nan"), 3.3e38, 1e-40, -0.0]).bfloat16()
    out = dropped(x, 2**-16, np.uint64(1))
    torch.testing.assert_close(out, (x.float() / (1 - 2**-16)).bfloat16(), equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_as_many_are_dropped_as_asked(p: float) -> None:
    torch.manual_seed(0)
    size = 400_000
    dropped = 1 - kept_mask((size,), p).float().mean().item()
    assert dropped == pytest.approx(p, abs=5 * (p * (1 - p) / size) ** 0.5)


def test_neighbours_rows_and_calls_are_independent() -> None:
    torch.manual_seed(0)
    first, second = (kept_mask((512, 384), 0.3).double() - 0.7 for _ in range(2))
    scale = 0.21 * (512 * 384) ** 0.5
    for product in (first[:, 1:] * first[:, :-1], first[1:] * first[:-1], first * second):
        assert abs(product.sum().item()) / scale < 5 * 0.21 * (512 * 384) ** 0.5 / scale


def test_seeds_decide_the_mask_and_evaluation_drops_nothing() -> None:
    x = torch.ones(50, 40)
    layer = FastDropout(0.4)
    torch.manual_seed(7)
    one = layer(x)
    torch.manual_seed(7)
    assert torch.equal(one, layer(x))
    assert not torch.equal(one, layer(x))
    assert one.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert torch.equal(layer.eval()(x), x)


def test_the_gradient_goes_where_the_value_went() -> None:
    x = torch.randn(30, 20, requires_grad=True)
    out = FastDropout(0.5)(x)
    out.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (out != 0).float() * 2)


def test_only_plain_dropout_is_changed_and_no_weight() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.1), nn.AlphaDropout(0.1), nn.Dropout(0.0))
    names = list(model.state_dict())
    assert use_fast_dropout(model) == 2
    assert list(model.state_dict()) == names
    assert type(model[2]) is nn.AlphaDropout
    assert model[3](torch.ones(4)).tolist() == [1.0] * 4
