"""Bins of nearly equal rows: what is in them, and that an interval does not notice them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenweave import load
from evenweave.kernels.bins import WIDEST, bin_ordered
from evenweave.metrics.bins import RESAMPLES, SHARE, binned
from evenweave.metrics.resample import bootstrap_totals, tally_totals


def values_of(shape, n, seed=0):
    random = np.random.default_rng(seed)
    return {
        "uniform": lambda: random.random(n),
        "skewed": lambda: random.exponential(size=n),
        "heavy": lambda: random.standard_cauchy(n),
        "outlier": lambda: np.where(np.arange(n) == 5, 1e3, random.normal(size=n)),
        "pair": lambda: np.where(np.arange(n) < 2, 1e3 + np.arange(n), random.normal(size=n)),
        "two places": lambda: random.normal(size=n) + 100 * (random.random(n) < 0.3),
    }[shape]()


SHAPES = ["uniform", "skewed", "heavy", "outlier", "pair", "two places"]


def bins_of(values, share=SHARE, room=None):
    means, sizes = np.empty(room or len(values)), np.empty(room or len(values), dtype=np.int64)
    found = bin_ordered(np.sort(values), share, means, sizes)
    return found, means[: max(found, 0)], sizes[: max(found, 0)]


def within(values, sizes):
    """Each bin's numbers, and the sum of their squares about the mean."""
    parts = np.split(np.sort(values), np.cumsum(sizes)[:-1])
    return parts, np.array([((part - part.mean()) ** 2).sum() for part in parts])


def middle(values):
    blocks = len(values) // WIDEST
    tail = -(-blocks // 20)
    inside = np.sort(values)[WIDEST * tail : WIDEST * (blocks - tail)]
    return ((inside - inside.mean()) ** 2).sum()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [300, 3_400, 20_000])
def test_bins_are_neighbours_and_lose_no_more_than_they_may(shape, n):
    values = values_of(shape, n)
    for share in (SHARE, 0.01):
        found, means, sizes = bins_of(values, share)
        assert found == len(sizes)
        assert sizes.sum() == n
        assert set(sizes.tolist()) <= {1, 2, 4, 8, 16, 32, WIDEST}
        parts, squares = within(values, sizes)
        np.testing.assert_allclose(means, [part.mean() for part in parts], rtol=1e-12, atol=1e-15)
        assert squares.sum() <= share * middle(values) * (1 + 1e-9)
        # Not a way to keep all: as many rows as bins would lose nothing either.
        assert found < n / 2 or n == 300


def test_an_outlier_has_a_bin_of_its_own_and_neighbours_that_are_equal_share_one():
    values = values_of("outlier", 3_400)
    _, means, sizes = bins_of(values)
    assert means[-1] == 1e3
    assert sizes[-1] == 1
    found, means, sizes = bins_of(np.r_[np.zeros(640), np.ones(640)])
    assert found == 20
    assert (means == np.r_[np.zeros(10), np.ones(10)]).all()
    assert (sizes == WIDEST).all()


@given(st.integers(0, 200), st.lists(st.integers(-9, 9), min_size=1))
def test_numbers_that_are_few_or_far_apart_stay_as_they_are(n, rest):
    values = np.sort(np.r_[np.arange(n) * 1e4, rest])
    found, means, sizes = bins_of(values, 0.0)
    assert (np.repeat(means[:found], sizes[:found]) == values).all()


def test_what_cannot_be_binned_is_left():
    values = values_of("uniform", 3_400)
    assert bins_of(values)[0] > 0
    for odd in (np.inf, -np.inf, np.nan, 1e200):
        assert bins_of(np.r_[values, np.full(1_000, odd), -values])[0] == -1
    count = bins_of(values)[0]
    assert bins_of(values, room=count)[0] == count
    assert bins_of(values, room=count - 1)[0] == -1
    rows = np.stack([np.ones(3_400), values], axis=1)
    assert binned(rows) is not None
    assert binned(rows[:255]) is None
    assert binned(rows.astype(np.int64)) is None
    assert binned(np.stack([values, values[::-1]], axis=1)) is None
    assert binned(np.ones((3_400, 2))) is None
    assert binned(rows[:300]) is None  # nearly as many bins as rows


