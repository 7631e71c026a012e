"""Texts to numbered tokens, the form in which ROUGE's kernels compare them.

Shape legend: B texts, N tokens in all, S sentences with tokens in all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, DataError
from evenweave.kernels.number_words import number_words
from evenweave.kernels.porter import NLTK, PERL, stem_vocabulary, stems_of
from evenweave.kernels.words import PADDING, fold, split_words
from evenweave.metrics.rouge_inputs import Pairs, refuse_surrogates, strings, utf8
from evenweave.metrics.rouge_irregular import base_of
from evenweave.metrics.rouge_unicode import unicode_words
from evenweave.ragged import Ragged, offsets_of

# Of all Unicode, only these two lower-case to ASCII: KELVIN SIGN, and dotted capital I with a combining dot
# behind the i, which cuts.
_LOWERED = {"\u212a": "k", "\u0130": "i\u0307"}

Place = Callable[[int], str]  # where a text stands, in words


@dataclass(frozen=True)
class Tokens:
    """Texts as token ids.

    Attributes:
        ids: int32 `[N]`, below `vocabulary`; equal tokens have equal ids.
        offsets: int64 `[B + 1]`, bounds of `ids` by text.
        breaks: int64 `[S]`, where in `ids` each sentence begins; sentences without tokens are left out.
        break_offsets: int64 `[B + 1]`, bounds of `breaks` by text.
        vocabulary: how many distinct tokens there are.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    breaks: NDArray[np.int64]
    break_offsets: NDArray[np.int64]
    vocabulary: int

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, int64 `[B]`."""
        return np.diff(self.offsets)

    def grouped(self, groups: NDArray[np.int64]) -> Tokens:
        """Join texts, each a sentence, into texts of several: text i becomes `groups[i]:groups[i + 1]`."""
        filled = self.lengths > 0
        sentences = np.concatenate([[0], np.cumsum(filled)])
        return Tokens(
            self.ids, self.offsets[groups], self.offsets[:-1][filled], sentences[groups], self.vocabulary
        )


def tokenise(
    pairs: Pairs,
    *,
    tokenizer: Any,
    stemmed: bool,
    sentences: Any,
    union: bool,
    forms: Mapping[str, str] | None = None,
) -> tuple[Tokens, Tokens]:
    """Return the tokens of all texts, and their tokens by sentence, which are mostly the same object.

    Args:
        pairs: the texts.
        tokenizer, sentences: as in `Rouge`; `stemmed`: its `use_stemmer`.
        union: whether sentences matter (rougeLsum).
        forms: the irregular forms of rouge155; see `base_of`.
    """
    stemmer = (PERL if tokenizer == "rouge155" else NLTK) if stemmed else None
    if pairs.unit == "list" and sentences != "given":
        if callable(sentences):
            raise ArgumentError("sentences: a function of strings, and the rows are token lists")
        tokens = listed_tokens(pairs.texts, pairs.place, stemmer=stemmer, forms=forms)
        return tokens, tokens
    if pairs.unit == "text" and sentences == "given":
        raise ArgumentError("sentences='given': rows are strings; give each text as a list of its sentences")
    words = unicode_words if tokenizer == "unicode" else tokenizer
    if pairs.unit == "text" and sentences == "newline":
        if not callable(words):
            tokens = ascii_tokens(
                pairs.texts, stemmer=stemmer, python_case=tokenizer == "default", forms=forms
            )
            return tokens, tokens
        texts = strings(pairs.texts)
        cut = [[line for line in text.split("\n") if line] for text in texts]
    else:
        cut = pairs.texts if pairs.unit == "list" else _made_sentences(pairs, sentences)
        _check_sentences(cut, pairs.place)
        texts = ["\n".join(text) for text in cut]
    groups = offsets_of(np.fromiter(map(len, cut), dtype=np.int64, count=len(cut)))
    flat = [sentence for text in cut for sentence in text]

    def place(sentence: int) -> str:
        return pairs.place(int(np.searchsorted(groups, sentence, side="right")) - 1)

    if not callable(words):
        lines = ascii_tokens(
            utf8(flat, place), stemmer=stemmer, python_case=tokenizer == "default", forms=forms
        )
        tokens = lines.grouped(groups)
        return tokens, tokens
    if not "".join(flat).isascii():
        refuse_surrogates(flat, place)  # which a tokeniser may take for a cut
    if words is unicode_words:
        by_sentence = listed_tokens(map(words, flat), place, stemmer=stemmer).grouped(groups)
        return by_sentence, by_sentence
    by_sentence = listed_tokens(map(words, flat), place).grouped(groups)
    # Only a tokeniser of the user's may find other tokens in a whole text than in its sentences.
    if cut == [[text] for text in texts]:
        return by_sentence, by_sentence
    whole = listed_tokens(map(words, texts), pairs.place)
    return whole, by_sentence if union else whole


def _made_sentences(pairs: Pairs, split: Callable[[str], Any]) -> list[list[Any]]:
    """Return what a function of the user's makes of each text."""
    made = []
    for index, text in enumerate(strings(pairs.texts)):
        found = split(text)
        if isinstance(found, str) or not isinstance(found, Iterable):
            raise DataError(
                f"{pairs.place(index)}, sentences: the function made {found!r:.40} of it; "
                "it must return a list of strings"
            )
        made.append(list(found))
    return made


