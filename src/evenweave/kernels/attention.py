"""Attention within the sequences of a flat batch, and its gradient, without padding.

A part is some heads of one sequence: queries, keys and values come out of the flat row into a thread's own
memory, and all between them and the result stays in its caches. Probabilities are not kept: the gradient
makes them again from two numbers a row (as Dao et al. 2022, FlashAttention, section 3.1, do), so that no
memory grows with the square of a sequence's length. Attention: Vaswani et al. 2017, section 3.2. All is
computed in float32: it costs little beside the model's matrix products, and runs in bfloat16 have exact
probabilities.

Dropout is that of `dropout.py`: the same key drops the same places.

Kernels get addresses of memory and not arrays: slices of arrays take long to compile, and both precisions
are one compilation.

Shape legend: B sequences, N tokens, H heads, D dimensions of a head, L tokens of a sequence, W the same
rounded up to COLUMNS, S tokens of all sequences. Tokens are float32, or bfloat16 as in `half.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.dropout import draw
from evenweave.kernels.half import read, write
from evenweave.kernels.memory import numbers
from evenweave.kernels.products import COLUMNS, ROWS, product
from evenweave.kernels.softmax import LOG2E, softmax
from evenweave.kernels.threads import Team, in_parts

# Heads of a part: few, for threads to have about as much to do, and enough to be worth its memory.
_HEADS = 3
# Queries at a time: their scores stay in the second cache at any length.
_QUERIES = 64


@inner
def _rounded(number: int, unit: int) -> int:
    return (number + unit - 1) // unit * unit


@inner
def _places_of(bounds: NDArray[np.int64], heads: int) -> NDArray[np.int64]:
    """Return where each sequence's probabilities, `[H, L, W]`, would begin, and where all end: `[B + 1]`."""
    places = np.zeros(len(bounds), np.int64)
    for i in range(len(bounds) - 1):
        size = bounds[i + 1] - bounds[i]
        places[i + 1] = places[i] + heads * size * _rounded(size, COLUMNS)
    return places


@inner(error_model="numpy")
def _share(part: int, parts: int, bounds: NDArray[np.int64], size: int) -> Any:
    """Return a part's sequence, which heads of it, its tokens, and these and others as memory has room for.

    That is tokens as columns, dimensions as columns, tokens as rows, and queries at a time as rows.
    """
    chunks = parts // (len(bounds) - 1)
    which = part // chunks
    n = bounds[which + 1] - bounds[which]
    high = _rounded(n, ROWS)
    return which, part % chunks, n, _rounded(n, COLUMNS), _rounded(size, COLUMNS), high, min(_QUERIES, high)


@inner(error_model="numpy")
def _take(half: int, rows: int, stride: int, n: int, size: int, scale: Any, out: int, deep: int) -> None:
    """Write `scale` times `[n, size]` numbers, in rows `stride` apart, to rows `deep` apart."""
    each = 2 if half else 4
    for t in range(n):
        target = numbers(out + 4 * t * deep, size, np.float32)
        read(half, rows + each * t * stride, size, target)
        if scale != np.float32(1):
            for j in range(size):
                target[j] *= scale


@inner(error_model="numpy")
def _turn(half: int, rows: int, stride: int, n: int, size: int, out: int, width: int) -> None:
    """Write `[n, size]` numbers, in rows `stride` apart, to columns of rows `width` apart."""
    line, turned = np.empty(size, np.float32), numbers(out, size * width, np.float32)
    own, each = np.int64(line.ctypes.data), 2 if half else 4
    for t in range(n):
        _take(half, rows + each * t * stride, stride, 1, size, np.float32(1), own, size)
        for j in range(size):
            turned[j * width + t] = line[j]


@inner(error_model="numpy")
def _give(half: int, cells: int, deep: int, n: int, size: int, out: int, stride: int) -> None:
    """Write `[n, size]` numbers, in rows `deep` apart, to rows `stride` apart."""
    each = 2 if half else 4
    for t in range(n):
        write(half, numbers(cells + 4 * t * deep, size, np.float32), out + each * t * stride)


