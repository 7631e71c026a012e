"""Ragged: rows of unequal length as one flat array and the boundaries between rows.

Shape legend, used throughout the package:
    B rows   N values in all   T values of the longest row
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, Literal, final, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from evenweave.errors import ArgumentError, DataError
from evenweave.unbox import read_rows

if TYPE_CHECKING:
    import pyarrow as pa

Side = Literal["right", "left"]
_UNSIGNED = np.dtype(np.uint64)


@final
class Ragged:
    """B rows of unequal length over one flat array; immutable, and slices are views.

    Row `i` is `values[offsets[i]:offsets[i + 1]]`. `offsets[0]` may be above 0 and `offsets[-1]` below
    `len(values)`: a slice shares its parent's values.

    Args:
        values: array `[N, ...]` of any dtype; never copied, and never written through this object.
        offsets: int64 array `[B + 1]`, non-decreasing, within `0..N`.

    Raises:
        ArgumentError: the offsets are not a non-decreasing walk inside the values.

    >>> rows = Ragged([10, 11, 12, 20], [0, 3, 3, 4])
    >>> rows.to_lists()
    [[10, 11, 12], [], [20]]
    >>> rows.pad(fill=0).tolist()
    [[10, 11, 12], [0, 0, 0], [20, 0, 0]]
    """

    __slots__ = ("offsets", "values")

    values: NDArray[Any]
    offsets: NDArray[np.int64]

    def __init__(self, values: Any, offsets: Any) -> None:
        flat = np.asarray(values)
        bounds = _whole("offsets", offsets)
        if flat.ndim == 0:
            raise ArgumentError("values: a scalar; give an array of at least one dimension")
        if bounds.ndim != 1 or len(bounds) == 0:
            raise ArgumentError(f"offsets: shape {bounds.shape}; give B + 1 row boundaries, [0] for no rows")
        if bounds[0] < 0 or bounds[-1] > len(flat) or (bounds[1:] < bounds[:-1]).any():
            raise ArgumentError(f"offsets: must rise from >= 0 to <= {len(flat)}, the number of values")
        self._set(flat, bounds)

    def _set(self, values: NDArray[Any], offsets: NDArray[np.int64]) -> None:
        # Views, so that marking them read-only leaves the caller's own arrays writable.
        values, offsets = values.view(), offsets.view()
        values.flags.writeable = False
        offsets.flags.writeable = False
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "offsets", offsets)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Ragged is immutable; cannot set {name!r}")

    def __reduce__(self) -> tuple[type[Ragged], tuple[NDArray[Any], NDArray[np.int64]]]:
        # Sent to a data-loading worker, a slice must not drag its parent's values along.
        return Ragged, (self.flat, self.offsets - self.offsets[0])

    @classmethod
    def trusted(cls, values: NDArray[Any], offsets: NDArray[np.int64]) -> Ragged:
        """Build from arrays already known to satisfy the invariants, without checking them."""
        made = object.__new__(cls)
        made._set(values, offsets)
        return made

    @classmethod
    def from_lengths(cls, values: Any, lengths: Any) -> Ragged:
        """Build from flat values `[N, ...]` and the row lengths `[B]`, which must add up to N."""
        flat, sizes = np.asarray(values), _whole("lengths", lengths)
        # Each is held against N too: lengths that are huge add up to any number.
        if (sizes < 0).any() or sizes.max(initial=0) > len(flat) or int(sizes.sum()) != len(flat):
            raise ArgumentError(f"lengths: add up to {int(sizes.sum())} for {len(flat)} values")
        return cls.trusted(flat, offsets_of(sizes))

    @classmethod
    def from_rows(cls, rows: Iterable[Any], *, dtype: DTypeLike | None = None, name: str = "rows") -> Ragged:
        """Build from rows that are lists, tuples, arrays or CPU tensors; `name` is used in errors.

        Raises:
            DataError: a row is not one-dimensional numbers; names the row.
        """
        rows = rows if isinstance(rows, list) else list(rows)
        fast = read_rows(rows)
        if fast is not None:
            values, offsets = fast
            return cls.trusted(values if dtype is None else values.astype(dtype, copy=False), offsets)
        parts: list[NDArray[Any]] = []
        for number, row in enumerate(rows):
            try:
                part = array_of(row) if len(row) else np.empty(0, dtype=dtype or np.int64)
            except (TypeError, ValueError, RuntimeError) as error:
                raise DataError(
                    f"row {number}, column {name!r}: {shown(row)} is not a row of values"
                ) from error
            if part.ndim != 1 or part.dtype.kind not in "biuf":
                raise DataError(f"row {number}, column {name!r}: {shown(row)} is not a flat row of numbers")
            parts.append(part)
        parts = signed(parts, name)
        sizes = np.fromiter((len(part) for part in parts), dtype=np.int64, count=len(parts))
        filled = [part for part in parts if len(part)]
        flat = np.concatenate(filled) if filled else np.empty(0, dtype=dtype or np.int64)
        if dtype is not None:
            flat = flat.astype(dtype, copy=False)
        return cls.trusted(flat, offsets_of(sizes))

    @classmethod
    def from_padded(cls, array: Any, mask: Any) -> Ragged:
        """Undo `pad`: keep the entries of `array` `[B, T, ...]` where `mask` `[B, T]` is true."""
        dense, keep = np.asarray(array), np.asarray(mask, dtype=bool)
        if dense.shape[:2] != keep.shape:
            raise ArgumentError(f"mask: shape {keep.shape} for an array of shape {dense.shape}")
        return cls.trusted(dense[keep], offsets_of(keep.sum(axis=1, dtype=np.int64)))

    @classmethod
    def concat(cls, parts: Sequence[Ragged]) -> Ragged:
        """Join the rows of several Ragged, in order; no parts give zero rows."""
        if not parts:
            return cls.trusted(np.empty(0, np.int64), np.zeros(1, np.int64))
        sizes = np.concatenate([part.lengths for part in parts])
        filled = [part.flat for part in parts if len(part.flat)] or [parts[0].flat]
        return cls.trusted(np.concatenate(filled), offsets_of(sizes))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Row lengths, int64 `[B]`."""
        return np.diff(self.offsets)

    @property
    def width(self) -> int:
        """Length of the longest row, 0 for no rows."""
        return int(self.lengths.max(initial=0))

    @property
    def flat(self) -> NDArray[Any]:
        """The values of all rows on end: a view without what lies before or behind the rows."""
        return self.values[self.offsets[0] : self.offsets[-1]]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values."""
        return self.values.dtype

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, key: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, key: slice) -> Ragged: ...

    def __getitem__(self, key: int | slice) -> NDArray[Any] | Ragged:
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step != 1:
                return self.take(np.arange(start, stop, step))
            return Ragged.trusted(self.values, self.offsets[start : max(start, stop) + 1])
        row = range(len(self))[key]
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self.values[a:b] for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True))

    def take(self, indices: Any) -> Ragged:
        """Return the rows at `indices` `[M]`, in that order; repeats and negative indices allowed."""
        chosen = row_numbers(indices)
        if len(chosen) and (chosen.min() < -len(self) or chosen.max() >= len(self)):
            raise IndexError(f"row index out of range for {len(self)} rows")
        chosen = np.where(chosen < 0, chosen + len(self), chosen)
        starts, sizes = self.offsets[chosen], self.lengths[chosen]
        offsets = offsets_of(sizes)
        source = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], sizes)
        return Ragged.trusted(self.values[source], offsets)

    def pad(
        self, *, fill: Any, width: int | None = None, multiple_of: int | None = None, side: Side = "right"
    ) -> NDArray[Any]:
        """Return the rows as one rectangle `[B, T, ...]`, `fill` where a row has ended.

        Args:
            fill: what stands where a row has no value.
            width: columns of the result; default the longest row. A longer row is an error, never cut.
            multiple_of: round the width up to a multiple of this.
            side: where the fill goes.

        Raises:
            DataError: a row is longer than `width`.
            ArgumentError: a fill that the values' dtype does not hold, or a width that is none.
        """
        sizes = self.lengths
        longest = int(sizes.max(initial=0))
        wide = longest if width is None else _count("width", width)
        if longest > wide:
            row = int(sizes.argmax())
            raise DataError(f"row {row}: {longest} values do not fit width {wide}; truncate first")
        if multiple_of is not None and (step := _count("multiple_of", multiple_of)):
            wide = -(-wide // step) * step
        cell = self._cell(fill)
        out = np.full((len(self), wide, *self.values.shape[1:]), cell, dtype=self.values.dtype)
        out[self.mask(width=wide, side=side)] = self.flat
        return out

    def _cell(self, fill: Any) -> NDArray[Any]:
        """Return `fill` as one value of the rows."""
        try:
            with np.errstate(invalid="ignore"):
                cell = np.asarray(fill, dtype=self.dtype)
        except (TypeError, ValueError, OverflowError):
            cell = np.asarray([])
        exact = self.dtype.kind not in "biu" or np.array_equal(cell, fill)
        if cell.ndim >= self.values.ndim or not exact:
            raise ArgumentError(f"fill: {shown(fill)}; give a value that {self.dtype} holds")
        return cell

    def mask(self, *, width: int | None = None, side: Side = "right") -> NDArray[np.bool_]:
        """Return bool `[B, T]`: true where `pad` puts a value."""
        wide = self.width if width is None else _count("width", width)
        columns = np.arange(wide)
        sizes = self.lengths[:, None]
        return columns < sizes if side == "right" else columns >= wide - sizes

    def to_lists(self) -> list[list[Any]]:
        """Return plain Python lists, one a row."""
        return [row.tolist() for row in self]

    def to_arrow(self) -> pa.LargeListArray:
        """Return an Arrow large_list array over the same values, without a copy of them."""
        import pyarrow as pa

        flat = pa.array(self.flat)
        return pa.LargeListArray.from_arrays(pa.array(self.offsets - self.offsets[0]), flat)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ragged):
            return NotImplemented
        return np.array_equal(self.lengths, other.lengths) and np.array_equal(self.flat, other.flat)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ragged({len(self)} rows, {len(self.flat)} values, {self.dtype})"


def array_of(value: Any) -> NDArray[Any]:
    """Return `np.asarray(value)`; tensors of bfloat16, which NumPy has no type for, become float32."""
    try:
        return np.asarray(value)
    except TypeError:
        if str(getattr(value, "dtype", "")) != "torch.bfloat16":
            raise
        return np.asarray(value.float())


def signed(parts: list[NDArray[Any]], name: str) -> list[NDArray[Any]]:
    """Return one array a row, none of them uint64 beside other integers: NumPy joins the two as floats.

    Raises:
        DataError: a row where that is so holds what int64 does not; names row and column.
    """
    kinds = {part.dtype for part in parts if part.size}
    if len(kinds) < 2 or _UNSIGNED not in kinds or any(kind.kind == "f" for kind in kinds):
        return parts
    for row, part in enumerate(parts):
        if part.dtype == _UNSIGNED and part.max(initial=0) >= 2**63:
            raise DataError(f"row {row}, column {name!r}: {part.max()} is beyond int64; drop the column")
    return [part.astype(np.int64) if part.dtype == _UNSIGNED else part for part in parts]


def _count(name: str, value: Any) -> int:
    try:
        number = -1 if isinstance(value, bool) else index(value)
    except TypeError:
        number = -1
    if number < 0:
        raise ArgumentError(f"{name}: {shown(value)}; give a whole number, 0 or more")
    return number


def _whole(name: str, given: Any) -> NDArray[np.int64]:
    """Return integers int64 `[M]`, as they are where they are that already."""
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError):
        array = np.asarray(None)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise ArgumentError(f"{name}: {shown(given)}; give a list of integers")
    return array.astype(np.int64, copy=False)


def row_numbers(given: Any, name: str = "indices") -> NDArray[np.int64]:
    """Return row numbers as int64 `[M]`, the caller's own array untouched.

    Raises:
        ArgumentError: anything else: a mask and a fraction would be read as other rows.
    """
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError):
        array = np.asarray(None)
    whole = array.dtype.kind in "iu" or not array.size
    if array.ndim != 1 or not whole or (array.dtype == _UNSIGNED and array.max(initial=0) >= 2**63):
        raise ArgumentError(f"{name}: {shown(given)}; give row numbers, a list of integers")
    return array if type(given) is list and array.dtype == np.int64 else array.astype(np.int64)


def offsets_of(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row boundaries int64 `[B + 1]` of row lengths `[B]`, starting at 0."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def shown(value: Any) -> str:
    """Return a value as an error message quotes it: on one line, and not too long."""
    text = " ".join(repr(value.tolist() if hasattr(value, "tolist") else value).split())
    return text if len(text) <= 60 else text[:57] + "..."
