"""How many skip-bigrams two token rows share: pairs in order with at most `skip` tokens between them.

Counted one first token at a time, so that memory is one counter a distinct token and not one a pair.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.rouge import localise


@inner
def _chain(tokens: Any, heads: Any, nexts: Any) -> None:
    """Link the places of each token: the first in `heads`, the following in `nexts`, -1 at the end."""
    for i in range(len(tokens) - 1, -1, -1):
        if tokens[i] >= 0:
            nexts[i] = heads[tokens[i]]
            heads[tokens[i]] = i


@inner
def shared_skip_bigrams(ours: Any, theirs: Any, local: Any, skip: Any) -> Any:
    """Return how many skip-bigrams the rows share, each counted as often as both have it.

    Args:
        ours: local ids 0..local-1; theirs: the same, -1 for a token that `ours` lacks.
        skip: most tokens that may lie between the two.
    """
    our_heads = np.full(local, -1, dtype=np.int64)
    their_heads = np.full(local, -1, dtype=np.int64)
    our_nexts = np.empty(len(ours), dtype=np.int64)
    their_nexts = np.empty(len(theirs), dtype=np.int64)
    _chain(ours, our_heads, our_nexts)
    _chain(theirs, their_heads, their_nexts)
    counts = np.zeros(local, dtype=np.int64)
    shared = 0
    for first in range(local):
        if their_heads[first] < 0:
            continue
        at = our_heads[first]
        while at >= 0:
            for j in range(at + 1, min(at + 1 + skip, len(ours) - 1) + 1):
                counts[ours[j]] += 1
            at = our_nexts[at]
        at = their_heads[first]
        while at >= 0:
            for j in range(at + 1, min(at + 1 + skip, len(theirs) - 1) + 1):
                token = theirs[j]
                if token >= 0 and counts[token] > 0:
                    counts[token] -= 1
                    shared += 1
            at = their_nexts[at]
        counts[:] = 0
    return shared


@kernel
def skip_counts(
    ids: Any, offsets: Any, predicted: Any, referred: Any, vocabulary: Any, skips: Any, hits: Any
) -> None:
    """Count for each pair of texts the skip-bigrams both share.

    Args:
        ids, offsets, predicted, referred, vocabulary: as in `rouge_counts`.
        skips: int64, skip distances.
        hits: int64 `[pairs, skips]`, receives the counts.
    """
    seen = np.zeros(vocabulary, dtype=np.int64)
    for pair in range(len(predicted)):
        r, p = referred[pair], predicted[pair]
        ours = np.empty(offsets[r + 1] - offsets[r], dtype=np.int32)
        theirs = np.empty(offsets[p + 1] - offsets[p], dtype=np.int32)
        local = localise(ids, offsets[r], offsets[p], pair + 1, seen, ours, theirs)
        for kind in range(len(skips)):
            hits[pair, kind] = shared_skip_bigrams(ours, theirs, local, skips[kind])
