"""Percentile intervals of resampled scores (Efron 1979): of one number, or of all numbers of a result.

Shape legend: R resamples, L numbers of a result.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError
from evenweave.metrics.numbers import map_leaves
from evenweave.settings import check_seed, check_whole

Result = dict[str, Any]


def check_draws(resamples: Any, confidence: Any, seed: Any) -> tuple[int, float, int]:
    """Return how many resamples, the level and the seed as plain numbers.

    Raises:
        ArgumentError: not a whole number from 1 on, not a fraction, not a whole number.
    """
    check_whole("resamples", resamples, least=1, usual=1000)
    check_seed("seed", seed)
    level = confidence if isinstance(confidence, int | float | np.number) else 0.0
    if not 0 < level < 1:
        raise ArgumentError(f"confidence: {confidence!r}; give a fraction such as 0.95")
    return int(resamples), float(level), int(seed)


def interval(scores: NDArray[Any], confidence: float) -> tuple[float, float]:
    """Return the percentile interval of resampled scores `[R]`, interpolated between neighbours.

    Infinite scores (perplexity of an impossible token) bound it, where `np.quantile` would give NaN.
    Resamples without a score (NaN: no token, a number that a function leaves out) are left out.
    """
    (bounds,) = _bounds(np.sort(np.atleast_1d(scores))[None, :], confidence)
    return bounds


def intervals(result: Result, scores: Result, confidence: float) -> Result:
    """Return (low, high) in the result's shape.

    Args:
        result: numbers, in dicts and lists.
        scores: the same nest of arrays `[R]`. What the result lacks (a type that is in some resamples alone)
            is left out.
    """
    leaves: list[Any] = []

    def place(leaf: Any) -> int:
        leaves.append(leaf)
        return len(leaves) - 1

    places = map_leaves({key: value for key, value in scores.items() if key in result}, place)
    if not leaves:
        return {}
    ordered = np.array(leaves, dtype=np.float64)
    ordered.sort()
    made: Result = map_leaves(places, _bounds(ordered, confidence).__getitem__)
    return made


def _bounds(ordered: NDArray[Any], confidence: float) -> list[tuple[float, float]]:
    """Return the interval of each row of `ordered` `[L, R]`, which ascend, NaN last."""
    if np.isnan(ordered[:, -1]).any():
        return [_bounds_of_some(row, confidence) for row in ordered]
    ends = []
    # Lists, as a few numbers of each row are all that is needed, and every call of NumPy's takes longer.
    for share in ((1 - confidence) / 2, (1 + confidence) / 2):
        place = share * (ordered.shape[1] - 1)
        pairs = ordered[:, int(place) : int(place) + 2].tolist()
        ends.append([_between(pair[0], pair[-1], place - int(place)) for pair in pairs])
    return list(zip(*ends, strict=True))


def _between(below: float, above: float, part: float) -> float:
    # Infinity less infinity, and no part of infinity, would be NaN.
    return float(below) if below == above or not part else below + (above - below) * part


def _bounds_of_some(ordered: NDArray[Any], confidence: float) -> tuple[float, float]:
    scored = ordered[~np.isnan(ordered)]
    return _bounds(scored[None, :], confidence)[0] if len(scored) else (math.nan, math.nan)
