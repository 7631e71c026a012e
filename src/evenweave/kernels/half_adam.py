"""AdamW on weights whose gradients are bfloat16, rounded to bfloat16 on the way: one pass over memory.

AdamW: Loshchilov and Hutter 2019, algorithm 2, as torch's fused step computes it.
Half precision comes as in `half.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evenweave.kernels.half import narrow, widen
from evenweave.kernels.threads import Team, in_parts

# Elements of one round: its gradients in float32 stay in the first cache.
_BLOCK = 2048
# Elements of a part: as many as are worth a thread's while.
_PART = 16 * _BLOCK


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _step_part(
    part: int, parts: int, weights: NDArray[np.float32], first: NDArray[np.float32],
    second: NDArray[np.float32], gradients: NDArray[np.uint16], halves: NDArray[np.uint16],
    beta1: Any, rest1: Any, beta2: Any, rest2: Any, keep: Any, size: Any, root: Any, eps: Any, scale: Any,
) -> None:  # fmt: skip
    """Make the step on one part; `rest` is 1 - beta, for the others see `step_half`."""
    values = np.empty(_BLOCK, np.float32)
    for start in range(part * _PART, min((part + 1) * _PART, len(weights)), _BLOCK):
        stop = min(start + _BLOCK, len(weights))
        p, m, v, g = weights[start:stop], first[start:stop], second[start:stop], gradients[start:stop]
        widen(g, values)
        for j in range(len(p)):
            value = values[j] * scale
            m[j] = beta1 * m[j] + rest1 * value
            v[j] = beta2 * v[j] + rest2 * value * value
            p[j] = keep * p[j] - size * m[j] / (np.sqrt(v[j]) * root + eps)
        if len(halves):
            narrow(p, halves[start:stop])


@njit(cache=True, nogil=True, error_model="numpy")
def step_half(
    team: Team, weights: NDArray[np.float32], first: NDArray[np.float32], second: NDArray[np.float32],
    gradients: NDArray[np.uint16], halves: NDArray[np.uint16], step: int, rate: float, decay: float,
    beta1: float, beta2: float, eps: float, scale: float,
) -> None:  # fmt: skip
    """Make AdamW's step `step`, from 1 on, with `scale` times `gradients`, and write `weights` to `halves`.

    Args:
        first, second: the moments; all arrays `[n]`.
        halves: receives bfloat16; empty where nobody wants them.
    """
    one = np.float32(1)
    terms = (
        np.float32(beta1), one - np.float32(beta1), np.float32(beta2), one - np.float32(beta2),
        np.float32(1 - rate * decay), np.float32(rate / (1 - beta1**step)),
        np.float32(1 / np.sqrt(1 - beta2**step)), np.float32(eps), np.float32(scale),
    )  # fmt: skip
    in_parts(
        team, (len(weights) + _PART - 1) // _PART, _step_part,
        (weights, first, second, gradients, halves, *terms),
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _squared_part(part: int, parts: int, bits: NDArray[np.uint16], out: NDArray[np.float64]) -> None:
    """Write the sum of one part's squares to its place."""
    values = np.empty(_BLOCK, np.float32)
    total: Any = 0.0
    for start in range(part * _PART, min((part + 1) * _PART, len(bits)), _BLOCK):
        block, squares = bits[start : min(start + _BLOCK, len(bits))], np.float32(0)
        widen(block, values)
        for j in range(len(block)):
            squares += values[j] * values[j]
        total += squares
    out[part] = total


@njit(cache=True, nogil=True, error_model="numpy")
def squared_half(team: Team, bits: NDArray[np.uint16]) -> Any:
    """Return the sum of the squares of bfloat16 numbers `[n]`, added up in float64 every 2,048."""
    sums = np.zeros((len(bits) + _PART - 1) // _PART)
    in_parts(team, len(sums), _squared_part, (bits, sums))
    return sums.sum()