@pytest.mark.parametrize("shape", SHAPES)
def test_ends_of_intervals_are_where_they_are_without_bins(shape):
    n, resamples = 1_024, 20_000
    values = np.sort(values_of(shape, n))
    counts = np.random.default_rng(1).multinomial(n, np.full(n, 1 / n), size=resamples)
    exact = counts @ values
    _, means, sizes = bins_of(values)
    far = []
    # Four bins of equally many rows are what the test must see.
    for coarse in (np.repeat(means, sizes), np.repeat(values.reshape(4, -1).mean(axis=1), n // 4)):
        sums = counts @ coarse
        ends = [np.quantile(each, [0.025, 0.16, 0.84, 0.975]) for each in (exact, sums)]
        far.append(abs(ends[1] - ends[0]).max() / exact.std())
        # Rows of a bin are drawn alike, so the sum of their means is what is expected of the sum.
        assert abs((sums - exact).mean()) < 5 * (sums - exact).std() / resamples**0.5
    # The resamples alone tell an end to 0.019 standard deviations, and the difference of two to 0.003.
    assert far[0] < 0.01 < far[1]


@pytest.mark.parametrize("shape", ["uniform", "skewed", "two places"])
def test_sums_drawn_from_bins_are_distributed_as_sums_of_rows(shape):
    n, resamples = 2_000, 10_000
    values = values_of(shape, n)
    rows = np.stack([np.ones(n), values], axis=1)

    def distance(mine, other):
        """Kolmogorov and Smirnov's, over what one in a thousand exceeds."""
        both = np.concatenate([mine, other])
        shares = [np.searchsorted(np.sort(side), both, side="right") / resamples for side in (mine, other)]
        return abs(shares[0] - shares[1]).max() / (1.95 * (2 / resamples) ** 0.5)

    (sums,) = bootstrap_totals(rows, resamples=resamples, seed=3)
    plain = tally_totals(rows, None, resamples=resamples, seed=4)
    assert (sums[:, 0] == n).all()
    assert distance(sums[:, 1], plain[:, 1]) < 1
    assert abs(sums[:, 1].std() / plain[:, 1].std() - 1) < 5 / resamples**0.5
    told = binned(rows)
    assert told is not None
    assert (sums == tally_totals(*told, resamples=resamples, seed=3)).all()
    # The test sees what it looks for: a spread that is a tenth too small, a mean that is off.
    narrow = sums[:, 1].mean() + 0.9 * (sums[:, 1] - sums[:, 1].mean())
    assert distance(narrow, plain[:, 1]) > 1
    assert distance(sums[:, 1] + 0.1 * sums[:, 1].std(), plain[:, 1]) > 1


def test_perplexity_is_drawn_from_bins_whatever_the_order_and_split():
    chances = np.random.default_rng(2).random(3_000) * 0.9 + 0.1
    interval = {"confidence": 0.9, "resamples": 200}
    whole = load("perplexity").compute(predictions=chances, **interval)
    metric, other = load("perplexity"), load("perplexity")
    metric.add_batch(predictions=chances[1_000:])
    other.add_batch(predictions=chances[:1_000])
    assert metric.merge(other).compute(**interval) == whole
    rows = load("perplexity").statistic.rows(chances, None).values
    few, many = (bootstrap_totals(rows, resamples=r, seed=1)[0] for r in (5, 50))
    assert (few == many[:5]).all()
    # So many resamples would tell bins from rows: these are drawn as they are.
    exact = tally_totals(rows, None, resamples=RESAMPLES + 1, seed=0)
    assert (bootstrap_totals(rows, resamples=RESAMPLES + 1, seed=0)[0] == exact).all()
    # So are those of two systems, whose rows are pairs.
    pair = bootstrap_totals(rows, rows, resamples=5, seed=0)
    assert (pair[0] == pair[1]).all()
    np.testing.assert_allclose(pair[0], exact[:5])
