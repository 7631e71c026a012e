"""The stemmer's dialects against NLTK's stemmer and against ROUGE-1.5.5's rules as regular expressions."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.stem.porter import PorterStemmer

from evenweave.kernels.porter import NLTK, PERL
from evenweave.metrics.rouge_tokens import stem_words

SUFFIXES = [
    "ational",
    "tional",
    "enci",
    "anci",
    "izer",
    "bli",
    "alli",
    "abli",
    "entli",
    "eli",
    "ousli",
    "ization",
    "ation",
    "ator",
    "alism",
    "iveness",
    "fulness",
    "ousness",
    "aliti",
    "iviti",
    "biliti",
    "fulli",
    "logi",
    "icate",
    "ative",
    "alize",
    "iciti",
    "ical",
    "ful",
    "ness",
    "al",
    "ance",
    "ence",
    "er",
    "ic",
    "able",
    "ible",
    "ant",
    "ement",
    "ment",
    "ent",
    "ion",
    "ou",
    "ism",
    "ate",
    "iti",
    "ous",
    "ive",
    "ize",
    "sses",
    "ies",
    "ss",
    "s",
    "ed",
    "eed",
    "ied",
    "ing",
    "y",
    "e",
    "ll",
    "ly",
    "ingly",
    "ying",
    "edly",
]
POOL = [
    "skies",
    "dying",
    "lying",
    "tying",
    "news",
    "innings",
    "inning",
    "outings",
    "outing",
    "cannings",
    "canning",
    "howe",
    "proceed",
    "exceed",
    "succeed",
]

words = st.one_of(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20),
    st.builds(
        "".join,
        st.tuples(
            st.text("aeiouybstlz9", max_size=5), st.sampled_from(SUFFIXES), st.sampled_from(["", *SUFFIXES])
        ),
    ),
)

CONSONANT, VOWEL = "[^aeiou]", "[aeiouy]"
C, V = f"{CONSONANT}[^aeiouy]*", f"{VOWEL}[aeiou]*"
M1 = re.compile(f"({C})?{V}{C}")
M2 = re.compile(f"({C})?{V}{C}{V}{C}")
M_IS_1 = re.compile(f"({C})?{V}{C}({V})?$")
HAS_VOWEL = re.compile(f"({C})?{VOWEL}")
CVC = re.compile(f"{C}{VOWEL}[^aeiouwxy]$")
STEP_2 = {
    **dict.fromkeys(["ational", "ation", "ator"], "ate"),
    **dict.fromkeys(["alli", "alism", "aliti"], "al"),
    **dict.fromkeys(["izer", "ization"], "ize"),
    **dict.fromkeys(["iveness", "iviti"], "ive"),
    **dict.fromkeys(["ousli", "ousness"], "ous"),
    **dict.fromkeys(["bli", "biliti"], "ble"),
    "tional": "tion",
    "enci": "ence",
    "anci": "ance",
    "entli": "ent",
    "eli": "e",
    "fulness": "ful",
    "logi": "log",
}
STEP_3 = {"icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": ""}
STEP_4 = [
    "al",
    "ance",
    "ence",
    "er",
    "ic",
    "able",
    "ible",
    "ant",
    "ement",
    "ou",
    "ism",
    "ate",
    "iti",
    "ous",
    "ive",
    "ize",
]


def perl(word: str) -> str:
    """Porter's rules in the order and with the conditions of ROUGE-1.5.5, suffixes longest first."""

    def cut(suffixes: list[str]) -> tuple[str, str] | None:
        for suffix in sorted(suffixes, key=len, reverse=True):
            if word.endswith(suffix):
                return word.removesuffix(suffix), suffix
        return None

    initial_y = word.startswith("y")
    if initial_y:
        word = "Y" + word[1:]
    if word.endswith(("sses", "ies")):
        word = word[:-2]
    elif re.search("[^s]s$", word):
        word = word[:-1]
    if word.endswith("eed"):
        word = word[:-1] if M1.match(word[:-3]) else word
    elif (found := cut(["ed", "ing"])) and HAS_VOWEL.match(found[0]):
        word = found[0]
        if word.endswith(("at", "bl", "iz")) or (
            not re.search(r"([^aeiouylsz])\1$", word) and CVC.match(word)
        ):
            word += "e"
        elif re.search(r"([^aeiouylsz])\1$", word):
            word = word[:-1]
    if word.endswith("y") and HAS_VOWEL.match(word[:-1]):
        word = word[:-1] + "i"
    for table in (STEP_2, STEP_3):
        if (found := cut(list(table))) and M1.match(found[0]):
            word = found[0] + table[found[1]]
    for suffixes in (STEP_4, ["ment"]):
        if (found := cut(suffixes)) and M2.match(found[0]):
            word = found[0]
    if word.endswith("ent"):
        word = word[:-3] if M2.match(word[:-3]) else word
    elif word.endswith(("sion", "tion")) and M2.match(word[:-3]):
        word = word[:-3]
    if word.endswith("e"):
        stem = word[:-1]
        if M2.match(stem) or (M_IS_1.match(stem) and not CVC.match(stem)):
            word = stem
    if word.endswith("ll") and M2.match(word):
        word = word[:-1]
    return "y" + word[1:] if initial_y else word


