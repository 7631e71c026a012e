"""One run at a time in a directory: two would clear away and overwrite each other's checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evenweave.errors import CheckpointError


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold an advisory lock on a directory, which is made if need be; it leaves no file, whatever ends us.

    Where the file system or the platform has no such locks it does nothing.

    Raises:
        CheckpointError: another run holds it, or the directory cannot be made.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise CheckpointError(f"output_dir={str(folder)!r}: {error.strerror}; choose another") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckpointError(
                f"output_dir={str(folder)!r}: another run is training there; wait for it or choose another"
            ) from None
        except OSError:
            pass  # no locks here
        yield
    finally:
        os.close(handle)
