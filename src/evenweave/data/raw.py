"""What every reader returns: the rows of one split as they stand in its files, tags not yet put in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenweave.data.features import Feature
from evenweave.ragged import Ragged


@dataclass
class Vocabulary:
    """Labels in the order they were met, and the line each was first met at."""

    first_line: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The labels; an id is the place of its label here."""
        return list(self.first_line)

    def ids(self, tags: Any, lines: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids int64 `[N]` of an Arrow array of N tags that stand at `lines` `[N]`."""
        encoded = tags.dictionary_encode()
        local = encoded.indices.to_numpy(zero_copy_only=False)
        words = encoded.dictionary.to_pylist()
        first = np.zeros(len(words), dtype=np.int64)
        # Written backwards, the first occurrence of each tag is the one that stays.
        first[local[::-1]] = lines[::-1]
        for word, line in zip(words, first.tolist(), strict=True):
            self.first_line.setdefault(word, line)
        place = {name: index for index, name in enumerate(self.first_line)}
        own = np.array([place[word] for word in words], dtype=np.int64)
        numbered: NDArray[np.int64] = own[local]
        return numbered


@dataclass(frozen=True)
class Tags:
    """One column of tags.

    Attributes:
        ids: a row of label ids for each row of the split.
        names: the label of each id.
        first_line: for each label the line (or row) it was first met at, for errors.
        fixed: the names are a list somebody gave; their order is to be kept.
    """

    ids: Ragged
    names: list[str]
    first_line: dict[str, int]
    fixed: bool = False


@dataclass(frozen=True)
class RawSplit:
    """The rows of one file.

    Attributes:
        path: where they came from.
        columns: every column but those of tags, as Arrow arrays of B rows; "tokens" among them.
        tags: the columns of tags by name, each as long, row by row, as its tokens.
        features: of the other columns those that hold labels with names.
    """

    path: Path
    columns: dict[str, Any]
    tags: dict[str, Tags]
    features: dict[str, Feature] = field(default_factory=dict)

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self.columns["tokens"])


def list_array(values: Any, offsets: NDArray[np.int64]) -> Any:
    """Return an Arrow list array of `values` cut at `offsets`; 64-bit offsets only where they are needed."""
    if int(offsets[-1]) < 2**31:
        return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)
    return pa.LargeListArray.from_arrays(pa.array(offsets), values)