@inner(error_model="numpy")
def _drop(key: np.uint64, place: int, threshold: Any, kept: Any, count: int, draws: int, cells: int) -> None:
    """Scale numbers that are those from `place` on, and drop some."""
    words, out = numbers(draws, count // 4, np.uint64), numbers(cells, count, np.float32)
    draw(key, place, words)
    lanes = words.view(np.uint16)
    for j in range(count):
        out[j] = out[j] * kept if lanes[j] >= threshold else np.float32(0)


@inner(error_model="numpy")
def _drop_both(
    key: np.uint64, place: int, threshold: Any, kept: Any, count: int, draws: int, probabilities: int,
    used: int, grads: int,
) -> None:  # fmt: skip
    """Write what dropout left of probabilities to `used`, and do as it did to the gradients of that."""
    words, lanes_of = numbers(draws, count // 4, np.uint64), numbers(draws, count, np.uint16)
    p, u = numbers(probabilities, count, np.float32), numbers(used, count, np.float32)
    g = numbers(grads, count, np.float32)
    draw(key, place, words)
    for j in range(count):
        factor = kept if lanes_of[j] >= threshold else np.float32(0)
        u[j] = p[j] * factor
        g[j] *= factor


@inner(error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _of_scores(grads: int, probabilities: int, rows: int, width: int, scale: Any) -> None:
    """Overwrite the gradients of probabilities, `[rows, width]`, with those of the scores."""
    for i in range(rows):
        g = numbers(grads + 4 * i * width, width, np.float32)
        p = numbers(probabilities + 4 * i * width, width, np.float32)
        total = np.float32(0)
        for j in range(width):
            total += g[j] * p[j]
        for j in range(width):
            g[j] = p[j] * (g[j] - total) * scale


@inner(error_model="numpy")
def _forward_part(
    part: int, parts: int, half: int, addresses: NDArray[np.int64], strides: NDArray[np.int64], heads: int,
    size: int, bounds: NDArray[np.int64], places: NDArray[np.int64], scale: Any, reach: Any, key: np.uint64,
    threshold: Any, kept: Any, terms: NDArray[np.float32],
) -> None:  # fmt: skip
    which, chunk, n, width, deep, high, most = _share(part, parts, bounds, size)
    # Zeros: what is beyond a sequence's tokens or a head's dimensions is computed with and left.
    room = np.zeros(2 * high * deep + size * width + most * (width + deep + width // 2), np.float32)
    queries = np.int64(room.ctypes.data)
    values = queries + 4 * high * deep
    keys = values + 4 * high * deep
    scores = keys + 4 * size * width
    made = scores + 4 * most * width
    draws = made + 4 * most * deep
    each = 2 if half else 4
    for h in range(chunk * _HEADS, min((chunk + 1) * _HEADS, heads)):
        column = each * h * size
        q = addresses[0] + each * bounds[which] * strides[0] + column
        k = addresses[1] + each * bounds[which] * strides[1] + column
        v = addresses[2] + each * bounds[which] * strides[2] + column
        out = addresses[3] + each * bounds[which] * strides[3] + column
        _take(half, q, strides[0], n, size, scale * LOG2E, queries, deep)
        _turn(half, k, strides[1], n, size, keys, width)
        _take(half, v, strides[2], n, size, np.float32(1), values, deep)
        own = np.int64(terms[h, bounds[which] :].ctypes.data)
        for first in range(0, n, _QUERIES):
            count: Any = min(_QUERIES, n - first)
            product(queries + 4 * first * deep, deep, 1, keys, width, scores, width, count, width, size, 0)
            softmax(scores, own + 8 * first, False, count, width, first, n, reach[0], reach[1])
            if threshold:
                place = places[which] + (h * n + first) * width
                _drop(key, place, threshold, kept, count * width, draws, scores)
            product(scores, width, 1, values, deep, made, deep, count, deep, n, 0)
            _give(half, made, deep, count, size, out + each * first * strides[3], strides[3])
    room[0] = 0  # until here it is in use, which nobody would know from addresses


@inner(error_model="numpy")
def _clear(half: int, rows: int, stride: int, first: int, last: int, columns: int) -> None:
    """Write 0 to the tokens from `first` on: those of no sequence."""
    each = 2 if half else 4
    for t in range(first, last):
        row = numbers(rows + each * t * stride, each * columns, np.uint8)
        for j in range(each * columns):
            row[j] = 0


@kernel(error_model="numpy")
def attend(
    team: Team, half: int, addresses: NDArray[np.int64], strides: NDArray[np.int64], tokens: int, heads: int,
    size: int, bounds: NDArray[np.int64], scale: Any, reach: Any, key: np.uint64, threshold: Any, kept: Any,
) -> Any:  # fmt: skip
    """Compute softmax attention within each sequence; return what `attend_backward` needs, `[H, S, 2]`.

    Args:
        half: 1 where all tokens are bfloat16, 0 where they are float32.
        addresses: `[4]`, of queries, keys, values and what receives the result: rows of tokens, each with
            its heads side by side.
        strides: `[4]`, from one of their rows to the next, in elements.
        tokens: N; those behind the last sequence get 0.
        heads, size: H and D.
        bounds: `[B + 1]`, sequence i is the tokens from `bounds[i]` to `bounds[i + 1]`.
        scale: float32, of the scores.
        reach: two numbers; the token at t sees those from t - reach[0] to t + reach[1] of its sequence.
        key, threshold, kept: as `drop` takes them; nothing is dropped at threshold 0.
    """
    terms = np.empty((heads, bounds[-1], 2), np.float32)
    chunks = (heads + _HEADS - 1) // _HEADS
    in_parts(
        team, (len(bounds) - 1) * chunks, _forward_part,
        (half, addresses, strides, heads, size, bounds, _places_of(bounds, heads), scale, reach, key,
         threshold, kept, terms),
    )  # fmt: skip
    _clear(half, addresses[3], strides[3], bounds[-1], tokens, heads * size)
    return terms


@inner(error_model="numpy")
def _backward_part(
    part: int, parts: int, half: int, addresses: NDArray[np.int64], strides: NDArray[np.int64], heads: int,
    size: int, bounds: NDArray[np.int64], places: NDArray[np.int64], scale: Any, reach: Any, key: np.uint64,
    threshold: Any, kept: Any, terms: NDArray[np.float32],
) -> None:  # fmt: skip
    which, chunk, n, width, deep, high, most = _share(part, parts, bounds, size)
    room = np.zeros(6 * high * deep + 2 * size * width + most * (3 * width + deep + width // 2), np.float32)
    queries = np.int64(room.ctypes.data)
    scaled = queries + 4 * high * deep
    keys = scaled + 4 * high * deep
    above = keys + 4 * high * deep
    of_keys = above + 4 * high * deep
    of_values = of_keys + 4 * high * deep
    turned_keys = of_values + 4 * high * deep
    values = turned_keys + 4 * size * width
    shares = values + 4 * size * width
    used = shares + 4 * most * width
    grads = used + 4 * most * width
    of_queries = grads + 4 * most * width
    draws = of_queries + 4 * most * deep
    each, one = 2 if half else 4, np.float32(1)
    rows = addresses + each * bounds[which] * strides
    for h in range(chunk * _HEADS, min((chunk + 1) * _HEADS, heads)):
        column = each * h * size
        _take(half, rows[0] + column, strides[0], n, size, one, queries, deep)
        _take(half, rows[0] + column, strides[0], n, size, scale * LOG2E, scaled, deep)
        _take(half, rows[1] + column, strides[1], n, size, one, keys, deep)
        _turn(half, rows[1] + column, strides[1], n, size, turned_keys, width)
        _turn(half, rows[2] + column, strides[2], n, size, values, width)
        _take(half, rows[3] + column, strides[3], n, size, one, above, deep)
        own = np.int64(terms[h, bounds[which] :].ctypes.data)
        for first in range(0, n, _QUERIES):
            count: Any = min(_QUERIES, n - first)
            at, adds = 4 * first * deep, np.int64(first > 0)
            product(scaled + at, deep, 1, turned_keys, width, shares, width, count, width, size, 0)
            softmax(shares, own + 8 * first, True, count, width, first, n, reach[0], reach[1])
            product(above + at, deep, 1, values, width, grads, width, count, width, size, 0)
            left = shares
            if threshold:
                left, place = used, places[which] + (h * n + first) * width
                _drop_both(key, place, threshold, kept, count * width, draws, shares, used, grads)
            _of_scores(grads, shares, count, width, scale)
            product(left, 1, width, above + at, deep, of_values, deep, n, deep, count, adds)
            product(grads, 1, width, queries + at, deep, of_keys, deep, n, deep, count, adds)
            product(grads, width, 1, keys, deep, of_queries, deep, count, deep, n, 0)
            target = rows[4] + each * first * strides[4] + column
            _give(half, of_queries, deep, count, size, target, strides[4])
        _give(half, of_keys, deep, n, size, rows[5] + column, strides[5])
        _give(half, of_values, deep, n, size, rows[6] + column, strides[6])
    room[0] = 0  # until here it is in use, which nobody would know from addresses


@kernel(error_model="numpy")
def attend_backward(
    team: Team, half: int, addresses: NDArray[np.int64], strides: NDArray[np.int64], tokens: int, heads: int,
    size: int, bounds: NDArray[np.int64], scale: Any, reach: Any, key: np.uint64, threshold: Any, kept: Any,
    terms: NDArray[np.float32],
) -> None:  # fmt: skip
    """Compute the gradients of `attend`'s queries, keys and values from that of its result.

    Args:
        addresses, strides: `[7]`, of queries, keys and values, of the gradient of the result, and of what
            receives those of queries, keys and values.
        terms: what `attend` returned; the rest as it took it.
    """
    chunks = (heads + _HEADS - 1) // _HEADS
    in_parts(
        team, (len(bounds) - 1) * chunks, _backward_part,
        (half, addresses, strides, heads, size, bounds, _places_of(bounds, heads), scale, reach, key,
         threshold, kept, terms),
    )  # fmt: skip
    for which in range(4, 7):
        _clear(half, addresses[which], strides[which], bounds[-1], tokens, heads * size)
