"""What goes beyond rouge_score: W, S and SU against plain oracles, references, sentences, inputs, errors."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenweave.errors import ArgumentError, DataError, NotFoundError
from evenweave.metrics.registry import load
from evenweave.metrics.rouge import Rouge, rouge
from evenweave.metrics.rouge_irregular import base_of, read_exceptions
from evenweave.metrics.rouge_unicode import unicode_words
from evenweave.ragged import Ragged

tokens = st.lists(st.sampled_from("abcdef"), max_size=15)


def triple(prediction: Any, reference: Any, name: str, **settings: Any) -> tuple[float, float, float]:
    got = rouge([prediction], [reference], rouge_types=[name], details=True, **settings)
    return got[f"{name}_precision"], got[f"{name}_recall"], got[name]


def measures(hits: float, of_prediction: float, of_reference: float) -> tuple[float, float, float]:
    precision = hits / of_prediction if of_prediction else 0.0
    recall = hits / of_reference if of_reference else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def skip_bigrams(row: list[str], skip: int | None) -> Counter[tuple[str, str]]:
    """Lin 2004, section 5: all pairs in order, at most `skip` tokens apart."""
    return Counter(
        (row[i], row[j]) for i, j in combinations(range(len(row)), 2) if skip is None or j - i - 1 <= skip
    )


def wlcs(first: list[str], second: list[str], weight: float) -> float:
    """Lin 2004, section 4, the table as printed."""
    scores = [[0.0] * (len(second) + 1) for _ in range(len(first) + 1)]
    runs = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i in range(1, len(first) + 1):
        for j in range(1, len(second) + 1):
            if first[i - 1] == second[j - 1]:
                run = runs[i - 1][j - 1]
                scores[i][j] = scores[i - 1][j - 1] + (run + 1) ** weight - run**weight
                runs[i][j] = run + 1
            else:
                scores[i][j] = max(scores[i - 1][j], scores[i][j - 1])
    return scores[-1][-1]


@given(tokens, tokens, st.sampled_from([None, 0, 1, 4, 9]), st.booleans())
def test_rouge_s_and_su_are_the_paper_s(
    prediction: list[str], reference: list[str], skip: int | None, with_words: bool
) -> None:
    ours, theirs = skip_bigrams(prediction, skip), skip_bigrams(reference, skip)
    if with_words:
        ours.update((word, "") for word in prediction)
        theirs.update((word, "") for word in reference)
    want = measures((ours & theirs).total(), ours.total(), theirs.total())
    name = f"rougeS{'U' * with_words}{'' if skip is None else skip}"
    assert triple(prediction, reference, name) == want


@given(tokens, tokens, st.sampled_from([1.0, 1.2, 2.0]))
def test_rouge_w_is_the_paper_s(prediction: list[str], reference: list[str], weight: float) -> None:
    score = wlcs(reference, prediction, weight)
    precision, recall = (
        (score / len(row) ** weight) ** (1 / weight) if row else 0.0 for row in (prediction, reference)
    )
    f = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    assert triple(prediction, reference, "rougeW", weight=weight) == pytest.approx(
        (precision, recall, f), abs=1e-12
    )


@given(tokens, tokens)
def test_rouge_w_of_weight_one_is_rouge_l_and_rouge_s0_is_rouge_2(
    first: list[str], second: list[str]
) -> None:
    got = rouge([first], [second], rouge_types=["rougeL", "rougeW", "rouge2", "rougeS0"], weight=1)
    assert got["rougeW"] == pytest.approx(got["rougeL"], abs=1e-12)
    assert got["rougeS0"] == got["rouge2"]


def test_rouge_w_prefers_consecutive_matches_as_the_paper_s_example() -> None:
    reference = list("ABCDEFG")
    got = rouge(
        [list("ABCDHIK"), list("AHBKCID")], [reference] * 2, rouge_types=["rougeW", "rougeL"], weight=2,
        use_aggregator=False,
    )  # fmt: skip
    assert got["rougeW"] == pytest.approx([0.571, 0.286], abs=1e-3)
    assert got["rougeL"][0] == got["rougeL"][1]


def test_the_task_example_of_rouge_s() -> None:
    assert rouge(["this is a test"], ["this is the test"], rouge_types=["rougeS"]) == {"rougeS": 0.5}


@pytest.mark.parametrize("skip", [2**31, 2**40, 2**63 - 2, 2**63 - 1, 10**20, "9" * 5000])
@pytest.mark.parametrize("kind", ["rougeS", "rougeSU"])
def test_a_skip_beyond_every_text_is_no_limit(kind: str, skip: int | str) -> None:
    # Added to, the largest int64 wraps round: 2**63 - 2 once read beyond the counters' memory.
    name = f"{kind}{skip}"
    got = rouge(["a b c d e f cats", "b x"], ["a b c d e f cat", "b"], rouge_types=[kind, name])
    assert got[name] == got[kind] > 0
    assert rouge(["a c b"], ["a b"], rouge_types=["rougeS0004"])["rougeS0004"] == 0.5


def test_beta_weighs_recall() -> None:
    precision, recall, f = triple("a b c d", "a b", "rouge1", beta=2)
    assert (precision, recall) == (0.5, 1.0)
    assert f == pytest.approx((1 + 4) * 0.5 / (1 + 4 * 0.5))


def test_several_references_best_or_mean() -> None:
    references = [["a b", "a c", "x"], ["z"]]
    best = rouge(["a b", "z"], references, rouge_types=["rouge1"], use_aggregator=False)
    mean = rouge(
        ["a b", "z"], references, rouge_types=["rouge1"], use_aggregator=False, multi_reference="mean"
    )
    assert best["rouge1"].tolist() == [1.0, 1.0]
    assert mean["rouge1"].tolist() == [0.5, 1.0]


def test_sentences_by_newline_by_function_and_given() -> None:
    prediction, reference = "a b. c d.", "c d. a b."
    by_function = rouge([prediction], [reference], sentences=lambda text: text.split("."))["rougeLsum"]
    given_lists = rouge([["a b", "c d"]], [["c d", "a b"]], sentences="given")["rougeLsum"]
    assert by_function == given_lists == 1.0
    assert rouge([prediction], [reference])["rougeLsum"] == 0.5
    assert rouge([prediction.replace(".", "\n")], [reference.replace(".", "\n")])["rougeLsum"] == 1.0


def test_given_sentences_keep_their_newlines_and_take_several_references() -> None:
    got = rouge([["a\nb", "c"]], [[["x"], ["c", "a\nb"]]], sentences="given", rouge_types=["rougeLsum"])
    assert got == {"rougeLsum": 1.0}


@pytest.mark.parametrize("make", [list, np.array, pa.array, lambda x: pa.chunked_array([x[:1], x[1:]]), iter])
def test_any_column_of_text(make: Any) -> None:
    got = load("rouge").compute(predictions=make(["a b", "c d"]), references=make(["a x", "c d"]))
    assert got["rouge1"] == 0.75


def test_token_lists_are_taken_as_they_are() -> None:
    assert rouge([["A", "b."]], [["a", "b."]], rouge_types=["rouge1"]) == {"rouge1": 0.5}
    assert rouge([["running"]], [["runs"]], rouge_types=["rouge1"], use_stemmer=True) == {"rouge1": 1.0}
    assert rouge([[1, 2]], [[2, 3]], rouge_types=["rouge1"]) == {"rouge1": 0.5}


def test_arrow_lists_of_references() -> None:
    assert rouge(pa.array(["a"]), pa.array([["b", "a"]]), rouge_types=["rouge1"]) == {"rouge1": 1.0}


def test_files(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("a b\nc\n")
    (tmp_path / "r").write_text("a b\nd\n")
    assert rouge(tmp_path / "p", tmp_path / "r")["rouge1"] == 0.5


def test_empty_texts_score_nothing_and_no_rows_score_nan() -> None:
    assert set(rouge(["", "a"], ["a", ""]).values()) == {0.0}
    assert np.isnan(rouge([], [])["rouge1"])


def test_a_tokenizer_of_the_user_s_as_function_and_as_object() -> None:
    class Chars:
        def tokenize(self, text: str) -> list[str]:
            return list(text)

    assert rouge(["ab"], ["ac"], tokenizer=list)["rouge1"] == 0.5
    assert rouge(["ab"], ["ac"], tokenizer=Chars())["rouge1"] == 0.5


def test_unicode_words_keep_marks_and_cut_scripts_without_spaces() -> None:
    assert unicode_words("Ελλάδα, हिन्दी; 你好 42") == ["ελλάδα", "हिन्दी", "你", "好", "42"]
    assert unicode_words("cafe\u0301") == unicode_words("caf\u00e9")
    assert rouge(["Running Läufe"], ["run läufe"], tokenizer="unicode", use_stemmer=True)["rouge1"] == 1.0


def test_rouge155_looks_irregular_forms_up_before_it_stems() -> None:
    settings = {"tokenizer": "rouge155", "use_stemmer": True, "rouge_types": ["rouge1"]}
    assert rouge(["they brought children"], ["they bring child"], **settings) == {"rouge1": 1.0}
    assert rouge(["abcd"], ["efgh"], exceptions={"abcd": "efgh"}, **settings) == {"rouge1": 1.0}
    assert base_of("carried") == "carry"
    assert base_of("died") == "die"


def test_rouge155_cuts_at_the_kelvin_sign_as_perl_over_bytes_does() -> None:
    assert rouge(["300\u212a"], ["300k"])["rouge1"] == 1.0
    assert rouge(["300\u212a"], ["300"], tokenizer="rouge155")["rouge1"] == 1.0


def test_exceptions_from_wordnet_files(tmp_path: Path) -> None:
    (tmp_path / "noun.exc").write_text("oxen ox\nbest noun\n")
    (tmp_path / "adj.exc").write_text("best good\n")
    assert read_exceptions(tmp_path) == {"oxen": "ox", "best": "noun"}
    statistic = Rouge(tokenizer="rouge155", use_stemmer=True, exceptions=tmp_path)
    assert "exceptions:given" in statistic.signature
    (tmp_path / "verb.exc").write_text("alone\n")
    with pytest.raises(DataError, match=r"verb\.exc:1: 'alone' is not a form and its base"):
        read_exceptions(tmp_path)
    with pytest.raises(NotFoundError, match=r"no \.exc file"):
        read_exceptions(tmp_path / "none")


PERL: dict[str, Any] = {"tokenizer": "rouge155", "use_stemmer": True}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rouge_types": ["rouge0"]}, "no variant 'rouge0'; did you mean 'rouge"),
        ({"rouge_types": ["rougel"]}, "did you mean 'rougeL'"),
        ({"rouge_types": ["rouge10"]}, "rouge_types: 'rouge10'; n-grams go from rouge1 to rouge9"),
        ({"rouge_types": ["rouge" + "9" * 5000]}, "n-grams go from rouge1 to rouge9"),
        ({"rouge_types": "rouge1"}, "rouge_types: 'rouge1'; give a list"),
        ({"rouge_types": []}, "rouge_types: "),
        ({"tokenizer": "13a"}, "tokenizer: '13a'; give default, unicode, rouge155 or a function"),
        ({"tokenizer": list, "use_stemmer": True}, "stem inside it"),
        ({"sentences": "nltk"}, "sentences: 'nltk'; give newline, given or a function"),
        ({"multi_reference": "max"}, "multi_reference: 'max'; give best, mean"),
        ({"beta": 0}, "must be above 0"),
        ({"rouge_types": 5}, "rouge_types: 5; give a list"),
        ({"rouge_types": [5]}, "rouge_types: no variant 5"),
        ({"rouge_types": [["rouge1"]]}, "rouge_types: no variant ['rouge1']"),
        ({"beta": "x"}, "beta: 'x'; must be above 0"),
        ({"beta": -1}, "beta: -1; must be above 0"),
        ({"beta": 1e200}, "beta: 1e+200; must be above 0 and at most 1e100"),
        ({"beta": float("inf")}, "beta: inf; must be above 0"),
        ({"beta": float("nan")}, "beta: nan; must be above 0"),
        ({"weight": "x"}, "weight: 'x'; give 1"),
        ({"weight": float("inf")}, "weight: inf; give 1"),
        ({"weight": 1000}, "weight: 1000; give 1 (runs count as rougeL) to 16"),
        ({"weight": 0}, "weight: 0; give 1"),
        ({"weight": 0.5}, "weight: 0.5; give 1"),
        (PERL | {"exceptions": 3}, "exceptions: 3; give a mapping, form to base, or a Path"),
        (PERL | {"exceptions": {"ran": 1}}, "exceptions: ('ran', 1); give strings, form to base"),
        ({"exceptions": {}}, "exceptions: looked up by tokenizer='rouge155'"),
    ],
)
def test_impossible_settings_are_refused_at_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        Rouge(**settings)


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        (["a", None], ["a", "b"], "row 1, predictions: None is not a string"),
        (["a", "b"], ["a", 3], "row 1, references: 3 is not a string"),
        (["a", "b"], ["a", []], "row 1, references: an empty list"),
        (["a", ["b"]], ["a", "b"], r"row 1, predictions: \['b'\] is not a string"),
        ([["a"]], ["a"], "row 0, references: 'a' is not a list"),
        (["a"], ["a", "b"], "references: 2 rows for 1 predictions"),
        (["a"], None, "references: none given"),
        ("a", ["a"], "predictions: a single string"),
        (pa.array(["a", None]), ["a", "b"], "row 1"),
        ([["a"], ["a", None]], [["a"]] * 2, "row 1, predictions: None is not a token; give strings"),
        ([["a"]] * 2, [[["a"], ["b"]], [["a"], ["x", None]]], "row 1, references: None is not a token"),
        ([["a", ["b"]]], [["a"]], r"row 0, predictions: \['a', \['b'\]\] is not a list of tokens"),
        ([[1.5]], [["a"]], "row 0, predictions: 1.5 is not a token"),
        ([[True]], [["a"]], "row 0, predictions: True is not a token"),
        (Ragged.from_rows([[1], [1.5, 2.5]]), [[1], [1]], "row 0, predictions: 1.0 is not a token"),
        ([[1, 2]], [["1", "2"]], "row 0, references: '1' is a string where others are ids"),
        ([["1"], ["1", 2]], [["1"]] * 2, "row 1, predictions: 2 is a token id where others are strings"),
        ([["a"], ["x\ud800"]], [["a"]] * 2, r"row 1, predictions: token 'x\\ud800' holds a lone surrogate"),
        (["a", "b"], [["a", "x", "y"], ["c\ud800"]], r"row 1, references: a lone surrogate U\+D800 at .* 1;"),
        (["a", "b\ud800"], ["a", "b"], r"row 1, predictions: a lone surrogate U\+D800 at character 1;"),
        (pa.array(["a", "b"]), ["a", "b\ud800"], r"row 1, references: a lone surrogate U\+D800"),
    ],
)
def test_what_is_no_text_is_named_by_its_row(predictions: Any, references: Any, message: str) -> None:
    with pytest.raises((DataError, ArgumentError), match=message):
        rouge(predictions, references)


def test_sentences_given_needs_lists_and_a_function_needs_strings() -> None:
    with pytest.raises(ArgumentError, match="give each text as a list of its sentences"):
        rouge(["a"], ["a"], sentences="given")
    with pytest.raises(ArgumentError, match="a function of strings"):
        rouge([["a"]], [["a"]], sentences=str.splitlines)
    with pytest.raises(DataError, match="sentences: 1 in"):
        rouge([[1]], [["a"]], sentences="given")


@pytest.mark.parametrize("tokenizer", ["default", "unicode", "rouge155", str.split])
def test_given_sentences_that_are_no_text_are_named_by_their_row(tokenizer: Any) -> None:
    settings: dict[str, Any] = {"sentences": "given", "tokenizer": tokenizer}
    good: list[list[str]] = [["a b", "c"], ["d"], ["e", "f"]]
    with pytest.raises(DataError, match=r"row 1, predictions: a lone surrogate U\+D800 at character 2"):
        rouge([*good[:1], ["a", "b \ud800"], *good[2:]], good, **settings)
    references: list[Any] = [[good[0], good[1]], [good[1]], [good[2], ["e", "\udfff"]]]
    with pytest.raises(DataError, match=r"row 2, references: a lone surrogate U\+DFFF at character 0"):
        rouge(good, references, **settings)
    with pytest.raises(DataError, match=r"row 2, references, sentences: 3 in \['e', 3\] is not a string"):
        rouge(good, [*references[:2], [good[2], ["e", 3]]], **settings)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, "None is not a list of tokens"),
        (5, "5 is not a list of tokens"),
        (["a", None], "None is not a token; give strings"),
        ([b"a"], "b'a' is not a token"),
        (["a", 1], "1 is a token id where others are strings"),
        ([["a"]], r"\[\['a'\]\] is not a list of tokens"),
        (["\ud800"], "holds a lone surrogate"),
    ],
)
def test_what_a_tokenizer_returns_instead_of_tokens_is_named_by_its_row(made: Any, message: str) -> None:
    settings: dict[str, Any] = {"tokenizer": lambda text: made if text == "bad" else text.split()}
    with pytest.raises(DataError, match=f"row 2, predictions: .*{message}"):
        rouge(["a", "b\nc", "a\nbad"], ["a b", "b", "c"], **settings)
    with pytest.raises(DataError, match=f"row 1, references: .*{message}"):
        rouge(["a", "b"], [["a", "b", "c"], ["d", "bad"]], **settings)


def test_what_a_sentence_function_returns_instead_of_sentences_is_named_by_its_row() -> None:
    for made in (None, 5, "a b"):
        with pytest.raises(
            DataError, match=r"row 1, predictions, sentences: the function made .* list of str"
        ):
            rouge(["a", "b"], ["a", "b"], sentences=lambda text, made=made: [text] if text == "a" else made)


def test_stems_of_token_ids_are_refused() -> None:
    with pytest.raises(ArgumentError, match="use_stemmer: the rows are token ids, which have no stems"):
        rouge([[1, 2]], [[2, 3]], use_stemmer=True)
    with pytest.raises(DataError, match="row 0, predictions: None is not a token"):
        rouge([["running", None]], [["runs"]], use_stemmer=True)


@pytest.mark.parametrize("multi_reference", ["best", "mean"])
@pytest.mark.parametrize("tokenizer", ["default", "unicode", str.split])
def test_an_empty_shard_adds_nothing(multi_reference: Any, tokenizer: Any) -> None:
    settings: dict[str, Any] = {
        "details": True,
        "multi_reference": multi_reference,
        "tokenizer": tokenizer,
        "rouge_types": ["rouge1", "rougeLsum", "rougeW", "rougeSU4"],
    }
    expected = rouge(["a b"], ["a c"], **settings)
    metric = load("rouge", **settings)
    metric.add_batch(predictions=[], references=[])
    metric.add_batch(predictions=["a b"], references=["a c"])
    metric.add_batch(predictions=pa.array([], pa.string()), references=[])
    assert metric.compute() == expected
    assert all(np.isnan(value) for value in rouge([], [], **settings).values())


def test_signature_names_every_setting_that_changes_the_number() -> None:
    signature = Rouge(rouge_types=["rougeW"], tokenizer="unicode", use_stemmer=True, beta=2).signature
    assert signature.startswith(
        "rouge|stem:nltk|tok:unicode|sent:newline|refs:best|beta:2|weight:1.2|version:"
    )


def test_ngrams_of_a_very_long_text_need_no_table_of_it() -> None:
    text = "word tok " * 400_000
    found = rouge([text], [text + "x"], rouge_types=["rouge1", "rouge2"])
    assert found["rouge2"] == pytest.approx(1.0)
