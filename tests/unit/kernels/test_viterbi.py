from __future__ import annotations

from itertools import pairwise, product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from evenweave.kernels.viterbi import viterbi


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), lengths=st.lists(st.integers(0, 4), max_size=4), count=st.integers(1, 4))
def test_best_legal_sequence_is_that_of_trying_all(seed: int, lengths: list[int], count: int) -> None:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    scores = rng.normal(size=(int(offsets[-1]), count)).astype(np.float32)
    allowed = rng.random((count, count)) < 0.7
    opens, closes = rng.random(count) < 0.7, rng.random(count) < 0.7
    found = viterbi(scores, offsets, allowed, opens, closes)
    for a, b in pairwise(offsets):
        legal = [
            path
            for path in product(range(count), repeat=int(b - a))
            if path and opens[path[0]] and closes[path[-1]] and all(allowed[i, j] for i, j in pairwise(path))
        ]
        mine = found[a:b].tolist()
        if not legal:
            assert mine == scores[a:b].argmax(axis=1).tolist()
            continue
        best = max(sum(float(scores[a + i, label]) for i, label in enumerate(path)) for path in legal)
        assert tuple(mine) in legal
        assert sum(float(scores[a + i, label]) for i, label in enumerate(mine)) >= best - 1e-5
