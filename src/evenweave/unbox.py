"""Rows of boxed Python integers, read in one call of C.

Reading lists of integers one element at a time through NumPy's general conversion takes three times what
`marshal.dumps` takes to write them out as flat records. Its version 2 writes a list as one record (`[` and
its length) and an integer of 32 bits as another (`i` and its value), each one byte and four, little-endian.
Records of any other kind are looked for, so lists that hold anything else are seen and left to the caller.
"""

from __future__ import annotations

import marshal
from itertools import repeat
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

RECORD = np.dtype([("kind", "u1"), ("value", "<i4")])
LIST, TUPLE, INTEGER = ord("["), ord("("), ord("i")


@final
class Packed:
    """B rows of 32-bit integers, still as marshal wrote them: for a kernel that reads them once.

    Attributes:
        records: RECORD `[B + N]`, a header before each row.
        offsets: int64 `[B + 1]`, counting values alone: row `i` is the records from `offsets[i] + i + 1` on.
    """

    __slots__ = ("offsets", "records")
    dtype = np.dtype(np.int32)

    def __init__(self, records: NDArray[np.void], offsets: NDArray[np.int64]) -> None:
        self.records = records
        self.offsets = offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def values(self) -> NDArray[np.int32]:
        """Return the values of all rows on end, int32 `[N]`."""
        kept: NDArray[np.int32] = np.delete(self.records["value"], self._headers())
        return kept

    def _headers(self) -> NDArray[np.int64]:
        headers: NDArray[np.int64] = self.offsets[:-1] + np.arange(len(self))
        return headers

    def is_sound(self) -> bool:
        """Whether all records are what their places say: headers, and integers between them."""
        kinds = self.records["kind"]
        headers = kinds[self._headers()]
        return bool((headers == LIST).all()) and np.count_nonzero(kinds == INTEGER) == self.offsets[-1]


def pack(rows: list[Any], offsets: NDArray[np.int64]) -> Packed | None:
    """Return rows as `Packed` if they take the space that lists of 32-bit integers do, else None.

    Other contents can add up to the same space, so ask `is_sound` (or the kernel of that name) before use.

    Args:
        rows: lists.
        offsets: int64 `[B + 1]`, where each row's values would begin.
    """
    try:
        data = marshal.dumps(rows, 2)
    except ValueError:  # something marshal does not know
        return None
    if len(data) != RECORD.itemsize * (1 + len(rows) + offsets[-1]):
        return None
    return Packed(np.frombuffer(data, RECORD)[1:], offsets)


def pack_tuples(rows: list[Any]) -> NDArray[np.int32] | None:
    """Return rows of tuples of k 32-bit integers, such as offset mappings, as int32 `[N, k]`; else None."""
    first = next((row[0] for row in rows if len(row)), ())
    k = len(first) if isinstance(first, list | tuple) else 0
    try:
        data = marshal.dumps(rows, 2)
    except ValueError:
        return None
    sizes = np.array(list(map(len, rows)), np.int64)
    if k == 0 or len(data) != RECORD.itemsize * (1 + len(rows) + (1 + k) * sizes.sum()):
        return None
    records = np.frombuffer(data, RECORD)[1:]
    headers = (np.cumsum(sizes) - sizes) * (1 + k) + np.arange(len(rows))
    inner = np.ones(len(records), dtype=bool)
    inner[headers] = False
    kinds = records["kind"][inner].reshape(-1, 1 + k)
    values = records["value"][inner].reshape(-1, 1 + k)
    openings = np.concatenate([records["kind"][headers], kinds[:, 0]])
    sound = (
        ((openings == LIST) | (openings == TUPLE)).all()
        and (values[:, 0] == k).all()
        and (kinds[:, 1:] == INTEGER).all()
    )
    return values[:, 1:] if sound else None


def constant_of(rows: list[Any], sizes: list[int]) -> int | None:
    """Return the integer that every value of every list is, such as an attention mask's 1; else None.

    Counting compares by identity first, which takes a tenth of the time of reading the values.
    """
    first = next((row[0] for row in rows if row), None)
    if type(first) is not int or not -(2**63) <= first < 2**63:
        return None
    longest = max(rows, key=len)  # most rows that vary are seen to at once
    if longest.count(first) < len(longest) or list(map(list.count, rows, repeat(first))) != sizes:
        return None
    return first
