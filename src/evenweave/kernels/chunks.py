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


@njit(cache=True, nogil=True)
def count_chunks(
    gold: NDArray[np.int64],
    predicted: NDArray[np.int64],
    offsets: NDArray[np.int64],
    actions: NDArray[np.uint8],
    types: NDArray[np.int64],
    ignored: int,
    strict: bool,
    out: NDArray[np.int64],
) -> int:
    """Count tags and chunks of gold and predicted rows.

    Args:
        gold, predicted: tag ids `[N]`, 0 to L - 1; where gold is `ignored`, both are left out.
        offsets: row boundaries `[B + 1]`.
        actions: `[L + 1, L + 1]`, indexed by a tag and its successor; L stands for a row's outside.
        types: the type of each tag `[L + 1]`.
        strict: whether a chunk needs a start to count (conlleval's rules let one run on).
        out: zeros `[B or 1, 2 + 3 T]`; one row is the sum of all.

    Returns:
        -1, or the place of the first id that is not a tag.
    """
    size = len(types) - 1
    single = out.shape[0] == 1
    for row in range(len(offsets) - 1):
        counts = out[0 if single else row]
        last_g, last_p = size, size
        begin_g = -1 if strict else offsets[row]
        begin_p = begin_g
        stop = offsets[row + 1]
        tokens, right = 0, 0
        for at in range(offsets[row], stop + 1):
            if at < stop:
                g = gold[at]
                if g == ignored:
                    continue
                p = predicted[at]
                if g < 0 or p < 0 or g >= size or p >= size:
                    return at
                tokens += 1
                right += g == p
            else:
                g, p = size, size
            do_g = actions[last_g, g]
            do_p = actions[last_p, p]
            if do_g | do_p:
                in_g = (do_g & INSIDE) != 0 and begin_g >= 0
                in_p = (do_p & INSIDE) != 0 and begin_p >= 0
                ends_g = (do_g & END) != 0 and begin_g >= 0 and not in_g
                ends_p = (do_p & END) != 0 and begin_p >= 0 and not in_p
                if ends_g:
                    counts[FIRST_TYPE + PER_TYPE * types[last_g] + GOLD] += 1
                if ends_p:
                    counts[FIRST_TYPE + PER_TYPE * types[last_p] + PREDICTED] += 1
                    if ends_g and begin_g == begin_p and types[last_g] == types[last_p]:
                        counts[FIRST_TYPE + PER_TYPE * types[last_g] + BOTH] += 1
                if not in_g:
                    if do_g & START:
                        begin_g = at
                    elif do_g & CLOSE:
                        begin_g = -1
                if not in_p:
                    if do_p & START:
                        begin_p = at
                    elif do_p & CLOSE:
                        begin_p = -1
            last_g, last_p = g, p
        counts[TOKENS] += tokens
        counts[RIGHT] += right
    return -1


@njit(cache=True, nogil=True)
def list_chunks(
    tags: NDArray[np.int64],
    keep: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    actions: NDArray[np.uint8],
    types: NDArray[np.int64],
    strict: bool,
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
        begin = -1 if strict else offsets[row]
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
_EXACT = 7  # bytes of a tag that its 63-bit key holds whole


@njit(cache=True, nogil=True)
def _intern(data: Any, start: int, size: int, table: Any, arena: Any, bounds: Any, known: int) -> int:
    key = np.uint64(1)
    for at in range(start, start + min(size, _EXACT)):
        key = (key << np.uint64(8)) | np.uint64(data[at])
    if size > _EXACT:
        for at in range(start + _EXACT, start + size):
            key = (key ^ (key >> np.uint64(29))) * _SPREAD + np.uint64(data[at])
        key |= _LONG
    slots = len(table) >> 1
    slot = np.int64((key * _SPREAD) >> np.uint64(40)) & (slots - 1)
    while True:
        held = table[2 * slot]
        if held == key:
            tag: Any = np.int64(table[2 * slot + 1])
            same = size <= _EXACT or bounds[tag + 1] - bounds[tag] == size
            if same and size > _EXACT:
                for i in range(size):
                    if arena[bounds[tag] + i] != data[start + i]:
                        same = False
                        break
            if same:
                return tag
        elif held == 0:
            if 2 * known >= slots or bounds[known] + size > len(arena):
                return -1
            table[2 * slot] = key
            table[2 * slot + 1] = np.uint64(known)
            arena[bounds[known] : bounds[known] + size] = data[start : start + size]
            bounds[known + 1] = bounds[known] + size
            return known
        slot = (slot + 1) & (slots - 1)


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
        data: uint8, the tags on end, one `separator` between two.
        table, arena, bounds, known: the tags known so far: hash table `[2 * 2**k]` of uint64, their bytes
            on end, where each begins, how many.
        ids: int64, receives one id a tag; N tags are expected.

    Returns:
        How many tags are known now; -1 if there is no room for another; -2 if there are not N tags.
    """
    start, count = 0, 0
    for at in range(len(data) + 1):
        if at == len(data) or data[at] == separator:
            if count == len(ids):
                return -2
            tag = _intern(data, start, at - start, table, arena, bounds, known)
            if tag < 0:
                return -1
            known = max(known, tag + 1)
            ids[count] = tag
            count += 1
            start = at + 1
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
    for index in range(len(ids)):
        start = offsets[index]
        tag = _intern(data, start, offsets[index + 1] - start, table, arena, bounds, known)
        if tag < 0:
            return -1
        known = max(known, tag + 1)
        ids[index] = tag
    return known
