"""Epoch: a number that data-loading processes see change."""

from __future__ import annotations

import os
from ctypes import c_longlong
from multiprocessing.context import get_spawning_popen
from multiprocessing.sharedctypes import RawValue
from typing import Any, final

_UNKNOWN = -1


@final
class Epoch:
    """Which pass over the data this is, in memory shared with the processes that are started from this one.

    PyTorch's persistent workers, forked or spawned, keep their copies of data set and collator from epoch to
    epoch; with a plain attribute they would go on masking as in the first. A process that sets the number
    itself, as each rank does, has one of its own from then on.

    >>> epoch = Epoch(3)
    >>> epoch.set(4)
    >>> epoch.get()
    4
    """

    __slots__ = ("_memory", "_process")

    def __init__(self, value: int | None = None) -> None:
        self._process = -1
        self.set(value)

    def get(self) -> int | None:
        """Return the number, None where it was never said."""
        value: int = self._memory.value
        return None if value == _UNKNOWN else value

    def set(self, value: int | None) -> None:
        """Say which pass follows: 0 or above, or None for unknown."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._memory = RawValue(c_longlong)
        self._memory.value = _UNKNOWN if value is None else value

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy has a number of its own; only a process about to be started shares this one's.
        return (Epoch, (self.get(),)) if get_spawning_popen() is None else (_joined, (self._memory,))


def _joined(memory: Any) -> Epoch:
    made = object.__new__(Epoch)
    made._memory, made._process = memory, -1
    return made
