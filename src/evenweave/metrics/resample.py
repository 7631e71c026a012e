"""Resampled sums of row statistics: what intervals and paired tests are computed from.

Bootstrap: Efron 1979; for corpus scores, Koehn 2004, "Statistical Significance Tests for Machine
Translation Evaluation". Approximate randomisation: Noreen 1989; Riezler and Maxwell 2005.
Integers are summed as integers and floats in float64, where sacrebleu sums in float32.

Shape legend: n rows, K statistics, R resamples.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels import resample as kernel
from evenweave.kernels import resample_blocks as blocks
from evenweave.kernels.multinomial import kind_sums
from evenweave.metrics.bins import RESAMPLES, binned
from evenweave.metrics.resample_layout import TILE, columns_of, lay_out, pack
from evenweave.metrics.resample_outcomes import CELLS, SIZES, STEPS, outcomes
from evenweave.metrics.tally import distinct
from evenweave.rng import mix

# A counter of a resample's key beside those of `block_sums`.
_TOP_UP = np.uint64(1 << 41)
_LARGEST = int(SIZES[-1])
# Rows fewer than these are drawn one by one.
_FEW = 64
# Kinds so few are not counted before they are drawn.
_SURELY = 8


def resample_keys(resamples: int, seed: int) -> NDArray[np.uint64]:
    """Return the key of each resample `[R]`, under which all of its draws are made."""
    keys = np.empty(resamples, dtype=np.uint64)
    kernel.resample_keys(np.uint64(seed % 2**64), keys)
    return keys


def bootstrap_totals(*systems: NDArray[Any], resamples: int, seed: int) -> list[NDArray[Any]]:
    """Return for each system's rows `[n, K]` the column sums `[R, K]` of n draws with replacement.

    The same rows are drawn from all systems. The law is the bootstrap's: a resample's counts of rows are
    multinomial. The draws are a pure function of (seed, resample), of n, and, where more than half of the
    rows are equal to others, of how many are equal to each. Rows of one system that differ in one float alone
    are drawn by `bins.binned`: sums of bins' means, whose law has the same mean and a variance that lacks at
    most 2**-13.
    """
    kinds = [np.int64 if values.dtype.kind in "iub" else np.float64 for values in systems]
    joined = systems[0] if len(systems) == 1 else np.hstack(systems)
    joined = np.ascontiguousarray(joined, dtype=max(kinds, key=lambda kind: kind is np.float64))
    found = distinct(joined)
    if found is None and len(systems) == 1 and resamples <= RESAMPLES:
        found = binned(joined)
    sums = tally_totals(*(found or (joined, None)), resamples=resamples, seed=seed)
    ends = np.cumsum([values.shape[1] for values in systems])[:-1]
    parts = np.split(sums, ends, axis=1)
    return [part.astype(kind, copy=False) for part, kind in zip(parts, kinds, strict=True)]


def tally_totals(
    values: NDArray[Any], counts: NDArray[np.int64] | None, *, resamples: int, seed: int
) -> NDArray[Any]:
    """Return the column sums `[R, K]` of n draws with replacement from rows, equal ones given once.

    Args:
        values: int64 or float64 `[D, K]`, the distinct rows.
        counts: int64 `[D]`, how many rows are equal to each, n in all; None if these are the n rows.
    """
    if counts is not None and _perhaps_few(counts):
        sums: NDArray[Any] = np.empty((values.shape[1], resamples), dtype=values.dtype)
        if kind_sums(values, counts, np.uint64(seed % 2**64), _LARGEST, sums):
            return sums.T
    return _of_many(values, counts, resample_keys(resamples, seed)).T


def drawn_rows(n: int, key: np.uint64) -> NDArray[np.int64]:
    """Return the n rows of a resample, those `bootstrap_totals` draws unless it draws several as one."""
    step = _step(n)
    drawn = np.zeros(0, dtype=np.int64)
    if step:
        known, counts = outcomes(step), np.empty(n, dtype=np.int64)
        blocks.block_counts(
            key, known.slots[0], known.told[0], known.rest, known.guide[0], known.counts, counts
        )
        drawn = np.repeat(np.arange(n), counts)
        key = _top_up(key)
        if len(drawn) > n:
            drawn = drawn[:0]
    singly = np.empty(n - len(drawn), dtype=np.uint32)
    kernel.draw_rows(key, n, singly)
    return np.concatenate([drawn, singly])


def _perhaps_few(counts: NDArray[np.int64]) -> bool:
    """Whether to ask the kernel for few kinds, which takes a second to compile, if it is the cheaper one."""
    kinds = len(counts)
    if kinds <= _SURELY:
        return True
    n = int(counts.sum())
    return bool(15 * kinds <= n / _LARGEST + 3.5 * math.sqrt(n))


def _of_many(
    values: NDArray[Any], counts: NDArray[np.int64] | None, keys: NDArray[np.uint64]
) -> NDArray[Any]:
    """Return the sums `[K, R]` by way of Poisson counts of cells, topped up by single draws."""
    n = len(values) if counts is None else int(counts.sum())
    grouped: NDArray[Any]
    if values.dtype == np.int64:
        grouped, fields = pack(values, n)
    else:
        grouped, fields = lay_out(np.hstack([np.ones((len(values), 1)), values])), None
    sums = np.zeros((len(grouped), len(keys), kernel.LANES), dtype=values.dtype)
    wanted = np.full(len(keys), n)
    step = _step(n)
    if step:
        known = outcomes(step)
        cells, kinds = _cells(grouped, counts)
        blocks.block_sums(
            cells,
            kinds,
            CELLS,
            keys,
            known.slots,
            known.told,
            known.sizes,
            known.parents,
            known.grown,
            known.starts,
            known.rest,
            known.guide,
            known.counts,
            blocks.room_for(len(keys)),
            sums,
        )
        drawn = fields.draws(sums) if fields else sums[0, :, 0].astype(np.int64)
        sums[:, drawn > n] = 0
        wanted -= np.where(drawn > n, 0, drawn)
        keys = _top_up(keys)
    rows = grouped if counts is None else grouped.take(np.repeat(np.arange(len(counts)), counts), axis=1)
    kernel.bootstrap_sums(rows, n, keys, wanted, sums)
    return fields.unpack(sums, n) if fields else columns_of(sums)[1 : values.shape[1] + 1]


def _cells(grouped: NDArray[Any], counts: NDArray[np.int64] | None) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Return equal rows as cells `[G, P, LANES]`, and the kinds of their tiles."""
    if counts is None:
        return grouped, np.zeros(grouped.shape[1] // TILE, dtype=np.uint8)
    room = len(SIZES) * (len(counts) + TILE) + int(counts.sum()) // _LARGEST
    kinds, index = np.empty(room, dtype=np.uint8), np.empty(room, dtype=np.int64)
    tiles, cells = blocks.split_cells(counts, SIZES, CELLS, kinds, index)
    return grouped.take(index[:cells], axis=1), kinds[:tiles]


def exchanged_totals(
    first: NDArray[Any], second: NDArray[Any], *, resamples: int, seed: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the column sums `[R, K]` of two systems whose rows `[n, K]` change sides by a coin's toss."""
    kind = np.int64 if first.dtype.kind in "iub" and second.dtype.kind in "iub" else np.float64
    with np.errstate(invalid="ignore"):
        gain = first.astype(kind, copy=False) - second.astype(kind, copy=False)
    grouped = lay_out(gain)
    sums = np.zeros((len(grouped), resamples, kernel.LANES), dtype=kind)
    kernel.coin_sums(grouped, resample_keys(resamples, seed), sums)
    moved = columns_of(sums)[: gain.shape[1]].T
    with np.errstate(invalid="ignore"):  # a row of infinite value, moved, leaves NaN
        return second.sum(axis=0, dtype=kind) + moved, first.sum(axis=0, dtype=kind) - moved


def _step(n: int) -> int:
    """Return the mean count of a row, as a multiple of 1 / STEPS; 0 where so few rows are drawn one by one.

    So many standard deviations of the number of draws below 1 that a further one would add as many single
    draws as it saves n of.
    """
    if n < _FEW:
        return 0
    return int(STEPS * (1 - max(1.5, math.log(n / (2 * math.pi)) ** 0.5) / n**0.5))


def _top_up(keys: Any) -> Any:
    with np.errstate(over="ignore"):
        return mix(keys, _TOP_UP)
