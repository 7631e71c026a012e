"""Softmax over the tokens of each sequence, with dropout, and its gradient.

exp(x) is 2**n times 2**r, n whole and |r| at most a half, the latter by Taylor's series to the seventh power
(relative error 5e-9 before rounding): LLVM makes vectors of that, which it does not of a call to the C
library.

Shape legend: C sequences of a bucket, H heads, L longest of them, R = C * H * L rows of scores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.dropout import drop_range
from evenweave.kernels.threads import Team, in_parts

_FAST = {"reassoc", "contract", "nsz"}
# Rows of scores of a part.
_ROWS = 256
_LOG2E = np.float32(1.4426950408889634)
# Added to a small number it leaves the nearest whole one in the lowest bits, times 1.
_ROUND = np.float32(12582912.0)
_LEAST = np.float32(-126.0)
# ln(2)**k / k!
_C0, _C1, _C2 = np.float32(1.0), np.float32(0.6931471805599453), np.float32(0.2402265069591007)
_C3, _C4 = np.float32(0.05550410866482158), np.float32(0.009618129107628477)
_C5, _C6 = np.float32(0.0013333558146428443), np.float32(0.0001540353039338161)
_C7 = np.float32(0.00001525273380405984)


@inner(error_model="numpy", fastmath={"contract", "nsz"})
def _powers(t: NDArray[np.float32], whole: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Write 2 to the power of `t`, none above 0, to `out`; `whole` is room for as many numbers."""
    bits, up = out.view(np.uint32), whole.view(np.uint32)
    for j in range(len(t)):
        x = max(t[j], _LEAST)
        n = x + _ROUND
        whole[j] = n
        r = x - (n - _ROUND)
        high = _C4 + r * (_C5 + r * (_C6 + r * _C7))
        out[j] = _C0 + r * (_C1 + r * (_C2 + r * (_C3 + r * high)))
    for j in range(len(t)):
        bits[j] += up[j] << np.uint32(23)


@inner(error_model="numpy", fastmath=_FAST)
def _forward_part(
    part: int, parts: int, scores: NDArray[np.float32], starts: NDArray[np.int64], scale: Any,
    key: np.uint64, threshold: Any, kept: Any, probabilities: NDArray[np.float32], used: NDArray[np.float32],
) -> None:  # fmt: skip
    heads, longest = scores.shape[1], scores.shape[2]
    size = starts[part + 1] - starts[part]
    # All rows at once where it can be: short loops are mostly beginnings and ends.
    shifted, room = np.empty(size * longest, np.float32), np.empty(size * longest, np.float32)
    times = scale * _LOG2E
    for h in range(heads):
        for t in range(size):
            s, r = scores[part, h, t], shifted[t * longest : (t + 1) * longest]
            most = s[0]
            for j in range(size):
                most = max(most, s[j])
            for j in range(len(s)):
                r[j] = (s[j] - most) * times
        _powers(shifted, room, probabilities[part, h, :size].reshape(-1))
        for t in range(size):
            p = probabilities[part, h, t]
            total = np.float32(0)
            for j in range(size):
                total += p[j]
            share = np.float32(1) / total
            for j in range(size):
                p[j] *= share
            p[size:] = 0
        probabilities[part, h, size:] = 0
    if threshold:
        block = heads * longest * longest
        flat, out = probabilities.reshape(-1), used.reshape(-1)
        drop_range(key, threshold, kept, flat, out, part * block, (part + 1) * block)


@kernel(error_model="numpy")
def softmax(
    team: Team, scores: NDArray[np.float32], starts: NDArray[np.int64], scale: Any, key: np.uint64,
    threshold: Any, kept: Any, probabilities: NDArray[np.float32], used: NDArray[np.float32],
) -> None:  # fmt: skip
    """Write the softmax of `scale`, above 0, times `scores` within each sequence; all `[C, H, L, L]`.

    Rows and columns beyond a sequence's end get 0.

    Args:
        starts: `[C + 1]`, sequence i has `starts[i + 1] - starts[i]` tokens.
        key, threshold, kept: as `drop` takes them; nothing is dropped at threshold 0.
        probabilities: receives the softmax; may be `scores`.
        used: receives what dropout leaves of it; not written where nothing is dropped. May be `scores`.
    """
    in_parts(
        team, len(scores), _forward_part,
        (scores, starts, scale, key, threshold, kept, probabilities, used),
    )  # fmt: skip


@inner(error_model="numpy", fastmath=_FAST)
def _backward_part(
    part: int, parts: int, of_used: NDArray[np.float32], probabilities: NDArray[np.float32],
    key: np.uint64, threshold: Any, kept: Any, scale: Any,
) -> None:  # fmt: skip
    first, last = part * _ROWS, min((part + 1) * _ROWS, len(probabilities))
    if threshold:
        flat, width = of_used.reshape(-1), probabilities.shape[1]
        drop_range(key, threshold, kept, flat, flat, first * width, last * width)
    for i in range(first, last):
        g, p = of_used[i], probabilities[i]
        total = np.float32(0)
        for j in range(len(p)):
            total += g[j] * p[j]
        for j in range(len(p)):
            g[j] = p[j] * (g[j] - total) * scale


@kernel(error_model="numpy")
def softmax_backward(
    team: Team, of_used: NDArray[np.float32], probabilities: NDArray[np.float32], key: np.uint64,
    threshold: Any, kept: Any, scale: Any,
) -> None:  # fmt: skip
    """Overwrite the gradient of what `softmax` leaves, `[R, L]`, with that of the scores.

    Args:
        probabilities: `[R, L]`; the rest as `softmax` took it.
    """
    in_parts(
        team, (len(probabilities) + _ROWS - 1) // _ROWS, _backward_part,
        (of_used, probabilities, key, threshold, kept, scale),
    )  # fmt: skip
