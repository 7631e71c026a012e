"""Between the tokens of a flat batch and the rectangles that matrix products of attention take.

Shape legend: N tokens, S columns of a token, H heads, D dimensions of a head, C sequences of a bucket, L
longest of them, P places to write to.
Tokens are float32, or bfloat16 as in `half.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.half import narrow, widen
from evenweave.kernels.threads import Team, in_parts


@inner(error_model="numpy")
def _gather_part(
    part: int,
    parts: int,
    x: NDArray[Any],
    firsts: NDArray[np.int64],
    starts: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    heads, width = out.shape[2], out.shape[4]
    which, i = part // out.shape[1], part % out.shape[1]
    size = starts[i + 1] - starts[i]
    for h in range(heads):
        begin = firsts[which] + h * width
        for t in range(size):
            widen(x[starts[i] + t, begin : begin + width], out[which, i, h, t])
        out[which, i, h, size:] = 0


@kernel(error_model="numpy")
def gather(
    team: Team,
    x: NDArray[Any],
    firsts: NDArray[np.int64],
    starts: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Write the tokens of sequences of `x` to `out` `[P, C, H, L, D]`, zero beyond their ends.

    Args:
        x: `[N, S]`; what goes to `out[p]` lies in the columns from `firsts[p]` on, a token's heads side by
            side.
        firsts: `[P]`.
        starts: sequence i is the tokens from `starts[i]` to `starts[i + 1]`.
    """
    in_parts(team, out.shape[0] * out.shape[1], _gather_part, (x, firsts, starts, out))


@inner(error_model="numpy")
def _scatter_part(
    part: int, parts: int, cells: NDArray[np.float32], starts: NDArray[np.int64], out: NDArray[Any],
    first: int,
) -> None:  # fmt: skip
    width = cells.shape[3]
    for h in range(cells.shape[1]):
        begin = first + h * width
        for t in range(starts[part + 1] - starts[part]):
            narrow(cells[part, h, t], out[starts[part] + t, begin : begin + width])


@kernel(error_model="numpy")
def scatter(
    team: Team, cells: NDArray[np.float32], starts: NDArray[np.int64], out: NDArray[Any], first: int
) -> None:
    """Write `cells` `[C, H, L, D]` back to the columns from `first` on of `out` `[N, S]`."""
    in_parts(team, len(cells), _scatter_part, (cells, starts, out, first))
