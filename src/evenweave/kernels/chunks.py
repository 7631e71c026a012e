"""Chunks (entities) of tag sequences: counting those two sequences share, and listing those of one.

What a tag does to the chunk before it is looked up, for each pair of neighbouring tags, in a table of
actions; so one kernel serves conlleval's rules and every strict scheme, and never sees a string.

Shape legend: B rows, N tags in all, L distinct tags, T types.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

# What happens between two neighbouring tags, as bits of the action table.
END = 1  # the chunk before counts, if one is open
START = 2  # a chunk starts with the second tag
INSIDE = 4  # an open chunk goes on
CLOSE = 8  # an open chunk is over, whether it counts or not

# Columns of the counts before those of the types.
TOKENS, RIGHT, FIRST_TYPE = 0, 1, 2
# Of each type: chunks in both, in the first (gold), in the second (predicted).
BOTH, GOLD, PREDICTED, PER_TYPE = 0, 1, 2, 3


# Tags looked at in one go: small enough for what is noted of them to stay in the first cache.
_BLOCK = 2048


@njit(cache=True, nogil=True)
def _busy(
    gold: NDArray[np.int64],
    predicted: NDArray[np.int64],
    first: int,
    stop: int,
    outside: int,
    out: NDArray[np.int64],
) -> int:
    """Write the places where not both sides are outside; return how many. Without a branch to mispredict."""
    found = 0
    for at in range(first, stop):
        out[found] = at
        found += (gold[at] != outside) | (predicted[at] != outside)
    return found


@njit(cache=True, nogil=True)
def count_chunks(
    gold: NDArray[np.int64],
    predicted: NDArray[np.int64],
    offsets: NDArray[np.int64],
    actions: NDArray[np.uint8],
    types: NDArray[np.int64],
    outside: int,
    ignored: int,
    out: NDArray[np.int64],
) -> int:
    """Count tags and chunks of gold and predicted rows.

    Args:
        gold, predicted: tag ids `[N]`, 0 to L - 1; where gold is `ignored`, both are left out.
        offsets: row boundaries `[B + 1]`, from 0 to N.
        actions: `[L + 1, L + 1]`, indexed by a tag and its successor; L stands for what is around a row.
        types: the type of each tag `[L + 1]`.
        outside: the id of tag O, -1 if there is none; long stretches of it cost a nanosecond a tag.
        out: zeros `[B or 1, 2 + 3 T]`; one row is the sum of all.

    Returns:
        -1, or the place of the first id that is not a tag.
    """
    around, width = np.uint64(len(types) - 1), np.uint64(len(types))
    table = actions.reshape(-1)
    each = out.shape[0] > 1
    busy = np.empty(_BLOCK + 1, dtype=np.int64)
    starts = np.empty(_BLOCK, dtype=np.bool_)
    total, row, next_start, into = len(gold), 0, 0, 0
    before, begin_g, begin_p, last_g, last_p = -1, -1, -1, around, around
    for first in range(0, total + 1, _BLOCK):
        stop = min(first + _BLOCK, total)
        starts[:] = False
        while next_start < len(offsets) and offsets[next_start] < first + _BLOCK:
            starts[offsets[next_start] - first] = True
            next_start += 1
        found = _busy(gold, predicted, first, stop, outside, busy)
        if stop < first + _BLOCK:  # one step behind the last tag closes what is open
            busy[found] = total
            found += 1
        for index in range(found):
            at = busy[index]
            if at != before + 1 or starts[at - first]:
                # A row ended, or a stretch outside began: either ends what was open.
                ends_g = np.int64(table[last_g * width + around] & 1) & np.int64(begin_g >= 0)
                ends_p = np.int64(table[last_p * width + around] & 1) & np.int64(begin_p >= 0)
                _count_ends(out[into], types, last_g, last_p, ends_g, ends_p, begin_g == begin_p)
                begin_g, begin_p, last_g, last_p = -1, -1, around, around
            before = at
            if at == total:
                break
            if each:
                while offsets[row + 1] <= at:
                    row += 1
                into = row
            if gold[at] == ignored:
                out[into, TOKENS] -= 1
                out[into, RIGHT] -= 1
                continue
            g, p = np.uint64(gold[at]), np.uint64(predicted[at])
            if g >= around or p >= around:
                return int(at)
            out[into, RIGHT] -= np.int64(g != p)
            do_g, do_p = np.int64(table[last_g * width + g]), np.int64(table[last_p * width + p])
            in_g = (do_g >> 2) & np.int64(begin_g >= 0)
            in_p = (do_p >> 2) & np.int64(begin_p >= 0)
            ends_g = do_g & np.int64(begin_g >= 0) & ~in_g & 1
            ends_p = do_p & np.int64(begin_p >= 0) & ~in_p & 1
            _count_ends(out[into], types, last_g, last_p, ends_g, ends_p, begin_g == begin_p)
            begin_g = begin_g if in_g else at if do_g & START else -1 if do_g & CLOSE else begin_g
            begin_p = begin_p if in_p else at if do_p & START else -1 if do_p & CLOSE else begin_p
            last_g, last_p = g, p
    if each:
        for row in range(len(offsets) - 1):
            out[row, TOKENS] += offsets[row + 1] - offsets[row]
            out[row, RIGHT] += offsets[row + 1] - offsets[row]
    else:
        out[0, TOKENS] += total
        out[0, RIGHT] += total
    return -1


@njit(cache=True, nogil=True)
def _count_ends(
    counts: Any, types: Any, last_g: Any, last_p: Any, ends_g: Any, ends_p: Any, same_begin: Any
) -> None:
    type_g, type_p = types[last_g], types[last_p]
    counts[FIRST_TYPE + PER_TYPE * type_g + GOLD] += ends_g
    counts[FIRST_TYPE + PER_TYPE * type_p + PREDICTED] += ends_p
    same = np.int64(same_begin) & np.int64(type_g == type_p)
    counts[FIRST_TYPE + PER_TYPE * type_g + BOTH] += ends_g & ends_p & same


@njit(cache=True, nogil=True)
def list_chunks(
    tags: NDArray[np.int64],
    keep: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    actions: NDArray[np.uint8],
    types: NDArray[np.int64],
    out: NDArray[np.int64],
) -> int:
    """Write each chunk's row, type, first tag, one past its last to `out` `[>= N, 4]`; return how many.

    Tags where `keep` is false are left out, as `ignored` in `count_chunks`; first and last count from the
    row's start.
    """
    size = len(types) - 1
    found = 0
    for row in range(len(offsets) - 1):
        last, final = size, offsets[row]
        begin = -1
        stop = offsets[row + 1]
        for at in range(offsets[row], stop + 1):
            if at < stop and not keep[at]:
                continue
            tag = tags[at] if at < stop else size
            do = actions[last, tag]
            if do:
                inside = (do & INSIDE) != 0 and begin >= 0
                if (do & END) != 0 and begin >= 0 and not inside:
                    out[found, 0] = row
                    out[found, 1] = types[last]
                    out[found, 2] = begin - offsets[row]
                    out[found, 3] = final + 1 - offsets[row]
                    found += 1
                if not inside:
                    if do & START:
                        begin = at
                    elif do & CLOSE:
                        begin = -1
            last, final = tag, at
    return found


_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_LONG = np.uint64(1) << np.uint64(63)
_BYTE = np.uint64(8)
_EXACT = 7  # bytes of a tag that its 63-bit key holds whole


@njit(cache=True, nogil=True)
def _number(
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


@njit(cache=True, nogil=True)
def _longer(key: Any, byte: Any) -> Any:
    return ((key ^ (key >> np.uint64(29))) * _SPREAD + np.uint64(byte)) | _LONG


@njit(cache=True, nogil=True)
def intern_between(
    data: NDArray[np.uint8],
    separator: int,
    table: NDArray[np.uint64],
    arena: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    known: int,
    ids: NDArray[np.int64],
) -> int:
    """Number the tags that stand between separators; ids are by first appearance.

    Args:
        data: uint8, the tags on end, one `separator` behind each.
        table, arena, bounds, known: the tags known so far: hash table `[2 * 2**k]` of uint64, their bytes
            on end, where each begins, how many.
        ids: int64, receives one id a tag; N tags are expected.

    Returns:
        How many tags are known now; -1 if there is no room for another; -2 if there are not N tags.
    """
    mask = (len(table) >> 1) - 1
    key = np.uint64(1)
    start, count = 0, 0
    for at in range(len(data)):
        byte = data[at]
        if byte != separator:
            key = (key << _BYTE) | np.uint64(byte) if at - start < _EXACT else _longer(key, byte)
            continue
        if count == len(ids):
            return -2
        # Nearly every tag is a short one seen before and sits in its first slot.
        slot = np.int64((key * _SPREAD) >> np.uint64(40)) & mask
        if table[2 * slot] == key and key < _LONG:
            ids[count] = np.int64(table[2 * slot + 1])
        else:
            tag = _number(key, data, start, at - start, table, arena, bounds, known)
            if tag < 0:
                return -1
            known = max(known, tag + 1)
            ids[count] = tag
        count += 1
        start = at + 1
        key = np.uint64(1)
    return known if count == len(ids) else -2


@njit(cache=True, nogil=True)
def intern_slices(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    table: NDArray[np.uint64],
    arena: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    known: int,
    ids: NDArray[np.int64],
) -> int:
    """Number the tags `data[offsets[i]:offsets[i + 1]]`; otherwise as `intern_between`."""
    mask = (len(table) >> 1) - 1
    for index in range(len(ids)):
        start, stop = offsets[index], offsets[index + 1]
        key = np.uint64(1)
        for at in range(start, stop):
            key = (key << _BYTE) | np.uint64(data[at]) if at - start < _EXACT else _longer(key, data[at])
        slot = np.int64((key * _SPREAD) >> np.uint64(40)) & mask
        if table[2 * slot] == key and key < _LONG:
            ids[index] = np.int64(table[2 * slot + 1])
        else:
            tag = _number(key, data, start, stop - start, table, arena, bounds, known)
            if tag < 0:
                return -1
            known = max(known, tag + 1)
            ids[index] = tag
    return known
