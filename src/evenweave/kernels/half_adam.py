"""AdamW on weights whose gradients are bfloat16, rounded to bfloat16 on the way: one pass over memory.

Many tensors are stepped by one call, which gets the addresses of their memory: a call each, with arrays
made of tensors, takes as long as the work on small ones.

AdamW: Loshchilov and Hutter 2019, algorithm 2, as torch's fused step computes it.
Half precision comes as in `half.py`.

Shape legend: W tensors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.half import narrow, single
from evenweave.kernels.memory import numbers
from evenweave.kernels.threads import Team, in_parts

# Elements of one round: its gradients in float32 stay in the first cache.
_BLOCK = 2048
# Elements of a part: as many as are worth a thread's while.
_PART = 16 * _BLOCK


@inner(error_model="numpy", fastmath={"contract"})
def _step_part(
    part: int, parts: int, addresses: NDArray[np.int64], bounds: NDArray[np.int64],
    sizes: NDArray[np.int64], terms: NDArray[np.float32],
) -> None:  # fmt: skip
    """Make the step on one part; `terms` `[W, 9]` are explained by `step_halves`."""
    which = np.searchsorted(bounds, part, side="right") - 1
    n, term = sizes[which], terms[which]
    weights = numbers(addresses[which, 0], n, np.float32)
    first = numbers(addresses[which, 1], n, np.float32)
    second = numbers(addresses[which, 2], n, np.float32)
    gradients = numbers(addresses[which, 3], n, np.uint16)
    rounded = addresses[which, 4] != 0
    halves = numbers(addresses[which, 4], n if rounded else 0, np.uint16)
    beta1, rest1, beta2, rest2, keep, size, root, eps, scale = (
        term[0], term[1], term[2], term[3], term[4], term[5], term[6], term[7], term[8]
    )  # fmt: skip
    begin = (part - bounds[which]) * _PART
    for start in range(begin, min(begin + _PART, n), _BLOCK):
        stop = min(start + _BLOCK, n)
        p, m, v = weights[start:stop], first[start:stop], second[start:stop]
        g = gradients[start:stop]
        for j in range(len(p)):
            value = single(g[j]) * scale
            m[j] = beta1 * m[j] + rest1 * value
            v[j] = beta2 * v[j] + rest2 * value * value
            p[j] = keep * p[j] - size * m[j] / (np.sqrt(v[j]) * root + eps)
        if rounded:
            narrow(p, halves[start:stop])


@kernel(error_model="numpy")
def step_halves(
    team: Team, addresses: NDArray[np.int64], sizes: NDArray[np.int64], given: NDArray[np.float64],
    scale: float,
) -> None:  # fmt: skip
    """Make AdamW's step on W tensors with `scale` times their gradients.

    Args:
        addresses: `[W, 5]`, of the weights, the two moments (float32), the gradients and what receives the
            weights rounded (bfloat16; 0 where nobody wants them). All is contiguous.
        sizes: `[W]`, how many elements each has, above 0.
        given: `[W, 6]`, the step's number from 1 on, learning rate, weight decay, betas, and eps.
    """
    terms = np.empty((len(sizes), 9), np.float32)
    for i in range(len(sizes)):
        step, rate, decay, beta1, beta2, eps = (
            given[i, 0], given[i, 1], given[i, 2], given[i, 3], given[i, 4], given[i, 5]
        )  # fmt: skip
        terms[i, 0], terms[i, 1] = np.float32(beta1), np.float32(1.0 - beta1)
        terms[i, 2], terms[i, 3] = np.float32(beta2), np.float32(1.0 - beta2)
        terms[i, 4], terms[i, 5] = np.float32(1 - rate * decay), np.float32(rate / (1 - beta1**step))
        terms[i, 6], terms[i, 7] = np.float32(1 / np.sqrt(1 - beta2**step)), np.float32(eps)
        terms[i, 8] = np.float32(scale)
    bounds = _bounds(sizes)
    in_parts(team, bounds[-1], _step_part, (addresses, bounds, sizes, terms))


@inner(error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _squared_part(
    part: int, parts: int, addresses: NDArray[np.int64], bounds: NDArray[np.int64],
    sizes: NDArray[np.int64], out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Write the sum of one part's squares to its place."""
    which = np.searchsorted(bounds, part, side="right") - 1
    halves = numbers(addresses[which], sizes[which], np.uint16)
    begin = (part - bounds[which]) * _PART
    total: Any = 0.0
    for start in range(begin, min(begin + _PART, len(halves)), _BLOCK):
        block, squares = halves[start : min(start + _BLOCK, len(halves))], np.float32(0)
        for j in range(len(block)):
            squares += single(block[j]) * single(block[j])
        total += squares
    out[part] = total


@kernel(error_model="numpy")
def squared_halves(team: Team, addresses: NDArray[np.int64], sizes: NDArray[np.int64]) -> Any:
    """Return the sum of the squares of W tensors of bfloat16, added up in float64 every 2,048.

    Args:
        addresses, sizes: `[W]`, where each lies and how many elements it has.
    """
    bounds = _bounds(sizes)
    sums = np.zeros(bounds[-1])
    in_parts(team, len(sums), _squared_part, (addresses, bounds, sizes, sums))
    return sums.sum()


@inner
def _bounds(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the first part of each tensor, and how many parts there are."""
    bounds = np.zeros(len(sizes) + 1, np.int64)
    for i in range(len(sizes)):
        bounds[i + 1] = bounds[i] + (sizes[i] + _PART - 1) // _PART
    return bounds
