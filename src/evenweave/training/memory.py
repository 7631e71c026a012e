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

# How many blocks the process is in.
_blocks = 0


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
    if _blocks == 0:
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, _NEVER)
        library.mallopt(_TOP_PAD, _PAD)
    _blocks += 1
    try:
        yield
    finally:
        _blocks -= 1
        if _blocks == 0:
            _give_back(library)


def _give_back(library: Any) -> None:
    library.mallopt(_MMAP_MAX, _USUAL_MAPS)
    library.mallopt(_TRIM_THRESHOLD, _USUAL_TRIM)
    library.mallopt(_TOP_PAD, _USUAL_PAD)
    library.malloc_trim(0)


def _gnu_library() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    known = all(hasattr(library, name) for name in ("gnu_get_libc_version", "mallopt", "malloc_trim"))
    return library if known else None
