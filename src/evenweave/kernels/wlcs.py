"""Weighted longest common subsequence (Lin 2004, section 4): runs of consecutive matches count for more."""

from __future__ import annotations

from typing import Any

import numpy as np

from evenweave.kernels.compiled import kernel


@kernel
def wlcs(reference: Any, candidate: Any, weights: Any) -> Any:
    """Return the score of the paper's table.

    Args:
        reference, candidate: token ids.
        weights: float64, f(k) for k = 0 up to the shorter row's length.
    """
    n = len(candidate)
    scores = np.zeros(n + 1)
    runs = np.zeros(n + 1, dtype=np.int64)
    for i in range(len(reference)):
        diagonal, run = 0.0, 0
        for j in range(1, n + 1):
            above, above_run = scores[j], runs[j]
            if reference[i] == candidate[j - 1]:
                scores[j] = diagonal + weights[run + 1] - weights[run]
                runs[j] = run + 1
            else:
                scores[j] = max(above, scores[j - 1])
                runs[j] = 0
            diagonal, run = above, above_run
    return scores[n]


@kernel
def wlcs_scores(ids: Any, offsets: Any, predicted: Any, referred: Any, weights: Any, scores: Any) -> None:
    """Write for each pair of texts its weighted subsequence's score, float64 `[pairs]`.

    `ids`, `offsets`, `predicted`, `referred` as in `kernels.rouge.rouge_counts`.
    """
    for pair in range(len(predicted)):
        reference = ids[offsets[referred[pair]] : offsets[referred[pair] + 1]]
        candidate = ids[offsets[predicted[pair]] : offsets[predicted[pair] + 1]]
        scores[pair] = wlcs(reference, candidate, weights)
