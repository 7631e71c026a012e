"""Labels of words -> labels of sub-tokens, for one row or for a whole data set at once.

Special tokens get -100, which no loss and no score counts. The first sub-token of a word gets the word's
label; the others the I- of its B-, or -100. Rows longer than the model takes become windows (windows.py):
a token that is only context in a window has -100 there, so every word counts exactly once.

Shape legend: B rows of the data set, W windows, N sub-tokens in all.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenweave.arrow import one_array, ragged_from_arrow
from evenweave.data.dataset import Dataset
from evenweave.data.features import label_names_of
from evenweave.data.schemes import BEGIN, END, INSIDE, SINGLE, parse_labels, unknown_shapes
from evenweave.data.subtokens import Frame, encode_words, fast_backend, frame_of
from evenweave.data.windows import Windows, plan_windows
from evenweave.errors import ArgumentError, DataError
from evenweave.ragged import Ragged, offsets_of
from evenweave.rows import Rows

logger = logging.getLogger("evenweave")

IGNORED = -100  # torch's cross-entropy leaves these targets out
_NO_LIMIT = 1_000_000  # transformers writes "no limit known" as a huge model_max_length


@dataclass(frozen=True)
class Encoded:
    """A data set as a model takes it; also a map-style data set for PyTorch's DataLoader.

    Attributes:
        columns: `input_ids`, `labels` if the data has labels, `token_type_ids` if the model takes them:
            W rows each, int64. There is no attention mask: every token counts.
        word_ids: int32, the word of its row each sub-token belongs to, -1 for special tokens.
        source: int64 `[W]`, the row of the data set each window was cut from, ascending.
        core: int64 `[W, 2]`, the sub-tokens (from, to) of each window it answers for; those of one row's
            windows, in order, are the sub-tokens of the row.
    """

    columns: dict[str, Ragged]
    word_ids: Ragged
    source: NDArray[np.int64]
    core: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Sub-tokens of each window, int64 `[W]`."""
        return self.word_ids.lengths

    def __len__(self) -> int:
        return len(self.word_ids)

    def __getitem__(self, index: int) -> dict[str, NDArray[np.int64]]:
        return {name: column[index] for name, column in self.columns.items()}

    def __getitems__(self, indices: Sequence[int]) -> Rows:
        """Return a batch without copying it; a collator writes it straight from the columns."""
        return Rows(self.columns, np.asarray(indices, dtype=np.int64))

    def __repr__(self) -> str:
        rows = len(np.unique(self.source))
        return f"Encoded({rows} rows in {len(self)} windows, {list(self.columns)})"


def align_labels_with_tokens(
    labels: Sequence[int],
    word_ids: Iterable[int | None],
    *,
    label_names: Sequence[str] | None = None,
    label_all_tokens: bool = True,
) -> list[int]:
    """Return one label a token from one label a word.

    Args:
        labels: the label id of each word.
        word_ids: the word of each token, None (or -1) for special tokens: `tokenizer(...).word_ids()`.
        label_names: the name of each label id. Without them B- labels are taken to be odd and followed by
            their I-, as in CoNLL-2003.
        label_all_tokens: further tokens of a word get the I- of its B-; False gives them -100.

    Raises:
        DataError: a token of a word that has no label.

    Source: the recipe of the Hugging Face course, chapter 7.

    >>> align_labels_with_tokens([3, 0, 7], [None, 0, 1, 2, 2, None])
    [-100, 3, 0, 7, 8, -100]
    """
    inside = None if label_names is None else continuations(label_names)
    out: list[int] = []
    previous: int | None = None
    for word in word_ids:
        if word is None or word < 0:
            out.append(IGNORED)
        elif word >= len(labels):
            raise DataError(f"labels: {len(labels)} of them, and a token of word {word}; give each word one")
        elif word != previous:
            out.append(int(labels[word]))
        elif not label_all_tokens:
            out.append(IGNORED)
        else:
            label = int(labels[word])
            known = inside is not None and 0 <= label < len(inside)
            out.append(int(inside[label]) if inside is not None and known else label + label % 2)
        previous = word
    return out


