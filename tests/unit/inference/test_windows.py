from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenweave.errors import ArgumentError
from evenweave.inference.windows import plan_windows


@given(
    lengths=st.lists(st.integers(0, 200), max_size=6),
    limit=st.integers(1, 40),
    data=st.data(),
)
def test_kept_ranges_tile_each_row_and_windows_share_enough(
    lengths: list[int], limit: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, limit - 1))
    plan = plan_windows(np.array(lengths, dtype=np.int64), limit=limit, overlap=overlap)
    for row, length in enumerate(lengths):
        mine = [w for w in range(len(plan)) if plan.row[w] == row]
        kept = [p for w in mine for p in range(plan.keep_from[w], plan.keep_to[w])]
        assert kept == list(range(length))
        for w in mine:
            assert plan.start[w] <= plan.keep_from[w] < plan.keep_to[w] <= plan.stop[w] <= length
            assert plan.stop[w] - plan.start[w] == min(limit, length)
        for a, b in pairwise(mine):
            assert plan.stop[a] - plan.start[b] >= overlap


@given(length=st.integers(21, 200))
def test_every_token_is_kept_from_the_window_where_it_has_most_context(length: int) -> None:
    plan = plan_windows(np.array([length]), limit=20, overlap=8)

    def context(w: int, position: int) -> float:
        left = np.inf if plan.start[w] == 0 else position - plan.start[w]
        right = np.inf if plan.stop[w] == length else plan.stop[w] - 1 - position
        return min(left, right)

    for w in range(len(plan)):
        for position in range(plan.keep_from[w], plan.keep_to[w]):
            here = [v for v in range(len(plan)) if plan.start[v] <= position < plan.stop[v]]
            # A token in the very middle of an overlap has half a position less on one side.
            assert context(w, position) >= max(context(v, position) for v in here) - 1


@pytest.mark.parametrize(("limit", "overlap"), [(0, 0), (-3, 0), (4, 4), (4, -1), (4, 9)])
def test_windows_that_cannot_advance_are_refused(limit: int, overlap: int) -> None:
    with pytest.raises(ArgumentError, match=r"max_length|stride"):
        plan_windows(np.array([10]), limit=limit, overlap=overlap)
