"""Dropout, residual connection and layer normalisation in one pass, and their gradient in another.

Layer normalisation: Ba, Kiros and Hinton 2016, section 3. Dropout is that of `dropout.py`: the same key
drops the same places. What matrix products gave and take may be float32, or bfloat16 as bits in uint16.

Shape legend: N tokens, D dimensions, a multiple of 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.dropout import draw
from evenweave.kernels.half import narrow, widen
from evenweave.kernels.threads import Team, in_parts

_FAST = {"reassoc", "contract", "nsz"}
# Tokens of a part.
_ROWS = 16


@inner(error_model="numpy", fastmath=_FAST)
def _forward_part(
    part: int, parts: int, x: NDArray[Any], residual: NDArray[np.float32], key: np.uint64, threshold: Any,
    scale: Any, weight: NDArray[np.float32], bias: NDArray[np.float32], eps: Any,
    normal: NDArray[np.float32], spread: NDArray[np.float32], out: NDArray[np.float32], short: NDArray[Any],
) -> None:  # fmt: skip
    """Do one part of `drop_add_norm`."""
    width = x.shape[1]
    source, room = np.empty(width, np.float32), np.empty(width, np.float32)
    draws = np.zeros(width // 4, np.uint64)
    lanes = draws.view(np.uint16)
    count, one = np.float32(width), np.float32(1)
    for i in range(part * _ROWS, min((part + 1) * _ROWS, len(x))):
        if threshold:
            draw(key, i * width, draws)
        widen(x[i], source)
        beside, made, target = residual[i], normal[i] if len(normal) else room, out[i]
        total = np.float32(0)
        for j in range(width):
            value = beside[j] + (source[j] * scale if lanes[j] >= threshold else np.float32(0))
            made[j] = value
            total += value
        mean, squares = total / count, np.float32(0)
        for j in range(width):
            squares += (made[j] - mean) * (made[j] - mean)
        spread[i] = inverse = one / np.sqrt(squares / count + eps)
        for j in range(width):
            value = (made[j] - mean) * inverse
            made[j] = value
            target[j] = value * weight[j] + bias[j]
        if len(short):
            narrow(target, short[i])


@kernel(error_model="numpy")
def drop_add_norm(
    team: Team, x: NDArray[Any], residual: NDArray[np.float32], key: np.uint64, threshold: Any,
    scale: Any, weight: NDArray[np.float32], bias: NDArray[np.float32], eps: Any,
    normal: NDArray[np.float32], spread: NDArray[np.float32], out: NDArray[np.float32], short: NDArray[Any],
) -> None:  # fmt: skip
    """Write to `out` the layer norm of `residual` plus what dropout leaves of `x`, all `[N, D]`.

    Args:
        key, threshold, scale: as `drop` takes them; nothing is dropped at threshold 0.
        weight, bias: `[D]`.
        eps: float32, added to the variance.
        normal, spread: `[N, D]` and `[N]`, receive what `drop_add_norm_backward` needs: the normalised sum
            and one over its standard deviation. No rows of `normal` where nobody does.
        short: receives `out` in bfloat16; no rows where nobody wants it.
    """
    in_parts(
        team, (len(x) + _ROWS - 1) // _ROWS, _forward_part,
        (x, residual, key, threshold, scale, weight, bias, eps, normal, spread, out, short),
    )  # fmt: skip


@inner(error_model="numpy", fastmath=_FAST)
def _backward_part(
    part: int, parts: int, grad: NDArray[np.float32], more: NDArray[Any],
    normal: NDArray[np.float32], spread: NDArray[np.float32], weight: NDArray[np.float32], key: np.uint64,
    threshold: Any, scale: Any, sums: NDArray[np.float32], of_residual: NDArray[np.float32],
    of_x: NDArray[Any],
) -> None:  # fmt: skip
    """Do one part of `drop_add_norm_backward`; `sums[part]` `[3, D]` gets its share of `totals`."""
    width = grad.shape[1]
    draws = np.zeros(width // 4, np.uint64)
    lanes = draws.view(np.uint16)
    count = np.float32(width)
    of_weight, of_bias, of_column = sums[part, 0], sums[part, 1], sums[part, 2]
    other, dropped = np.empty(width, np.float32), np.empty(width, np.float32)
    for i in range(part * _ROWS, min((part + 1) * _ROWS, len(grad))):
        source, made, residual = grad[i], normal[i], of_residual[i]
        if len(more):
            widen(more[i], other)
            for j in range(width):
                residual[j] = source[j] + other[j]
        else:
            for j in range(width):
                residual[j] = source[j]
        mean, along = np.float32(0), np.float32(0)
        for j in range(width):
            value = residual[j]
            of_bias[j] += value
            of_weight[j] += value * made[j]
            value *= weight[j]
            residual[j] = value
            mean += value
            along += value * made[j]
        mean, along, inverse = mean / count, along / count, spread[i]
        if threshold:
            draw(key, i * width, draws)
        for j in range(width):
            value = (residual[j] - mean - made[j] * along) * inverse
            residual[j] = value
            dropped[j] = value * scale if lanes[j] >= threshold else np.float32(0)
        for j in range(width):
            of_column[j] += dropped[j]
        narrow(dropped, of_x[i])


@kernel(error_model="numpy")
def drop_add_norm_backward(
    team: Team, grad: NDArray[np.float32], more: NDArray[Any], normal: NDArray[np.float32],
    spread: NDArray[np.float32], weight: NDArray[np.float32], key: np.uint64, threshold: Any, scale: Any,
    totals: NDArray[np.float32], of_residual: NDArray[np.float32], of_x: NDArray[Any],
) -> None:  # fmt: skip
    """Write the gradients of `drop_add_norm`'s arguments, from that of its result: `grad + more`, `[N, D]`.

    Args:
        more: `[N, D]`, or no rows where there is only `grad`.
        totals: `[3, D]`, receives those of weight and bias, and the sums of the columns of `of_x`, which a
            linear layer's bias before it wants.
        of_residual, of_x: `[N, D]`; `of_residual` may be `grad`.
    """
    # Sums a part, added in order: the same on any number of threads.
    sums = np.zeros(((len(grad) + _ROWS - 1) // _ROWS, 3, grad.shape[1]), np.float32)
    in_parts(
        team, len(sums), _backward_part,
        (grad, more, normal, spread, weight, key, threshold, scale, sums, of_residual, of_x),
    )  # fmt: skip
    totals[:] = 0
    for part in range(len(sums)):
        for which in range(3):
            into, source = totals[which], sums[part, which]
            for j in range(len(into)):
                into[j] += source[j]
