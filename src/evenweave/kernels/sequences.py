"""Between the tokens of a flat batch and the rectangles that matrix products of attention take.

Shape legend: N tokens, S columns of a token, H heads, D dimensions of a head, C sequences of a bucket, L
longest of them.
Half precision comes as the bits of bfloat16 in uint16.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True, error_model="numpy")
def gather_single(
    x: NDArray[np.float32], first: int, starts: NDArray[np.int64], out: NDArray[np.float32]
) -> None:
    """Write the tokens of sequences of `x` to `out` `[C, H, L, D]`, zero beyond their ends.

    Args:
        x: `[N, S]`; a token's heads lie side by side from column `first` on.
        starts: sequence i is the tokens from `starts[i]` to `starts[i + 1]`.
    """
    width = out.shape[3]
    for i in range(out.shape[0]):
        size = starts[i + 1] - starts[i]
        for h in range(out.shape[1]):
            begin = first + h * width
            for t in range(size):
                source, target = x[starts[i] + t, begin : begin + width], out[i, h, t]
                for d in range(len(target)):
                    target[d] = source[d]
            out[i, h, size:] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def gather_half(
    x: NDArray[np.uint16], first: int, starts: NDArray[np.int64], out: NDArray[np.uint32]
) -> None:
    """`gather_single` from bfloat16; `out` is the bits of float32."""
    width = out.shape[3]
    for i in range(out.shape[0]):
        size = starts[i + 1] - starts[i]
        for h in range(out.shape[1]):
            begin = first + h * width
            for t in range(size):
                source, target = x[starts[i] + t, begin : begin + width], out[i, h, t]
                for d in range(len(target)):
                    target[d] = np.uint32(source[d]) << np.uint32(16)
            out[i, h, size:] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def scatter_single(
    cells: NDArray[np.float32], starts: NDArray[np.int64], out: NDArray[np.float32], first: int
) -> None:
    """Undo `gather_single`."""
    width = cells.shape[3]
    for i in range(cells.shape[0]):
        for h in range(cells.shape[1]):
            begin = first + h * width
            for t in range(starts[i + 1] - starts[i]):
                source, target = cells[i, h, t], out[starts[i] + t, begin : begin + width]
                for d in range(len(target)):
                    target[d] = source[d]


@njit(cache=True, nogil=True, error_model="numpy")
def scatter_half(
    cells: NDArray[np.uint32], starts: NDArray[np.int64], out: NDArray[np.uint16], first: int
) -> None:
    """`scatter_single` to bfloat16, rounding to the nearest, ties to even; `cells` is the bits of float32."""
    width = cells.shape[3]
    for i in range(cells.shape[0]):
        for h in range(cells.shape[1]):
            begin = first + h * width
            for t in range(starts[i + 1] - starts[i]):
                source, target = cells[i, h, t], out[starts[i] + t, begin : begin + width]
                for d in range(len(target)):
                    bits = source[d]
                    up = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
                    # Not-a-number stays one.
                    nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
                    target[d] = np.uint16((bits | np.uint32(0x400000) if nan else up) >> np.uint32(16))


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def softmax_backward(
    of_probabilities: NDArray[np.float32], probabilities: NDArray[np.float32], scale: Any
) -> None:
    """Overwrite the gradient of probabilities `[R, L]` with `scale` times that of the scores."""
    for i in range(len(probabilities)):
        g, p = of_probabilities[i], probabilities[i]
        total = np.float32(0)
        for j in range(len(p)):
            total += g[j] * p[j]
        for j in range(len(p)):
            g[j] = p[j] * (g[j] - total) * scale
