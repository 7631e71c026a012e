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

from evenweave.kernels import resample as kernel
from evenweave.kernels import resample_blocks as blocks
from evenweave.kernels.distinct import distinct_rows
from evenweave.metrics.resample_layout import columns_of, lay_out, pack
from evenweave.metrics.resample_outcomes import STEPS, outcomes
from evenweave.rng import mix

# A counter of a resample's key beside those of `block_sums`.
_TOP_UP = np.uint64(1 << 41)
# One binomial number takes the time of this many draws.
_ALIKE = 256
_LARGE = 2.0**62


def resample_keys(resamples: int, seed: int) -> NDArray[np.uint64]:
    """Return the key of each resample `[R]`, under which all of its draws are made."""
    with np.errstate(over="ignore"):
        keys: NDArray[np.uint64] = mix(np.uint64(seed % 2**64), np.arange(resamples, dtype=np.uint64))
    return keys


def bootstrap_totals(*systems: NDArray[Any], resamples: int, seed: int) -> list[NDArray[Any]]:
    """Return for each system's rows `[n, K]` the column sums `[R, K]` of n draws with replacement.

    The same rows are drawn from all systems. The law is the bootstrap's: a resample's counts of rows are
    multinomial. The draws are a pure function of (seed, resample), of n, and, where nearly all rows are
    equal to others, of which are.
    """
    kinds = [np.int64 if values.dtype.kind in "iub" else np.float64 for values in systems]
    joined = systems[0] if len(systems) == 1 else np.hstack(systems)
    joined = np.ascontiguousarray(joined, dtype=max(kinds, key=lambda kind: kind is np.float64))
    sums = _of_few(joined, resamples, seed)
    if sums is None:
        sums = _of_many(joined, resamples, seed)
    ends = np.cumsum([values.shape[1] for values in systems])[:-1]
    parts = np.split(sums, ends, axis=1)
    return [part.astype(kind, copy=False) for part, kind in zip(parts, kinds, strict=True)]


def drawn_rows(n: int, key: np.uint64) -> NDArray[np.int64]:
    """Return the n rows of a resample: those `bootstrap_totals` draws, except from rows nearly all equal."""
    step = _step(n)
    drawn = np.zeros(0, dtype=np.int64)
    if step:
        known, counts = outcomes(step), np.empty(n, dtype=np.int64)
        blocks.block_counts(key, known.slots, known.told, known.rest, known.guide, known.counts, counts)
        drawn = np.repeat(np.arange(n), counts)
        key = _top_up(key)
        if len(drawn) > n:
            drawn = drawn[:0]
    singly = np.empty(n - len(drawn), dtype=np.uint32)
    kernel.draw_rows(key, n, singly)
    return np.concatenate([drawn, singly])


def _of_few(values: NDArray[Any], resamples: int, seed: int) -> NDArray[Any] | None:
    """Return the sums if so few rows differ that a binomial number for each costs less than the draws."""
    n = len(values)
    limit = n // _ALIKE
    if not limit:
        return None
    firsts, counts = np.empty(limit, dtype=np.int64), np.zeros(limit, dtype=np.int64)
    found = distinct_rows(values.view(np.int64), firsts, counts)
    if found < 0:
        return None
    rows = values[firsts[:found]]
    # Sums as large as these may be infinite, and no draw of an infinite row adds 0, not 0 times infinity.
    if not (np.abs(rows.astype(np.float64)) < _LARGE / n).all():
        return None
    chance = np.random.Generator(np.random.Philox(key=seed % 2**64))
    sums: NDArray[Any] = chance.multinomial(n, counts[:found] / n, size=resamples) @ rows
    return sums


def _of_many(values: NDArray[Any], resamples: int, seed: int) -> NDArray[Any]:
    n, width = values.shape
    grouped: NDArray[Any]
    if values.dtype == np.int64:
        grouped, fields = pack(values)
    else:
        grouped, fields = lay_out(np.hstack([np.ones((n, 1)), values])), None
    keys = resample_keys(resamples, seed)
    sums = np.zeros((len(grouped), resamples, kernel.LANES), dtype=values.dtype)
    wanted = np.full(resamples, n)
    step = _step(n)
    if step:
        known = outcomes(step)
        blocks.block_sums(
            grouped,
            keys,
            known.slots,
            known.told,
            known.parents,
            known.grown,
            known.rest,
            known.guide,
            known.counts,
            sums,
        )
        drawn = fields.draws(sums) if fields else sums[0, :, 0].astype(np.int64)
        sums[:, drawn > n] = 0
        wanted -= np.where(drawn > n, 0, drawn)
        keys = _top_up(keys)
    kernel.bootstrap_sums(grouped, n, keys, wanted, sums)
    return fields.unpack(sums, n) if fields else columns_of(sums)[:, 1 : width + 1]


def exchanged_totals(
    first: NDArray[Any], second: NDArray[Any], *, resamples: int, seed: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the column sums `[R, K]` of two systems whose rows `[n, K]` change sides by a coin's toss."""
    kind = np.int64 if first.dtype.kind in "iub" and second.dtype.kind in "iub" else np.float64
    gain = first.astype(kind, copy=False) - second.astype(kind, copy=False)
    grouped = lay_out(gain)
    sums = np.zeros((len(grouped), resamples, kernel.LANES), dtype=kind)
    kernel.coin_sums(grouped, resample_keys(resamples, seed), sums)
    moved = columns_of(sums)[:, : gain.shape[1]]
    return second.sum(axis=0, dtype=kind) + moved, first.sum(axis=0, dtype=kind) - moved


def _step(n: int) -> int:
    """Return the mean count of a row, as a multiple of 1 / STEPS; 0 where so few rows are drawn one by one.

    Two standard deviations of the number of draws below 1: one resample in forty, or fewer, has too many.
    """
    return min(STEPS - 1, int(STEPS * (1 - 2 / n**0.5))) if n >= STEPS else 0


def _top_up(keys: Any) -> Any:
    with np.errstate(over="ignore"):
        return mix(keys, _TOP_UP)
