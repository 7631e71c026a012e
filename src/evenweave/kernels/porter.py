"""Porter's stemmer over bytes (Porter 1980, "An algorithm for suffix stripping"), in two dialects.

NLTK: Porter's rules with NLTK's changes, which is what rouge_score stems with.
PERL: the stemmer inside ROUGE-1.5.5.pl, with its own last steps of step 4.

Suffixes are compared as numbers: a word's last eight bytes in one uint64, the last letter lowest. Rules
are tables, so that the compiled code is one small loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from evenweave.kernels.words import CODES, intern_word

NLTK = 0
PERL = 1

# A rule: suffix, replacement, and what must hold of the stem before it.
_ALWAYS, _POSITIVE, _ABOVE_ONE, _ION, _POSITIVE_L = 0, 1, 2, 3, 4

_Rule = tuple[str, str, int]


def _packed(text: str) -> int:
    return int.from_bytes(text.encode(), "big")


def _table(rules: Sequence[_Rule]) -> Any:
    """Rows of (suffix, its mask, its length, replacement, its length, condition), uint64."""
    rows = [
        (_packed(old), (1 << 8 * len(old)) - 1, len(old), _packed(new), len(new), condition)
        for old, new, condition in rules
    ]
    return np.array(rows, dtype=np.uint64)


_STEP_2 = [
    ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"),
    ("bli", "ble"), ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"),
    ("ization", "ize"), ("ation", "ate"), ("ator", "ate"), ("alism", "al"), ("iveness", "ive"),
    ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"), ("iviti", "ive"), ("biliti", "ble"),
]  # fmt: skip
_STEP_3 = [
    ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""),
    ("ness", ""),
]  # fmt: skip
_STEP_4 = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism",
    "ate", "iti", "ous", "ive", "ize",
]  # fmt: skip

_1A = _table([("sses", "ss", _ALWAYS), ("ies", "i", _ALWAYS), ("ss", "ss", _ALWAYS), ("s", "", _ALWAYS)])
_2_BOTH = [(old, new, _POSITIVE) for old, new in _STEP_2]
# NLTK counts the l of logi with the stem, so that "geologi" and "theologi" pass.
_2_NLTK = _table([*_2_BOTH, ("fulli", "ful", _POSITIVE), ("logi", "log", _POSITIVE_L)])
_2_PERL = _table([*_2_BOTH, ("logi", "log", _POSITIVE)])
_3 = _table([(old, new, _POSITIVE) for old, new in _STEP_3])
_4_NLTK = _table([(old, "", _ION if old == "ion" else _ABOVE_ONE) for old in _STEP_4])
_4_PERL = _table([(old, "", _ABOVE_ONE) for old in _STEP_4 if old not in ("ment", "ent", "ion")])
_4_MENT = _table([("ment", "", _ABOVE_ONE)])
_4_ENT = _table([("ent", "", _ABOVE_ONE), ("ion", "", _ION)])

# NLTK's irregular forms: word -> stem.
_POOL = {
    "skies": "sky", "dying": "die", "lying": "lie", "tying": "tie", "news": "news", "innings": "inning",
    "inning": "inning", "outings": "outing", "outing": "outing", "cannings": "canning",
    "canning": "canning", "howe": "howe", "proceed": "proceed", "exceed": "exceed", "succeed": "succeed",
}  # fmt: skip
_POOL_WORDS = np.array([(_packed(old), len(old)) for old in _POOL], dtype=np.uint64)
_POOL_SIZES = np.array([len(new) for new in _POOL.values()], dtype=np.int64)
_YING = np.uint64(_packed("ying"))
_YING_MASK = np.uint64((1 << 32) - 1)
_IED, _EED, _ED, _ING = (np.uint64(_packed(text)) for text in ("ied", "eed", "ed", "ing"))
_AT, _BL, _IZ, _IES = (np.uint64(_packed(text)) for text in ("at", "bl", "iz", "ies"))
_ALLI, _LL = (np.uint64(_packed(text)) for text in ("alli", "ll"))


@njit(cache=True, nogil=True)
def _tail(word: Any, size: int) -> Any:
    """Return the last eight bytes as uint64, the last one lowest."""
    packed = np.uint64(0)
    for i in range(max(0, size - 8), size):
        packed = (packed << np.uint64(8)) | np.uint64(word[i])
    return packed


@njit(cache=True, nogil=True)
def _classify(word: Any, size: int, consonant: Any) -> None:
    """Write for each letter whether it is a consonant; y is one at the start and after a vowel."""
    before = False
    for i in range(size):
        c = word[i]
        if c == 97 or c == 101 or c == 105 or c == 111 or c == 117:
            before = False
        elif c == 121:
            before = not before
        else:
            before = True
        consonant[i] = before


@njit(cache=True, nogil=True)
def _measure(consonant: Any, size: int) -> Any:
    """Return m of [C](VC)^m[V]."""
    m = 0
    for i in range(1, size):
        if consonant[i] and not consonant[i - 1]:
            m += 1
    return m


@njit(cache=True, nogil=True)
def _ends_cvc(word: Any, consonant: Any, size: int, dialect: int) -> Any:
    """Whether the stem ends consonant, vowel, consonant, the last not w, x or y."""
    if size == 2 and dialect == NLTK:
        return not consonant[0] and consonant[1]
    if size < 3 or not consonant[size - 3] or consonant[size - 2] or not consonant[size - 1]:
        return False
    last = word[size - 1]
    return last != 119 and last != 120 and last != 121


@njit(cache=True, nogil=True)
def _apply(word: Any, size: int, consonant: Any, rules: Any) -> Any:
    """Apply the first rule whose suffix fits, if its condition holds; return the new length."""
    tail = _tail(word, size)
    for rule in range(len(rules)):
        cut: Any = np.int64(rules[rule, 2])
        if tail & rules[rule, 1] != rules[rule, 0] or cut > size:
            continue
        stem = size - cut
        condition = rules[rule, 5]
        if condition != _ALWAYS:
            m = _measure(consonant, stem + 1 if condition == _POSITIVE_L else stem)
            if m == 0 or (m == 1 and condition in (_ABOVE_ONE, _ION)):
                return size
            if condition == _ION and word[stem - 1] != 115 and word[stem - 1] != 116:
                return size
        add: Any = np.int64(rules[rule, 4])
        for i in range(add):
            word[stem + i] = np.uint8((rules[rule, 3] >> np.uint64(8 * (add - 1 - i))) & np.uint64(255))
        _classify(word, stem + add, consonant)
        return stem + add
    return size


@njit(cache=True, nogil=True)
def _ends(word: Any, size: int, suffix: Any, length: int) -> Any:
    mask = (np.uint64(1) << np.uint64(8 * length)) - np.uint64(1)
    return size >= length and _tail(word, size) & mask == suffix


@njit(cache=True, nogil=True)
def _step_1b(word: Any, size: int, consonant: Any, dialect: int) -> Any:
    """Past tense and gerund."""
    if dialect == NLTK and _ends(word, size, _IED, 3):
        return size - 1 if size == 4 else size - 2
    if _ends(word, size, _EED, 3):
        return size - 1 if _measure(consonant, size - 3) > 0 else size
    if _ends(word, size, _ED, 2):
        stem = size - 2
    elif _ends(word, size, _ING, 3):
        stem = size - 3
    else:
        return size
    vowel = False
    for i in range(stem):
        vowel |= not consonant[i]
    if not vowel:
        return size
    last = word[stem - 1]
    if _ends(word, stem, _AT, 2) or _ends(word, stem, _BL, 2) or _ends(word, stem, _IZ, 2):
        word[stem] = 101
        return stem + 1
    if stem >= 2 and word[stem - 2] == last and consonant[stem - 1] and not (dialect == PERL and last == 121):
        return stem if last == 108 or last == 115 or last == 122 else stem - 1
    if _measure(consonant, stem) == 1 and _ends_cvc(word, consonant, stem, dialect):
        word[stem] = 101
        return stem + 1
    return stem


@njit(cache=True, nogil=True)
def _step_1c(word: Any, size: int, consonant: Any, dialect: int) -> None:
    """Final y to i."""
    if word[size - 1] != 121:
        return
    if dialect == NLTK:
        turns = size > 2 and consonant[size - 2]
    else:
        turns = False
        for i in range(size - 1):
            turns |= not consonant[i]
    if turns:
        word[size - 1] = 105
        consonant[size - 1] = False


@njit(cache=True, nogil=True)
def stem_word(word: Any, size: int, consonant: Any, dialect: int) -> Any:
    """Stem `word[:size]`, longer than 3, in place; return the stem's length, which is never greater.

    `consonant` is scratch, bool, at least as long.
    """
    if dialect == NLTK:
        tail = _tail(word, size)
        for known in range(len(_POOL_WORDS)):
            if _POOL_WORDS[known, 0] == tail and _POOL_WORDS[known, 1] == size:
                if known == 0:
                    word[2] = 121  # skies: sky
                elif tail & _YING_MASK == _YING:
                    word[1], word[2] = 105, 101  # dying: die
                return _POOL_SIZES[known]
    _classify(word, size, consonant)
    if dialect == NLTK and size == 4 and _ends(word, size, _IES, 3):
        size = 3
    else:
        size = _apply(word, size, consonant, _1A)
    size = _step_1b(word, size, consonant, dialect)
    _classify(word, size, consonant)
    _step_1c(word, size, consonant, dialect)
    if dialect == NLTK:
        if _ends(word, size, _ALLI, 4) and _measure(consonant, size - 4) > 0:
            size -= 2
        size = _apply(word, size, consonant, _2_NLTK)
        size = _apply(word, size, consonant, _3)
        size = _apply(word, size, consonant, _4_NLTK)
    else:
        size = _apply(word, size, consonant, _2_PERL)
        size = _apply(word, size, consonant, _3)
        size = _apply(word, size, consonant, _4_PERL)
        size = _apply(word, size, consonant, _4_MENT)
        size = _apply(word, size, consonant, _4_ENT)
    if word[size - 1] == 101:
        m = _measure(consonant, size - 1)
        if m > 1 or (m == 1 and not _ends_cvc(word, consonant, size - 1, dialect)):
            size -= 1
    if _ends(word, size, _LL, 2) and _measure(consonant, size - 1) > 1:
        size -= 1
    return size


@njit(cache=True, nogil=True)
def stem_vocabulary(letters: Any, bounds: Any, vocabulary: int, dialect: int, stems: Any) -> Any:
    """Number the stems of a vocabulary; words of up to 3 letters are their own stem.

    Args:
        letters: uint8; bounds: int64 `[vocabulary + 1]`: the words, as in `kernels.words`.
        stems: int32 `[vocabulary]`, receives for each word the id of its stem.

    Returns:
        The number of distinct stems.
    """
    longest = 8
    for word in range(vocabulary):
        longest = max(longest, bounds[word + 1] - bounds[word])
    consonant = np.empty(longest, dtype=np.bool_)
    stem_letters = np.empty(bounds[vocabulary] + longest, dtype=np.uint8)
    stem_bounds = np.zeros(vocabulary + 2, dtype=np.int64)
    slots = 64
    while slots < 2 * vocabulary:
        slots *= 2
    table = np.zeros(2 * slots, dtype=np.uint64)
    known = 0
    for word in range(vocabulary):
        size = bounds[word + 1] - bounds[word]
        candidate = stem_letters[stem_bounds[known] :]
        for i in range(size):
            candidate[i] = letters[bounds[word] + i]
        if size > 3:
            size = stem_word(candidate, size, consonant, dialect)
        key = np.uint64(0)
        for i in range(size):
            key = key * np.uint64(37) + np.uint64(CODES[candidate[i]])
        stem = intern_word(key, size, stem_letters, stem_bounds, table, known)
        stems[word] = stem
        if stem == known:
            known += 1
    return known
