"""Rows of boxed Python integers, read by a kernel where CPython keeps them.

NumPy's general conversion of lists takes some 20 ns an integer, most of it in finding out what it is. The
kernels walk the pointers of a list instead, compare each object's type with `int` itself, and ask the
interpreter's own function for the value: 1 to 2 ns. They hold the global lock, as all code that touches
objects must, and give up at the first object of any other type, before it is used.

What they know of CPython is where an object keeps its type and where lists and tuples keep their items, as in
its public headers; `READABLE` says whether that was found to be so here. If not, lists are read by NumPy.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

_WORD = ctypes.sizeof(ctypes.c_void_p)
_TYPE_AT, _SIZE_AT, _ITEMS_AT = _WORD, 2 * _WORD, 3 * _WORD


def _is_readable() -> bool:
    """Whether objects of this interpreter lie in memory as the kernels read them."""
    sizes = (_WORD, object.__basicsize__, list.__basicsize__, tuple.__basicsize__, tuple.__itemsize__)
    if sizes != (8, 16, 40, 24, 8):
        return False  # built for another word, or without a global lock

    def word(address: int) -> int | None:
        return ctypes.c_void_p.from_address(address).value

    item = object()
    row, pair = [item, item, item], (item, item)
    return (
        [word(id(row) + _TYPE_AT), word(id(row) + _SIZE_AT)] == [id(list), 3]
        and [word(id(pair) + _TYPE_AT), word(id(pair) + _SIZE_AT)] == [id(tuple), 2]
        and word(id(pair) + _ITEMS_AT + _WORD) == id(item)
        and word((word(id(row) + _ITEMS_AT) or id(row)) + 2 * _WORD) == id(item)
    )


READABLE = _is_readable()
# Objects' addresses change from run to run, so the compiled kernels, which are kept, are told them.
_KINDS = (id(int), id(list), id(tuple), id(None))
_Kinds = tuple[int, int, int, int]
_INT, _LIST, _TUPLE, _NONE = range(4)


def _build_word(_typing: Any, address: Any) -> Any:
    """The 64-bit word at an address."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))

    return types.int64(types.int64), build


def _build_value(_typing: Any, number: Any, overflow: Any) -> Any:
    """The value of the int at an address; `overflow[0]` is non-zero where 64 bits do not hold it."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        flag = context.make_array(signature.args[1])(context, builder, arguments[1]).data
        address = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.IntType(64), [address, flag.type])
        name = "PyLong_AsLongLongAndOverflow"
        function = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
        return builder.call(function, [builder.inttoptr(arguments[0], address), flag])

    return types.int64(types.int64, overflow), build


_word: Any = intrinsic(_build_word)
_value: Any = intrinsic(_build_value)


@njit(cache=True)
def _items(row: int, kinds: _Kinds) -> int:
    """Return the address of the first pointer of a list or tuple, 0 for any other object."""
    kind = _word(row + _TYPE_AT)
    if kind == kinds[_LIST]:
        found: int = _word(row + _ITEMS_AT)
        return found if _word(row + _SIZE_AT) else row
    return row + _ITEMS_AT if kind == kinds[_TUPLE] else 0


@njit(cache=True)
def _measure(rows: int, kinds: _Kinds, offsets: NDArray[np.int64]) -> bool:
    """Write where each row of a list of rows begins to `offsets` `[B + 1]`; false if one is not a row."""
    items = _word(rows + _ITEMS_AT)
    for i in range(len(offsets) - 1):
        row = _word(items + _WORD * i)
        if _items(row, kinds) == 0:
            return False
        offsets[i + 1] = offsets[i] + _word(row + _SIZE_AT)
    return True


@njit(cache=True)
def _read(
    rows: int,
    kinds: _Kinds,
    null: int,
    nulls: bool,
    offsets: NDArray[np.int64],
    overflow: NDArray[np.int32],
    out: NDArray[np.int64],
) -> bool:
    """Write the integers of all rows to `out` `[N]`, `null` for None if `nulls`; false if one is neither."""
    items = _word(rows + _ITEMS_AT)
    last, value = 0, 0
    for i in range(len(offsets) - 1):
        first = _items(_word(items + _WORD * i), kinds)
        part = out[offsets[i] : offsets[i + 1]]
        for j in range(len(part)):
            number = _word(first + _WORD * j)
            if number != last:  # a mask's ones are one object
                if _word(number + _TYPE_AT) == kinds[_INT]:
                    value = _value(number, overflow)
                    if overflow[0]:
                        return False
                elif nulls and number == kinds[_NONE]:
                    value = null
                else:
                    return False
                last = number
            part[j] = value
    return True


@njit(cache=True)
def _read_groups(
    rows: int,
    kinds: _Kinds,
    offsets: NDArray[np.int64],
    overflow: NDArray[np.int32],
    out: NDArray[np.int64],
) -> bool:
    """Write rows of groups of k integers to `out` `[N, k]`; false if a group is something else."""
    items = _word(rows + _ITEMS_AT)
    k = out.shape[1]
    for i in range(len(offsets) - 1):
        row = _items(_word(items + _WORD * i), kinds)
        part = out[offsets[i] : offsets[i + 1]]
        for j in range(len(part)):
            group = _word(row + _WORD * j)
            first = _items(group, kinds)
            if first == 0 or _word(group + _SIZE_AT) != k:
                return False
            for at in range(k):
                number = _word(first + _WORD * at)
                if _word(number + _TYPE_AT) != kinds[_INT]:
                    return False
                part[j, at] = _value(number, overflow)
                if overflow[0]:
                    return False
    return True


def read_rows(
    rows: list[Any], *, null: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return the values `[N]` and offsets `[B + 1]` of rows that are lists or tuples of integers.

    None if a row or a value is anything else (a bool, a NumPy integer, more than 64 bits).

    Args:
        rows: B rows.
        null: what None is read as; without it, None is something else.
    """
    offsets = _offsets(rows)
    if offsets is None:
        return None
    out = np.empty(offsets[-1], np.int64)
    sound = _read(id(rows), _KINDS, null or 0, null is not None, offsets, np.zeros(1, np.int32), out)
    return (out, offsets) if sound else None


def read_groups(rows: list[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return the values `[N, k]` and offsets `[B + 1]` of rows of groups of k integers; else None.

    A group is a list or a tuple; offset mappings have k = 2.
    """
    offsets = _offsets(rows)
    first = next((row[0] for row in rows if len(row)), None) if offsets is not None else None
    if offsets is None or not isinstance(first, list | tuple) or not first:
        return None
    out = np.empty((offsets[-1], len(first)), np.int64)
    return (out, offsets) if _read_groups(id(rows), _KINDS, offsets, np.zeros(1, np.int32), out) else None


def _offsets(rows: list[Any]) -> NDArray[np.int64] | None:
    if not READABLE or type(rows) is not list or not rows:
        return None
    offsets = np.zeros(len(rows) + 1, np.int64)
    return offsets if _measure(id(rows), _KINDS, offsets) else None
