"""What the loop is fed with: any data set a user brings, as columns where it can be.

Columns run at memory speed; a data set of the user's own kind, or one for a collator of the user's own, is
read row by row as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evenweave.data.align import Encoded, tokenize_and_align
from evenweave.data.columns import Columns
from evenweave.errors import ArgumentError, DataError, EvenweaveError
from evenweave.ragged import Ragged
from evenweave.training.feed import Rows, fetch

log = logging.getLogger("evenweave")


@dataclass(frozen=True)
class Prepared:
    """A data set as the loop takes it.

    Attributes:
        rows: map-style rows (`len`, `__getitems__` or `__getitem__`), or an iterable if `streamed`.
        lengths: int64 `[rows]`, tokens a row; None where only reading the rows would tell.
        source: int64 `[rows]`, the document each row is a window of; None: each row is a document.
        first_piece: bool Ragged like the labels: true at the first sub-token of each word; None: every
            labelled position is scored.
        streamed: rows come from front to back only.
    """

    rows: Any
    lengths: NDArray[np.int64] | None = None
    source: NDArray[np.int64] | None = None
    first_piece: Ragged | None = None
    streamed: bool = False

    def __len__(self) -> int:
        return len(self.rows)


def prepare(
    dataset: Any,
    *,
    accepted: set[str] | None,
    own_collator: bool,
    pick: bool = False,
    tokenizer: Any = None,
    role: str = "train",
) -> Prepared:
    """Return `dataset` ready for the loop.

    Args:
        dataset: `Encoded`, `Columns`, our `Dataset`, `datasets.Dataset`, a list of dicts, a map-style or an
            iterable torch data set.
        accepted: column names the model takes; None keeps every column.
        own_collator: the collator is a user's, which gets the rows as the data set gives them.
        pick: of a data set that does not say its columns, rows are to have those accepted alone.
        tokenizer: encodes a data set of `tokens` and tags that was not encoded yet.
        role: "train" or "eval", for messages.

    Raises:
        DataError: no rows, or none of its columns is known to the model.
    """
    if isinstance(dataset, Prepared):
        return dataset
    if isinstance(dataset, Encoded):
        return _from_encoded(dataset, accepted)
    _refuse_other_things(dataset, role)
    picked = _Picked(dataset, accepted, role) if pick and accepted is not None else dataset
    streamed = isinstance(
        dataset, torch.utils.data.IterableDataset
    )  # some have a length, and no rows by number
    if streamed or not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        if not hasattr(dataset, "__iter__"):
            raise ArgumentError(f"{role}_dataset: {type(dataset).__name__} has neither rows nor an iterator")
        return Prepared(picked, streamed=True)
    if len(dataset) == 0:
        raise DataError(f"{role}_dataset: has no rows")
    if isinstance(dataset, Columns):
        return _from_columns(dataset, accepted, role)
    names = column_names(dataset)
    if names is None or getattr(dataset, "_format_type", None) == "custom":  # rows are what a function makes
        return Prepared(picked)
    if "input_ids" not in names and "tokens" in names and tokenizer is not None:
        return _from_encoded(tokenize_and_align(dataset, tokenizer), accepted)
    kept = [name for name in names if accepted is None or name in accepted]
    dropped = [name for name in names if name not in kept]
    if not kept:
        raise DataError(
            f"{role}_dataset: the model takes none of its columns ({', '.join(names)}); "
            "tokenise it first, or give the Trainer a tokenizer as processing_class"
        )
    if dropped:
        log.info("%s data: columns the model does not take are left out: %s", role, ", ".join(dropped))
    if isinstance(dataset, list | tuple):
        _check_rows(dataset, kept, role)
    if own_collator:
        lengths = _lengths(dataset) if "input_ids" in kept else None
        return Prepared(_Selected(dataset, kept) if dropped else dataset, lengths=lengths)
    return _from_columns(Columns(_select(dataset, kept)), None, role)


def _refuse_other_things(dataset: Any, role: str) -> None:
    """Refuse what has a length or an iterator and yet is no data set."""
    if isinstance(dataset, str):
        raise ArgumentError(f"{role}_dataset: {dataset!r} is a string; load_dataset() reads files")
    if isinstance(dataset, Mapping):
        names = ", ".join(map(str, dataset))
        raise ArgumentError(
            f"{role}_dataset: a dict of {names}; give one split of several, or Columns(...) of columns"
        )
    if type(dataset).__module__ == "torch.utils.data.dataloader":
        raise ArgumentError(
            f"{role}_dataset: a DataLoader; give its data set and collate_fn, as batches are planned here"
        )


def _check_rows(dataset: Any, names: list[str], role: str) -> None:
    for number, row in enumerate(dataset):
        missing = names if not isinstance(row, Mapping) else [name for name in names if name not in row]
        if missing:
            found = ", ".join(row) if isinstance(row, Mapping) else f"a {type(row).__name__}"
            raise DataError(
                f"{role}_dataset: row {number:,} has {found or 'nothing'} and no {missing[0]!r}; "
                "give every row the columns of row 0"
            )


def to_evaluate(own: Any, given: Any) -> Any:
    """Return the data to evaluate: a Trainer's own where none is given, or one of several by its name.

    Raises:
        ArgumentError: there is none.
    """
    data = own if given is None else given
    if isinstance(data, str) and isinstance(own, Mapping) and data in own:
        return own[data]
    if data is None:
        raise ArgumentError("eval_dataset: none given; pass one")
    return data


def parts_of(dataset: Any, prefix: str) -> dict[str, Any]:
    """Return the data sets to evaluate by the prefix of their metrics: a dict of data sets, or the one."""
    if isinstance(dataset, Mapping) and not hasattr(dataset, "column_names"):
        return {f"{prefix}_{name}": part for name, part in dataset.items()}
    return {prefix: dataset}


def column_names(dataset: Any) -> list[str] | None:
    """Return the columns of a data set, None where it does not say."""
    names = getattr(dataset, "column_names", None)
    if names is not None:
        return list(names)
    if isinstance(dataset, list | tuple) and isinstance(dataset[0], Mapping):
        return list(dataset[0])
    return None


def _from_encoded(encoded: Encoded, accepted: set[str] | None) -> Prepared:
    words = encoded.word_ids
    ids = words.flat
    first = np.empty(len(ids), dtype=bool)
    first[:1] = True
    first[1:] = ids[1:] != ids[:-1]
    starts = words.offsets[:-1] - words.offsets[0]
    first[starts[starts < len(ids)]] = True
    first &= ids >= 0
    columns = {name: c for name, c in encoded.columns.items() if accepted is None or name in accepted}
    made = Columns(columns, source=encoded.source)
    several = len(np.unique(encoded.source)) < len(encoded.source)
    return Prepared(
        made,
        lengths=made.lengths,
        source=encoded.source if several else None,
        first_piece=Ragged.trusted(first, words.offsets - words.offsets[0]),
    )


def _from_columns(columns: Columns, accepted: set[str] | None, role: str) -> Prepared:
    kept = [name for name in columns.column_names if accepted is None or name in accepted]
    if len(kept) < len(columns.column_names):
        left = [name for name in columns.column_names if name not in kept]
        log.info("%s data: columns the model does not take are left out: %s", role, ", ".join(left))
        columns = columns.select_columns(kept)
    return Prepared(columns, lengths=columns.lengths, source=columns.source)


def _lengths(dataset: Any) -> NDArray[np.int64] | None:
    if isinstance(dataset, list | tuple):
        return np.fromiter((len(row["input_ids"]) for row in dataset), dtype=np.int64, count=len(dataset))
    try:
        return Columns(_select(dataset, ["input_ids"])).lengths
    except EvenweaveError:  # not a column of lists; only reading the rows would tell
        return None


def _select(dataset: Any, names: list[str]) -> Any:
    if hasattr(dataset, "select_columns"):
        return dataset.select_columns(names)
    if hasattr(dataset, "table"):
        return dataset.table.select(names)
    return [{name: row[name] for name in names} for row in dataset]


class _Selected:
    """A user's data set with only the columns the model takes."""

    def __init__(self, dataset: Any, names: list[str]) -> None:
        self._dataset, self._names = dataset, names

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self._dataset[index]
        return {name: row[name] for name in self._names}


class _Picked:
    """A data set that does not say its columns, and of its rows those the model takes."""

    def __init__(self, dataset: Any, names: set[str], role: str) -> None:
        self._dataset, self._names, self._role, self._said = dataset, names, role, False

    def __len__(self) -> int:
        return len(self._dataset)

    def __iter__(self) -> Iterator[Any]:
        return map(self._of, self._dataset)

    def __getitem__(self, index: int) -> Any:
        return self._of(self._dataset[index])

    def __getitems__(self, rows: Rows) -> list[Any]:
        return [self._of(row) for row in fetch(self._dataset, np.asarray(rows))]

    def __getattr__(self, name: str) -> Any:  # set_epoch, where it has one
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._dataset, name)

    def _of(self, row: Any) -> Any:
        if not isinstance(row, Mapping) or row.keys() <= self._names:
            return row
        if not self._said:
            left = ", ".join(name for name in row if name not in self._names)
            log.info("%s data: columns the model does not take are left out: %s", self._role, left)
            self._said = True
        return {name: value for name, value in row.items() if name in self._names}
