"""Texts to tokens: one flat array a column, rows whole and of any length.

Legend: B texts, N tokens of all texts with their special tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, DataError
from evenweave.ragged import offsets_of

Ints = NDArray[np.int64]

_SPACES = np.array([chr(code).isspace() for code in range(0x3002)])


@dataclass(frozen=True)
class Encoded:
    """B tokenised texts: `offsets` is int64 `[B + 1]`, the other arrays are `[N]`.

    `body` is false for the special tokens put around a text; `start` and `end` are positions in its text
    (characters); `word` numbers the words of the row and is meaningful where `body` is true.
    """

    texts: Sequence[str]
    ids: Ints
    types: Ints
    body: NDArray[np.bool_]
    start: Ints
    end: Ints
    word: Ints
    offsets: Ints

    @property
    def body_offsets(self) -> Ints:
        """Row boundaries int64 `[B + 1]` among the body tokens alone."""
        return np.concatenate([[0], np.cumsum(self.body)])[self.offsets]


def encode_texts(tokenizer: Any, texts: Sequence[str], *, first_row: int = 0) -> Encoded:
    """Tokenise `texts` whole, never truncated.

    A word is what the tokenizer's own word splitter says where it is a WordPiece tokenizer, else what stands
    between white space: byte-level and SentencePiece tokenizers split off punctuation or do not split at all.

    Raises:
        DataError: a text is not a string of valid Unicode; names the row, counted from `first_row`.
    """
    for row, text in enumerate(texts, first_row):
        if not isinstance(text, str):
            raise DataError(
                f"inputs, row {row}: {type(text).__name__}, not a string; give str or list of str"
            )
    rows = _call(tokenizer, list(texts), first_row, _is_unicode, is_split_into_words=False)
    has_words = getattr(tokenizer.backend_tokenizer.model, "continuing_subword_prefix", None)
    flat = _columns(rows, words=bool(has_words))
    word = flat["word"] if has_words else _runs(texts, flat["start"], flat["offsets"])
    return Encoded(**{**flat, "word": word}, texts=texts)


def encode_words(
    tokenizer: Any, rows: Sequence[Sequence[str]], *, delimiter: str = " ", first_row: int = 0
) -> Encoded:
    """Tokenise rows of words; the text of a row is its words joined by `delimiter`.

    Raises:
        DataError: a row is not a list of strings; names the row, counted from `first_row`.
    """
    for row, words in enumerate(rows, first_row):
        if not _is_words(words):
            raise DataError(
                f"inputs, row {row}: not a list of words (str); give one list of str for each row"
            )
    lists = [list(words) for words in rows]
    encodings = _call(
        tokenizer, lists, first_row, lambda words: all(map(_is_unicode, words)), is_split_into_words=True
    )
    flat = _columns(encodings, words=True)
    sizes = [np.fromiter(map(len, words), np.int64, len(words)) for words in lists]
    counts = np.array([len(words) for words in lists], dtype=np.int64)
    lengths = np.concatenate(sizes) if sizes else np.empty(0, np.int64)
    starts = np.concatenate([np.cumsum(s + len(delimiter)) - s - len(delimiter) for s in sizes] or [lengths])
    row_of = np.repeat(np.arange(len(lists)), np.diff(flat["offsets"]))
    body = flat["body"]
    nth = (offsets_of(counts)[row_of] + flat["word"])[body]
    for name in ("start", "end"):
        # Clipped: with add_prefix_space the offsets of a word's first piece may count a space it never had.
        flat[name][body] = np.minimum(flat[name][body], lengths[nth]) + starts[nth]
    return Encoded(**flat, texts=[delimiter.join(words) for words in lists])


def _call(
    tokenizer: Any, inputs: list[Any], first_row: int, valid: Callable[[Any], bool], **how: bool
) -> list[Any]:
    if not inputs:
        return []
    if not getattr(tokenizer, "is_fast", False):
        raise ArgumentError("tokenizer: a slow one without offsets; save it with a tokenizer.json")
    try:
        batch = tokenizer(
            inputs,
            truncation=False,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
            **how,
        )
    except (TypeError, UnicodeEncodeError) as error:
        for row, text in enumerate(inputs, first_row):
            if not valid(text):
                raise DataError(
                    f"inputs, row {row}: a lone surrogate, which is no character; "
                    "decode the text as UTF-8 with errors='replace'"
                ) from error
        raise
    except AssertionError as error:
        # transformers asserts that byte-level tokenizers see pre-split words with add_prefix_space.
        raise ArgumentError(f"tokenizer: {' '.join(str(error).split())}") from error
    encodings: list[Any] = batch.encodings
    return encodings


def _columns(encodings: Sequence[Any], *, words: bool) -> dict[str, Any]:
    ids = [encoding.ids for encoding in encodings]
    offsets = offsets_of(np.fromiter(map(len, ids), np.int64, len(ids)))
    count = int(offsets[-1])

    def flat(rows: Iterable[Iterable[int]], size: int = count) -> Ints:
        return np.fromiter(chain.from_iterable(rows), np.int64, size)

    spans = flat(chain.from_iterable(e.offsets for e in encodings), 2 * count).reshape(-1, 2)
    return {
        "ids": flat(ids),
        "types": flat(e.type_ids for e in encodings),
        "body": flat(e.special_tokens_mask for e in encodings) == 0,
        "start": spans[:, 0].copy(),
        "end": spans[:, 1].copy(),
        "word": flat([-1 if w is None else w for w in e.word_ids] for e in encodings) if words else None,
        "offsets": offsets,
    }


def _runs(texts: Sequence[str], start: Ints, offsets: Ints) -> Ints:
    """Number the runs of white space and of other characters, and look up the run each token starts in."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype="<u4")
    if len(codes) == 0:
        return np.zeros(len(start), dtype=np.int64)
    space = _SPACES[np.minimum(codes, len(_SPACES) - 1)]
    run = np.concatenate([[0], np.cumsum(space[1:] != space[:-1])])
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    row_of = np.repeat(np.arange(len(texts)), np.diff(offsets))
    # A piece of trailing space has its offset just behind the text; it belongs to the run that ends there.
    inside = np.minimum(start, np.maximum(sizes[row_of] - 1, 0))
    return run[np.minimum(offsets_of(sizes)[row_of] + inside, len(codes) - 1)]


def _is_words(row: Any) -> bool:
    """Whether a row is a list of strings, or another sequence of them that can be read twice."""
    if isinstance(row, str | bytes | Mapping) or not hasattr(row, "__getitem__"):
        return False
    try:
        return all(isinstance(word, str) for word in row)
    except TypeError:  # an array of no dimensions
        return False


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
