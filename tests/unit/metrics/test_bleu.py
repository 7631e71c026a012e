"""BLEU as a user meets it: results, settings, inputs of every kind, and what it says of wrong ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import evenweave
from evenweave.errors import ArgumentError, DataError
from evenweave.metrics import compare, load
from evenweave.metrics.bleu import Bleu, SacreBleu, sentence_bleu
from evenweave.metrics.bleu_counts import bleu_counts
from evenweave.ragged import Ragged

TEXTS = ["the cat sat on the mat.", "hello there", ""]
MANY = [["the cat sat on a mat.", None, "a cat sat on the mat"], ["hello there general"], [None, "x"]]
EMPTY = {"bleu": 0.0, "precisions": [0.0] * 4}


def test_the_documented_example() -> None:
    result = load("bleu").compute(
        predictions=[["this", "is", "a", "test"]], references=[[["this", "is", "a", "test"]]]
    )
    assert result == {
        "bleu": 1.0,
        "precisions": [1.0, 1.0, 1.0, 1.0],
        "brevity_penalty": 1.0,
        "length_ratio": 1.0,
        "translation_length": 4,
        "reference_length": 4,
    }


def test_the_fields_of_sacrebleu_in_percent() -> None:
    result = load("sacrebleu").compute(predictions=["a b c d e"], references=[["a b c d f"]])
    assert result == {
        "score": pytest.approx(66.87403049764218),
        "counts": [4, 3, 2, 1],
        "totals": [5, 4, 3, 2],
        "precisions": [80.0, 75.0, pytest.approx(200 / 3), 50.0],
        "bp": 1.0,
        "sys_len": 5,
        "ref_len": 5,
    }


def test_plain_functions() -> None:
    fraction = evenweave.bleu(["a b c d e"], ["a b c d f"])["bleu"]
    assert evenweave.sacrebleu(["a b c d e"], [["a b c d f"]])["score"] == pytest.approx(100 * fraction)
    assert evenweave.sentence_bleu(["a b c d e", "x"], ["a b c d f", "y"]).tolist() == [
        pytest.approx(100 * fraction),
        0.0,
    ]


def test_weights() -> None:
    matched, total = np.array([4, 3, 2, 1]), np.array([5, 4, 3, 2])
    weights = [0.4, 0.3, 0.2, 0.1]
    result = evenweave.bleu(["a b c d e"], ["a b c d f"], weights=weights)
    assert result["bleu"] == pytest.approx(math.exp(np.log(matched / total) @ weights))
    # An order of weight 0 may have no match at all.
    assert evenweave.bleu(["b a"], ["a b"], weights=[1, 0, 0, 0])["bleu"] == 1.0
    assert evenweave.bleu(["b a"], ["a b"], max_order=1)["bleu"] == 1.0


def test_effective_order_keeps_the_proportions_of_the_weights() -> None:
    result = evenweave.bleu(
        ["a b x"], ["a b y"], weights=[0.4, 0.2, 0.2, 0.2], effective_order=True, smooth="floor"
    )
    assert result["bleu"] == pytest.approx(((2 / 3) ** 0.4 * (1 / 2) ** 0.2 * 0.1**0.2) ** (1 / 0.8))


FORMS: list[tuple[Any, Any]] = [
    (TEXTS, MANY),
    (tuple(TEXTS), tuple(tuple(row) for row in MANY)),
    (np.array(TEXTS), MANY),
    (np.array(TEXTS, dtype=object), MANY),
    (pa.array(TEXTS), pa.array(MANY)),
    (pa.array(TEXTS, pa.large_string()), pa.array(MANY, pa.large_list(pa.large_string()))),
    (pa.array(TEXTS, pa.string_view()), pa.array(MANY)),
    (pa.array(TEXTS).dictionary_encode(), pa.array(MANY)),
    (pa.array(["x", *TEXTS])[1:], pa.array([["y"], *MANY, ["z"]])[1:4]),
    (pa.chunked_array([TEXTS[:1], TEXTS[1:]]), pa.chunked_array([MANY[:2], MANY[2:]])),
    ((text for text in TEXTS), (row for row in MANY)),
]


@pytest.mark.parametrize(("predictions", "references"), FORMS, ids=range(len(FORMS)))
def test_every_form_of_input_gives_the_same_counts(predictions: Any, references: Any) -> None:
    metric = load("bleu")
    metric.add_batch(predictions=predictions, references=references)
    assert metric.rows.values.tolist() == [
        [7, 7, 6, 6, 4, 3, 7, 6, 5, 4],
        [2, 3, 2, 1, 0, 0, 2, 1, 0, 0],
        [0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    ]


TOKENS = [["the", "cat sat", ""], [], ["x"]]
TOKEN_REFERENCES = [["the", "cat sat", "."], ["a"], ["x"]]
IDS, ID_REFERENCES = [[5, 2**40, 0], [], [-1]], [[5, 2**40, 7], [3], [-1]]
TOKEN_FORMS: list[tuple[Any, Any]] = [
    (TOKENS, TOKEN_REFERENCES),
    (TOKENS, [[row] for row in TOKEN_REFERENCES]),
    (TOKENS, [[None, row] for row in TOKEN_REFERENCES]),
    ([np.array(row, dtype=object) for row in TOKENS], TOKEN_REFERENCES),
    (pa.array(TOKENS), pa.array(TOKEN_REFERENCES)),
    (pa.array(TOKENS), pa.array([[row] for row in TOKEN_REFERENCES])),
    (IDS, ID_REFERENCES),
    (Ragged.from_rows(IDS), Ragged.from_rows(ID_REFERENCES)),
    (Ragged.from_rows(IDS), [[row] for row in ID_REFERENCES]),
    (pa.array(IDS), pa.array(ID_REFERENCES)),
]


@pytest.mark.parametrize(("predictions", "references"), TOKEN_FORMS, ids=range(len(TOKEN_FORMS)))
def test_tokens_are_taken_as_they_are(predictions: Any, references: Any) -> None:
    metric = load("bleu", max_order=2)
    metric.add_batch(predictions=predictions, references=references)
    assert metric.rows.values.tolist() == [[3, 3, 2, 1, 3, 2], [0, 1, 0, 0, 0, 0], [1, 1, 1, 0, 1, 0]]


def test_a_tokenizer_of_ones_own() -> None:
    def letters(text: str) -> list[str]:
        return list(text)

    metric = load("bleu", tokenizer=letters)
    result = metric.compute(predictions=["abcde"], references=[["abcdf", "abc"]])
    assert result["precisions"][0] == 0.8
    assert "tok:test_a_tokenizer_of_ones_own.<locals>.letters" in metric.signature
    assert (
        load("bleu", tokenizer=str.upper).compute(predictions=["a b"], references=["A B"])["precisions"][1]
        == 1
    )


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, "not a list; the tokenizer must return tokens"),
        (5, "not a list; the tokenizer must return tokens"),
        ([None], "holds None for a token; leave it out"),
        (["a", None, "b"], "holds None for a token; leave it out"),
        ([1], "1 is not text; give strings"),
        (["a", b"b"], "b'b' is not text; give strings"),
        (["a\ud800"], r"lone surrogate U\+D800 at character 1"),
    ],
)
def test_what_a_tokenizer_returns_instead_of_tokens_is_named_by_its_row(made: Any, message: str) -> None:
    settings: dict[str, Any] = {"tokenizer": lambda text: made if text == "bad" else text.split()}
    place = ", as the tokenizer cut it: "
    with pytest.raises(DataError, match=f"row 1, predictions{place}{message}"):
        evenweave.bleu(["a b c", "bad"], ["a", "b"], **settings)
    with pytest.raises(DataError, match=f"row 2, references{place}{message}"):
        evenweave.bleu(["a", "b", "c"], [["a b", None, "c"], [None, "x"], [None, "bad"]], **settings)


def test_lower_casing_is_pythons() -> None:
    counts = bleu_counts(["İstanbul K ΟΔΟΣ"], ["i̇stanbul k οδος"], lowercase=True).values
    assert counts[0, 2:6].tolist() == [3, 2, 1, 0]
    assert bleu_counts([["A"]], [["a"]], lowercase=True).values[0, 2] == 1
    assert bleu_counts(pa.array(["A"]), pa.array(["a"]), lowercase=True).values[0, 2] == 1


def test_an_interval_and_a_comparison() -> None:
    predictions = ["a b c d e", "a b c d", "x y z w"] * 10
    references = ["a b c d f", "a b c d", "x y z v"] * 10
    result = load("bleu").compute(
        predictions=predictions, references=references, confidence=0.9, resamples=100
    )
    low, high = result["intervals"]["bleu"]
    assert low <= result["bleu"] <= high
    compared = compare("sacrebleu", references, predictions, [p + " !" for p in predictions], resamples=50)
    assert compared is not None


def test_scoring_settings_may_come_after_the_rows() -> None:
    metric = load("sacrebleu")
    metric.add_batch(predictions=["a b c"], references=["a b d"])
    assert metric.compute(smooth_method="floor", use_effective_order=True)["score"] > 0


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        (["a", None], ["a", "b"], "row 1, predictions: None; give ''"),
        (["a", 3], ["a", "b"], "row 1, predictions: 3 is not text"),
        (["a", "x\ud800"], ["a", "b"], r"row 1, predictions: lone surrogate U\+D800 at character 1"),
        (["a", "b"], [["a"], ["b", "\udfff"]], r"row 1, references: lone surrogate U\+DFFF"),
        (["a", "b"], [["a"], []], "row 1, references: none"),
        (["a", "b"], [["a"], [None, None]], "row 1, references: none"),
        (["a", "b"], ["a", None], "row 1, references: none"),
        (["a", "b"], [None, None], "row 0, references: none"),
        (["a", "b"], [["a"], "b"], "row 1, references: 'b' where other rows hold a list"),
        (["a", "b"], [["a"], ["b", 7]], "row 1, references: 7 is not text"),
        (["a"], [[["a"]]], "references: a token list or deeper where the predictions are texts"),
        ([["a"]], ["a"], "references: a text where the predictions are token lists"),
        ([["a", None]], [["a"]], "row 0, predictions: holds None for a token"),
        ([1, 2], ["a", "b"], "row 0, predictions: 1 is not text"),
        ([[1, 2]], [["a"]], "references: token lists, but the predictions are lists of token ids"),
        ([[1, "a"]], [[1, 2]], "row 0, predictions: 'a' among token ids"),
        ([[1], [2**63]], [[1], [2]], "row 1, predictions: id 9223372036854775808 is beyond 64-bit"),
        ([[1], [2]], [[[1]], [[3, -(2**70)]]], "row 1, references: id -1180591620717411303424 is beyond"),
        (Ragged.from_rows([[], [1.5, 2.5]]), [[], [1, 2]], "row 1, predictions: 1.5 among token ids"),
        ([[1, 2]], Ragged.from_rows([[1.0, 2.0]]), "row 0, references: 1.0 among token ids"),
        (Ragged.from_rows([[True]]), [[1]], "row 0, predictions: True among token ids"),
        (Ragged(np.ones((2, 2), dtype=int), [0, 2]), [[1]], r"predictions: token ids of shape \(2, 2\)"),
        (Ragged.from_rows([[2**63]]), [[1]], "row 0, predictions: id 9223372036854775808 is beyond 64-bit"),
        (pa.array([[], [2**63]], pa.list_(pa.uint64())), [[1], [1]], "row 1, predictions: id 9223372036854"),
        ([[["a"]]], ["a"], "predictions: lists of lists of tokens"),
        ([b"a"], ["a"], "row 0, predictions: b'a' is not text"),
        (pa.array([1.5]), ["a"], "predictions: Arrow type double is not text"),
        (pa.array(["a", None]), ["a", "b"], "row 1, predictions: None"),
    ],
)
def test_wrong_rows_are_named(predictions: Any, references: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load("bleu").compute(predictions=predictions, references=references)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tokenizer": "14a"}, "tokenizer: no '14a'; there are 13a, intl, zh, char, none"),
        ({"smooth": "laplace"}, "smoothing: no 'laplace'"),
        ({"smooth_value": -1}, "smooth_value: -1"),
        ({"max_order": 0}, "max_order: 0"),
        ({"weights": [0.5, 0.5]}, "weights: 2 for max_order=4"),
        ({"weights": [0.5, 0.5, 0.5, 0]}, "adding up to 1"),
        ({"weights": [1.5, -0.5, 0, 0]}, "none below 0"),
        ({"max_order": None}, "max_order: None; give a whole number, 1 or more, usually 4"),
        ({"max_order": "4"}, "max_order: '4'; give a whole number"),
        ({"max_order": 1.5}, "max_order: 1.5; give a whole number"),
        ({"max_order": True}, "max_order: True; give a whole number"),
        ({"weights": 0.25}, "weights: 0.25; give one number an order"),
        ({"weights": "abcd"}, "weights: 'abcd'; give one number an order"),
        ({"weights": ["0.25"] * 4}, "weights: .*; give one number an order"),
        ({"weights": [math.nan] * 4}, "weights: .*; give one number an order"),
        ({"smooth_value": "x"}, "smooth_value: 'x'; give a number of at least 0"),
        ({"smooth_value": 10**400}, "smooth_value: 1000.*; give a number of at least 0"),
        ({"threads": None}, "threads: None; give a whole number, 1 or more, usually 1"),
        ({"threads": 0}, "threads: 0; give a whole number"),
        ({"tokenise": "13a"}, "did you mean 'tokenizer'"),
    ],
)
def test_impossible_settings_are_refused_at_once(settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        load("bleu", **settings)


def test_arguments_that_do_not_fit() -> None:
    with pytest.raises(ArgumentError, match="references: none given"):
        load("bleu").compute(predictions=["a"])
    with pytest.raises(ArgumentError, match="2 rows for 1 predictions"):
        load("bleu").compute(predictions=["a"], references=["a", "b"])
    with pytest.raises(ArgumentError, match="single string"):
        load("bleu").compute(predictions="a", references=["a"])


def test_no_rows_score_zero() -> None:
    result = load("bleu").compute(predictions=[], references=[])
    assert result == {
        **EMPTY,
        "brevity_penalty": 1.0,
        "length_ratio": 0.0,
        "translation_length": 0,
        "reference_length": 0,
    }


def test_signatures() -> None:
    assert Bleu().signature.startswith("bleu|case:mixed|eff:no|tok:13a|smooth:none|version:evenweave-")
    assert "smooth:add-k[1.00]" in Bleu(smooth=True).signature
    long = SacreBleu(max_order=2, weights=[0.75, 0.25], smooth_method="floor", smooth_value=0.5).signature
    assert "|smooth:floor[0.50]|order:2|weights:0.75/0.25|" in long


class TestDifferencesFromEvaluate:
    """Where `evaluate.load("bleu")` does otherwise, and why we do not."""

    def test_empty_hypotheses_score_zero_where_evaluate_divides_by_zero(self) -> None:
        result = load("bleu").compute(predictions=["", " "], references=[["a b"], ["c"]])
        assert (result["bleu"], result["brevity_penalty"], result["length_ratio"]) == (0.0, 0.0, 0.0)

    def test_empty_references_score_zero_where_evaluate_divides_by_zero(self) -> None:
        result = load("bleu").compute(predictions=["a b"], references=[[""]])
        assert (result["bleu"], result["brevity_penalty"], result["length_ratio"]) == (0.0, 1.0, 0.0)

    def test_closest_reference_length_as_in_the_paper_where_evaluate_takes_the_shortest(self) -> None:
        result = load("bleu").compute(predictions=["a b c d"], references=[["a", "a b c d e"]])
        assert result["reference_length"] == 5

    def test_the_shorter_of_two_references_as_close(self) -> None:
        result = load("bleu").compute(predictions=["a b c d"], references=[["a b c d e", "a b c"]])
        assert result["reference_length"] == 3

    def test_smooth_leaves_unigrams_alone_as_lin_and_och_do_where_evaluate_adds_to_every_order(self) -> None:
        result = load("bleu").compute(predictions=["a b c d e"], references=["a b c d f"], smooth=True)
        assert result["precisions"] == pytest.approx([4 / 5, 4 / 5, 3 / 4, 2 / 3])

    def test_rows_may_have_different_numbers_of_references_which_evaluates_sacrebleu_refuses(self) -> None:
        load("sacrebleu").compute(predictions=["a", "b"], references=[["a"], ["b", "c"]])


def test_add_k_reports_the_counts_where_sacrebleu_reports_them_with_k_added() -> None:
    result = evenweave.sacrebleu(["a b c d e"], ["a b c d f"], smooth_method="add-k")
    assert (result["counts"], result["totals"]) == ([4, 3, 2, 1], [5, 4, 3, 2])


def test_the_callers_lists_are_left_alone() -> None:
    predictions, references = list(TEXTS), [list(row) for row in MANY]
    load("bleu", lowercase=True).compute(predictions=predictions, references=references)
    assert predictions == TEXTS
    assert references == MANY


def test_a_hypothesis_too_short_for_every_order_with_weight_scores_zero() -> None:
    found = sentence_bleu(["c", "c d"], ["c", "c d"], max_order=2, weights=[0, 1])
    assert found.tolist() == [0.0, 100.0]