def tokenize_and_align(
    dataset: Any,
    tokenizer: Any,
    *,
    max_length: int | None = None,
    label_all_tokens: bool = True,
    stride: int | None = None,
    text_column: str = "tokens",
    label_column: str = "ner_tags",
) -> Encoded:
    """Encode rows of words, and give each sub-token its label.

    Args:
        dataset: our `Dataset`, a `datasets.Dataset`, a mapping of columns or a list of rows. Label names
            are taken from its features; without them B- labels are odd, each followed by its I-.
        tokenizer: a fast tokenizer of transformers; used as it is and left as it is.
        max_length: sub-tokens a window holds, special tokens included; default what the tokenizer says the
            model takes. Longer rows become several windows; nothing is cut off.
        label_all_tokens: further sub-tokens of a word get the I- of its B-; False gives them -100.
        stride: sub-tokens of context on each side of what a window answers for; default a quarter of
            `max_length`, 32 at most.
        text_column, label_column: the columns to read; a data set without labels is encoded without.

    Raises:
        ArgumentError: not a fast tokenizer, or a `max_length` or `stride` that leaves no room.
        DataError: a row with more or fewer labels than words; names row and column.
    """
    fast_backend(tokenizer)
    rows = as_dataset(dataset)
    tokens, words = _tokens(rows, text_column)
    labels = _labels(rows, label_column, words)
    pieces = encode_words(tokenizer, tokens)
    frame = frame_of(tokenizer)
    capacity, context = _room(tokenizer, frame, max_length, stride)
    counts = Ragged.trusted(pieces.lengths, words)
    windows = plan_windows(counts, capacity=capacity, stride=context)
    if windows.cut_words:
        logger.warning("%d words are longer than %d sub-tokens and cut inside", windows.cut_words, capacity)
    if frame.size == 0:
        # Without special tokens a row without words is nothing a model could take.
        windows = _nonempty(windows)
    return _weave(windows, frame, pieces, counts, labels, tokenizer, label_all_tokens)


def continuations(label_names: Sequence[str]) -> NDArray[np.int64]:
    """Return for each label the one a word's further sub-tokens get, int64 `[L]`.

    The I- of a B-; the label itself for I-, O and plain labels. A label that ends an entity (E-, S- and
    their like) cannot go on inside the word: -100.

    >>> continuations(["O", "B-LOC", "I-LOC", "S-LOC"]).tolist()
    [0, 2, 2, -100]
    """
    out = np.arange(len(label_names))
    if unknown_shapes(label_names):
        return out
    labels = parse_labels(label_names)
    inside = {int(labels.type_id[index]): index for index in np.flatnonzero(labels.code == INSIDE)}
    for index in np.flatnonzero(labels.code == BEGIN):
        out[index] = inside.get(int(labels.type_id[index]), index)
    out[(labels.code == END) | (labels.code == SINGLE)] = IGNORED
    return out


def as_dataset(dataset: Any) -> Dataset:
    """Return rows of any kind we know as a `Dataset`.

    Raises:
        ArgumentError: several splits at once, or nothing that has rows.
    """
    if isinstance(dataset, Dataset):
        return dataset
    if isinstance(dataset, Mapping):
        if dataset and all(
            isinstance(part, Dataset) or hasattr(part, "features") for part in dataset.values()
        ):
            raise ArgumentError(
                f"dataset: has the splits {', '.join(dataset)}; give one, such as dataset['train']"
            )
        return Dataset.from_dict(dataset)
    if hasattr(dataset, "with_format") and hasattr(dataset, "features"):
        return Dataset.from_datasets(dataset)
    if isinstance(dataset, pa.Table):
        return Dataset(dataset)
    if isinstance(dataset, list | tuple) and all(isinstance(row, Mapping) for row in dataset):
        return Dataset.from_list(cast("list[Mapping[str, Any]]", dataset))
    raise ArgumentError(f"dataset: {type(dataset).__name__} is no data set; read one with load_dataset(...)")


def _tokens(rows: Dataset, column: str) -> tuple[Any, NDArray[np.int64]]:
    """Return the words of all rows, Arrow strings, and where rows begin, int64 `[B + 1]`."""
    if column not in rows.column_names:
        raise DataError(f"column {column!r}: not there; the columns are {rows.column_names}")
    array = one_array(rows.table.column(column))
    listed = pa.types.is_list(array.type) or pa.types.is_large_list(array.type)
    if len(array) and not listed:
        raise DataError(f"column {column!r}: {array.type}, not lists of words; split the text into words")
    if array.null_count:
        row = int(pc.index(array.is_null(), True).as_py())
        raise DataError(f"row {row}, column {column!r}: null; fill or drop the row")
    if len(array) == 0:
        return pa.array([], pa.string()), np.zeros(1, np.int64)
    lengths = pc.list_value_length(array).to_numpy(zero_copy_only=False).astype(np.int64)
    words = array.flatten()
    offsets = offsets_of(lengths)
    if pa.types.is_null(words.type) and not len(words):
        words = words.cast(pa.string())
    if words.null_count:
        row = int(np.searchsorted(offsets, pc.index(words.is_null(), True).as_py(), side="right")) - 1
        raise DataError(f"row {row}, column {column!r}: a word is null; fill or drop it")
    if not (pa.types.is_string(words.type) or pa.types.is_large_string(words.type)):
        raise DataError(f"column {column!r}: lists of {words.type}; give lists of words")
    return words, offsets


@dataclass(frozen=True)
class _WordLabels:
    first: NDArray[np.int64]
    further: NDArray[np.int64]


