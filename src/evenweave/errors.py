"""Every error Evenweave raises on purpose.

    EvenweaveError
    ├── DataError (ValueError)            a file, row or column is not what it must be
    ├── ArgumentError (ValueError)        an argument has a value it cannot have
    ├── NotFoundError (FileNotFoundError) a path or a Hub name leads to nothing
    ├── CheckpointError                   a saved state is incomplete or damaged
    ├── TrainingError                     a run cannot go on (non-finite loss, ...)
    ├── HubError                          the Hub refused, failed or did not answer; what is local stays
    └── MissingDependencyError (ImportError)  an extra must be installed first

A message is one line that names the place (file and line, or row and column), the value found and the
remedy. The command line prints exactly that line and exits with status 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable


class EvenweaveError(Exception):
    """Root of every error raised on purpose; catch this to catch them all."""


class DataError(EvenweaveError, ValueError):
    """A file, row or column is not what it must be; the message says where and what to do."""


class ArgumentError(EvenweaveError, ValueError):
    """An argument has a value it cannot have; the message names the argument and the remedy."""


class NotFoundError(EvenweaveError, FileNotFoundError):
    """A path or a Hub name leads to nothing."""


class CheckpointError(EvenweaveError):
    """A saved state is incomplete or damaged; earlier complete ones are untouched."""


class TrainingError(EvenweaveError):
    """A run cannot go on; what was saved before stays whole."""


class HubError(EvenweaveError):
    """The Hub refused, failed or did not answer; what is saved locally stays."""


class MissingDependencyError(EvenweaveError, ImportError):
    """A feature needs an extra that is not installed; the message gives the pip command."""


_ROW = re.compile(r"row (\d+)(?=[,:])")


def move_row(error: DataError, place: Callable[[int], str]) -> bool:
    """Make a message that begins with `row 3` begin with `place(3)`; return whether it did.

    >>> error = DataError("row 3, column 'x': null")
    >>> move_row(error, lambda row: f"row {row + 10} of train.jsonl"), error
    (True, DataError("row 13 of train.jsonl, column 'x': null"))
    """
    said = str(error)
    found = _ROW.match(said)
    if found is None:
        return False
    error.args = (place(int(found[1])) + said[found.end() :],)
    return True


def missing(package: str, *, extra: str) -> MissingDependencyError:
    """Return the error for a `package` that only `evenweave[extra]` installs."""
    return MissingDependencyError(f"{package} is not installed; run: pip install 'evenweave[{extra}]'")
