from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenweave.data.order import batches, epoch_order, group_by_length
from evenweave.errors import ArgumentError, DataError

lengths_of_rows = st.lists(st.integers(1, 50), max_size=300).map(np.array)


@given(st.integers(0, 200), st.integers(0, 2**40), st.integers(0, 100))
def test_an_epoch_takes_every_row_once_and_is_a_function_of_its_numbers(
    n: int, seed: int, epoch: int
) -> None:
    order = epoch_order(n, seed, epoch)
    assert sorted(order.tolist()) == list(range(n))
    assert (order == epoch_order(n, seed, epoch)).all()


def test_epochs_and_seeds_differ() -> None:
    orders = [epoch_order(50, seed, epoch).tolist() for seed in range(3) for epoch in range(3)]
    assert len({tuple(order) for order in orders}) == 9


@given(lengths_of_rows, st.integers(1, 9), st.integers(0, 5))
def test_grouping_is_a_permutation_with_the_longest_batch_first(
    lengths: np.ndarray, batch_size: int, epoch: int
) -> None:
    order = group_by_length(lengths, batch_size, seed=1, epoch=epoch)
    assert sorted(order.tolist()) == list(range(len(lengths)))
    if len(lengths) >= 2 * batch_size:
        full = order[: len(order) // batch_size * batch_size]
        assert lengths[order[:batch_size]].max() == lengths[full].max()


def test_grouping_pads_little_and_changes_with_the_epoch() -> None:
    lengths = np.random.default_rng(0).integers(5, 200, 20_000)

    def padding(order: np.ndarray) -> float:
        cut = [lengths[rows] for rows in batches(order, batch_size=16)]
        return 1 - sum(c.sum() for c in cut) / sum(c.max() * len(c) for c in cut)

    grouped = [group_by_length(lengths, 16, seed=0, epoch=epoch) for epoch in range(2)]
    assert padding(grouped[0]) < 0.05 < 0.3 < padding(epoch_order(len(lengths), 0, 0))
    assert (grouped[0] != grouped[1]).mean() > 0.99
    # Short and long batches are mixed: no epoch begins with all the long ones.
    halves = np.array_split(lengths[grouped[0]], 2)
    assert abs(halves[0].mean() - halves[1].mean()) < 5


@given(lengths_of_rows, st.integers(50, 400), st.booleans())
def test_a_token_budget_is_kept_and_filled(lengths: np.ndarray, budget: int, drop_last: bool) -> None:
    order = epoch_order(len(lengths), 0, 0)
    cut = batches(order, lengths, max_tokens=budget, drop_last=drop_last)
    sizes = [int(lengths[rows].sum()) for rows in cut]
    assert all(size <= budget for size in sizes)
    for index in range(len(cut) - 1):
        assert sizes[index] + lengths[cut[index + 1][0]] > budget
    kept = [row for rows in cut for row in rows.tolist()]
    assert kept == order.tolist()[: len(kept)]
    if not drop_last:
        assert len(kept) == len(order)
    assert all(len(rows) for rows in cut)


@given(st.integers(0, 100), st.integers(1, 9), st.booleans())
def test_batches_of_so_many_rows(n: int, batch_size: int, drop_last: bool) -> None:
    cut = batches(np.arange(n), batch_size=batch_size, drop_last=drop_last)
    whole = [list(range(at, min(at + batch_size, n))) for at in range(0, n, batch_size)]
    assert cut.to_lists() == [rows for rows in whole if len(rows) == batch_size or not drop_last]


def test_a_million_rows_are_planned_at_once() -> None:
    lengths = np.random.default_rng(0).integers(5, 200, 1_000_000)
    start = time.perf_counter()
    batches(group_by_length(lengths, 32, seed=0, epoch=0), lengths, max_tokens=4096)
    assert time.perf_counter() - start < 10  # 0.2 s on an idle core; the bound only catches a loop over rows


def test_mistakes() -> None:
    with pytest.raises(ArgumentError, match="give one of the two"):
        batches([0, 1])
    with pytest.raises(ArgumentError, match="give one of the two"):
        batches([0, 1], [1, 1], batch_size=1, max_tokens=1)
    with pytest.raises(ArgumentError, match="batch_size: 0"):
        batches([0, 1], batch_size=0)
    with pytest.raises(ArgumentError, match="lengths: needed"):
        batches([0, 1], max_tokens=5)
    with pytest.raises(DataError, match="row 1: 9 tokens, max_tokens is 5"):
        batches([0, 1], [1, 9], max_tokens=5)
    with pytest.raises(ArgumentError, match="n: -1 rows"):
        epoch_order(-1, 0, 0)
    with pytest.raises(ArgumentError, match="batch_size: 0"):
        group_by_length([1], 0, 0, 0)
