"""Attention within the sequences of a flat batch, and its gradient, without padding.

A part is some heads of one sequence: queries, keys and values come out of the flat row into a thread's own
memory, all between them and the result stays in its caches, and nothing is as large as a batch but the
probabilities, kept for the gradient. Attention: Vaswani et al. 2017, section 3.2. All is computed in
float32: it costs little beside the model's matrix products, and runs in bfloat16 keep exact probabilities.

Dropout is that of `dropout.py`: the same key drops the same places.

Shape legend: B sequences, N tokens, S columns of a token, H heads, D dimensions of a head, L tokens of a
sequence, W the same rounded up to COLUMNS. Tokens are float32, or bfloat16 as in `half.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.dropout import draw
from evenweave.kernels.half import narrow, widen
from evenweave.kernels.products import COLUMNS, ROWS, product
from evenweave.kernels.softmax import LOG2E, softmax
from evenweave.kernels.threads import Team, in_parts

_FAST = {"reassoc", "contract", "nsz"}
# Heads of a part: few, for threads to have about as much to do, and enough to be worth its memory.
_HEADS = 3
# Queries at a time: their scores stay in the second cache at any length.
_QUERIES = 64


@inner
def _rounded(number: int, unit: int) -> int:
    return (number + unit - 1) // unit * unit


@inner
def places_of(bounds: NDArray[Any], heads: int) -> NDArray[np.int64]:
    """Return where each sequence's probabilities, `[H, L, W]`, begin, and where all end: `[B + 1]`."""
    places = np.zeros(len(bounds), np.int64)
    for i in range(len(bounds) - 1):
        size = np.int64(bounds[i + 1] - bounds[i])
        places[i + 1] = places[i] + heads * size * _rounded(size, COLUMNS)
    return places


@inner(error_model="numpy")
def _take(rows: NDArray[Any], first: int, size: int, scale: Any, out: NDArray[np.float32]) -> None:
    """Write `scale` times the `size` columns from `first` on of `rows` to the first ones of `out`."""
    for t in range(len(rows)):
        target = out[t, :size]
        widen(rows[t, first : first + size], target)
        if scale != np.float32(1):
            for j in range(size):
                target[j] *= scale


