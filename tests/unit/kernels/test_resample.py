"""Resampling kernels against plain Python over the same draws, and their law against the bootstrap's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenweave.errors import ArgumentError
from evenweave.kernels import resample as kernel
from evenweave.kernels.distinct import add_distinct, table_for
from evenweave.kernels.resample_blocks import split_cells
from evenweave.metrics.intervals import check_draws, interval, intervals
from evenweave.metrics.resample import (
    bootstrap_totals,
    drawn_rows,
    exchanged_totals,
    resample_keys,
    tally_totals,
)
from evenweave.metrics.resample_outcomes import CELLS, SIZES, STEPS, outcomes


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


def binomial(n, p):
    k = np.arange(n + 1)
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(n + 1)]
    return np.exp(logs + k * math.log(p) + (n - k) * math.log1p(-p))


def distance(drawn, counts):
    """How far counts of kinds `[R, D]` are from n draws of rows, in standard errors: the worst of all tests.

    Each kind's histogram against its binomial distribution (chi-square), and each pair's covariance.
    """
    n, resamples = sum(counts), len(drawn)
    assert (drawn.sum(axis=1) == n).all()
    worst = []
    for kind, count in enumerate(counts):
        expected = binomial(n, count / n) * resamples
        bins = np.minimum(np.cumsum(expected) // 20, (resamples - 20) // 20).astype(int)
        found = np.bincount(bins[drawn[:, kind]], minlength=bins[-1] + 1)
        expected = np.bincount(bins, weights=expected)
        kept = expected > 0
        freedom = kept.sum() - 1
        square = ((found[kept] - expected[kept]) ** 2 / expected[kept]).sum()
        worst.append((square - freedom) / (2 * freedom) ** 0.5 if freedom else 0.0)
    share = np.array(counts) / n
    exact = n * (np.diag(share) - np.outer(share, share))
    spread = np.sqrt(np.diag(exact))
    gaps = (np.cov(drawn.T, bias=True) - exact) / np.outer(spread, spread) * (resamples / 2) ** 0.5
    return max(*worst, abs(gaps).max())


# Few kinds, drawn by a number each; many, drawn as cells of all sizes.
FEW = [2_000, 600, 300, 90, 10]
MANY = [700, 257, 130, 64, 63, 50, 31, 16, 15, 9, 8, 7, 6, 5, 5, 4, 4, 4, 3, 3, 3, 2, 2, 2, *[1] * 40]


@pytest.mark.parametrize("counts", [FEW, MANY])
def test_rows_of_which_equal_ones_are_drawn_as_one_have_the_multinomial_law(counts):
    values, resamples, n = np.eye(len(counts), dtype=np.int64), 20_000, sum(counts)
    random = np.random.default_rng(3)
    for rows in (values, values * 1.0):
        drawn = tally_totals(rows, np.array(counts), resamples=resamples, seed=1)
        assert drawn.dtype == rows.dtype
        assert distance(drawn.astype(np.int64), counts) < 5
    share = np.array(counts) / n
    assert distance(random.multinomial(n, share, size=resamples), counts) < 5
    # The test sees what it looks for: the first kind takes what free numbers leave, and no one objects;
    # the last draws fall on kinds and not on rows; one row is counted with another kind.
    free = random.poisson(counts, size=(resamples, len(counts)))
    free[:, 0] = n - free[:, 1:].sum(axis=1)
    assert distance(free, counts) > 5
    uneven = random.multinomial(n - 30, share, size=resamples)
    uneven += random.multinomial(30, np.full(len(counts), 1 / len(counts)), size=resamples)
    assert distance(uneven, counts) > 5
    moved = share + np.array([-1.0, *[0] * (len(counts) - 2), 1.0]) / n
    assert distance(random.multinomial(n, moved, size=resamples), counts) > 5


@pytest.mark.parametrize("counts", [[1_400, 900], [900, 1_400], [4_000, 3], [500, 500]])
def test_of_two_kinds_one_is_drawn_from_its_binomial_law(counts):
    resamples, n = 20_000, sum(counts)
    drawn = tally_totals(np.eye(2, dtype=np.int64), np.array(counts), resamples=resamples, seed=1)
    assert distance(drawn, counts) < 5
    assert distance(np.random.default_rng(0).multinomial(n, np.array(counts) / n, resamples), counts) < 5
    # The test sees what it looks for: a kind that is drawn without regard to what is left, and one row more.
    if min(counts) > 100:
        free = np.random.default_rng(0).poisson(counts[1], resamples)
        assert distance(np.stack([n - free, free], axis=1), counts) > 5
    more = np.array([counts[0] - 3, counts[1] + 3]) / n
    assert distance(np.random.default_rng(0).multinomial(n, more, resamples), counts) > 5


def test_the_rows_themselves_and_their_tally_give_the_same_sums():
    random = np.random.default_rng(4)
    for counts in (FEW, MANY):
        values = random.integers(-5, 90, size=(len(counts), 6))
        rows = random.permutation(np.repeat(np.arange(len(counts)), counts))
        _, first = np.unique(rows, return_index=True)
        order = rows[np.sort(first)]
        (sums,) = bootstrap_totals(values[rows], resamples=50, seed=6)
        told = tally_totals(values[order], np.array(counts)[order], resamples=50, seed=6)
        assert (sums == told).all()
        assert (bootstrap_totals(values[rows], resamples=9, seed=6)[0] == sums[:9]).all()
        assert (bootstrap_totals(values[rows], resamples=9, seed=7)[0] != sums[:9]).any()
        # Two systems of the same rows are drawn together, and each is as the sum of counts of the joint rows.
        other = random.integers(0, 3, size=(len(counts), 2))
        mine, theirs = bootstrap_totals(values[rows], other[rows] * 0.5, resamples=50, seed=8)
        joint = np.hstack([values, other * 0.5])
        both = tally_totals(joint[order], np.array(counts)[order], resamples=50, seed=8)
        np.testing.assert_allclose(np.hstack([mine, theirs]), both)
        assert mine.dtype == np.int64


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60))
def test_cells_add_up_to_the_rows_they_stand_for(counts):
    kinds, index = np.empty(200, dtype=np.uint8), np.empty(2_000, dtype=np.int64)
    tiles, cells = split_cells(np.array(counts), SIZES, CELLS, kinds, index)
    widths = 4 * CELLS[kinds[:tiles]]
    assert widths.sum() == cells
    sizes = np.repeat(SIZES[kinds[:tiles]], widths)
    found = np.bincount(index[:cells], weights=sizes, minlength=len(counts) + 1)
    assert found[:-1].tolist() == counts
    none = np.empty(0, dtype=np.int64)
    assert split_cells(np.array(counts), SIZES, CELLS, none.astype(np.uint8), none) == (tiles, cells)


@pytest.mark.parametrize("step", [1, 40, STEPS // 2, STEPS - 60, STEPS - 1])
def test_each_outcome_of_a_block_has_its_probability(step):
    known = outcomes(step)
    ends = [*known.starts[1:], len(known.rest)]
    for kind, (size, cells) in enumerate(zip(SIZES.tolist(), CELLS.tolist(), strict=True)):
        rest = known.rest[known.starts[kind] : ends[kind]]
        counts = known.counts[known.starts[kind] : ends[kind]]
        told, width = known.told[kind], known.sizes[kind]
        assert told < 2**16
        share = np.bincount(known.slots[kind, :told], minlength=len(rest)) / 2**16
        assert (share[width:] == 0).all()
        share += np.diff(rest, prepend=0) * (1 - told / 2**16)
        mean = size * step / STEPS
        factors = np.array([math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(256)])
        assert abs(share - factors[counts[:, :cells]].prod(axis=1)).max() < 1e-14
        assert (counts[:, cells:] == 0).all()
        assert rest[-1] == 1
        assert (known.parents[kind, 1:width] < np.arange(1, width)).all()
        grown = counts[known.parents[kind, :width]].copy()
        grown[np.arange(width), known.grown[kind, :width]] += 1
        assert (grown[1:] == counts[1:width]).all()
        assert (counts[0] == 0).all()
        guided = np.searchsorted(rest, np.arange(4096) / 4096, side="right")
        assert (known.guide[kind] == guided).all()


def test_resamples_with_too_many_draws_are_drawn_anew():
    from evenweave.kernels.resample_blocks import block_counts
    from evenweave.metrics.resample import _step

    n, known = 64, outcomes(_step(64))
    many = 0
    for key in resample_keys(2_000, 0):
        counts = np.empty(n, dtype=np.int64)
        block_counts(key, known.slots[0], known.told[0], known.rest, known.guide[0], known.counts, counts)
        many += counts.sum() > n
        assert len(drawn_rows(n, key)) == n
    assert 50 < many < 250  # Poisson(52) exceeds 64 once in twenty


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, -1, 2**40])), min_size=1), st.integers(1, 12)
)
def test_distinct_rows_are_counted(rows, room):
    values, counts = np.empty((room, 2), dtype=np.int64), np.empty(room, dtype=np.int64)
    table, half = table_for(room), len(rows) // 2
    found = 0
    for part in (rows[:half], rows[half:]):
        if found >= 0:
            given = np.array(part, dtype=np.int64).reshape(len(part), 2)
            found = add_distinct(given, table, values, counts, found)
    known = list(dict.fromkeys(rows))
    if len(known) > room:
        assert found == -1
    else:
        assert [tuple(row) for row in values[:found].tolist()] == known
        assert counts[:found].tolist() == [rows.count(row) for row in known]


@pytest.mark.parametrize("n", [10, 1_000])
def test_an_infinite_row_counts_only_where_it_is_drawn(n):
    for values in (np.arange(n) * 0.5, np.arange(n) // 8 * 1.0, np.zeros(n)):
        values[n // 2] = np.inf
        (sums,) = bootstrap_totals(values[:, None], resamples=300, seed=0)
        assert not np.isnan(sums).any()
        infinite = np.isinf(sums[:, 0])
        assert 0.5 < infinite.mean() < 0.75  # 1 - 1/e
        if len(np.unique(values)) == n:
            drawn = np.array([n // 2 in drawn_rows(n, key) for key in resample_keys(300, 0)])
            assert (infinite == drawn).all()


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
    random = np.random.default_rng(0)
    for count in (1, 2, 10, 999):
        scores = random.random(count)
        for confidence in (0.001, 0.5, 0.95):
            ends = [(1 - confidence) / 2, (1 + confidence) / 2]
            assert interval(scores, confidence) == pytest.approx(np.quantile(scores, ends).tolist())
    assert all(type(end) is float for end in interval(np.arange(2), 0.5))
    # Infinite scores bound it; one whose neighbour is infinite and that is met exactly is itself.
    assert interval(np.array([1.0, 2.0, np.inf]), 0.5) == (1.5, math.inf)
    assert interval(np.array([1.0, 2.0, 3.0, np.inf, np.inf]), 0.5) == (2.0, math.inf)
    assert interval(np.array([0.0, 1.0, np.inf, np.inf, np.inf]), 0.5) == (1.0, math.inf)
    assert intervals({"a": 1.0}, {"a": scores, "b": scores}, 0.5) == {"a": interval(scores, 0.5)}
    assert check_draws(np.int64(3), np.float32(0.5), np.uint8(7)) == (3, 0.5, 7)
    for draws in ((0, 0.9, 0), (10, 1.0, 0), (10, 95, 0), ("10", 0.9, 0), (10.0, 0.9, 0), (10, "0.9", 0)):
        with pytest.raises(ArgumentError):
            check_draws(*draws)
    for seed in (1.5, None, "a", True):
        with pytest.raises(ArgumentError, match="seed"):
            check_draws(10, 0.9, seed)
    # Resamples without a score are left out.
    some = np.array([2.0, math.nan, 1.0, 3.0, math.nan])
    assert interval(some, 0.5) == interval(np.array([1.0, 2.0, 3.0]), 0.5)
    found = intervals({"a": 1.0, "b": 1.0}, {"a": some, "b": np.full(5, math.nan)}, 0.5)
    assert found["a"] == (1.5, 2.5)
    assert all(map(math.isnan, found["b"]))
