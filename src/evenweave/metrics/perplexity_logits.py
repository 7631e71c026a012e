"""Logits, the ids of the true tokens and the mask over them, as perplexity is given them.

Shape legend: B texts, T tokens of a text, V vocabulary, n tokens without rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, DataError
from evenweave.metrics.perplexity_inputs import axes, place_of, ragged_numbers
from evenweave.metrics.token_nll import IGNORED
from evenweave.ragged import Ragged

# Logits `[B, T, V]` with ids int64 `[B, T]`, or `[n, V]` with `[n]`; never a copy of the logits.
Block = tuple[Any, NDArray[np.int64]]


def read_logits(predictions: Any, references: Any, mask: Any = None) -> list[Block] | None:
    """Return logits and ids in blocks of whole rows, in order; None if the predictions are no logits.

    Args:
        predictions: logits are an array or tensor `[B, T, V]` or `[n, V]`, or a list of `[T, V]` or `[V]`.
        references: ids, `[B, T]`, `[n]`, or rows of T.
        mask: like the ids: where it is 0 the id becomes -100.

    Raises:
        ArgumentError: logits without ids, or ids and mask in another shape.
        DataError: an id that is no integer, a mask that is neither 0 nor 1; names row and position.
    """
    count = getattr(predictions, "ndim", 0)
    if count == 3 or (count == 2 and references is not None and axes(references) == 1):
        shape = tuple(int(size) for size in predictions.shape[:-1])
        ids = _ids(predictions, references, np.full(shape[0], shape[1] if count == 3 else 1), mask)
        return [(_checked(predictions), ids.flat.reshape(shape))]
    if not isinstance(predictions, list):
        return None
    size = axes(predictions)
    if size == 2 and _are_single_tokens(predictions, references):
        ids = _ids(predictions, references, np.ones(len(predictions), dtype=np.int64), mask)
        return [(_checked(row)[None], ids.flat[i : i + 1]) for i, row in enumerate(predictions)]
    if size < 3:
        return None
    for row, text in enumerate(predictions):
        if getattr(text, "ndim", 0) != 2:
            found = f"an array of {text.ndim} axes" if hasattr(text, "ndim") else type(text).__name__
            raise DataError(
                f"row {row}, predictions: {found}; give logits as an array or tensor [T, V] a row"
            )
    ids = _ids(predictions, references, np.array([len(text) for text in predictions], np.int64), mask)
    return [(_checked(text)[None], row[None]) for text, row in zip(predictions, ids, strict=True)]


def _are_single_tokens(predictions: list[Any], references: Any) -> bool:
    """Whether rows are logits `[V]` with an id each, and not single probabilities with outcomes."""
    arrays = all(getattr(row, "ndim", 0) == 1 for row in predictions)
    return arrays and references is not None and axes(references) == 1 and {*map(len, predictions)} != {1}


def _checked(logits: Any) -> Any:
    if isinstance(logits, np.ndarray) and logits.dtype.kind not in "iuf":
        raise ArgumentError(f"predictions: logits of type {logits.dtype}; give floats")
    return logits


def _ids(predictions: Any, references: Any, lengths: NDArray[np.int64], mask: Any) -> Ragged:
    """Return ids as int64 rows of these lengths, -100 where the mask is 0."""
    if references is None:
        raise ArgumentError("references: none given; logits need the ids of the true tokens")
    ids = ragged_numbers(references, "references")
    if not np.array_equal(ids.lengths, lengths):
        raise _misfit(ids, references, lengths, predictions)
    if mask is None:
        return _integers(ids)
    keep = ragged_numbers(mask, "mask")
    if not np.array_equal(keep.lengths, ids.lengths):
        sizes = f"{_described(keep, mask)} for ids of {_described(ids, references)}"
        raise ArgumentError(f"mask: {sizes}; give one value an id")
    odd = (keep.flat != 0) & (keep.flat != 1)
    if odd.any():
        index = int(odd.argmax())
        raise DataError(f"{place_of(keep, index)}, mask: {keep.flat[index]} is neither 0 nor 1")
    ids = _integers(ids)
    return Ragged.trusted(np.where(keep.flat == 1, ids.flat, IGNORED), ids.offsets)


def _integers(ids: Ragged) -> Ragged:
    flat = ids.flat
    wrong = np.zeros(len(flat), dtype=bool)
    if flat.dtype.kind == "f":
        broken = flat != np.floor(flat)
        wrong = broken if broken.any() else ~wrong
    elif flat.dtype.kind == "b":
        wrong = ~wrong
    elif flat.dtype == np.uint64:
        wrong = flat > np.iinfo(np.int64).max
    if wrong.any():
        index = int(wrong.argmax())
        raise DataError(f"{place_of(ids, index)}, references: {flat[index]} is not an id; give integers")
    return Ragged.trusted(flat.astype(np.int64, copy=False), ids.offsets - ids.offsets[0])


def _misfit(
    ids: Ragged, references: Any, lengths: NDArray[np.int64], predictions: Any
) -> ArgumentError | DataError:
    if hasattr(predictions, "shape") and len(set(ids.lengths.tolist())) == 1:
        sizes = f"{_described(ids, references)} for logits of shape {tuple(predictions.shape)}"
        return ArgumentError(f"references: {sizes}; give one id a token")
    if len(ids) != len(lengths):
        return ArgumentError(f"references: {len(ids)} rows for {len(lengths)} predictions")
    row = int((ids.lengths != lengths).argmax())
    return DataError(
        f"row {row}, references: {ids.lengths[row]} ids for logits of {lengths[row]} tokens; "
        f"give an id a token, {IGNORED} where none is scored"
    )


def _described(rows: Ragged, column: Any) -> str:
    """Return in words the shape of a column that was read as rows."""
    sizes = {*rows.lengths.tolist()}
    if len(sizes) > 1:
        return f"rows of {min(sizes)} to {max(sizes)}"
    return f"shape ({len(rows)},)" if axes(column) == 1 else f"shape ({len(rows)}, {rows.width})"
