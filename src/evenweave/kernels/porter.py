"""Porter's stemmer over bytes (Porter 1980, "An algorithm for suffix stripping"), in two dialects.

NLTK: Porter's rules with NLTK's changes, which is what rouge_score stems with.
PERL: the stemmer inside ROUGE-1.5.5.pl, which takes step 4 in three goes.

A dialect is a table of steps of rules, and the compiled code one loop over it. Suffixes are compared as
numbers: a word's last eight bytes in one uint64, the last letter lowest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.number_words import number_words

NLTK = 0
PERL = 1

# What must hold of the stem before the suffix. m is Porter's measure, the number of vowel-consonant turns.
_ALWAYS = 0
_M1 = 1  # m > 0
_M2 = 2  # m > 1
_ION = 3  # m > 1, and s or t at the end
_M1_WITH_L = 4  # m > 0 counting the suffix's first letter too
_M2_WITH_L = 5  # m > 1 counting the suffix's first letter too
_VOWEL = 6
_TIDY = 7  # a vowel; and then step 1b's second half
_AFTER_CONSONANT = 8  # two letters or more, the last a consonant
_FINAL_E = 9  # m > 1, or m = 1 and not consonant-vowel-consonant at the end
_FOUR = 10  # the word has four letters; else the next rule is tried
_WHOLE = 11  # the suffix is the word, and the stem is done; else the next rule is tried

_Rules = list[tuple[str, str, int]]


def _rules(condition: int, pairs: str) -> _Rules:
    """Read `suffix>replacement` pairs."""
    return [(old, new, condition) for old, new in (pair.split(">") for pair in pairs.split())]


# NLTK's irregular forms.
_POOL = _rules(
    _WHOLE,
    "skies>sky dying>die lying>lie tying>tie news>news innings>inning inning>inning outings>outing "
    "outing>outing cannings>canning canning>canning howe>howe proceed>proceed exceed>exceed succeed>succeed",
)
_1A = _rules(_ALWAYS, "sses>ss ies>i ss>ss s>")
_1B = [*_rules(_M1, "eed>ee"), *_rules(_TIDY, "ed> ing>")]
_2 = _rules(
    _M1,
    "ational>ate tional>tion enci>ence anci>ance izer>ize bli>ble alli>al entli>ent eli>e ousli>ous "
    "ization>ize ation>ate ator>ate alism>al iveness>ive fulness>ful ousness>ous aliti>al iviti>ive "
    "biliti>ble",
)
_3 = _rules(_M1, "icate>ic ative> alize>al iciti>ic ical>ic ful> ness>")
_4 = _rules(_M2, "al> ance> ence> er> ic> able> ible> ant> ement> ou> ism> ate> iti> ous> ive> ize>")
_MENT, _ENT, _SION = _rules(_M2, "ment>"), _rules(_M2, "ent>"), _rules(_ION, "ion>")
_5 = [_rules(_FINAL_E, "e>"), _rules(_M2_WITH_L, "ll>l")]

_STEPS: list[list[_Rules]] = [
    [
        _POOL,
        [*_rules(_FOUR, "ies>ie"), *_1A],
        [*_rules(_FOUR, "ied>ie"), *_rules(_ALWAYS, "ied>i"), *_1B],
        _rules(_AFTER_CONSONANT, "y>i"),
        _rules(_M1, "alli>al"),
        # The l of logi counts with the stem, so that "geologi" and "theologi" pass.
        [*_2, *_rules(_M1, "fulli>ful"), *_rules(_M1_WITH_L, "logi>log")],
        _3,
        [*_4, *_MENT, *_ENT, *_SION],
        *_5,
    ],
    [_1A, _1B, _rules(_VOWEL, "y>i"), [*_2, *_rules(_M1, "logi>log")], _3, _4, _MENT, [*_ENT, *_SION], *_5],
]


def _packed(text: str) -> int:
    return int.from_bytes(text.encode(), "big")


def _tables() -> tuple[Any, Any, Any]:
    """Return rows of (suffix, its mask, its length, replacement, its length, condition), uint64; for each
    step of each dialect the bounds of its rules, int64, and a bit for each last letter it looks for, uint64.
    """
    rows: list[tuple[int, ...]] = []
    bounds, lasts = np.zeros((2, 12), np.int64), np.zeros((2, 11), np.uint64)
    for dialect, steps in enumerate(_STEPS):
        for step, rules in enumerate(steps):
            bounds[dialect, step] = len(rows)
            for old, new, condition in rules:
                rows.append(
                    (_packed(old), (1 << 8 * len(old)) - 1, len(old), _packed(new), len(new), condition)
                )
                lasts[dialect, step] |= np.uint64(1 << (ord(old[-1]) & 31))
        bounds[dialect, len(steps) :] = len(rows)
    return np.array(rows, dtype=np.uint64), bounds, lasts


_RULES, _BOUNDS, _LASTS = _tables()
_BYTE, _ONE = np.uint64(8), np.uint64(1)
_AT, _BL, _IZ = _packed("at"), _packed("bl"), _packed("iz")


@inner
def _classify(word: Any, size: Any, consonant: Any) -> Any:
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


@inner
def _measure(consonant: Any, size: Any) -> Any:
    """Return m of [C](VC)^m[V]."""
    m = 0
    for i in range(1, size):
        m += consonant[i] and not consonant[i - 1]
    return m


@inner
def _ends_cvc(word: Any, consonant: Any, size: Any, dialect: Any) -> Any:
    """Whether the stem ends consonant, vowel, consonant, the last not w, x or y."""
    if size == 2 and dialect == NLTK:
        return consonant[1] and not consonant[0]
    if size < 3 or not consonant[size - 3] or consonant[size - 2] or not consonant[size - 1]:
        return False
    last = word[size - 1]
    return last < 119 or last > 121


@inner
def _tidied(word: Any, size: Any, consonant: Any, dialect: Any) -> Any:
    """Do step 1b's second half: after -ed or -ing fell, an e may be due, or one of two letters must go."""
    last = word[size - 1]
    before = word[size - 2] if size > 1 else np.uint8(0)
    pair = np.int64(before) << 8 | last
    if pair in (_AT, _BL, _IZ):
        due = True
    elif before == last and consonant[size - 1] and not (dialect == PERL and last == 121):
        return size if last == 108 or last == 115 or last == 122 else size - 1
    else:
        due = _measure(consonant, size) == 1 and _ends_cvc(word, consonant, size, dialect)
    if due:
        word[size] = 101
        return size + 1
    return size