def _labels(rows: Dataset, column: str, words: NDArray[np.int64]) -> _WordLabels | None:
    """Return for each word the label of its first sub-token and of the further ones."""
    if column not in rows.column_names:
        return None
    kind = one_array(rows.table.column(column)).type
    inner = getattr(kind, "value_type", kind)
    if pa.types.is_string(inner) or pa.types.is_large_string(inner):
        raise DataError(
            f"column {column!r}: label names; turn them into ids with ClassLabel(names).str2int(...)"
        )
    labels = ragged_from_arrow(rows.table.column(column), name=column)
    wanted = np.diff(words)
    if (labels.lengths != wanted).any():
        row = int(np.flatnonzero(labels.lengths != wanted)[0])
        raise DataError(
            f"row {row}, column {column!r}: {labels.lengths[row]} labels for {wanted[row]} words; "
            "give each word one"
        )
    flat = labels.flat.astype(np.int64)
    names = label_names_of(rows.features[column])
    if names is None:
        return _WordLabels(flat, np.where(flat > 0, flat + flat % 2, flat))
    outside = (flat != IGNORED) & ((flat < 0) | (flat >= len(names)))
    if outside.any():
        word = int(np.flatnonzero(outside)[0])
        row = int(np.searchsorted(words, word, side="right")) - 1
        raise DataError(
            f"row {row}, column {column!r}: label id {flat[word]}; the names give ids 0 to {len(names) - 1}"
        )
    return _WordLabels(flat, np.where(flat == IGNORED, flat, continuations(names)[flat]))


def _room(tokenizer: Any, frame: Frame, max_length: int | None, stride: int | None) -> tuple[int | None, int]:
    """Return how many sub-tokens of text a window holds, and how many of them are context on a side."""
    if max_length is None:
        limit = getattr(tokenizer, "model_max_length", None)
        if limit is None or limit >= _NO_LIMIT:
            return None, 0
        max_length = int(limit)
    capacity = max_length - frame.size
    if capacity < 1:
        raise ArgumentError(
            f"max_length: {max_length} leaves no room beside {frame.size} special tokens; give more than that"
        )
    if stride is None:
        return capacity, min(32, max_length // 4, (capacity - 1) // 2)
    if stride < 0 or 2 * stride >= capacity:
        raise ArgumentError(
            f"stride: {stride} on each side of a window of {capacity}; give 0 to {(capacity - 1) // 2}"
        )
    return capacity, stride


def _nonempty(windows: Windows) -> Windows:
    keep = windows.stop > windows.start
    return Windows(
        windows.row[keep],
        windows.start[keep],
        windows.stop[keep],
        windows.core_start[keep],
        windows.core_stop[keep],
        windows.cut_words,
    )


def _weave(
    windows: Windows,
    frame: Frame,
    pieces: Ragged,
    counts: Ragged,
    labels: _WordLabels | None,
    tokenizer: Any,
    label_all_tokens: bool,
) -> Encoded:
    """Write the columns: the frame's tokens around each window's stretch of sub-tokens."""
    before, after = len(frame.before), len(frame.after)
    inner = windows.stop - windows.start
    offsets = offsets_of(inner + frame.size)
    heads = (offsets[:-1, None] + np.arange(before)).ravel()
    tails = (offsets[1:, None] - after + np.arange(after)).ravel()
    body = np.ones(int(offsets[-1]), dtype=bool)
    body[heads] = False
    body[tails] = False
    # Where each body position takes its sub-token from.
    piece = np.arange(int(inner.sum())) + np.repeat(windows.start - offsets_of(inner)[:-1], inner)

    def column(values: NDArray[Any], head: Any, tail: Any, dtype: Any) -> Ragged:
        out = np.empty(len(body), dtype=dtype)
        out[heads] = np.tile(head, len(windows)) if np.ndim(head) else head
        out[tails] = np.tile(tail, len(windows)) if np.ndim(tail) else tail
        out[body] = values
        return Ragged.trusted(out, offsets)

    sizes = pieces.lengths
    word = np.repeat(np.arange(len(sizes)), sizes)
    columns = {"input_ids": column(pieces.flat[piece], frame.before, frame.after, np.int64)}
    if "token_type_ids" in getattr(tokenizer, "model_input_names", ()):
        head, kind, tail = frame.types
        columns["token_type_ids"] = column(np.full(len(piece), kind), head, tail, np.int64)
    if labels is not None:
        aligned = labels.further[word] if label_all_tokens else np.full(len(word), IGNORED)
        starts = offsets_of(sizes)[:-1]
        aligned[starts] = labels.first
        chosen = aligned[piece]
        core = (piece >= np.repeat(windows.core_start, inner)) & (piece < np.repeat(windows.core_stop, inner))
        chosen[~core] = IGNORED
        columns["labels"] = column(chosen, IGNORED, IGNORED, np.int64)
    in_row = np.arange(len(sizes)) - np.repeat(counts.offsets[:-1], counts.lengths)
    return Encoded(
        columns=columns,
        word_ids=column(in_row[word][piece], -1, -1, np.int32),
        source=windows.row,
        core=np.stack([windows.core_start, windows.core_stop], axis=1) - windows.start[:, None] + before,
    )
