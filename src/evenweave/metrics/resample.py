"""Resampled sums of row statistics: what intervals and paired tests are computed from.

Bootstrap: Efron 1979; for corpus scores, Koehn 2004, "Statistical Significance Tests for Machine
Translation Evaluation". Approximate randomisation: Noreen 1989; Riezler and Maxwell 2005.
Integers are summed as integers and floats in float64, where sacrebleu sums in float32.

Shape legend: n rows, K statistics, R resamples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError
from evenweave.kernels import resample as kernel


def seed_of(seed: int) -> np.uint64:
    """Return the user's seed, any integer, as the kernels take it."""
    return np.uint64(seed % 2**64)


def check_resamples(resamples: int, confidence: float | None) -> None:
    """Raise ArgumentError unless there is at least one resample and the level is a fraction."""
    if resamples < 1:
        raise ArgumentError(f"resamples: {resamples}; give at least 1, usually 1000")
    if confidence is not None and not 0 < confidence < 1:
        raise ArgumentError(f"confidence: {confidence}; give a fraction such as 0.95")


def bootstrap_totals(values: NDArray[Any], *, resamples: int, seed: int) -> NDArray[Any]:
    """Return the column sums `[R, K]` of `resamples` draws of n rows with replacement from `values` `[n, K]`.

    The draws depend on (seed, resample, position) alone: equal n and seed mean equal rows.
    """
    if values.dtype.kind in "iub":
        words, fields, low = _pack(values)
        packed = np.zeros((resamples, len(words), kernel.LANES), dtype=np.int64)
        kernel.bootstrap_sums(words, seed_of(seed), packed)
        return _unpack(packed, fields) + low * len(values)
    grouped = _grouped(values.astype(np.float64, copy=False))
    sums = np.zeros((resamples, len(grouped), kernel.LANES))
    kernel.bootstrap_sums(grouped, seed_of(seed), sums)
    return sums.reshape(resamples, -1)[:, : values.shape[1]]


def exchanged_totals(
    first: NDArray[Any], second: NDArray[Any], *, resamples: int, seed: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the column sums `[R, K]` of two systems whose rows `[n, K]` change sides by a coin's toss."""
    kind = np.int64 if first.dtype.kind in "iub" and second.dtype.kind in "iub" else np.float64
    gain = first.astype(kind, copy=False) - second.astype(kind, copy=False)
    sums = np.zeros((resamples, -(-gain.shape[1] // kernel.LANES), kernel.LANES), dtype=kind)
    kernel.coin_sums(_grouped(gain), seed_of(seed), sums)
    moved = sums.reshape(resamples, -1)[:, : gain.shape[1]]
    return second.sum(axis=0, dtype=kind) + moved, first.sum(axis=0, dtype=kind) - moved


def interval(scores: NDArray[Any], confidence: float) -> tuple[float, float]:
    """Return the percentile interval of resampled scores `[R]`, interpolated between neighbours.

    Infinite scores (perplexity of an impossible token) bound it, where `np.quantile` would give NaN.
    """
    ordered = np.sort(np.atleast_1d(scores))
    low, high = (_quantile(ordered, share) for share in ((1 - confidence) / 2, (1 + confidence) / 2))
    return low, high


def _quantile(ordered: NDArray[Any], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = float(ordered[int(place)])
    above = float(ordered[min(int(place) + 1, len(ordered) - 1)])
    return below if below == above else below + (above - below) * (place - int(place))


def _grouped(values: NDArray[Any]) -> NDArray[Any]:
    """Return `[n, K]` as `[G, n, LANES]`, padded with zero columns."""
    n, width = values.shape
    groups = -(-width // kernel.LANES)
    padded = np.zeros((n, groups * kernel.LANES), dtype=values.dtype)
    padded[:, :width] = values
    return np.ascontiguousarray(padded.reshape(n, groups, kernel.LANES).swapaxes(0, 1))


# One column of a packed table: its word, its first bit and a mask of its width.
_Field = tuple[int, int, int]


def _pack(values: NDArray[Any]) -> tuple[NDArray[np.int64], list[_Field], NDArray[np.int64]]:
    """Lay small columns side by side in 63-bit words, wide enough that no sum of n rows overflows its field.

    A row of a dozen small counts then costs the kernel one load and one add.
    """
    n = len(values)
    low = values.min(axis=0, initial=0).astype(np.int64)
    shifted = values.astype(np.int64, copy=False) - low
    bits = [max(1, (int(top) * n).bit_length()) for top in shifted.max(axis=0, initial=0)]
    if max(bits, default=1) > 63:
        raise ArgumentError("rows: counts too large to be resampled as 64-bit integers; use float64")
    fields: list[_Field] = []
    word, used = 0, 0
    for size in bits:
        if used + size > 63:
            word, used = word + 1, 0
        fields.append((word, used, (1 << size) - 1))
        used += size
    packed = np.zeros((n, word + 1), dtype=np.int64)
    for column, (index, shift, _) in enumerate(fields):
        packed[:, index] |= shifted[:, column] << shift
    return _grouped(packed), fields, low


def _unpack(sums: NDArray[np.int64], fields: list[_Field]) -> NDArray[np.int64]:
    words = sums.reshape(len(sums), -1)
    out = np.empty((len(sums), len(fields)), dtype=np.int64)
    for column, (index, shift, mask) in enumerate(fields):
        out[:, column] = (words[:, index] >> shift) & mask
    return out
