"""Rows of words -> rows of tokens and their labels, as `tokenize_and_align` makes them of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import DataError
from evenweave.ragged import Ragged, offsets_of, shown

IGNORED = -100
_WHOLE = 2**62  # a window so wide that every row fits into one


def encode_words(
    inputs: list[list[str]], tokenizer: Any, *, name: str, specials: bool
) -> tuple[dict[str, Any], Ragged]:
    """Return the columns a fast tokenizer makes of rows of words, and `word_ids`, -1 on special tokens.

    Args:
        name: the column's name, for errors.
        specials: also give `special_tokens_mask`.

    Raises:
        DataError: a word that is no Unicode text; names the row.
        ArgumentError: a word without tokens, and the tokenizer has no unknown token to stand for it.
    """
    import pyarrow as pa

    from evenweave.data.align import tokenize_and_align

    try:
        flat = pa.array(chain.from_iterable(inputs), pa.large_string())
    except UnicodeEncodeError:
        check_unicode(inputs, name)
        raise
    lengths = np.fromiter(map(len, inputs), np.int64, len(inputs))
    words = pa.LargeListArray.from_arrays(pa.array(offsets_of(lengths)), flat)
    made = tokenize_and_align(
        pa.table({name: words}), tokenizer, max_length=_WHOLE, stride=0, text_column=name, label_column=""
    )
    # Rows that have no token at all are left out there, and empty here.
    sizes = np.zeros(len(inputs), np.int64)
    sizes[made.source] = made.lengths
    offsets = offsets_of(sizes)
    columns = {key: Ragged.trusted(column.flat, offsets) for key, column in made.columns.items()}
    word_ids = Ragged.trusted(made.word_ids.flat, offsets)
    if specials:
        columns["special_tokens_mask"] = Ragged.trusted((word_ids.flat < 0).astype(np.int64), offsets)
    return columns, word_ids


def check_unicode(inputs: Sequence[Any], name: str) -> None:
    """Raise DataError naming the first row, a string or a list of them, that is no Unicode text."""
    for row, value in enumerate(inputs):
        for text in [value] if isinstance(value, str) else value:
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise DataError(
                    f"row {row}, column {name!r}: {shown(text)} has half a character (a surrogate) at "
                    f"{error.start}; drop it with .encode(errors='ignore').decode()"
                ) from None


def align_words(
    labels: Any,
    name: str,
    words: list[Any],
    word_ids: Ragged,
    *,
    fill: int,
    label_names: Sequence[str] | None,
) -> Ragged:
    """Return word labels as token labels; arguments as for `raw.encode`.

    Raises:
        DataError: labels that are not ids, that have no name, or another number than words; names the row.
    """
    if not isinstance(labels, Ragged) or labels.dtype.kind not in "iu":
        raise DataError(f"column {name!r}: labels of words must be lists of ids; map names to ids first")
    counts = np.fromiter(map(len, words), np.int64, len(words))
    odd = np.flatnonzero(labels.lengths != counts)
    if len(odd):
        row = int(odd[0])
        raise DataError(
            f"row {row}, column {name!r}: {labels.lengths[row]} labels for {counts[row]} words; "
            "give each word one"
        )
    places = word_ids.flat
    first = np.ones(len(places), dtype=bool)
    first[1:] = places[1:] != places[:-1]
    first[word_ids.offsets[:-1][word_ids.lengths > 0]] = True
    starts = np.repeat(labels.offsets[:-1], word_ids.lengths)
    real = places >= 0
    out = np.full(len(places), fill)
    out[real] = labels.values[(starts + places)[real]]
    further = real & ~first
    if label_names is None:
        out[further] = fill
    else:
        named = _named(labels, name, fill, len(label_names))
        further[further] = named[(starts + places)[further]]
        out[further] = _further(label_names, fill)[out[further]]
    return Ragged.trusted(out, word_ids.offsets)


def _named(labels: Ragged, name: str, fill: int, count: int) -> NDArray[np.bool_]:
    """Return which of the labels have a name; the others are those that losses ignore."""
    named: NDArray[np.bool_] = (labels.values >= 0) & (labels.values < count)
    odd = np.flatnonzero(~named & (labels.values != IGNORED) & (labels.values != fill))
    if len(odd):
        row = int(np.searchsorted(labels.offsets, odd[0], side="right")) - 1
        raise DataError(
            f"row {row}, column {name!r}: label id {labels.values[odd[0]]}; "
            f"the names give ids 0 to {count - 1}"
        )
    return named


def _further(label_names: Sequence[str], fill: int) -> NDArray[np.int64]:
    """Return the label of a word's further pieces for each label of its first."""
    from evenweave.data.words import continuations

    out = continuations(label_names)
    return np.where(out == IGNORED, fill, out)
