"""Resampling kernels against plain Python over the same draws, and their law against the bootstrap's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenweave.errors import ArgumentError
from evenweave.kernels import resample as kernel
from evenweave.kernels.distinct import distinct_rows
from evenweave.metrics.intervals import check_resamples, interval
from evenweave.metrics.resample import (
    bootstrap_totals,
    drawn_rows,
    exchanged_totals,
    resample_keys,
)
from evenweave.metrics.resample_outcomes import STEPS, outcomes


def heads(n, key):
    out = np.empty(n + 1, dtype=np.uint32)
    return out[: kernel.toss_rows(key, 0, n, out)]


def row_counts(n, resamples, seed=0):
    """How often each resample draws each row, `[R, n]`."""
    (counts,) = bootstrap_totals(np.eye(n, dtype=np.int64), resamples=resamples, seed=seed)
    return counts


@given(
    st.integers(1, 1500),
    st.integers(1, 11),
    st.integers(-3, 2**70),
    st.sampled_from([2, 100, 10**9, -50]),
    st.booleans(),
)
@settings(max_examples=40)
def test_sums_equal_the_oracle(n, width, seed, top, floats):
    random = np.random.default_rng(abs(seed))
    values = random.integers(min(0, top), max(1, top), size=(n, width))
    values[:, 0] = random.permutation(n)  # rows that differ
    values = values * 0.37 if floats else values
    other = random.permutation(values)
    mine, theirs = exchanged_totals(values, other, resamples=3, seed=seed)
    sums, others = bootstrap_totals(values, other.astype(np.float64), resamples=3, seed=seed)
    for resample, key in enumerate(resample_keys(3, seed)):
        rows = drawn_rows(n, key)
        assert len(rows) == n
        assert rows.min() >= 0
        assert rows.max() < n
        np.testing.assert_allclose(sums[resample], values[rows].sum(axis=0), rtol=1e-12)
        np.testing.assert_allclose(others[resample], other[rows].sum(axis=0), rtol=1e-12)
        kept = np.zeros(n, dtype=bool)
        kept[heads(n, key)] = True
        swapped = np.where(kept[:, None], values, other).sum(axis=0)
        np.testing.assert_allclose(mine[resample], swapped, rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(mine[resample] + theirs[resample], (values + other).sum(axis=0), atol=1e-6)
    if not floats:
        assert sums.dtype == mine.dtype == np.int64
        assert others.dtype == np.float64


@pytest.mark.parametrize("n", [12, 64, 77, 300])
def test_counts_of_rows_are_multinomial(n):
    resamples = 200_000 // n
    counts = row_counts(n, resamples)
    assert (counts.sum(axis=1) == n).all()
    # Each count is Binomial(n, 1/n): how many are 0, 1, ..., 5, within five standard errors.
    chance = np.array([math.comb(n, k) * (1 / n) ** k * (1 - 1 / n) ** (n - k) for k in range(6)])
    share = np.array([(counts == k).mean() for k in range(6)])
    assert (abs(share - chance) < 5 * np.sqrt(chance / counts.size) + 1e-12).all()
    # No row is drawn more often than another: the sum of squares of n nearly normal numbers.
    beyond = ((counts.sum(axis=0) - resamples) ** 2).sum() / (resamples * (1 - 1 / n))
    assert abs(beyond - n) < 5 * np.sqrt(2 * n)
    # Two rows of one block, of one tile, and far apart: covariance -1/n, as anywhere.
    centred = counts - 1.0
    for gap in (1, 2, 3, 11, n // 2):
        products = (centred[:, :-gap] * centred[:, gap:]).mean(axis=1)
        assert abs(products.mean() + 1 / n) < 5 * products.std() / resamples**0.5


@pytest.mark.parametrize("n", [100, 2_000])
def test_sums_have_the_means_and_covariances_of_numpys_multinomial(n):
    random = np.random.default_rng(n)
    values = np.stack([random.integers(0, 50, n), random.poisson(0.1, n), np.arange(n)], axis=1)
    resamples = 4_000
    (sums,) = bootstrap_totals(values, resamples=resamples, seed=5)
    theirs = random.multinomial(n, np.full(n, 1 / n), size=resamples) @ values
    exact = n * np.cov(values.T, bias=True)
    spread = np.sqrt(np.diag(exact))
    for found in (sums, theirs):  # the peer meets the same bounds
        assert (abs(found.mean(axis=0) - values.sum(axis=0)) < 5 * spread / resamples**0.5).all()
        gap = (np.cov(found.T) - exact) / np.outer(spread, spread)
        assert abs(gap).max() < 5 * (2 / resamples) ** 0.5
    # The whole distribution: Kolmogorov and Smirnov's distance of two samples, one in a thousand beyond.
    for mine, other in zip(sums.T, theirs.T, strict=True):
        both = np.concatenate([mine, other])
        shares = [np.searchsorted(np.sort(side), both, side="right") / resamples for side in (mine, other)]
        assert abs(shares[0] - shares[1]).max() < 1.95 * (2 / resamples) ** 0.5


def test_each_outcome_of_a_block_has_its_probability():
    for step in range(1, STEPS):
        known = outcomes(step)
        left = len(known.slots) - known.told
        assert left <= 256  # what the search for such values relies on
        assert (known.parents[1:] < np.arange(1, len(known.parents))).all()
        share = np.bincount(known.slots[: known.told], minlength=len(known.rest)) / len(known.slots)
        share += np.diff(known.rest, prepend=0) * left / len(known.slots)
        factors = np.array(
            [math.exp(-step / STEPS) * (step / STEPS) ** k / math.factorial(k) for k in range(19)]
        )
        assert abs(share - factors[known.counts].prod(axis=1)).max() < 1e-15
        grown = known.counts[known.parents].copy()
        grown[np.arange(len(grown)), known.grown] += 1
        assert (grown[1:] == known.counts[1 : len(grown)]).all()


def test_resamples_with_too_many_draws_are_drawn_anew():
    from evenweave.kernels.resample_blocks import block_counts
    from evenweave.metrics.resample import _step

    n, known = 64, outcomes(_step(64))
    many = 0
    for key in resample_keys(2_000, 0):
        counts = np.empty(n, dtype=np.int64)
        block_counts(key, known.slots, known.told, known.rest, known.guide, known.counts, counts)
        many += counts.sum() > n
        assert len(drawn_rows(n, key)) == n
    assert 5 < many < 100  # Poisson(48) exceeds 64 once in a hundred


def test_rows_nearly_all_equal_have_the_same_law():
    n, resamples = 5_000, 4_000
    values = np.repeat([[3, 0], [5, 1], [3, 2]], [4_000, 900, 100], axis=0)
    values = np.random.default_rng(0).permutation(values)
    for rows in (values, values * 0.5):
        (sums,) = bootstrap_totals(rows, resamples=resamples, seed=1)
        assert sums.dtype == rows.dtype
        exact = n * np.cov(rows.T, bias=True)
        spread = np.sqrt(np.diag(exact))
        assert (abs(sums.mean(axis=0) - rows.sum(axis=0)) < 5 * spread / resamples**0.5).all()
        assert (abs(np.cov(sums.T) - exact) / np.outer(spread, spread)).max() < 5 * (2 / resamples) ** 0.5
        assert (bootstrap_totals(rows, resamples=9, seed=1)[0] == sums[:9]).all()
        assert (bootstrap_totals(rows, resamples=9, seed=2)[0] != sums[:9]).any()


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, -1, 2**40])), min_size=1), st.integers(1, 12)
)
def test_distinct_rows_are_counted(rows, room):
    firsts, counts = np.empty(room, dtype=np.int64), np.zeros(room, dtype=np.int64)
    found = distinct_rows(np.array(rows, dtype=np.int64), firsts, counts)
    known = list(dict.fromkeys(rows))
    if len(known) > room:
        assert found == -1
    else:
        assert [rows[first] for first in firsts[:found]] == known
        assert counts[:found].tolist() == [rows.count(row) for row in known]


@pytest.mark.parametrize("n", [10, 1_000])
def test_an_infinite_row_counts_only_where_it_is_drawn(n):
    for values in (np.arange(n) * 0.5, np.zeros(n)):
        values[n // 2] = np.inf
        (sums,) = bootstrap_totals(values[:, None], resamples=300, seed=0)
        drawn = np.array([n // 2 in drawn_rows(n, key) for key in resample_keys(300, 0)])
        assert not np.isnan(sums).any()
        assert (np.isinf(sums[:, 0]) == drawn).all()
        assert 0.5 < drawn.mean() < 0.75  # 1 - 1/e


def test_coins_are_fair():
    n = 1000
    shares = [len(heads(n, key)) / n for key in resample_keys(500, 7)]
    assert abs(np.mean(shares) - 0.5) < 0.005
    assert abs(np.std(shares) - 0.0158) < 0.003


@pytest.mark.parametrize("n", [10, 200])
def test_draws_do_not_depend_on_how_many_resamples_are_asked_for(n):
    values = np.arange(3 * n).reshape(n, 3)
    ((few,), (many,)) = (bootstrap_totals(values, resamples=r, seed=1) for r in (5, 50))
    assert (many[:5] == few).all()
    assert (bootstrap_totals(values, resamples=5, seed=2)[0] != few).any()


@pytest.mark.parametrize("n", [2, 600])
def test_counts_beyond_64_bits_are_refused(n):
    with pytest.raises(ArgumentError, match="float64"):
        bootstrap_totals(np.full((n, 1), 2**62) - np.arange(n)[:, None] % 2 * 2**62, resamples=1, seed=0)


def test_interval_is_of_percentiles_and_settings_are_checked():
    assert interval(np.arange(101), 0.9) == pytest.approx((5.0, 95.0))
    for resamples, confidence in ((0, 0.9), (10, 1.0), (10, 95)):
        with pytest.raises(ArgumentError):
            check_resamples(resamples, confidence)
