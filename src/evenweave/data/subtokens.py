"""Words -> sub-tokens with a fast tokenizer, each distinct word encoded once.

A fast tokenizer normalises, splits and encodes the words of a pre-split text one by one, knowing nothing of
their neighbours; so the pieces of a word are the same wherever it stands, and may be looked up. What
depends on the text as a whole is only the frame of special tokens, which is asked for once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError
from evenweave.ragged import Ragged, offsets_of

logger = logging.getLogger("evenweave")

_TOGETHER = 512  # words handed over as one text: fewer results to unpack, and still work for every core


@dataclass(frozen=True)
class Frame:
    """The special tokens around a text, and the token types of the three parts."""

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    types: tuple[NDArray[np.int64], int, NDArray[np.int64]]

    @property
    def size(self) -> int:
        """How many special tokens a text takes."""
        return len(self.before) + len(self.after)


def fast_backend(tokenizer: Any) -> Any:
    """Return the Rust tokenizer inside a fast tokenizer of transformers.

    Raises:
        ArgumentError: the tokenizer is none, or not a fast one.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or not getattr(tokenizer, "is_fast", False):
        raise ArgumentError(
            f"tokenizer: {type(tokenizer).__name__} does not tell which word a token belongs to; load a fast "
            "one with AutoTokenizer.from_pretrained(...)"
        )
    return backend


@contextmanager
def unlimited(backend: Any) -> Iterator[Any]:
    """Lend the tokenizer with neither truncation nor padding; both are as they were afterwards."""
    truncation, padding = backend.truncation, backend.padding
    if truncation is not None:
        backend.no_truncation()
    if padding is not None:
        backend.no_padding()
    try:
        yield backend
    finally:
        if truncation is not None:
            backend.enable_truncation(**truncation)
        if padding is not None:
            backend.enable_padding(**padding)


def encode_words(tokenizer: Any, words: Any) -> Ragged:
    """Return the sub-token ids of each word, int64, at least one a word.

    A word the tokenizer makes nothing of (a zero-width space, a lone control character) becomes the unknown
    token, so that its label has a place to stand.

    Args:
        tokenizer: a fast tokenizer of transformers; its truncation and padding are neither used nor changed.
        words: Arrow strings `[N]`.

    Raises:
        ArgumentError: not a fast tokenizer, or one without an unknown token that needs it.
    """
    with unlimited(fast_backend(tokenizer)) as backend:
        encoded = words.dictionary_encode()
        distinct = encoded.dictionary.to_pylist()
        if _glues(backend):
            logger.info("%s: a space is put before each word", type(tokenizer).__name__)
            pieces = _encode_spaced(backend, distinct)
        else:
            pieces = _encode(backend, distinct)
    bare = pieces.lengths == 0
    if bare.any():
        pieces = _with_unknown(pieces, bare, tokenizer, distinct)
    return pieces.take(encoded.indices.to_numpy(zero_copy_only=False))


def frame_of(tokenizer: Any) -> Frame:
    """Return the special tokens a tokenizer puts around one text."""
    with unlimited(fast_backend(tokenizer)) as backend:
        empty = backend.encode([], is_pretokenized=True, add_special_tokens=False)
        probe = next((text for text in _PROBES if len(backend.encode(text, add_special_tokens=False))), None)
        if probe is None:
            framed, body = backend.post_process(empty), range(0)
        else:
            framed = backend.encode([probe], is_pretokenized=True, add_special_tokens=True)
            inside = [index for index, word in enumerate(framed.word_ids) if word is not None]
            body = range(inside[0], inside[-1] + 1)
    ids = np.asarray(framed.ids, dtype=np.int64)
    types = np.asarray(framed.type_ids, dtype=np.int64)
    start, stop = (body.start, body.stop) if body else (len(ids), len(ids))
    kind = int(types[start]) if body else 0
    return Frame(ids[:start], ids[stop:], (types[:start], kind, types[stop:]))


_PROBES = ("a", "0", ".", "é", "中", "я", "ا", "ก")


def _encode(backend: Any, words: Sequence[str]) -> Ragged:
    texts = [words[start : start + _TOGETHER] for start in range(0, len(words), _TOGETHER)]
    encodings = backend.encode_batch(texts, is_pretokenized=True, add_special_tokens=False)
    ids = np.fromiter(chain.from_iterable(e.ids for e in encodings), dtype=np.int64)
    lengths = np.zeros(len(words), dtype=np.int64)
    for index, encoding in enumerate(encodings):
        size = len(texts[index])
        counted = np.bincount(np.asarray(encoding.word_ids, dtype=np.int64), minlength=size)
        lengths[index * _TOGETHER :][:size] = counted
    return Ragged.trusted(ids, offsets_of(lengths))


def _encode_spaced(backend: Any, words: Sequence[str]) -> Ragged:
    """As `_encode`, a space before each word."""
    own = backend.pre_tokenizer
    if type(own).__name__ != "ByteLevel":
        return _encode(backend, [word if word.startswith(" ") else f" {word}" for word in words])
    # It is asked to do so itself: special tokens within words then get theirs as `add_prefix_space` does it.
    backend.pre_tokenizer = type(own)(
        add_prefix_space=True, trim_offsets=own.trim_offsets, use_regex=own.use_regex
    )
    try:
        return _encode(backend, words)
    finally:
        backend.pre_tokenizer = own


def _glues(backend: Any) -> bool:
    """Tell whether two words come out as one: a byte-level tokenizer without `add_prefix_space`."""
    ids = backend.encode(["ab", "cd"], is_pretokenized=True, add_special_tokens=False).ids
    return bool(ids) and "abcd" in backend.decode(ids, skip_special_tokens=False)


def _with_unknown(pieces: Ragged, bare: NDArray[np.bool_], tokenizer: Any, words: Sequence[str]) -> Ragged:
    unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.eos_token_id
    if unknown is None:
        word = words[int(np.flatnonzero(bare)[0])]
        raise ArgumentError(
            f"tokenizer: makes no token of the word {word!r} and has no unk_token; set tokenizer.unk_token"
        )
    logger.info("%d distinct words have no token of their own, the unknown token stands for them", bare.sum())
    lengths = np.maximum(pieces.lengths, 1)
    offsets = offsets_of(lengths)
    flat = np.full(int(offsets[-1]), unknown, dtype=np.int64)
    flat[np.repeat(~bare, lengths)] = pieces.flat
    return Ragged.trusted(flat, offsets)