def _check_sentences(texts: list[list[Any]], place: Place) -> None:
    if set(map(type, chain.from_iterable(texts))) <= {str}:
        return
    for index, text in enumerate(texts):
        for sentence in text:
            if not isinstance(sentence, str):
                raise DataError(
                    f"{place(index)}, sentences: {sentence!r:.40} in {text!r:.40} is not a string; "
                    "give lists of strings"
                )


def ascii_tokens(
    texts: Ragged, *, stemmer: int | None, python_case: bool, forms: Mapping[str, str] | None = None
) -> Tokens:
    """Cut UTF-8 texts into words of a-z and 0-9; lines are sentences.

    Args:
        texts: uint8 rows.
        stemmer: a dialect of `kernels.porter`, or None.
        forms: with PERL, the irregular forms; see `base_of`.
        python_case: whether U+212A and U+0130 lower-case to k and i, as Python has it; else they cut.
    """
    data, bounds = texts.flat, texts.offsets - texts.offsets[0]
    folded = np.zeros(-(-len(data) // 64) * 64 + PADDING, dtype=np.uint8)
    folded[: len(data)] = data
    blocks, newlines = (np.empty(len(folded) // 64, dtype=np.uint64) for _ in range(2))
    beyond = fold(folded.view(np.uint64), blocks.view(np.uint8), newlines.view(np.uint8))
    if beyond and python_case:
        raw = data.tobytes()
        if any(letter.encode() in raw for letter in _LOWERED):
            return ascii_tokens(_lowered(texts), stemmer=stemmer, python_case=False, forms=forms)
    count = len(texts)
    room = (len(data) + count) // 2 + 1
    begins, firsts, breaks = (np.empty(room, dtype=np.int64) for _ in range(3))
    sizes = np.empty(room, dtype=np.int32)
    offsets, break_offsets = (np.empty(count + 1, dtype=np.int64) for _ in range(2))
    split_words(blocks, newlines, bounds, begins, sizes, offsets, breaks, break_offsets)
    begins, sizes = begins[: offsets[-1]], sizes[: offsets[-1]]
    ids = np.empty(len(begins), dtype=np.int32)
    vocabulary = number_words(folded, begins, sizes, ids, firsts)
    begins, sizes = begins[firsts[:vocabulary]], sizes[firsts[:vocabulary]]
    if stemmer == PERL:
        words = _words(folded, begins, sizes)
        numbers, stems = _numbered(_perl_stems(words, forms))
        ids, vocabulary = stems[ids], len(numbers)
    elif stemmer is not None:
        stems = np.empty(vocabulary, dtype=np.int32)
        vocabulary = stem_vocabulary(folded, begins, sizes, stemmer, stems)
        ids = stems[ids]
    return Tokens(ids, offsets, breaks, break_offsets, vocabulary)


def listed_tokens(
    texts: Iterable[Iterable[Any]],
    place: Place,
    *,
    stemmer: int | None = None,
    forms: Mapping[str, str] | None = None,
) -> Tokens:
    """Number tokens that are given as lists of strings, or of ids; each text is one sentence.

    Args:
        texts: B of them.
        place: returns in words where a text stands, for errors.
        stemmer, forms: as for `ascii_tokens`.

    Raises:
        ArgumentError: stems of token ids.
        DataError: a text is no list, or a token is neither string nor id, or not what others are, or holds a
            lone surrogate; names the place.
    """
    numbers: defaultdict[Any, int] = defaultdict()
    numbers.default_factory = numbers.__len__  # a new token is numbered by how many there were
    ids: list[int] = []
    ends = [0]
    for text in texts:
        try:
            ids.extend(map(numbers.__getitem__, text))
        except TypeError as error:  # not iterable, or a token is not hashable
            raise DataError(
                f"{place(len(ends) - 1)}: {text!r:.60} is not a list of tokens; give strings throughout"
            ) from error
        ends.append(len(ids))
    flat = np.array(ids, dtype=np.int32)
    offsets = np.array(ends, dtype=np.int64)
    wrong = _wrong_token(numbers)
    if wrong is not None:
        number, what = wrong
        text_of = int(np.searchsorted(offsets, (flat == number).argmax(), side="right")) - 1
        raise DataError(f"{place(text_of)}: {what}")
    if stemmer is not None:
        words = list(numbers)
        if words and not isinstance(words[0], str):
            raise ArgumentError("use_stemmer: the rows are token ids, which have no stems; leave it out")
        stemmed = _perl_stems(words, forms) if stemmer == PERL else stem_words(words)
        flat = _numbered(stemmed)[1][flat]
    singles = np.arange(len(offsets), dtype=np.int64)
    return Tokens(flat, offsets, offsets[:-1], offsets[:-1], len(numbers)).grouped(singles)


def _wrong_token(distinct: Iterable[Any]) -> tuple[int, str] | None:
    """Return the first token that is none, by its place among the distinct ones, and what it is instead."""
    kinds = set(map(type, distinct))
    if kinds == {str}:
        if _is_encodable("".join(distinct)):
            return None
    elif all(issubclass(kind, int | np.integer) and kind is not bool for kind in kinds):
        return None
    strings_first: bool | None = None
    for number, token in enumerate(distinct):
        is_string = isinstance(token, str)
        if not is_string and (not isinstance(token, int | np.integer) or isinstance(token, bool)):
            return number, f"{token!r:.60} is not a token; give strings, or ids throughout"
        if is_string and not _is_encodable(token):
            return number, f"token {token!r:.60} holds a lone surrogate; decode it anew with errors='replace'"
        if strings_first is None:
            strings_first = is_string
        if is_string != strings_first:
            kind, others = ("string", "ids") if is_string else ("token id", "strings")
            return number, f"{token!r:.60} is a {kind} where others are {others}; give one kind throughout"
    return None


def _is_encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def stem_words(words: Sequence[str], *, dialect: int = NLTK) -> list[str]:
    """Return each word's Porter stem; what is not a word of a-z and 0-9 longer than 3 stays as it is.

    >>> stem_words(["running", "skies", "the", "Läufe"])
    ['run', 'sky', 'the', 'Läufe']
    """
    stems = list(words)
    proper = [
        i
        for i, word in enumerate(words)
        if len(word) > 3 and word.isascii() and word.isalnum() and word == word.lower()
    ]
    if proper:
        letters = np.frombuffer(bytearray("".join(words[i] for i in proper), "ascii"), dtype=np.uint8)
        sizes = np.array([len(words[i]) for i in proper], dtype=np.int64)
        found = _words(*stems_of(letters, offsets_of(sizes)[:-1], sizes.astype(np.int32), dialect))
        for i, stem in zip(proper, found, strict=True):
            stems[i] = stem
    return stems


def _perl_stems(words: Sequence[str], forms: Mapping[str, str] | None) -> list[str]:
    """Return the base of an irregular form, else the stem, as ROUGE-1.5.5 has it."""
    bases = [base_of(word, forms) if len(word) > 3 else None for word in words]
    return [base or stem for base, stem in zip(bases, stem_words(words, dialect=PERL), strict=True)]


def _words(letters: NDArray[np.uint8], starts: NDArray[np.int64], sizes: NDArray[np.int32]) -> list[str]:
    text = letters.tobytes().decode()
    return [text[start : start + size] for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)]


def _lowered(texts: Ragged) -> Ragged:
    """Put what they lower-case to in place of the characters beyond ASCII that lower-case to ASCII."""
    rewritten = []
    for text in strings(texts):
        for letter, lower in _LOWERED.items():
            text = text.replace(letter, lower)
        rewritten.append(text)
    return utf8(rewritten, str)  # of valid text: there is no place to name


def _numbered(words: Iterable[str]) -> tuple[dict[str, int], NDArray[np.int32]]:
    """Number words in order of first appearance; return the numbers, and that of each word, int32."""
    numbers: dict[str, int] = {}
    ids = [numbers.setdefault(word, len(numbers)) for word in words]
    return numbers, np.array(ids, dtype=np.int32)
