"""AdamW on the rows of a table that a batch touched, and the steps that untouched rows missed.

While a row gets no gradient its moments decay by known powers, so what AdamW would have done to it in the
steps between is a sum over those steps that depends on the row through sqrt(v) alone:

    p <- D p - m sum_j w_j / (sqrt(v) + e_j),
    w_j = h_j rho^(j - s) * (decay after step j),  rho = b1 / sqrt(b2)
    h_j = lr_j sqrt(1 - b2^j) / (1 - b1^j)
    e_j = eps sqrt(1 - b2^j) / sqrt(b2)^(j - s)

for missed steps j = s + 1 .. t. The e_j lie close to one another, so the sum is taken at their weighted mean
with a second-order term; where they do not (the first steps of a run) and sqrt(v) is as small as they are,
term by term. AdamW: Loshchilov and Hutter 2019, algorithm 2.

Shape legend: V rows of the table, D columns, U touched rows, T tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.threads import Team, in_parts

# Relative spread (squared) of the e_j from which on small elements are taken term by term.
_SPREAD = 1e-2
# An element is small where sqrt(v) is below so many e_j.
_SMALL = 64.0
# From so many rows on they are dealt out to parts, so many neighbours at a time: a row that comes twice is
# one part's.
_MANY, _PARTS, _BESIDE = 32, 8, 64


@kernel(error_model="numpy")
def group_rows(
    ids: NDArray[np.int64], values: NDArray[np.float32], place: NDArray[np.int32],
    rows: NDArray[np.int64], sums: NDArray[np.float32],
) -> Any:  # fmt: skip
    """Add up `values` `[T, D]` of equal `ids` `[T]`; return how many there are.

    `rows` `[T]` gets the ids in order of first sight, `sums` `[T, D]` their sums; `place` `[V]` holds -1.
    """
    count: Any = 0
    for i in range(len(ids)):
        at = place[ids[i]]
        if at < 0:
            at = count
            place[ids[i]] = at
            rows[at] = ids[i]
            count += 1
            into, source = sums[at], values[i]
            for j in range(len(into)):
                into[j] = source[j]
        else:
            into, source = sums[at], values[i]
            for j in range(len(into)):
                into[j] += source[j]
    for i in range(count):
        place[rows[i]] = -1
    return count


@kernel(error_model="numpy")
def squared(values: NDArray[np.float32]) -> Any:
    """Return the sum of the squares of `values` `[U, D]`, added up in float64."""
    total: Any = 0.0
    for i in range(len(values)):
        row, part = values[i], np.float32(0)
        for j in range(len(row)):
            part += row[j] * row[j]
        total += part
    return total


@inner(error_model="numpy")
def _catch_up_part(
    part: int, parts: int, rows: NDArray[np.int64], weights: NDArray[np.float32],
    first: NDArray[np.float32], second: NDArray[np.float32], last: NDArray[np.int64], since: int,
    heights: NDArray[np.float64], tails: NDArray[np.float64], decays: NDArray[np.float64], beta1: float,
    beta2: float, terms: int,
) -> None:  # fmt: skip
    """Do `catch_up` for one part of the rows."""
    now = since + len(heights) - 1
    rho, root = beta1 / np.sqrt(beta2), np.sqrt(beta2)
    known = -1  # rows last seen at one step share their sums
    total, mean, spread, missed, kept = 0.0, 0.0, 0.0, 0, 1.0
    w, e = np.empty(terms), np.empty(terms)
    for i in range(len(rows)):
        row = rows[i]
        if row < 0 or row >= len(last):
            continue  # no row of the table, as whoever looks it up says
        seen = last[row]
        if row // _BESIDE % parts != part or seen >= now:
            continue
        last[row] = now
        if seen != known:
            known, missed = seen, min(now - seen, terms)
            kept = decays[now - since] / decays[seen - since]
            total, mean, spread = 0.0, 0.0, 0.0
            power, fall = 1.0, 1.0
            for k in range(missed):
                j = seen + 1 - since + k
                power *= rho
                fall *= root
                w[k] = heights[j] * power * (decays[now - since] / decays[j])
                e[k] = tails[j] / fall
                total += w[k]
                mean += w[k] * e[k]
                spread += w[k] * e[k] * e[k]
            if total > 0:
                mean /= total
                spread = max(0.0, spread / total - mean * mean)
            mean = max(mean, 1e-15)  # nothing over nothing, for rows without a gradient yet, is nothing
        fades, fades2 = np.float32(beta1 ** (now - seen)), np.float32(beta2 ** (now - seen))
        p, m, v = weights[row], first[row], second[row]
        if seen == 0:
            # No gradient so far: both moments are 0, and their memory was never touched.
            if kept != 1.0:
                for j in range(len(p)):
                    p[j] *= np.float32(kept)
            continue
        keep, height, middle, wide = np.float32(kept), np.float32(total), np.float32(mean), np.float32(spread)
        if spread > _SPREAD * mean * mean:
            _by_terms(p, m, v, w[:missed], e[:missed], mean, kept)
            for j in range(len(p)):
                over = np.sqrt(v[j]) + middle
                if over > np.float32(_SMALL) * middle:
                    p[j] = keep * p[j] - m[j] * height / over * (np.float32(1) + wide / (over * over))
                m[j] *= fades
                v[j] *= fades2
        else:
            for j in range(len(p)):
                over = np.sqrt(v[j]) + middle
                p[j] = keep * p[j] - m[j] * height / over * (np.float32(1) + wide / (over * over))
                m[j] *= fades
                v[j] *= fades2


@kernel(error_model="numpy")
def catch_up(
    team: Team, rows: NDArray[np.int64], weights: NDArray[np.float32], first: NDArray[np.float32],
    second: NDArray[np.float32], last: NDArray[np.int64], since: int, heights: NDArray[np.float64],
    tails: NDArray[np.float64], decays: NDArray[np.float64], beta1: float, beta2: float, terms: int,
) -> None:  # fmt: skip
    """Do to `rows` of `weights` `[V, D]` what AdamW would have done since each was last up to date.

    Args:
        rows: int64, repeats allowed.
        first, second: the moments, like `weights`.
        last: int64 `[V]`, the step each row is at; set to the present one.
        since: the step before the first one remembered.
        heights: h_j of steps since + 1 .. now; entry 0 is not used.
        tails: eps sqrt(1 - b2^j) of the same steps.
        decays: product of (1 - lr_j weight_decay) over steps since + 1 .. j; entry 0 is 1.
        terms: from so many missed steps on the rest adds nothing in float32.
    """
    in_parts(
        team, _PARTS if len(rows) >= _MANY else 1, _catch_up_part,
        (rows, weights, first, second, last, since, heights, tails, decays, beta1, beta2, terms),
    )  # fmt: skip


@inner(error_model="numpy")
def _by_terms(
    p: NDArray[np.float32], m: NDArray[np.float32], v: NDArray[np.float32], w: NDArray[np.float64],
    e: NDArray[np.float64], mean: float, kept: float,
) -> None:  # fmt: skip
    """Update the small elements of one row step by step."""
    for i in range(len(p)):
        x = np.sqrt(v[i])
        if x + np.float32(mean) > np.float32(_SMALL) * np.float32(mean):
            continue
        total = 0.0
        if m[i] != 0:
            for k in range(len(w)):
                total += w[k] / (np.float64(x) + e[k])
        p[i] = np.float32(kept * p[i] - m[i] * total)


@inner(error_model="numpy")
def _step_part(
    part: int, parts: int, rows: NDArray[np.int64], gradients: NDArray[np.float32],
    weights: NDArray[np.float32], first: NDArray[np.float32], second: NDArray[np.float32],
    last: NDArray[np.int64], step: int, rate: float, decay: float, beta1: float, beta2: float, eps: float,
    scale: float,
) -> None:  # fmt: skip
    """Do one part of `step_rows`."""
    keep, size = np.float32(1 - rate * decay), np.float32(rate / (1 - beta1**step))
    root, tiny = np.float32(1 / np.sqrt(1 - beta2**step)), np.float32(eps)
    b1, b2 = np.float32(beta1), np.float32(beta2)
    rest1, rest2 = np.float32(1.0 - beta1), np.float32(1.0 - beta2)  # not from rounded betas
    times = np.float32(scale)
    for i in range(part * len(rows) // parts, (part + 1) * len(rows) // parts):
        row = rows[i]
        last[row] = step
        p, m, v, g = weights[row], first[row], second[row], gradients[i]
        for j in range(len(p)):
            value = g[j] * times
            m[j] = b1 * m[j] + rest1 * value
            v[j] = b2 * v[j] + rest2 * value * value
            p[j] = keep * p[j] - size * m[j] / (np.sqrt(v[j]) * root + tiny)


@kernel(error_model="numpy")
def step_rows(
    team: Team, rows: NDArray[np.int64], gradients: NDArray[np.float32], weights: NDArray[np.float32],
    first: NDArray[np.float32], second: NDArray[np.float32], last: NDArray[np.int64], step: int,
    rate: float, decay: float, beta1: float, beta2: float, eps: float, scale: float,
) -> None:  # fmt: skip
    """Make AdamW's step on `rows` `[U]`, each once and up to date until then, of `[V, D]` weights.

    The gradients are `scale` times `gradients` `[U, D]`.
    """
    in_parts(
        team, _PARTS if len(rows) >= _MANY else 1, _step_part,
        (rows, gradients, weights, first, second, last, step, rate, decay, beta1, beta2, eps, scale),
    )  # fmt: skip
