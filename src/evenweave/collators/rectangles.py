"""The building block `pad`, and how wide a rectangle is to be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, DataError
from evenweave.kernels.pad import measure, pad_rows, resolve
from evenweave.ragged import Ragged, Side, row_numbers, shown
from evenweave.settings import LARGEST, SMALLEST, check_whole

Ints = NDArray[np.int64]
# A tokenizer that knows no limit says so with a huge model_max_length.
NO_LIMIT = 10**20
_INT64 = np.dtype(np.int64)
_READABLE = frozenset(np.dtype(kind) for kind in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "f4", "f8"))
_STRATEGIES: dict[Any, str] = {
    True: "longest",
    "longest": "longest",
    "max_length": "max_length",
    False: "do_not_pad",
    "do_not_pad": "do_not_pad",
}


def pad(
    column: Ragged,
    *,
    fill: Any,
    width: int | None = None,
    side: Side = "right",
    indices: Any = None,
    name: str = "column",
) -> NDArray[Any]:
    """Gather rows of a column and pad them, in one pass over memory.

    Args:
        column: B rows.
        fill: what stands where a row has ended.
        width: T of the result; default the longest chosen row.
        side: where the fill goes.
        indices: integers `[B]`, the rows to take, negative ones from the end; default all.
        name: the column's name, for errors.

    Returns:
        `[B, T]`: int64 for integers, float32 or float64 for floating point, bool for booleans.

    Raises:
        DataError: a row is longer than `width`; names row and column.
        ArgumentError: a fill that the result cannot hold, or another argument out of range.
        IndexError: an index is none of the rows.

    >>> pad(Ragged([1, 2, 3], [0, 1, 3]), fill=0).tolist()
    [[1, 0], [2, 3]]
    """
    if side not in ("right", "left"):
        raise ArgumentError(f"side: {side!r}; give 'right' or 'left'")
    if width is not None:
        check_whole("width", width, least=0)
    chosen = np.arange(len(column)) if indices is None else row_numbers(indices)
    sizes = np.empty(len(chosen), np.int64)
    longest = measure(column.offsets, chosen, sizes)
    if longest < 0:
        if (bad := resolve(chosen, len(column))) >= 0:
            raise _absent(int(chosen[bad]), column)
        longest = measure(column.offsets, chosen, sizes)
    width = longest if width is None else width
    out: NDArray[Any] = np.empty((len(chosen), width), dtype=wide_dtype(column.dtype, name))
    pad_into(out, column, chosen, sizes, fill, side == "left", name)
    return out


def measured(column: Ragged, indices: Ints) -> tuple[Ints, int]:
    """Return the length of each chosen row, int64 `[B]`, and the longest.

    Raises:
        IndexError: an index is none of the rows.
    """
    sizes = np.empty(len(indices), np.int64)
    longest = measure(column.offsets, indices, sizes)
    if longest < 0:
        raise _absent(int(indices[-1 - longest]), column)
    return sizes, longest


def _absent(row: int, column: Ragged) -> IndexError:
    return IndexError(f"row {row}: there are {len(column)} rows")


def pad_into(
    out: NDArray[Any], column: Ragged, indices: Ints, sizes: Ints, fill: Any, left: bool, name: str
) -> None:
    """`pad` into an array `[B, T]` that is there already."""
    values, offsets, places = readable(column, indices, name)
    if type(fill) is not int or out.dtype is not _INT64 or not SMALLEST <= fill <= LARGEST:
        fill = fitting(fill, out.dtype, name)
    row = pad_rows(values, offsets, places, sizes, out, fill, left)
    if row >= 0:
        raise misfit(column, int(indices[row]), int(sizes[row]), out.shape[1], row, name)


def fitting(fill: Any, dtype: np.dtype[Any], name: str) -> Any:
    """Return what padding is filled with as a Python number that an array of `dtype` can hold."""
    number = fill.item() if isinstance(fill, np.generic) else fill
    if isinstance(number, int | float):
        if dtype.kind == "f":
            return float(number)
        if dtype.kind == "b" and number in (0, 1):
            return bool(number)
        if dtype.kind == "i" and number == number // 1 and SMALLEST <= number <= LARGEST:
            return int(number)
    raise ArgumentError(f"fill of column {name!r}: {shown(fill)}; give a number that {dtype} holds")


def wide_dtype(dtype: np.dtype[Any], name: str) -> type[np.generic]:
    """Return the dtype in which a column of `dtype` reaches a model.

    Raises:
        DataError: it holds no numbers.
    """
    if dtype.kind in "iu":
        return np.int64
    if dtype.kind == "f":
        return np.float64 if dtype.itemsize >= 8 else np.float32
    if dtype.kind == "b":
        return np.bool_
    raise DataError(f"column {name!r}: holds {dtype}, not numbers; drop the column")


def widened(values: NDArray[Any], name: str, offsets: Ints | None = None) -> NDArray[Any]:
    """Return rows in the dtype in which they reach a model.

    Args:
        values: `[B, ...]`, or `[N, ...]` of rows that `offsets` `[B + 1]` bound.

    Raises:
        DataError: they are no numbers, or integers that int64 does not hold.
    """
    wide = wide_dtype(values.dtype, name)
    if values.dtype.kind == "u" and values.dtype.itemsize == 8 and values.max(initial=0) > LARGEST:
        at = np.argwhere(values > LARGEST)[0]
        row = at[0] if offsets is None else np.searchsorted(offsets, at[0], side="right") - 1
        raise DataError(f"row {row}, column {name!r}: {values[tuple(at)]} is beyond int64; drop the column")
    return values.astype(wide, copy=False)


def readable(column: Ragged, indices: Ints, name: str) -> tuple[NDArray[Any], Ints, Ints]:
    """Return values, offsets and indices of the chosen rows such that kernels read them.

    Half and extended precision are unknown to kernels, and uint64 does not fit what they write.
    """
    values = column.values
    if values.dtype in _READABLE:
        return values, column.offsets, indices
    rows = column.take(indices)
    return widened(rows.values, name, rows.offsets), rows.offsets, np.arange(len(indices))


def width_of(
    sizes: Ints,
    longest: int,
    *,
    padding: bool | str,
    max_length: int | None,
    multiple_of: int | None,
    tokenizer: Any,
    name: str,
) -> int | None:
    """Return the width to pad rows of these lengths to, or None for no padding at all.

    Raises:
        ArgumentError: an unknown `padding`.
        DataError: a row is longer than the width asked for, or rows differ and are not to be padded.
    """
    strategy = _strategy(padding)
    if max_length is not None:
        check_whole("max_length", max_length, least=0)
    if strategy == "max_length" and max_length is None:
        limit = tokenizer.model_max_length
        strategy, max_length = ("do_not_pad", None) if limit > NO_LIMIT else (strategy, int(limit))
    width = int(max_length or 0) if strategy == "max_length" else longest
    if multiple_of and strategy != "do_not_pad":
        width = -(-width // multiple_of) * multiple_of
    if strategy == "longest" or (strategy == "max_length" and longest <= width):
        return width
    odd = np.flatnonzero(sizes != longest)
    if len(odd) == 0:  # a rectangle as it is, though wider than max_length
        return None if strategy == "do_not_pad" else longest
    if strategy == "do_not_pad":
        row = int(odd[0])
        raise DataError(
            f"row {row}, column {name!r}: {sizes[row]} values where another row has {longest}, "
            "and padding is off; pass padding=True"
        )
    row = int(sizes.argmax())
    raise DataError(
        f"row {row}, column {name!r}: {longest} tokens do not fit max_length={max_length}; "
        "pass truncation=True"
    )


def _strategy(padding: Any) -> str:
    # Transformers' PaddingStrategy is a string with another's hash: the plain one is inside.
    try:
        strategy = _STRATEGIES.get(padding) or _STRATEGIES.get(getattr(padding, "value", None))
    except TypeError:  # no hash
        strategy = None
    if strategy is not None:
        return strategy
    raise ArgumentError(f"padding: {shown(padding)}; give True, 'longest', 'max_length' or False")


def misfit(column: Ragged, index: int, size: int, width: int, row: int, name: str) -> Exception:
    """Return the error for a row, at `index` of the column, that is not `size` long or not within `width`."""
    if not 0 <= index < len(column):
        return IndexError(f"row {index}, column {name!r}: there are {len(column)} rows")
    found = int(column.offsets[index + 1] - column.offsets[index])
    where = f"row {row}, column {name!r}: {found}"
    if found == size:
        return DataError(f"{where} values do not fit width {width}; truncate first")
    if name in ("labels", "label"):
        return DataError(
            f"{where} labels for {size} tokens; align them with align_labels_with_tokens(labels, word_ids)"
        )
    return DataError(f"{where} values for {size} tokens; give one value a token")