def made_up(count: int) -> list[str]:
    rng = random.Random(0)
    return [
        "".join(rng.choices("aeeiouyybcdlrstz7", k=rng.randint(0, 6)))
        + rng.choice(SUFFIXES)
        + rng.choice(["", "", *SUFFIXES])
        for _ in range(count)
    ]


def differing(given_words: list[str], dialect: int) -> dict[str, tuple[str, str]]:
    nltk = PorterStemmer()
    oracle = nltk.stem if dialect == NLTK else perl
    long = [word for word in given_words if len(word) > 3]
    pairs = zip(long, stem_words(long, dialect=dialect), map(oracle, long), strict=True)
    return {word: (ours, theirs) for word, ours, theirs in pairs if ours != theirs}


@pytest.mark.parametrize("dialect", [NLTK, PERL])
def test_stems_are_the_references_on_forty_thousand_made_up_words(dialect: int) -> None:
    assert not differing(made_up(40_000) + POOL, dialect)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", [NLTK, PERL])
def test_stems_are_the_references_on_half_a_million_made_up_words(dialect: int) -> None:
    assert not differing(made_up(500_000), dialect)


@pytest.mark.parametrize("dialect", [NLTK, PERL])
def test_stems_are_the_references_on_every_word_of_the_real_files(shared_data: Path, dialect: int) -> None:
    found: set[str] = set()
    for name in ("realsumm_rouge/abs_own_refs.jsonl", "tiny_shakespeare/input.txt", "bc5cdr/train.tsv"):
        found |= set(re.findall("[a-z0-9]+", (shared_data / name).read_text().lower()))
    assert len(found) > 20_000
    assert not differing(sorted(found), dialect)


@given(st.lists(words))
def test_stems_are_the_references_on_any_words(given_words: list[str]) -> None:
    assert not differing(given_words, NLTK)
    assert not differing(given_words, PERL)


def test_words_of_up_to_three_letters_and_what_is_no_word_stay() -> None:
    kept = ["was", "a", "", "dies!", "Läufe", "RUNNING"]
    assert stem_words(kept) == kept


def test_the_dialects_differ_where_nltk_departed_from_porter() -> None:
    given_words = ["dies", "enjoy", "skies", "happily"]
    assert stem_words(given_words, dialect=NLTK) == ["die", "enjoy", "sky", "happili"]
    assert stem_words(given_words, dialect=PERL) == ["di", "enjoi", "ski", "happili"]


def test_a_word_of_a_hundred_thousand_letters() -> None:
    assert stem_words(["y" * 100_000 + "ing"]) == [PorterStemmer().stem("y" * 100_000 + "ing")]
