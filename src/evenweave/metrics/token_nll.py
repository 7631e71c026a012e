"""Negative log-likelihood of tokens from logits, streamed: never a second copy of the logits.

Shape legend: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import DataError

IGNORED = -100  # the id that is not scored, as in PyTorch and transformers
_WIDTH = 1 << 14  # of the vocabulary at a time
_VALUES = 1 << 18  # logits at a time: 2 MB of float64 stay in cache


def token_nll(logits: Any, ids: NDArray[Any], *, row: int = 0, ahead: int = 0) -> NDArray[np.float64]:
    """Return the negative log-probability of each id, float64 in the ids' shape, 0 where the id is -100.

    The normaliser is a running maximum and sum over blocks of the vocabulary, in float64.

    Args:
        logits: array `[..., V]`: NumPy, or a tensor, of which only a block at a time is brought here.
        ids: integers `[...]`.
        row: the number of the first row, for errors.
        ahead: how many positions an id stands behind the logits that predict it, for errors.

    Raises:
        DataError: an id outside the vocabulary, or a logit that is NaN; names row and position.

    >>> token_nll(np.log([[0.25, 0.75], [0.5, 0.5]]), np.array([1, -100])).round(4).tolist()
    [0.2877, 0.0]
    """
    vocabulary = logits.shape[-1]
    scored = ids != IGNORED
    wrong = scored & ((ids < 0) | (ids >= vocabulary))
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0])
        raise DataError(
            f"{_place(place, row, ahead)}, references: id {ids[place]} for a vocabulary of {vocabulary}; "
            f"give 0 to {vocabulary - 1}, {IGNORED} where none is scored"
        )
    flat = logits.reshape(ids.size, vocabulary)  # a view wherever the memory allows one
    out = np.zeros(ids.size, dtype=np.float64)
    wanted = np.flatnonzero(scored)
    width = min(vocabulary, _WIDTH)
    height = max(1, _VALUES // max(1, width))
    targets = ids.reshape(-1)
    for first in range(0, len(wanted), height):
        rows = wanted[first : first + height]
        out[rows] = _block_nll(flat, rows, targets[rows], width)
    if np.isnan(out).any():
        place = tuple(np.argwhere(np.isnan(out.reshape(ids.shape)))[0])
        raise DataError(
            f"{_place(place, row, 0)}, predictions: a logit is NaN or infinite; look for it in the model"
        )
    return out.reshape(ids.shape)


def _block_nll(flat: Any, rows: NDArray[np.int64], targets: NDArray[Any], width: int) -> NDArray[np.float64]:
    # Rows on end are sliced, which copies nothing before the block is brought to float64.
    chosen = slice(rows[0], rows[-1] + 1) if rows[-1] - rows[0] + 1 == len(rows) else rows
    top = np.full(len(rows), -np.inf)
    total = np.zeros(len(rows))
    true = np.empty(len(rows))
    with np.errstate(invalid="ignore", divide="ignore"):
        for start in range(0, flat.shape[-1], width):
            block = _float64(flat[chosen, start : start + width])
            inside = np.flatnonzero((targets >= start) & (targets < start + width))
            true[inside] = block[inside, targets[inside] - start]
            higher = np.maximum(top, block.max(axis=1))
            # A row of -inf so far has no sum to rescale, and -inf less itself would be NaN.
            scale = np.where(np.isneginf(top), 0.0, np.exp(top - higher))
            np.subtract(block, np.where(np.isneginf(higher), 0.0, higher)[:, None], out=block)
            total = total * scale + np.exp(block, out=block).sum(axis=1)
            top = higher
        return top + np.log(total) - true


def _float64(block: Any) -> NDArray[np.float64]:
    if hasattr(block, "detach"):  # a tensor, of bfloat16 perhaps, which NumPy has not
        block = block.detach().cpu().double().numpy()
    return np.array(block, dtype=np.float64)


def _place(index: tuple[Any, ...], row: int, ahead: int) -> str:
    return f"row {row + index[0]}" + (f", position {ahead + index[1]}" if len(index) > 1 else "")
