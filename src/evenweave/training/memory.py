"""Memory that a training loop frees and asks for again at every step, kept by the C library in between."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# malloc.h of the GNU C library.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_USUAL_TRIM, _USUAL_PAD, _USUAL_MAPS = 128 << 10, 128 << 10, 65536
_NEVER = 2**31 - 1
_PAD = 64 << 20
# Sizes of free blocks that are set aside: from the largest down to what no tensor of a step is smaller than.
_LARGEST, _SMALLEST = 256 << 20, 16 << 10
# No more blocks than this: to take and to free them is 5 us each.
_MOST = 1 << 13

# How many blocks of code the process is in, and the memory set aside by the outermost.
_blocks = 0
_aside: list[int] = []


class _Usage(ctypes.Structure):
    """`struct mallinfo2` of malloc.h; `keepcost` is the size of the free end of the heap."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks",
            "keepcost",
        )
    ]  # fmt: skip


@contextmanager
def memory_kept(*, wanted: bool) -> Iterator[None]:
    """Let the process keep freed memory while the block runs, and give it back at the end.

    The GNU C library returns large blocks to the system at once and takes new ones, which the system clears
    page by page: a sixth of a training step on a CPU or more. Blocks may lie within one another. Elsewhere
    than under that library, and where not `wanted`, nothing happens.
    """
    global _blocks
    library = _gnu_library() if wanted else None
    if library is None:
        yield
        return
    _blocks += 1
    try:
        if _blocks == 1:
            library.mallopt(_MMAP_MAX, 0)
            library.mallopt(_TRIM_THRESHOLD, _NEVER)
            library.mallopt(_TOP_PAD, _PAD)
            _set_aside(library)
        yield
    finally:
        _blocks -= 1
        if _blocks == 0:
            _give_back(library)


def _set_aside(library: Any) -> None:
    """Take what is free between blocks in use, so that the loop's own memory lies in one piece behind them.

    What ran before leaves gaps of all sizes, and the library looks through lists of them at every request: 4
    of the 58 ms of a step after transformers has trained in the process. Gaps are given back to the system
    first and not written to, so they take up addresses and no memory.
    """
    if not hasattr(library, "mallinfo2"):  # before version 2.33
        return
    library.malloc_trim(0)
    # Memory at addresses from here on comes from the end of the heap and not from a gap.
    end = library.sbrk(0) - library.mallinfo2().keepcost
    size = _LARGEST
    while size >= _SMALLEST and len(_aside) < _MOST:
        place = library.malloc(size)
        if place is not None and place < end:
            _aside.append(place)
        else:
            library.free(place)
            size -= size // 8


def _give_back(library: Any) -> None:
    while _aside:
        library.free(_aside.pop())
    library.mallopt(_MMAP_MAX, _USUAL_MAPS)
    library.mallopt(_TRIM_THRESHOLD, _USUAL_TRIM)
    library.mallopt(_TOP_PAD, _USUAL_PAD)
    library.malloc_trim(0)


def _gnu_library() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    known = all(hasattr(library, name) for name in ("gnu_get_libc_version", "mallopt", "malloc_trim"))
    if not known:
        return None
    library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    library.free.argtypes, library.free.restype = [ctypes.c_void_p], None
    library.sbrk.argtypes, library.sbrk.restype = [ctypes.c_ssize_t], ctypes.c_size_t
    if hasattr(library, "mallinfo2"):
        library.mallinfo2.restype = _Usage
    return library
