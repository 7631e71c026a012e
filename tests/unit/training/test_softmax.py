"""Softmax within sequences, with dropout, against torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evenweave.kernels import softmax
from evenweave.kernels.threads import ALONE
from evenweave.training.dropout import drop_terms, dropped
from evenweave.training.native import team


@given(
    sizes=st.lists(st.integers(1, 37), min_size=1, max_size=6),
    heads=st.integers(1, 5),
    spread=st.sampled_from([0.01, 1.0, 30.0, 1000.0]),
    p=st.sampled_from([0.0, 0.1, 0.6]),
    seed=st.integers(0, 2**32),
)
def test_it_is_torchs_softmax_and_dropout(
    sizes: list[int], heads: int, spread: float, p: float, seed: int
) -> None:
    longest = max(sizes)
    scores = np.random.default_rng(seed).normal(size=(len(sizes), heads, longest, longest)) * spread
    scores = scores.astype(np.float32)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    made, used = np.full_like(scores, 9), np.full_like(scores, 9)
    key, (threshold, kept) = np.uint64(seed), drop_terms(p)
    softmax.softmax(team(), scores, starts, np.float32(0.3), key, threshold, kept, made, used)
    expected = torch.zeros(scores.shape)
    for i, size in enumerate(sizes):
        own = torch.from_numpy(scores[i, :, :size, :size]) * np.float32(0.3)
        expected[i, :, :size, :size] = torch.softmax(own, dim=-1)
    torch.testing.assert_close(torch.from_numpy(made), expected, rtol=2e-6 * max(1, spread), atol=1e-7)
    if p:
        left = dropped(torch.from_numpy(made), p, key)
        assert np.array_equal(used, left.numpy())
    else:
        assert (used == 9).all()

    alone, again = np.empty_like(scores), np.empty_like(scores)
    softmax.softmax(ALONE, scores, starts, np.float32(0.3), key, threshold, kept, alone, again)
    assert np.array_equal(alone, made)


def test_powers_are_exact_to_two_units_in_the_last_place() -> None:
    x = -np.geomspace(1e-6, 86, 100_000).astype(np.float32)
    scores = np.stack([np.zeros_like(x), x], axis=1)[:, None, None, :].repeat(2, axis=2)
    made = np.empty_like(scores)
    starts = np.arange(len(x) + 1) * 2
    softmax.softmax(ALONE, scores, starts, np.float32(1), np.uint64(0), *drop_terms(0.0), made, made)
    powers = made[:, 0, 0, 1].astype(np.float64) / made[:, 0, 0, 0]
    # The argument of 2**t is rounded too: a unit in its last place is 6e-8 * |t|.
    assert (np.abs(powers / np.exp(x.astype(np.float64)) - 1) < 3e-7 + 1.3e-7 * np.abs(x)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("column", [0, 3])
def test_what_is_no_number_stays_none(bad: float, column: int) -> None:
    scores = np.ones((1, 1, 5, 5), np.float32)
    scores[0, 0, 2, column] = bad
    made = np.empty_like(scores)
    starts = np.array([0, 5])
    softmax.softmax(ALONE, scores, starts, np.float32(1), np.uint64(0), *drop_terms(0.0), made, made)
    assert np.isnan(made[0, 0, 2]).all()
    assert np.isfinite(made[0, 0, [0, 1, 3, 4]]).all()


@given(
    rows=st.integers(1, 600),
    width=st.integers(1, 30),
    p=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 2**32),
)
def test_its_gradient_is_torchs(rows: int, width: int, p: float, seed: int) -> None:
    chance = np.random.default_rng(seed)
    scores = torch.tensor(chance.normal(size=(rows, width)), dtype=torch.float32, requires_grad=True)
    made = torch.softmax(scores * 0.5, dim=-1)
    key, grad = np.uint64(seed), torch.tensor(chance.normal(size=(rows, width)), dtype=torch.float32)
    left = made * dropped(torch.ones(rows, width), p, key) if p else made
    (expected,) = torch.autograd.grad(left, scores, grad)
    of_used = grad.numpy().copy()
    probabilities = made.detach().numpy()
    softmax.softmax_backward(team(), of_used, probabilities, key, *drop_terms(p), np.float32(0.5))
    torch.testing.assert_close(torch.from_numpy(of_used), expected, rtol=1e-5, atol=1e-6)
