"""ROUGE against rouge_score 0.1.2: equal to the last bit, or different for a reason a test's name gives."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from evenweave.errors import DataError
from evenweave.metrics.registry import load
from evenweave.metrics.rouge import Rouge, rouge

TYPES = [*(f"rouge{n}" for n in range(1, 10)), "rougeL", "rougeLsum"]
Triples = np.ndarray[Any, Any]


def ours(predictions: list[str], references: list[Any], **settings: Any) -> Triples:
    """Precision, recall and F `[n, types, 3]`."""
    rows = Rouge(rouge_types=TYPES, details=True, **settings).rows(predictions, references)
    column = dict(zip(rows.names, rows.values.T, strict=True))
    parts = [[column[name + part] for part in ("_precision", "_recall", "")] for name in TYPES]
    return np.array(parts).transpose(2, 0, 1)


def theirs(predictions: list[str], references: list[Any], **settings: Any) -> Triples:
    scorer = RougeScorer(TYPES, **settings)
    rows = []
    for prediction, reference in zip(predictions, references, strict=True):
        score = scorer.score if isinstance(reference, str) else scorer.score_multi
        scored = score(reference, prediction)
        rows.append([list(scored[name]) for name in TYPES])
    return np.array(rows, dtype=np.float64)


def assert_equal(predictions: list[str], references: list[Any], **settings: Any) -> None:
    got, want = ours(predictions, references, **settings), theirs(predictions, references, **settings)
    for row in np.flatnonzero((got != want).any(axis=(1, 2))).tolist():
        pytest.fail(f"{predictions[row]!r} against {references[row]!r}: {got[row]} for {want[row]}")


letters = st.text("abAB1 \n.", max_size=60)
wild = st.text(
    st.one_of(
        st.sampled_from("aekiıİKKſß \n\r\t\x00-_'’.,0९中ไก่नमि\u0307\u0301\U0001f600"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=60,
)
WORDS = """Running runs ran ponies dies died skies news happily happiness relational conditional generously
agreed feed proceed the a was tying innings yyyy x2 archaeologist . İstanbul 300K"""
inflected = st.lists(st.sampled_from([*WORDS.split(), "\n"]), max_size=40).map(" ".join)


@given(st.lists(st.tuples(letters, letters), min_size=1, max_size=20), st.booleans())
def test_equal_on_small_alphabets_where_ties_abound(pairs: list[tuple[str, str]], stemmed: bool) -> None:
    predictions, references = map(list, zip(*pairs, strict=True))
    assert_equal(predictions, references, use_stemmer=stemmed)


@given(st.lists(st.tuples(wild, wild), min_size=1, max_size=20), st.booleans())
def test_equal_on_any_unicode(pairs: list[tuple[str, str]], stemmed: bool) -> None:
    predictions, references = map(list, zip(*pairs, strict=True))
    assert_equal(predictions, references, use_stemmer=stemmed)


@given(st.lists(st.tuples(inflected, inflected), min_size=1, max_size=10))
def test_equal_on_inflected_words(pairs: list[tuple[str, str]]) -> None:
    predictions, references = map(list, zip(*pairs, strict=True))
    assert_equal(predictions, references, use_stemmer=True)


@pytest.mark.parametrize("stemmed", [False, True])
def test_equal_on_two_thousand_random_texts_up_to_three_hundred_words(stemmed: bool) -> None:
    rng = random.Random(5)

    def text() -> str:
        alphabet = "abcdefghij"[: rng.randint(1, 10)]
        glue = [" "] * rng.choice([4, 4, 60]) + ["\n", ".", "é "]
        return "".join(
            rng.choice(alphabet) + rng.choice(glue) for _ in range(rng.choice([0, 1, 5, 20, 40, 90]))
        )

    predictions, references = [text() for _ in range(1000)], [text() for _ in range(1000)]
    predictions += [text() * 3 for _ in range(20)]
    references += [text() * 3 for _ in range(20)]
    assert_equal(predictions, references, use_stemmer=stemmed)


@pytest.mark.parametrize("words", [63, 64, 65, 127, 128, 129, 200])
def test_equal_where_a_sentence_fills_machine_words(words: int) -> None:
    rng = random.Random(words)
    lines = ["\n".join(" ".join(rng.choices("abcde", k=words)) for _ in range(3)) for _ in range(8)]
    assert_equal(lines[:4], lines[4:])


def test_every_character_cuts_or_lower_cases_as_in_rouge_score() -> None:
    tokenizer = DefaultTokenizer()
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    # The same text on both sides is 1 whatever its tokens are; so give the expected tokens as the reference.
    texts = ["a".join(characters[i : i + 64]) for i in range(0, len(characters), 64)]
    expected = [" ".join(tokenizer.tokenize(text)) for text in texts]
    scores = rouge(texts, expected, rouge_types=["rouge1", "rouge2"], use_aggregator=False)
    assert (scores["rouge1"] == 1).all()
    assert (scores["rouge2"] == 1).all()


@given(
    st.lists(st.tuples(letters, st.lists(letters, min_size=1, max_size=4)), min_size=1, max_size=8),
)
def test_equal_with_several_references(rows: list[tuple[str, list[str]]]) -> None:
    assert_equal([prediction for prediction, _ in rows], [references for _, references in rows])


@given(st.lists(st.tuples(letters, letters), min_size=1, max_size=8))
def test_equal_with_a_tokenizer_that_minds_lines(pairs: list[tuple[str, str]]) -> None:
    class Numbering:
        """Tokens differ between a whole text and its sentences."""

        def tokenize(self, text: str) -> list[str]:
            return [f"{word}{place}" for place, word in enumerate(text.split(" "))]

    predictions, references = map(list, zip(*pairs, strict=True))
    assert_equal(predictions, references, tokenizer=Numbering())


def test_evaluate_keys_and_the_task_example() -> None:
    result = load("rouge").compute(predictions=["this is a test"], references=["this is the test"])
    assert result == {"rouge1": 0.75, "rouge2": 1 / 3, "rougeL": 0.75, "rougeLsum": 0.75}


def test_the_mean_is_exact_where_rouge_score_gives_the_median_of_an_unseeded_bootstrap() -> None:
    predictions, references = ["a b", "a c", "x"], ["a b", "a b", "y"]
    metric = load("rouge", rouge_types=["rouge1"])
    assert metric.compute(predictions=predictions, references=references) == {"rouge1": 0.5}
    once, again = (
        metric.compute(predictions=predictions, references=references, confidence=0.95, seed=3)
        for _ in range(2)
    )
    assert once == again
    low, high = once["intervals"]["rouge1"]
    assert low < 0.5 < high


@pytest.mark.parametrize("text", ["สวัสดีชาวโลก", "नमस्ते दुनिया", "你好世界", "привет мир", "こんにちは"])
def test_other_scripts_score_where_rouge_score_sees_no_words(text: str) -> None:
    assert rouge([text], [text])["rougeL"] == 0
    assert set(rouge([text], [text], tokenizer="unicode").values()) == {1.0}


def test_lone_surrogates_are_refused_where_rouge_score_takes_them_for_separators() -> None:
    with pytest.raises(DataError, match="row 1, predictions: a lone surrogate U\\+D800 at character 1"):
        rouge(["a", "b\ud800c"], ["a", "b"])
