"""Resampling kernels against plain Python over the same draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenweave.errors import ArgumentError
from evenweave.kernels import resample as kernel
from evenweave.metrics.resample import bootstrap_totals, check_resamples, exchanged_totals, interval, seed_of


def drawn(n, seed, resample):
    rows = np.empty(n, dtype=np.uint32)
    kernel.draw_rows(np.uint64(kernel.resample_key(seed_of(seed), resample)), rows)
    return rows


def heads(n, seed, resample):
    out = np.empty(n + 1, dtype=np.uint32)
    count = kernel.toss_rows(np.uint64(kernel.resample_key(seed_of(seed), resample)), 0, n, out)
    return out[:count]


@given(
    st.integers(1, 1500),
    st.integers(1, 11),
    st.integers(-3, 2**70),
    st.sampled_from([1, 100, 10**9, -50]),
    st.booleans(),
)
@settings(max_examples=40)
def test_sums_equal_the_oracle(n, width, seed, top, floats):
    random = np.random.default_rng(abs(seed))
    values = random.integers(min(0, top), max(1, top), size=(n, width))
    values = values * 0.37 if floats else values
    other = random.permutation(values)
    sums = bootstrap_totals(values, resamples=3, seed=seed)
    mine, theirs = exchanged_totals(values, other, resamples=3, seed=seed)
    for resample in range(3):
        rows = drawn(n, seed, resample)
        assert rows.min() >= 0
        assert rows.max() < n
        np.testing.assert_allclose(sums[resample], values[rows].sum(axis=0), rtol=1e-12)
        kept = np.zeros(n, dtype=bool)
        kept[heads(n, seed, resample)] = True
        swapped = np.where(kept[:, None], values, other).sum(axis=0)
        np.testing.assert_allclose(mine[resample], swapped, rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(mine[resample] + theirs[resample], (values + other).sum(axis=0), atol=1e-6)
    if not floats:
        assert sums.dtype == mine.dtype == np.int64


def test_rows_are_drawn_alike_and_coins_are_fair():
    n = 1000
    counts = np.bincount(np.concatenate([drawn(n, 7, r) for r in range(1000)]), minlength=n)
    # 1000 draws a row expected, standard deviation 31.6; the largest of 1000 stays within six of them.
    assert abs(counts - 1000).max() < 190
    assert abs(counts.std() - 31.6) < 4
    shares = [len(heads(n, 7, r)) / n for r in range(500)]
    assert abs(np.mean(shares) - 0.5) < 0.005
    assert abs(np.std(shares) - 0.0158) < 0.003


def test_draws_do_not_depend_on_how_many_resamples_are_asked_for():
    values = np.arange(30).reshape(10, 3)
    few, many = (bootstrap_totals(values, resamples=r, seed=1) for r in (5, 50))
    assert (many[:5] == few).all()
    assert (bootstrap_totals(values, resamples=5, seed=2) != few).any()


def test_counts_beyond_64_bits_are_refused():
    with pytest.raises(ArgumentError, match="float64"):
        bootstrap_totals(np.array([[2**62], [2**62]]), resamples=1, seed=0)


def test_interval_is_of_percentiles_and_settings_are_checked():
    assert interval(np.arange(101), 0.9) == pytest.approx((5.0, 95.0))
    for resamples, confidence in ((0, 0.9), (10, 1.0), (10, 95)):
        with pytest.raises(ArgumentError):
            check_resamples(resamples, confidence)
