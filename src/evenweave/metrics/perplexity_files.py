"""Files of probabilities for the command line: what is wrong is named by file and line."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from evenweave.errors import DataError
from evenweave.metrics.number_files import read_numbers
from evenweave.metrics.perplexity_inputs import improbable, row_and_position
from evenweave.ragged import Ragged

_logger = logging.getLogger(__name__)


def read_probabilities(path: Path, *, log: bool) -> Ragged:
    """Return the probabilities of each line, having warned of the first 0, which makes perplexity infinite.

    Args:
        path: as for `read_numbers`.
        log: the numbers are natural logarithms.

    Raises:
        DataError: a number that is no probability, or as `read_numbers`; names file and line.
    """
    rows = read_numbers(path)

    def place(index: int) -> str:
        row, position = row_and_position(rows, index)
        return f"{path}:{row + 1}: number {position + 1}"

    wrong = improbable(rows.flat, log=log)
    if wrong.any():
        index = int(wrong.argmax())
        what = (
            "a log-probability (at most 0); for probabilities leave out --log"
            if log
            else "a probability (0 to 1); for logarithms give --log"
        )
        raise DataError(f"{place(index)}, {rows.flat[index]:g} is not {what}")
    never = rows.flat == (-np.inf if log else 0)
    if never.any():
        said = "%s: the true token has probability 0, so the perplexity is infinite"
        _logger.warning(said, place(int(never.argmax())))
    return rows
