"""Epoch: a number that data-loading processes see change."""

from __future__ import annotations

import mmap
from typing import final

_UNKNOWN = -1


@final
class Epoch:
    """Which pass over the data this is, in memory shared with processes forked from this one.

    PyTorch's persistent workers keep their copies of data set and collator from epoch to epoch; with a plain
    attribute they would go on masking as in the first. A process that is spawned instead of forked gets the
    number as it is when it starts.

    >>> epoch = Epoch(3)
    >>> epoch.set(4)
    >>> epoch.get()
    4
    """

    __slots__ = ("_memory",)

    def __init__(self, value: int | None = None) -> None:
        self._memory = mmap.mmap(-1, 8)
        self.set(value)

    def get(self) -> int | None:
        """Return the number, None where it was never said."""
        value = int.from_bytes(self._memory[:8], "little", signed=True)
        return None if value == _UNKNOWN else value

    def set(self, value: int | None) -> None:
        """Say which pass follows: 0 or above, or None for unknown."""
        self._memory[:8] = (_UNKNOWN if value is None else value).to_bytes(8, "little", signed=True)

    def __reduce__(self) -> tuple[type[Epoch], tuple[int | None]]:
        return Epoch, (self.get(),)
