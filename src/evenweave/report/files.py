"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from evenweave.errors import NotFoundError


@contextmanager
def whole_file(path: str | Path) -> Iterator[IO[bytes]]:
    """Give a file to write bytes to that takes the name `path` only when the block ends without an error.

    A link is followed; a device or a pipe, such as /dev/null, is written to as it is and stays one.

    Raises:
        NotFoundError: the directory does not exist, or `path` is a directory.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise NotFoundError(f"{path}: there is no directory {target.parent}; make it first")
    if target.is_dir():
        raise NotFoundError(f"{path}: is a directory; give the name of a file")
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp's 0600 would make the result unreadable to others who could read any new file.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
