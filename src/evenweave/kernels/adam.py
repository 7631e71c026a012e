"""AdamW on many tensors, rounded to bfloat16 on the way, and their gradients' norm: one pass each.

All tensors are stepped by one call, which gets the addresses of their memory: a call each, with arrays
made of tensors, takes as long as the work on small ones.

AdamW: Loshchilov and Hutter 2019, algorithm 2, as torch's fused step computes it.
Half precision comes as in `half.py`.

Shape legend: W tensors, G groups of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.half import narrow, single, widen
from evenweave.kernels.memory import numbers
from evenweave.kernels.threads import Team, in_parts

# Elements of one round: its gradients in float32 stay in the first cache.
_BLOCK = 2048
# Elements of a part: as many as are worth a thread's while.
_PART = 16 * _BLOCK
# Places of memory that are read at once: more come faster.
_STREAMS = 4


@inner(error_model="numpy", fastmath={"contract"})
def _step_part(
    part: int, parts: int, addresses: NDArray[np.int64], bounds: NDArray[np.int64],
    sizes: NDArray[np.int64], halves: NDArray[np.bool_], terms: NDArray[np.float32],
) -> None:  # fmt: skip
    """Make the step on one part; `terms` `[W, 9]` are explained by `step_all`."""
    which = np.searchsorted(bounds, part, side="right") - 1
    n, term = sizes[which], terms[which]
    weights = numbers(addresses[which, 0], n, np.float32)
    first = numbers(addresses[which, 1], n, np.float32)
    second = numbers(addresses[which, 2], n, np.float32)
    short = numbers(addresses[which, 3], n if halves[which] else 0, np.uint16)
    long = numbers(addresses[which, 3], 0 if halves[which] else n, np.float32)
    rounded = addresses[which, 4] != 0
    copies = numbers(addresses[which, 4], n if rounded else 0, np.uint16)
    beta1, rest1, beta2, rest2, keep, size, root, eps, scale = (
        term[0], term[1], term[2], term[3], term[4], term[5], term[6], term[7], term[8]
    )  # fmt: skip
    room = np.empty(_BLOCK, np.float32)
    begin = (part - bounds[which]) * _PART
    for start in range(begin, min(begin + _PART, n), _BLOCK):
        stop = min(start + _BLOCK, n)
        p, m, v = weights[start:stop], first[start:stop], second[start:stop]
        g = long[start:stop]
        if halves[which]:
            g = room[: stop - start]
            widen(short[start:stop], g)
        for j in range(len(p)):
            value = g[j] * scale
            m[j] = beta1 * m[j] + rest1 * value
            v[j] = beta2 * v[j] + rest2 * value * value
            p[j] = keep * p[j] - size * m[j] / (np.sqrt(v[j]) * root + eps)
        if rounded:
            narrow(p, copies[start:stop])


@kernel(error_model="numpy")
def step_all(
    team: Team, addresses: NDArray[np.int64], sizes: NDArray[np.int64], halves: NDArray[np.bool_],
    groups: NDArray[np.int64], given: NDArray[np.float64], scale: float,
) -> None:  # fmt: skip
    """Make AdamW's step on W tensors with `scale` times their gradients.

    Args:
        addresses: `[W, 6]`, of the weights, the two moments (float32), the gradients, what receives the
            weights rounded (bfloat16; 0 where nobody wants them), and the number of steps before this one
            (float32), which becomes this one's. All is contiguous.
        sizes: `[W]`, how many elements each has, above 0.
        halves: `[W]`, whether gradients are bfloat16; else they are float32.
        groups: `[W]`, which of the groups each is in.
        given: `[G, 5]`, learning rate, weight decay, betas, and eps.
    """
    terms = np.empty((len(sizes), 9), np.float32)
    for i in range(len(sizes)):
        rate, decay, beta1, beta2, eps = given[groups[i]]
        steps = numbers(addresses[i, 5], 1, np.float32)
        steps[0] += np.float32(1)
        step = np.float64(steps[0])
        terms[i, 0], terms[i, 1] = np.float32(beta1), np.float32(1.0 - beta1)
        terms[i, 2], terms[i, 3] = np.float32(beta2), np.float32(1.0 - beta2)
        terms[i, 4], terms[i, 5] = np.float32(1 - rate * decay), np.float32(rate / (1 - beta1**step))
        terms[i, 6], terms[i, 7] = np.float32(1 / np.sqrt(1 - beta2**step)), np.float32(eps)
        terms[i, 8] = np.float32(scale)
    bounds = _bounds(sizes)
    in_parts(team, bounds[-1], _step_part, (addresses, bounds, sizes, halves, terms))


@inner(error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _squared_part(
    part: int, parts: int, addresses: NDArray[np.int64], bounds: NDArray[np.int64],
    sizes: NDArray[np.int64], halves: NDArray[np.bool_], out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Write the sum of one part's squares to its place."""
    which = np.searchsorted(bounds, part, side="right") - 1
    begin = (part - bounds[which]) * _PART
    count = min(_PART, sizes[which] - begin)
    apart = count // _STREAMS
    total: Any = 0.0
    if halves[which]:
        short = numbers(addresses[which] + 2 * begin, count, np.uint16)
        for start in range(0, apart, _BLOCK):
            stop, squares = min(start + _BLOCK, apart), np.float32(0)
            a, b = short[start:stop], short[apart + start : apart + stop]
            c, d = short[2 * apart + start : 2 * apart + stop], short[3 * apart + start : 3 * apart + stop]
            for j in range(len(a)):
                squares += single(a[j]) * single(a[j]) + single(b[j]) * single(b[j])
                squares += single(c[j]) * single(c[j]) + single(d[j]) * single(d[j])
            total += squares
        for j in range(_STREAMS * apart, count):
            total += single(short[j]) * single(short[j])
    else:
        long = numbers(addresses[which] + 4 * begin, count, np.float32)
        for start in range(0, apart, _BLOCK):
            stop, squares = min(start + _BLOCK, apart), np.float32(0)
            e, f = long[start:stop], long[apart + start : apart + stop]
            g, h = long[2 * apart + start : 2 * apart + stop], long[3 * apart + start : 3 * apart + stop]
            for j in range(len(e)):
                squares += e[j] * e[j] + f[j] * f[j]
                squares += g[j] * g[j] + h[j] * h[j]
            total += squares
        for j in range(_STREAMS * apart, count):
            total += long[j] * long[j]
    out[part] = total


@kernel(error_model="numpy")
def squared(
    team: Team, addresses: NDArray[np.int64], sizes: NDArray[np.int64], halves: NDArray[np.bool_]
) -> Any:
    """Return the sum of the squares of W tensors, added up in float64 every 8,192.

    Args:
        addresses, sizes: `[W]`, where each lies and how many elements it has.
        halves: `[W]`, whether it is bfloat16; else it is float32.
    """
    bounds = _bounds(sizes)
    sums = np.zeros(bounds[-1])
    in_parts(team, len(sums), _squared_part, (addresses, bounds, sizes, halves, sums))
    return sums.sum()


@inner
def _bounds(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the first part of each tensor, and how many parts there are."""
    bounds = np.zeros(len(sizes) + 1, np.int64)
    for i in range(len(sizes)):
        bounds[i + 1] = bounds[i] + (sizes[i] + _PART - 1) // _PART
    return bounds
