"""Tags numbered where they lie: in Arrow's bytes and offsets, or in Python's lists of lists of strings.

Python lists are walked by Python's own C functions (documented and checked: `PyList_GetItem`,
`PyUnicode_AsUTF8AndSize`), which costs 2 to 5 ns an item where joining the strings or looking each up in a
dict costs 15 to 40. The interpreter's lock is held all the while, so the lists cannot change underfoot.

All in one file: Numba's cache of a function does not notice that one it calls has changed in another file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types  # type: ignore[attr-defined]
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from evenweave.kernels.compiled import inner, kernel, locking
from evenweave.kernels.load import load

# Strings seen, by address: a tag that is one object in all rows is looked up once.
SEEN = 1024
_SHIFT = np.uint64(64 - 10)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_LONG = np.uint64(1) << np.uint64(63)
_BYTE = np.uint64(8)
_EXACT = 7  # bytes of a tag that its 63-bit key holds whole


@inner
def number_tag(
    key: Any, data: Any, start: int, size: int, table: Any, arena: Any, bounds: Any, known: int
) -> int:
    """Return the id of the tag `data[start:start + size]` of this key, adding it; -1 if there is no room."""
    slots = len(table) >> 1
    slot = np.int64((key * _SPREAD) >> np.uint64(40)) & (slots - 1)
    while True:
        held = table[2 * slot]
        if held == key:
            tag: Any = np.int64(table[2 * slot + 1])
            same = size <= _EXACT or bounds[tag + 1] - bounds[tag] == size
            if same and size > _EXACT:
                for i in range(size):
                    same = same and arena[bounds[tag] + i] == data[start + i]
            if same:
                return tag  # type: ignore[no-any-return]
        elif held == 0:
            if 2 * known >= slots or bounds[known] + size > len(arena):
                return -1
            table[2 * slot] = key
            table[2 * slot + 1] = np.uint64(known)
            for i in range(size):
                arena[bounds[known] + i] = data[start + i]
            bounds[known + 1] = bounds[known] + size
            return known
        slot = (slot + 1) & (slots - 1)


@kernel
def tag_key(data: Any, start: int, stop: int) -> Any:
    """Return the key of the tag `data[start:stop]`: its bytes with a 1 above, or a hash with the top bit."""
    key, shift = np.uint64(0), np.uint64(0)
    for at in range(start, stop if stop < start + _EXACT else start + _EXACT):
        key |= np.uint64(data[at]) << shift
        shift += _BYTE
    if stop - start <= _EXACT:
        return key | (np.uint64(1) << shift)
    for at in range(start + _EXACT, stop):
        key = (key ^ (key >> np.uint64(29))) * _SPREAD + np.uint64(data[at])
    return key | _LONG


@inner
def first_slot(key: Any, table: Any) -> Any:
    """Return the id of a short tag if it sits in the first slot for its key, as nearly all do, else -1."""
    slot = np.int64((key * _SPREAD) >> np.uint64(40)) & ((len(table) >> 1) - 1)
    return np.int64(table[2 * slot + 1]) if table[2 * slot] == key and key < _LONG else np.int64(-1)


@kernel
def intern_slices(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    table: NDArray[np.uint64],
    arena: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    known: int,
    ids: NDArray[np.int64],
) -> int:
    """Number the tags `data[offsets[i]:offsets[i + 1]]`; ids are by first appearance.

    Args:
        data, offsets: uint8 and int64 `[N + 1]`.
        table, arena, bounds, known: the tags known so far: hash table `[2 * 2**k]` of uint64, their bytes
            on end, where each begins, how many.
        ids: int64 `[N]`, receives one id a tag.

    Returns:
        How many tags are known now; -1 if there is no room for another.
    """
    for index in range(len(ids)):
        start, stop = offsets[index], offsets[index + 1]
        if stop - start <= _EXACT and start + 8 <= len(data):
            above = np.uint64(1) << (_BYTE * np.uint64(stop - start))
            key = (load(data, start) & (above - np.uint64(1))) | above
        else:
            key = tag_key(data, start, stop)
        tag = first_slot(key, table)
        if tag < 0:
            tag = number_tag(key, data, start, stop - start, table, arena, bounds, known)
            if tag < 0:
                return -1
            known = tag + 1 if tag >= known else known
        ids[index] = tag
    return known


def _object(context: Any, builder: Any, address: Any) -> tuple[Any, Any]:
    api = context.get_python_api(builder)
    return api, builder.inttoptr(address, api.pyobj)


def _build_size(_typing: Any, address: Any) -> Any:
    """Return the length of the list at an address, -1 if it is not a list."""

    def build(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        api, held = _object(context, builder, arguments[0])
        size = api.list_size(held)
        with builder.if_then(builder.icmp_signed("<", size, ir.Constant(size.type, 0)), likely=False):
            api.err_clear()
        return size

    return types.intp(types.intp), build


def _build_item(_typing: Any, address: Any, index: Any) -> Any:
    """Return the address of an item of the list at an address; the index must be within it."""

    def build(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        api, held = _object(context, builder, arguments[0])
        return builder.ptrtoint(api.list_getitem(held, arguments[1]), ir.IntType(64))

    return types.intp(types.intp, types.intp), build


def _build_text(_typing: Any, address: Any) -> Any:
    """Return the address and the length of a string's UTF-8; address 0 if it is no string or has none."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        api, held = _object(context, builder, arguments[0])
        good, data, size = api.string_as_string_and_size(held)
        with builder.if_then(builder.not_(good), likely=False):
            api.err_clear()
        start = builder.select(good, builder.ptrtoint(data, ir.IntType(64)), ir.Constant(ir.IntType(64), 0))
        return cgutils.pack_array(builder, [start, size])  # type: ignore[no-untyped-call]

    return types.UniTuple(types.intp, 2)(types.intp), build  # type: ignore[no-untyped-call]