@inner(error_model="numpy")
def _turn(rows: NDArray[Any], first: int, line: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Write the columns from `first` on of `rows` to the first ones of `out`'s rows."""
    for t in range(len(rows)):
        widen(rows[t, first : first + len(line)], line)
        for j in range(len(line)):
            out[j, t] = line[j]


@inner(error_model="numpy")
def _give(cells: NDArray[np.float32], size: int, rows: NDArray[Any], first: int) -> None:
    """Write the first `size` columns of `cells` to those from `first` on of `rows`."""
    for t in range(len(rows)):
        narrow(cells[t, :size], rows[t, first : first + size])


@inner(error_model="numpy")
def _drop(
    key: np.uint64, place: int, threshold: Any, kept: Any, draws: NDArray[np.uint64], out: NDArray[np.float32]
) -> None:
    """Scale `out`, flat, whose elements are those from `place` on, and drop some."""
    draw(key, place, draws)
    lanes = draws.view(np.uint16)
    for j in range(len(out)):
        out[j] = out[j] * kept if lanes[j] >= threshold else np.float32(0)


@inner(error_model="numpy")
def _forward_part(
    part: int, parts: int, q: NDArray[Any], k: NDArray[Any], v: NDArray[Any], firsts: NDArray[np.int64],
    heads: int, size: int, bounds: NDArray[Any], places: NDArray[np.int64], scale: Any, reach: Any,
    key: np.uint64, threshold: Any, kept: Any, probabilities: NDArray[np.float32], out: NDArray[Any],
) -> None:  # fmt: skip
    chunks = parts // (len(bounds) - 1)
    which, chunk = part // chunks, part % chunks
    start, stop = np.int64(bounds[which]), np.int64(bounds[which + 1])
    n = stop - start
    width, deep = _rounded(n, COLUMNS), _rounded(size, COLUMNS)
    most = min(_QUERIES, _rounded(n, ROWS))
    queries, values = np.zeros((_rounded(n, ROWS), deep), np.float32), np.zeros((n, deep), np.float32)
    keys = np.zeros((size, width), np.float32)
    line = np.empty(size, np.float32)
    scores = np.zeros((most, width), np.float32)
    made = np.empty((most, deep), np.float32)
    draws = np.empty(most * width // 4, np.uint64)
    for h in range(chunk * _HEADS, min((chunk + 1) * _HEADS, heads)):
        column = h * size
        _take(q[start:stop], firsts[0] + column, size, scale * LOG2E, queries)
        _turn(k[start:stop], firsts[1] + column, line, keys)
        _take(v[start:stop], firsts[2] + column, size, np.float32(1), values)
        own = places[which] + h * n * width
        for first in range(0, n, _QUERIES):
            count: Any = min(_QUERIES, n - first)
            product(
                queries.ctypes.data + 4 * first * deep, deep, 1, keys.ctypes.data, width,
                scores.ctypes.data, width, count, width, size, 0,
            )  # fmt: skip
            softmax(scores[:count], scores[:count], first, n, reach[0], reach[1])
            place, cells = own + first * width, scores[:count].reshape(-1)
            if len(probabilities):
                target = probabilities[place : place + len(cells)]
                for j in range(len(cells)):
                    target[j] = cells[j]
            if threshold:
                _drop(key, place, threshold, kept, draws[: len(cells) // 4], cells)
            product(
                scores.ctypes.data,
                width,
                1,
                values.ctypes.data,
                deep,
                made.ctypes.data,
                deep,
                count,
                deep,
                n,
                0,
            )
            _give(made, size, out[start + first : start + first + count], column)


@kernel(error_model="numpy")
def attend(
    team: Team, q: NDArray[Any], k: NDArray[Any], v: NDArray[Any], firsts: NDArray[np.int64], heads: int,
    size: int, bounds: NDArray[Any], scale: Any, reach: Any, key: np.uint64, threshold: Any, kept: Any,
    keeps: bool, out: NDArray[Any],
) -> Any:  # fmt: skip
    """Write softmax attention within each sequence to `out`; return the probabilities, flat.

    Args:
        q, k, v: `[N, S]`; each one's heads lie side by side from column `firsts[0]`, `[1]`, `[2]` on.
        heads, size: H and D.
        bounds: `[B + 1]`, sequence i is the tokens from `bounds[i]` to `bounds[i + 1]`.
        scale: float32, of the scores.
        reach: two numbers; the token at t sees those from t - reach[0] to t + reach[1] of its sequence.
        key, threshold, kept: as `drop` takes them; nothing is dropped at threshold 0.
        keeps: whether the probabilities are wanted, for `attend_backward`; else none are returned.
        out: `[N, H * D]`, of the dtype of `q`; tokens in no sequence get 0.
    """
    places = places_of(bounds, heads)
    probabilities = np.empty(places[-1] if keeps else 0, np.float32)
    chunks = (heads + _HEADS - 1) // _HEADS
    in_parts(
        team, (len(bounds) - 1) * chunks, _forward_part,
        (q, k, v, firsts, heads, size, bounds, places, scale, reach, key, threshold, kept, probabilities,
         out),
    )  # fmt: skip
    out[bounds[-1] :] = 0
    return probabilities


@inner(error_model="numpy", fastmath=_FAST)
def _of_scores(grads: NDArray[np.float32], probabilities: NDArray[np.float32], scale: Any) -> None:
    """Overwrite the gradients of probabilities, `[R, W]`, with those of the scores."""
    for i in range(len(grads)):
        g, p = grads[i], probabilities[i]
        total = np.float32(0)
        for j in range(len(p)):
            total += g[j] * p[j]
        for j in range(len(p)):
            g[j] = p[j] * (g[j] - total) * scale


@inner(error_model="numpy")
def _backward_part(
    part: int, parts: int, grad: NDArray[Any], q: NDArray[Any], k: NDArray[Any], v: NDArray[Any],
    firsts: NDArray[np.int64], heads: int, size: int, bounds: NDArray[Any], places: NDArray[np.int64],
    scale: Any, key: np.uint64, threshold: Any, kept: Any, probabilities: NDArray[np.float32],
    of_q: NDArray[Any], of_k: NDArray[Any], of_v: NDArray[Any],
) -> None:  # fmt: skip
    chunks = parts // (len(bounds) - 1)
    which, chunk = part // chunks, part % chunks
    start, stop = np.int64(bounds[which]), np.int64(bounds[which + 1])
    n = stop - start
    width, deep = _rounded(n, COLUMNS), _rounded(size, COLUMNS)
    high = _rounded(n, ROWS)
    most = min(_QUERIES, high)
    queries, keys = np.zeros((high, deep), np.float32), np.zeros((high, deep), np.float32)
    above, values = np.zeros((high, deep), np.float32), np.zeros((size, width), np.float32)
    line = np.empty(size, np.float32)
    for_queries = np.empty((most, deep), np.float32)
    for_keys, for_values = np.empty((high, deep), np.float32), np.empty((high, deep), np.float32)
    used, grads = np.zeros((most, width), np.float32), np.zeros((most, width), np.float32)
    draws = np.empty(most * width // 4, np.uint64)
    lanes = draws.view(np.uint16)
    for h in range(chunk * _HEADS, min((chunk + 1) * _HEADS, heads)):
        column = h * size
        _take(q[start:stop], firsts[0] + column, size, np.float32(1), queries)
        _take(k[start:stop], firsts[1] + column, size, np.float32(1), keys)
        _turn(v[start:stop], firsts[2] + column, line, values)
        _take(grad[start:stop], column, size, np.float32(1), above)
        own = places[which] + h * n * width
        for first in range(0, n, _QUERIES):
            count: Any = min(_QUERIES, n - first)
            place = own + first * width
            kept_p = probabilities[place : place + count * width]
            g, u = grads[:count].reshape(-1), used[:count].reshape(-1)
            at_query = 4 * first * deep
            product(
                above.ctypes.data + at_query, deep, 1, values.ctypes.data, width, grads.ctypes.data, width,
                count, width, size, 0,
            )  # fmt: skip
            if threshold:
                draw(key, place, draws[: len(u) // 4])
                for j in range(len(u)):
                    factor = kept if lanes[j] >= threshold else np.float32(0)
                    u[j] = kept_p[j] * factor
                    g[j] *= factor
            else:
                for j in range(len(u)):
                    u[j] = kept_p[j]
            _of_scores(grads[:count], kept_p.reshape((count, width)), scale)
            adds = np.int64(first > 0)
            product(
                used.ctypes.data, 1, width, above.ctypes.data + at_query, deep, for_values.ctypes.data, deep,
                n, deep, count, adds,
            )  # fmt: skip
            product(
                grads.ctypes.data, 1, width, queries.ctypes.data + at_query, deep, for_keys.ctypes.data, deep,
                n, deep, count, adds,
            )  # fmt: skip
            product(
                grads.ctypes.data, width, 1, keys.ctypes.data, deep, for_queries.ctypes.data, deep,
                count, deep, n, 0,
            )  # fmt: skip
            _give(for_queries, size, of_q[start + first : start + first + count], firsts[0] + column)
        _give(for_keys, size, of_k[start:stop], firsts[1] + column)
        _give(for_values, size, of_v[start:stop], firsts[2] + column)


@kernel(error_model="numpy")
def attend_backward(
    team: Team, grad: NDArray[Any], q: NDArray[Any], k: NDArray[Any], v: NDArray[Any],
    firsts: NDArray[np.int64], heads: int, size: int, bounds: NDArray[Any], scale: Any, key: np.uint64,
    threshold: Any, kept: Any, probabilities: NDArray[np.float32], of_q: NDArray[Any], of_k: NDArray[Any],
    of_v: NDArray[Any],
) -> None:  # fmt: skip
    """Write the gradients of `attend`'s queries, keys and values to the columns where these lie.

    Args:
        grad: `[N, H * D]`, of its result.
        probabilities: what it returned; the rest as it took it.
        of_q, of_k, of_v: `[N, S]`; tokens in no sequence get 0.
    """
    chunks = (heads + _HEADS - 1) // _HEADS
    in_parts(
        team, (len(bounds) - 1) * chunks, _backward_part,
        (grad, q, k, v, firsts, heads, size, bounds, places_of(bounds, heads), scale, key, threshold, kept,
         probabilities, of_q, of_k, of_v),
    )  # fmt: skip
    for which, rows in enumerate((of_q, of_k, of_v)):
        rows[bounds[-1] :, firsts[which] : firsts[which] + heads * size] = 0