@inner
def _holds(word: Any, stem: Any, size: Any, consonant: Any, dialect: Any, condition: Any) -> Any:
    """Whether a rule's condition holds of the first `stem` letters of a word of `size`."""
    if condition == _ALWAYS:
        return True
    if condition == _FOUR:
        return size == 4
    if condition == _WHOLE:
        return stem == 0
    if condition == _AFTER_CONSONANT:
        return stem > 1 and consonant[stem - 1]
    if condition in (_VOWEL, _TIDY):
        for i in range(stem):  # noqa: SIM110 - a generator does not compile
            if not consonant[i]:
                return True
        return False
    m = _measure(consonant, stem + (condition in (_M1_WITH_L, _M2_WITH_L)))
    if condition in (_M1, _M1_WITH_L):
        return m > 0
    if condition == _ION:
        return m > 1 and (word[stem - 1] == 115 or word[stem - 1] == 116)
    return m > 1 or (condition == _FINAL_E and m == 1 and not _ends_cvc(word, consonant, stem, dialect))


@kernel
def stem_word(word: Any, size: Any, consonant: Any, dialect: Any) -> Any:
    """Stem `word[:size]`, of a-z and 0-9 and longer than 3, in place; return the stem's length.

    `consonant` is scratch, bool, at least as long.
    """
    _classify(word, size, consonant)
    for step in range(_BOUNDS.shape[1] - 1):
        if not (_LASTS[dialect, step] >> np.uint64(word[size - 1] & 31)) & _ONE:
            continue
        tail = np.uint64(0)
        for i in range(max(size - 8, 0), size):
            tail = (tail << _BYTE) | np.uint64(word[i])
        for rule in range(_BOUNDS[dialect, step], _BOUNDS[dialect, step + 1]):
            stem = size - np.int64(_RULES[rule, 2])
            if tail & _RULES[rule, 1] != _RULES[rule, 0] or stem < 0:
                continue
            condition = _RULES[rule, 5]
            if not _holds(word, stem, size, consonant, dialect, condition):
                if condition in (_FOUR, _WHOLE):
                    continue
                break
            size = stem + np.int64(_RULES[rule, 4])
            letters = _RULES[rule, 3]
            for i in range(size - 1, stem - 1, -1):
                word[i] = np.uint8(letters & np.uint64(255))
                letters >>= _BYTE
            if condition == _WHOLE:
                return size
            if condition == _TIDY:
                size = _tidied(word, size, consonant, dialect)
            _classify(word, size, consonant)
            break
    return size


def stem_vocabulary(letters: Any, begins: Any, sizes: Any, dialect: Any, stems: Any) -> int:
    """Number the stems of words; words of up to 3 letters are their own stem.

    Args:
        letters: uint8; begins: int64 `[V]`, sizes: int32 `[V]`: where in `letters` each word stands.
        dialect: NLTK or PERL.
        stems: int32 `[V]`, receives for each word the number of its stem.

    Returns:
        The number of distinct stems.
    """
    longest = int(sizes.max(initial=0)) + 1
    found = np.empty(int(sizes.sum()) + 16, dtype=np.uint8)
    found_begins, found_sizes = np.empty_like(begins), np.empty_like(sizes)
    scratch = np.empty(longest, dtype=np.uint8), np.empty(longest, dtype=np.bool_)
    _stem_words(letters, begins, sizes, dialect, *scratch, found, found_begins, found_sizes)
    return number_words(found, found_begins, found_sizes, stems, np.empty_like(begins))


@kernel
def _stem_words(
    letters: Any, begins: Any, sizes: Any, dialect: Any, candidate: Any, consonant: Any, found: Any,
    found_begins: Any, found_sizes: Any
) -> None:  # fmt: skip
    filled = np.int64(0)
    for word in range(len(begins)):
        size = np.int64(sizes[word])
        for i in range(size):
            candidate[i] = letters[begins[word] + i]
        if size > 3:
            size = stem_word(candidate, size, consonant, dialect)
        for i in range(size):
            found[filled + i] = candidate[i]
        found_begins[word] = filled
        found_sizes[word] = size
        filled += size