def _build_bytes_at(_typing: Any, address: Any) -> Any:
    """Return an address as a pointer to bytes."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.CPointer(types.uint8)(types.intp), build  # type: ignore[no-untyped-call]


_size: Any = intrinsic(_build_size)
_item: Any = intrinsic(_build_item)
_text: Any = intrinsic(_build_text)
_bytes_at: Any = intrinsic(_build_bytes_at)


@locking
def list_lengths(rows: int, out: NDArray[np.int64]) -> int:
    """Write the length of each list in the list at `rows`; return which item is no list, -1 if none is."""
    for row in range(len(out)):
        out[row] = _size(_item(rows, row))
        if out[row] < 0:
            return row
    return -1


@locking
def intern_lists(
    rows: int,
    lengths: NDArray[np.int64],
    table: NDArray[np.uint64],
    arena: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    known: int,
    seen: NDArray[np.int64],
    seen_ids: NDArray[np.int64],
    ids: NDArray[np.int64],
) -> tuple[int, int]:
    """Number the strings of the lists in the list at address `rows`, in order.

    Args:
        rows: the `id` of a list of lists, which the caller keeps alive.
        lengths: of `list_lengths`.
        table, arena, bounds, known: the strings known so far, as in `intern_slices`.
        seen, seen_ids: int64 `[SEEN]`, zeros: the addresses of strings met before, and their ids.
        ids: int64, receives one id a string.

    Returns:
        How many strings are known now, and -1; or -1 if there is no room for another, and -1; or -1 and the
        place of the first item that is no string of valid Unicode.
    """
    count = 0
    for row in range(len(lengths)):
        held = _item(rows, row)
        for index in range(lengths[row]):
            item = _item(held, index)
            slot = (np.uint64(item) * _SPREAD) >> _SHIFT
            if seen[slot] != item:
                start, size = _text(item)
                if start == 0:
                    return -1, count
                data = carray(_bytes_at(start), size)
                key = tag_key(data, 0, size)
                tag = first_slot(key, table)
                if tag < 0:
                    tag = number_tag(key, data, 0, size, table, arena, bounds, known)
                if tag < 0:
                    return -1, -1
                known = tag + 1 if tag >= known else known
                seen[slot], seen_ids[slot] = item, tag
            ids[count] = seen_ids[slot]
            count += 1
    return known, -1
