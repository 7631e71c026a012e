"""Labels of words -> labels of sub-tokens, for one row or for a whole data set at once.

Special tokens get -100, which no loss and no score counts. The first sub-token of a word gets the word's
label; the others the I- of its B-, or -100. Rows longer than the model takes become windows (windows.py):
a token that is only context in a window has -100 there, so every word counts exactly once.

Shape legend: B rows of the data set, W windows, N sub-tokens in all.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.data.encoded import Encoded
from evenweave.data.subtokens import Frame, encode_words, fast_backend, frame_of
from evenweave.data.windows import Windows, plan_windows
from evenweave.data.words import IGNORED, WordLabels, as_dataset, inside_labels, word_labels, words_of
from evenweave.errors import ArgumentError, DataError
from evenweave.ragged import Ragged, offsets_of, shown

__all__ = ["Encoded", "align_labels_with_tokens", "tokenize_and_align"]

logger = logging.getLogger("evenweave")

_NO_ID = 2**63
_NO_LIMIT = 1_000_000  # transformers writes "no limit known" as a huge model_max_length


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
        DataError: a token of a word that has no label, or a label that is no id.

    Source: the recipe of the Hugging Face course, chapter 7.

    >>> align_labels_with_tokens([3, 0, 7], [None, 0, 1, 2, 2, None])
    [-100, 3, 0, 7, 8, -100]
    """
    ids = [_label_id(label, place, label_names) for place, label in enumerate(labels)]
    further = inside_labels(ids, label_names).tolist()
    out: list[int] = []
    previous: int | None = None
    for word in _words(word_ids):
        if word is None or word < 0:
            out.append(IGNORED)
        elif word >= len(ids):
            raise DataError(f"labels: {len(ids)} of them, and a token of word {word}; give each word one")
        elif word != previous:
            out.append(ids[word])
        else:
            out.append(further[word] if label_all_tokens else IGNORED)
        previous = word
    return out


def _words(word_ids: Iterable[Any]) -> list[int | None]:
    try:
        return [None if word is None else index(word) for word in word_ids]
    except TypeError:
        raise DataError(
            f"word_ids: {shown(word_ids)}; give the number of each token's word, None for special tokens"
        ) from None


def _label_id(label: Any, place: int, label_names: Sequence[str] | None) -> int:
    try:
        number = index(label)
    except TypeError:
        number = _NO_ID
    if isinstance(label, bool) or abs(number) >= _NO_ID:
        raise DataError(f"labels: {shown(label)} of word {place} is no id; give whole numbers")
    if label_names is not None and number != IGNORED and not 0 <= number < len(label_names):
        raise DataError(
            f"labels: label id {number} of word {place}; the names give ids 0 to {len(label_names) - 1}"
        )
    return number


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
        tokenizer: a fast tokenizer of transformers; used as it is and left as it is. One that would make
            one word of two, such as a byte-level one without `add_prefix_space`, is given a space before
            each word; for GPT-2's and RoBERTa's make that is what `add_prefix_space` does.
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
    tokens, words = words_of(rows, text_column)
    labels = word_labels(rows, label_column, words)
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


def _room(tokenizer: Any, frame: Frame, max_length: int | None, stride: int | None) -> tuple[int | None, int]:
    """Return how many sub-tokens of text a window holds, and how many of them are context on a side."""
    for name, value in {"max_length": max_length, "stride": stride}.items():
        if value is not None and (not isinstance(value, int | np.integer) or isinstance(value, bool)):
            raise ArgumentError(f"{name}: {shown(value)}; give a whole number of sub-tokens")
    if max_length is None:
        limit = getattr(tokenizer, "model_max_length", None)
        if limit is None or limit >= _NO_LIMIT:
            return None, 0
        max_length = int(limit)
    capacity = int(max_length) - frame.size
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
    return capacity, int(stride)


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
    labels: WordLabels | None,
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
