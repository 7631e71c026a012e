"""Between the tokens of a flat batch and the rectangles that matrix products of attention take.

Shape legend: N tokens, S columns of a token, H heads, D dimensions of a head, C sequences of a bucket, L
longest of them, P places to write to.
Half precision comes as the bits of bfloat16 in uint16.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evenweave.kernels.dropout import drop_range
from evenweave.kernels.threads import Team, in_parts

# Rows of scores of a part.
_ROWS = 256


@njit(cache=True, nogil=True, error_model="numpy")
def _gather_single(
    part: int, parts: int, x: NDArray[np.float32], firsts: Any, starts: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:  # fmt: skip
    heads, width = out.shape[2], out.shape[4]
    which, i = part // out.shape[1], part % out.shape[1]
    size = starts[i + 1] - starts[i]
    for h in range(heads):
        begin = firsts[which] + h * width
        for t in range(size):
            source, target = x[starts[i] + t, begin : begin + width], out[which, i, h, t]
            for d in range(len(target)):
                target[d] = source[d]
        out[which, i, h, size:] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def gather_single(
    team: Team, x: NDArray[np.float32], firsts: Any, starts: NDArray[np.int64], out: NDArray[np.float32]
) -> None:
    """Write the tokens of sequences of `x` to `out` `[P, C, H, L, D]`, zero beyond their ends.

    Args:
        x: `[N, S]`; what goes to `out[p]` lies in the columns from `firsts[p]` on, a token's heads side by
            side.
        firsts: a tuple of P numbers.
        starts: sequence i is the tokens from `starts[i]` to `starts[i + 1]`.
    """
    in_parts(team, out.shape[0] * out.shape[1], _gather_single, (x, firsts, starts, out))


@njit(cache=True, nogil=True, error_model="numpy")
def _gather_half(
    part: int, parts: int, x: NDArray[np.uint16], firsts: Any, starts: NDArray[np.int64],
    out: NDArray[np.uint32],
) -> None:  # fmt: skip
    heads, width = out.shape[2], out.shape[4]
    which, i = part // out.shape[1], part % out.shape[1]
    size = starts[i + 1] - starts[i]
    for h in range(heads):
        begin = firsts[which] + h * width
        for t in range(size):
            source, target = x[starts[i] + t, begin : begin + width], out[which, i, h, t]
            for d in range(len(target)):
                target[d] = np.uint32(source[d]) << np.uint32(16)
        out[which, i, h, size:] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def gather_half(
    team: Team, x: NDArray[np.uint16], firsts: Any, starts: NDArray[np.int64], out: NDArray[np.uint32]
) -> None:
    """`gather_single` from bfloat16; `out` is the bits of float32."""
    in_parts(team, out.shape[0] * out.shape[1], _gather_half, (x, firsts, starts, out))


@njit(cache=True, nogil=True, error_model="numpy")
def _scatter_single(
    part: int, parts: int, cells: NDArray[np.float32], starts: NDArray[np.int64], out: NDArray[np.float32],
    first: int,
) -> None:  # fmt: skip
    width = cells.shape[3]
    for h in range(cells.shape[1]):
        begin = first + h * width
        for t in range(starts[part + 1] - starts[part]):
            source, target = cells[part, h, t], out[starts[part] + t, begin : begin + width]
            for d in range(len(target)):
                target[d] = source[d]


@njit(cache=True, nogil=True, error_model="numpy")
def scatter_single(
    team: Team, cells: NDArray[np.float32], starts: NDArray[np.int64], out: NDArray[np.float32], first: int
) -> None:
    """Write `cells` `[C, H, L, D]` back to the columns from `first` on of `out` `[N, S]`."""
    in_parts(team, len(cells), _scatter_single, (cells, starts, out, first))


@njit(cache=True, nogil=True, error_model="numpy")
def _scatter_half(
    part: int, parts: int, cells: NDArray[np.uint32], starts: NDArray[np.int64], out: NDArray[np.uint16],
    first: int,
) -> None:  # fmt: skip
    width = cells.shape[3]
    for h in range(cells.shape[1]):
        begin = first + h * width
        for t in range(starts[part + 1] - starts[part]):
            source, target = cells[part, h, t], out[starts[part] + t, begin : begin + width]
            for d in range(len(target)):
                bits = source[d]
                up = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
                # Not-a-number stays one.
                nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
                target[d] = np.uint16((bits | np.uint32(0x400000) if nan else up) >> np.uint32(16))


@njit(cache=True, nogil=True, error_model="numpy")
def scatter_half(
    team: Team, cells: NDArray[np.uint32], starts: NDArray[np.int64], out: NDArray[np.uint16], first: int
) -> None:
    """`scatter_single` to bfloat16, rounding to the nearest, ties to even; `cells` is the bits of float32."""
    in_parts(team, len(cells), _scatter_half, (cells, starts, out, first))


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _softmax_backward(
    part: int, parts: int, of_dropped: NDArray[np.float32], probabilities: NDArray[np.float32],
    key: np.uint64, threshold: Any, kept: Any, scale: Any,
) -> None:  # fmt: skip
    first, last = part * _ROWS, min((part + 1) * _ROWS, len(probabilities))
    if threshold:
        flat, width = of_dropped.reshape(-1), probabilities.shape[1]
        drop_range(key, threshold, kept, flat, flat, first * width, last * width)
    for i in range(first, last):
        g, p = of_dropped[i], probabilities[i]
        total = np.float32(0)
        for j in range(len(p)):
            total += g[j] * p[j]
        for j in range(len(p)):
            g[j] = p[j] * (g[j] - total) * scale


@njit(cache=True, nogil=True, error_model="numpy")
def softmax_backward(
    team: Team, of_dropped: NDArray[np.float32], probabilities: NDArray[np.float32], key: np.uint64,
    threshold: Any, kept: Any, scale: Any,
) -> None:  # fmt: skip
    """Overwrite the gradient of probabilities `[R, L]` after dropout with `scale` times that of the scores.

    Args:
        key, threshold, kept: as `drop_single` takes them; nothing is dropped at threshold 0.
    """
    in_parts(
        team, (len(probabilities) + _ROWS - 1) // _ROWS, _softmax_backward,
        (of_dropped, probabilities, key, threshold, kept, scale),
    )  # fmt: skip
