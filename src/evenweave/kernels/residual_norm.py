"""Bias, dropout, residual connection and layer normalisation in one pass, and their gradient in another.

Layer normalisation: Ba, Kiros and Hinton 2016, section 3. Dropout is that of `dropout.py`: the same key
drops the same places. What matrix products gave and take is float32, or bfloat16 as in `half.py`; all
else is float32.

Kernels get addresses of memory and not arrays: both precisions are one compilation, and to make arrays of
tensors takes Python longer than a kernel its rows.

Shape legend: N tokens, D dimensions, a multiple of 4. All rows lie one after another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.dropout import draw
from evenweave.kernels.half import read, write
from evenweave.kernels.memory import numbers
from evenweave.kernels.threads import Team, in_parts

_FAST = {"reassoc", "contract", "nsz"}
# Tokens of a part.
_ROWS = 16


@inner(error_model="numpy", fastmath=_FAST)
def _forward_part(
    part: int, parts: int, half: int, tokens: int, width: int, x: int, before: int, residual: int,
    weight: int, bias: int, key: np.uint64, threshold: Any, scale: Any, eps: Any, normal: int, spread: int,
    out: int, short: int,
) -> None:  # fmt: skip
    """Do one part of `drop_add_norm`."""
    source, room = np.empty(width, np.float32), np.empty(width, np.float32)
    draws = np.zeros(width // 4, np.uint64)
    lanes = draws.view(np.uint16)
    shift = numbers(before, width, np.float32)
    gain, offset = numbers(weight, width, np.float32), numbers(bias, width, np.float32)
    inverses = numbers(spread, tokens, np.float32)
    count, one, each = np.float32(width), np.float32(1), 2 if half else 4
    for i in range(part * _ROWS, min((part + 1) * _ROWS, tokens)):
        if threshold:
            draw(key, i * width, draws)
        at = 4 * i * width
        read(half, x + each * i * width, width, source)
        beside, target = numbers(residual + at, width, np.float32), numbers(out + at, width, np.float32)
        made = numbers(normal + at, width, np.float32) if normal else room
        total = np.float32(0)
        for j in range(width):
            value = beside[j] + ((source[j] + shift[j]) * scale if lanes[j] >= threshold else np.float32(0))
            made[j] = value
            total += value
        mean, squares = total / count, np.float32(0)
        for j in range(width):
            squares += (made[j] - mean) * (made[j] - mean)
        inverses[i] = inverse = one / np.sqrt(squares / count + eps)
        for j in range(width):
            value = (made[j] - mean) * inverse
            made[j] = value
            target[j] = value * gain[j] + offset[j]
        if short:
            write(1, target, short + 2 * i * width)


@kernel(error_model="numpy")
def drop_add_norm(
    team: Team, half: int, tokens: int, width: int, x: int, before: int, residual: int, weight: int,
    bias: int, key: np.uint64, threshold: Any, scale: Any, eps: Any, normal: int, spread: int, out: int,
    short: int,
) -> None:  # fmt: skip
    """Compute the layer norm of `residual` plus what dropout leaves of `x + before`.

    Args:
        half: 1 where `x` is bfloat16, 0 where it is float32.
        tokens, width: N and D.
        x, before, residual: addresses of `[N, D]`, `[D]` and `[N, D]`.
        weight, bias: of `[D]`.
        key, threshold, scale: as `drop` takes them; nothing is dropped at threshold 0.
        eps: float32, added to the variance.
        normal, spread: of `[N, D]` and `[N]`, which receive what `drop_add_norm_backward` needs: the
            normalised sum and one over its standard deviation. `normal` is 0 where nobody does.
        out: of `[N, D]`, which receives the result.
        short: of the same in bfloat16; 0 where nobody wants it.
    """
    in_parts(
        team, (tokens + _ROWS - 1) // _ROWS, _forward_part,
        (half, tokens, width, x, before, residual, weight, bias, key, threshold, scale, eps, normal, spread,
         out, short),
    )  # fmt: skip


@inner(error_model="numpy", fastmath=_FAST)
def _backward_part(
    part: int, parts: int, half: int, tokens: int, width: int, grad: int, more: int, normal: int, spread: int,
    weight: int, key: np.uint64, threshold: Any, scale: Any, sums: NDArray[np.float32], of_residual: int,
    of_x: int,
) -> None:  # fmt: skip
    """Do one part of `drop_add_norm_backward`; `sums[part]` `[3, D]` gets its share of `totals`."""
    draws = np.zeros(width // 4, np.uint64)
    lanes = draws.view(np.uint16)
    count, each = np.float32(width), 2 if half else 4
    gain, inverses = numbers(weight, width, np.float32), numbers(spread, tokens, np.float32)
    of_weight, of_bias, of_column = sums[part, 0], sums[part, 1], sums[part, 2]
    other, dropped = np.zeros(width, np.float32), np.empty(width, np.float32)
    for i in range(part * _ROWS, min((part + 1) * _ROWS, tokens)):
        at = 4 * i * width
        source, made = numbers(grad + at, width, np.float32), numbers(normal + at, width, np.float32)
        residual = numbers(of_residual + at, width, np.float32)
        if more:
            read(half, more + each * i * width, width, other)
        mean, along = np.float32(0), np.float32(0)
        for j in range(width):
            value = source[j] + other[j]
            of_bias[j] += value
            of_weight[j] += value * made[j]
            value *= gain[j]
            residual[j] = value
            mean += value
            along += value * made[j]
        mean, along, inverse = mean / count, along / count, inverses[i]
        if threshold:
            draw(key, i * width, draws)
        for j in range(width):
            value = (residual[j] - mean - made[j] * along) * inverse
            residual[j] = value
            dropped[j] = value * scale if lanes[j] >= threshold else np.float32(0)
        for j in range(width):
            of_column[j] += dropped[j]
        write(half, dropped, of_x + each * i * width)


@kernel(error_model="numpy")
def drop_add_norm_backward(
    team: Team, half: int, tokens: int, width: int, grad: int, more: int, normal: int, spread: int,
    weight: int, key: np.uint64, threshold: Any, scale: Any, totals: int, of_residual: int, of_x: int,
) -> None:  # fmt: skip
    """Compute the gradients of `drop_add_norm`'s arguments, from that of its result: `grad + more`, `[N, D]`.

    Args:
        half: 1 where `more` and `of_x` are bfloat16, 0 where they are float32.
        grad, more: addresses; `more` is 0 where there is only `grad`.
        normal, spread, weight: as `drop_add_norm` took and wrote them.
        totals: of `[3, D]`, which receives those of weight and bias, and the sums of the columns of `of_x`,
            that of `before`.
        of_residual, of_x: of `[N, D]`, which receive theirs; `of_residual` may be `grad`.
    """
    # Sums a part, added in order: the same on any number of threads.
    sums = np.zeros(((tokens + _ROWS - 1) // _ROWS, 3, width), np.float32)
    in_parts(
        team, len(sums), _backward_part,
        (half, tokens, width, grad, more, normal, spread, weight, key, threshold, scale, sums, of_residual,
         of_x),
    )  # fmt: skip
    into = numbers(totals, 3 * width, np.float32)
    into[:] = 0
    for part in range(len(sums)):
        source = sums[part].reshape(3 * width)
        for j in range(3 * width):
            into[j] += source[j]
