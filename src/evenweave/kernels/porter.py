"""Porter's stemmer over bytes (Porter 1980, "An algorithm for suffix stripping"), in two dialects.

NLTK: Porter's rules with NLTK's changes, which is what rouge_score stems with.
PERL: the stemmer inside ROUGE-1.5.5.pl, which takes step 4 in three goes.

A dialect is a table of steps of rules, and the compiled code one loop over it: to compile one small function
takes less than half the time of one for each condition. Suffixes are compared as numbers, a word's last eight
bytes in one uint64, the last letter highest.

What a rule asks of its stem is a number, too. `turns[i]` counts how often the first i letters turn from
consonant to vowel or back, as if a consonant stood before them. Porter's measure m is half of it, there is a
vowel where it is above 0, and a consonant comes last where it is even.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenweave.kernels.bits import eight_bytes
from evenweave.kernels.compiled import kernel
from evenweave.kernels.number_words import number_words

NLTK = 0
PERL = 1
_FULL = 0xFFFFFFFFFFFFFFFF

# What must hold of the stem before the suffix: at least so many turns, in the stem and the first so many
# letters of the suffix; and a word of so many letters, or else the next rule is tried.
_Condition = tuple[int, int, int, int]  # turns, letters of the suffix, length of the word (0: any), _AND
_ALWAYS = (0, 0, 0, 0)
_M1 = (2, 0, 0, 0)  # m > 0
_M2 = (4, 0, 0, 0)  # m > 1
_M1_WITH_1 = (2, 1, 0, 0)  # m > 0 counting the suffix's first letter too
_M2_WITH_1 = (4, 1, 0, 0)  # m > 1 counting the suffix's first letter too
_VOWEL = (1, 0, 0, 0)
_FOUR = (0, 0, 4, 0)
# ... and besides:
_TIDY = 1  # step 1b's second half is due
_AFTER_CONSONANT = 2  # two letters or more, the last a consonant
_FINAL_E = 3  # m > 1, or m = 1 and not consonant-vowel-consonant at the end
_DONE = 4  # no more rules

_Rules = list[tuple[str, str, _Condition]]


def _rules(condition: _Condition, pairs: str) -> _Rules:
    """Read `suffix>replacement` pairs."""
    return [(old, new, condition) for old, new in (pair.split(">") for pair in pairs.split())]


# NLTK's irregular forms.
_POOL: _Rules = [
    (old, new, (0, 0, len(old), _DONE))
    for old, new, _ in _rules(
        _ALWAYS,
        "skies>sky dying>die lying>lie tying>tie news>news innings>inning inning>inning outings>outing "
        "outing>outing cannings>canning canning>canning howe>howe proceed>proceed exceed>exceed "
        "succeed>succeed",
    )
]
_1A = _rules(_ALWAYS, "sses>ss ies>i ss>ss s>")
_1B = [*_rules(_M1, "eed>ee"), *_rules((1, 0, 0, _TIDY), "ed> ing>")]
_2 = _rules(
    _M1,
    "ational>ate tional>tion enci>ence anci>ance izer>ize bli>ble alli>al entli>ent eli>e ousli>ous "
    "ization>ize ation>ate ator>ate alism>al iveness>ive fulness>ful ousness>ous aliti>al iviti>ive "
    "biliti>ble",
)
_3 = _rules(_M1, "icate>ic ative> alize>al iciti>ic ical>ic ful> ness>")
_4 = _rules(_M2, "al> ance> ence> er> ic> able> ible> ant> ement> ou> ism> ate> iti> ous> ive> ize>")
_MENT, _ENT, _SION = _rules(_M2, "ment>"), _rules(_M2, "ent>"), _rules(_M2_WITH_1, "sion>s tion>t")
_5 = [_rules((2, 0, 0, _FINAL_E), "e>"), _rules(_M2_WITH_1, "ll>l")]

_STEPS: list[list[_Rules]] = [
    [
        _POOL,
        [*_rules(_FOUR, "ies>ie"), *_1A],
        [*_rules(_FOUR, "ied>ie"), *_rules(_ALWAYS, "ied>i"), *_1B],
        _rules((0, 0, 0, _AFTER_CONSONANT), "y>i"),
        _rules(_M1, "alli>al"),
        # The l of logi counts with the stem, so that "geologi" and "theologi" pass.
        [*_2, *_rules(_M1, "fulli>ful"), *_rules(_M1_WITH_1, "logi>log")],
        _3,
        [*_4, *_MENT, *_ENT, *_SION],
        *_5,
    ],
    [_1A, _1B, _rules(_VOWEL, "y>i"), [*_2, *_rules(_M1, "logi>log")], _3, _4, _MENT, [*_ENT, *_SION], *_5],
]


def _packed(text: str) -> int:
    """Return up to eight letters as a number, the last highest."""
    return int.from_bytes(text.encode().rjust(8, b"\0"), "little")


def _tables() -> tuple[tuple[Any, ...], Any, Any]:
    """Return the columns of all rules: suffix, its mask, replacement, uint64; the lengths of suffix and
    replacement, and the four numbers of the condition, int64. For each step of each dialect, the bounds of
    its rules, int64, and a bit for each last letter it looks for, uint64.
    """
    rows: list[tuple[int, ...]] = []
    bounds, lasts = np.zeros((2, 12), np.int64), np.zeros((2, 11), np.uint64)
    for dialect, steps in enumerate(_STEPS):
        for step, rules in enumerate(steps):
            bounds[dialect, step] = len(rows)
            for old, new, condition in rules:
                mask = -1 << 8 * (8 - len(old)) & _FULL
                written = int.from_bytes(new.encode(), "little")
                rows.append((_packed(old), mask, written, len(old), len(new), *condition))
                lasts[dialect, step] |= np.uint64(1 << (ord(old[-1]) & 31))
        bounds[dialect, len(steps) :] = len(rows)
    columns = list(zip(*rows, strict=True))
    texts = [np.array(column, dtype=np.uint64) for column in columns[:3]]
    return (*texts, *(np.array(column, dtype=np.int64) for column in columns[3:])), bounds, lasts


(_SUFFIX, _MASK, _NEW, _SIZE, _NEW_SIZE, _TURNS, _REACH, _WORD, _MORE), _BOUNDS, _LASTS = _tables()
_STEP_COUNT = _BOUNDS.shape[1] - 1
_BYTE, _ONE, _HIGHEST_TWO = np.uint64(8), np.uint64(1), np.uint64(48)
_AT, _BL, _IZ = (np.uint64(_packed(pair) >> 48) for pair in ("at", "bl", "iz"))
# Whether a letter is a vowel; 2: y is one behind a consonant.
_VOWEL_KIND = np.array([(chr(c) in "aeiou") + 2 * (chr(c) == "y") for c in range(128)], dtype=np.int64)


def stem_vocabulary(letters: Any, begins: Any, sizes: Any, dialect: Any, stems: Any) -> int:
    """Number the stems of words; words of up to 3 letters are their own stem.

    Args:
        letters: uint8; begins: int64 `[V]`, sizes: int32 `[V]`: where in `letters` each word stands.
        dialect: NLTK or PERL.
        stems: int32 `[V]`, receives for each word the number of its stem.

    Returns:
        The number of distinct stems.
    """
    found = stems_of(letters, begins, sizes, dialect)
    return number_words(*found, stems, np.empty_like(begins))


def stems_of(letters: Any, begins: Any, sizes: Any, dialect: Any) -> tuple[Any, Any, Any]:
    """Return the stems of words as letters, begins and sizes of the types given; words are of a-z and 0-9."""
    found = np.zeros(int(sizes.sum()) + len(sizes) + 24, dtype=np.uint8)
    found_begins, found_sizes = np.empty_like(begins), np.empty_like(sizes)
    turns = np.zeros(int(sizes.max(initial=0)) + 1, dtype=np.int64)
    _stem_words(letters, begins, sizes, dialect, turns, found, found_begins, found_sizes)
    return found, found_begins, found_sizes


@kernel
def _stem_words(
    letters: Any, begins: Any, sizes: Any, dialect: Any, turns: Any, found: Any, found_begins: Any,
    found_sizes: Any
) -> None:  # fmt: skip
    at = 8  # where in `found` the word begins; a 0 stands before it, which is in no suffix
    for word in range(len(begins)):
        size: Any = np.int64(sizes[word])
        for i in range(size):
            found[at + i] = letters[begins[word] + i]
        known = 0  # letters whose turns are counted
        for step in range(_STEP_COUNT if size > 3 else 0):
            while known < size:
                before = turns[known] & 1
                vowel = _VOWEL_KIND[found[at + known]]
                if vowel == 2:
                    vowel = 1 - before if known else 0
                turns[known + 1] = turns[known] + (vowel ^ before)
                known += 1
            if not (_LASTS[dialect, step] >> np.uint64(found[at + size - 1] & 31)) & _ONE:
                continue
            tail = eight_bytes(found, at + size - 8)
            rule, end = _BOUNDS[dialect, step], _BOUNDS[dialect, step + 1]
            while rule < end and (
                tail & _MASK[rule] != _SUFFIX[rule] or (_WORD[rule] and _WORD[rule] != size)
            ):
                rule += 1
            if rule == end:
                continue
            stem, more = size - _SIZE[rule], _MORE[rule]
            # m = 1, and at the end consonant, vowel, consonant, the last not w, x or y.
            short = turns[stem] == 2 and turns[stem - 2] == 0
            if short:
                last = found[at + stem - 1]
                short = dialect == NLTK if stem == 2 else last < 119 or last > 121
            if (
                turns[stem + _REACH[rule]] < _TURNS[rule]
                or (more == _AFTER_CONSONANT and (stem < 2 or turns[stem] & 1))
                or (more == _FINAL_E and short)
            ):
                continue
            size = stem + _NEW_SIZE[rule]
            new = _NEW[rule]
            for i in range(stem, size):
                found[at + i] = np.uint8(new)
                new >>= _BYTE
            if more == _DONE:
                break
            if more == _TIDY:
                # -ed or -ing fell: an e may be due, or one of two letters must go.
                pair = eight_bytes(found, at + size - 8) >> _HIGHEST_TWO
                last = found[at + size - 1]
                if pair == _AT or pair == _BL or pair == _IZ:  # noqa: SIM109 - `in` compiles a function more
                    short = True
                elif (
                    last == found[at + size - 2] and not turns[size] & 1 and (dialect == NLTK or last != 121)
                ):
                    short = False
                    size -= last != 108 and last != 115 and last != 122
                if short:
                    found[at + size] = 101
                    size += 1
            known = stem if stem < size else size  # not min(): that compiles two functions more
        found_begins[word] = at
        found_sizes[word] = size
        found[at + size] = 0
        at += size + 1
