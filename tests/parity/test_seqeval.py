"""Entity scores against seqeval 1.2.2, default and strict, on thousands of random sequences."""

from __future__ import annotations

import random
import warnings
from itertools import product

import numpy as np
import pytest
import seqeval.metrics as peer
import seqeval.scheme as schemes
from hypothesis import given, settings
from hypothesis import strategies as st

from evenweave.errors import ArgumentError, DataError
from evenweave.metrics import entities, load

pytestmark = pytest.mark.filterwarnings("ignore")  # the peer warns on nearly every call

LETTERS = {
    "IOB1": "IOB",
    "IOB2": "IOB",
    "IOE1": "IOE",
    "IOE2": "IOE",
    "IOBES": "IOBES",
    "BILOU": "BILOU",
}


def rows_of(tags: list[str]) -> st.SearchStrategy[tuple[list[list[str]], list[list[str]]]]:
    pair = st.tuples(st.sampled_from(tags), st.sampled_from(tags))
    row = st.lists(pair, min_size=0, max_size=12)
    rows = st.lists(row, min_size=1, max_size=6).filter(lambda found: any(found))
    return rows.map(lambda found: ([[g for g, _ in r] for r in found], [[p for _, p in r] for r in found]))


def tags_of(letters: str, *, suffix: bool = False, types: tuple[str, ...] = ("X", "Y-Z")) -> list[str]:
    made = [
        f"{kind}-{letter}" if suffix else f"{letter}-{kind}"
        for kind in types
        for letter in letters
        if letter != "O"
    ]
    return ["O", "O", *made]


def check(gold: list[list[str]], predicted: list[list[str]], **keywords: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peers = {key: value for key, value in keywords.items() if key != "scheme"}
        if "scheme" in keywords:
            peers["scheme"] = getattr(schemes, str(keywords["scheme"]))
        theirs = peer.classification_report(gold, predicted, output_dict=True, **peers)
        ours = entities.classification_report(gold, predicted, output_dict=True, **keywords)
        assert isinstance(ours, dict)
        found = {name for name in theirs if not name.endswith(" avg")}
        assert {name for name in ours if not name.endswith(" avg")} == found
        for name, scores in theirs.items():
            if not found:  # the peer averages over nothing and gives NaN
                continue
            for key, value in scores.items():
                assert ours[name][key] == pytest.approx(float(value), abs=1e-15), (name, key)
        if found:
            text = entities.classification_report(gold, predicted, digits=4, **keywords)
            assert text == peer.classification_report(gold, predicted, digits=4, **peers)
        assert entities.accuracy_score(gold, predicted) == peer.accuracy_score(gold, predicted)


@given(rows_of(tags_of("IOBES")))
def test_default_mode_equals_seqeval_on_any_mix_of_tags(rows):
    check(*rows)


@given(rows_of(["O", "B", "I", "E", "S", "B-X", "I-X", "E-X", "S-X", "O-X", "I-", "B-a-b"]))
def test_default_mode_equals_seqeval_on_bare_and_odd_tags(rows):
    check(*rows)


@given(rows_of([*tags_of("IOB"), "."]))
def test_a_full_stop_is_outside_as_in_conlleval(rows):
    check(*rows)


@given(rows_of(tags_of("BILOU")), st.sampled_from([0, 1]))
def test_default_mode_equals_seqeval_on_bilou_tags(rows, zero):
    check(*rows, zero_division=zero)


@given(rows_of(tags_of("IOBES", suffix=True)))
def test_default_mode_equals_seqeval_on_suffix_tags(rows):
    check(*rows, suffix=True)


@pytest.mark.parametrize("scheme", LETTERS)
@given(data=st.data())
def test_strict_mode_equals_seqeval(scheme, data):
    suffix = data.draw(st.booleans())
    rows = data.draw(rows_of(tags_of(LETTERS[scheme], suffix=suffix)))
    zero = data.draw(st.sampled_from([0, 1]))
    check(*rows, mode="strict", scheme=scheme, suffix=suffix, zero_division=zero)


@pytest.mark.parametrize("scheme", LETTERS)
@given(data=st.data())
@settings(max_examples=60)
def test_strict_spans_equal_seqevals_entities(scheme, data):
    gold, predicted = data.draw(rows_of(tags_of(LETTERS[scheme])))
    theirs = schemes.Entities(gold, getattr(schemes, scheme)).entities
    ours = load("seqeval", mode="strict", scheme=scheme).statistic.spans(predicted, gold)[0]
    expected = [sorted((entity.start, entity.end, entity.tag) for entity in row) for row in theirs]
    assert [[tuple(span) for span in row] for row in ours] == expected


@given(rows_of(tags_of("IOBES")), st.sampled_from(["IOB2", "IOE2", "IOBES", "BILOU"]))
@settings(max_examples=50)
def test_strict_mode_recognises_the_scheme_as_seqeval_does(rows, scheme):
    gold, predicted = ([[tag.translate(_spelling(scheme)) for tag in row] for row in side] for side in rows)
    try:
        peer.classification_report(gold, predicted, mode="strict", output_dict=True)
    except ValueError:
        with pytest.raises(DataError):
            entities.classification_report(gold, predicted, mode="strict")
        return
    check(gold, predicted, mode="strict")


def test_strict_without_a_scheme_is_strict_in_the_functions_too():
    rows = [["I-X", "O"]]
    assert peer.f1_score(rows, rows, mode="strict") == 1.0  # the default mode
    with pytest.raises(DataError, match="fit no one scheme"):
        entities.f1_score(rows, rows, mode="strict")
    assert peer.f1_score(rows * 2, rows * 2, sample_weight=[0, 5]) == 1.0
    with pytest.raises(TypeError, match="sample_weight"):
        entities.f1_score(rows, rows, sample_weight=[1])


def _spelling(scheme: str) -> dict[int, str]:
    keep = LETTERS[scheme]
    return str.maketrans({letter: letter if letter in keep else "I" for letter in "BIES"})


def test_every_sequence_of_three_tags_equals_seqeval():
    tags = ["O", "B-X", "I-X", "E-X", "S-X", "I-Y"]
    sequences = [list(three) for three in product(tags, repeat=3)]
    shuffled = random.Random(3).sample(sequences, len(sequences))
    check(sequences, shuffled)
    for one, other in zip(sequences, shuffled, strict=True):
        found = {(s.type, s.start, s.end - 1) for s in _spans(one)}
        expected = set(peer.sequence_labeling.get_entities(one))
        assert found == expected, (one, other)


def _spans(tags: list[str]):
    return load("seqeval").statistic.spans([tags], [tags])[0][0]


@given(rows_of(tags_of("IOB")), st.sampled_from(["micro", "macro", "weighted", None]))
def test_seqeval_functions_keep_their_names_and_values(rows, average):
    gold, predicted = rows
    for name in ("precision_score", "recall_score", "f1_score"):
        theirs = getattr(peer, name)(gold, predicted, average=average)
        ours = getattr(entities, name)(gold, predicted, average=average)
        if not np.size(theirs) or np.isnan(theirs).any():
            continue
        np.testing.assert_allclose(ours, theirs, atol=1e-15)


def test_result_is_shaped_as_evaluates():
    gold = [["B-ORG", "O", "B-MISC", "O", "O", "O", "B-MISC", "O", "O"]]
    predicted = [["B-ORG", "O", "O", "O", "O", "O", "B-MISC", "O", "O"]]
    assert load("seqeval").compute(predictions=predicted, references=gold) == {
        "MISC": {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "number": 2},
        "ORG": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "number": 1},
        "overall_precision": 1.0,
        "overall_recall": pytest.approx(2 / 3),
        "overall_f1": pytest.approx(0.8),
        "overall_accuracy": pytest.approx(8 / 9),
    }


def test_a_pos_tag_keeps_its_letters_where_seqeval_strips_the_first():
    gold = [["NOUN", "VERB", "ADJ"]]
    ours = load("seqeval").compute(predictions=gold, references=gold)
    assert [key for key in ours if "_" not in key] == ["ADJ", "NOUN", "VERB"]
    assert "OUN" in peer.classification_report(gold, gold)


def test_a_pos_tag_that_begins_with_o_is_a_tag_where_seqeval_takes_it_for_outside():
    gold = [["ORD", "NOUN"]]
    assert load("seqeval").compute(predictions=gold, references=gold)["ORD"]["number"] == 1
    assert "ORD" not in peer.classification_report(gold, gold)


def test_no_entity_at_all_scores_zero_where_seqeval_averages_over_nothing():
    gold = [["O", "O"]]
    ours = load("seqeval").compute(predictions=gold, references=gold)
    assert ours["overall_f1"] == 0.0
    assert ours["overall_accuracy"] == 1.0
    assert entities.classification_report(gold, gold, output_dict=True)["macro avg"]["f1-score"] == 0.0
    assert "micro avg" in entities.classification_report(gold, gold)


def test_a_scheme_without_strict_mode_is_refused_where_seqeval_ignores_it():
    with pytest.raises(ArgumentError, match="mode='strict'"):
        load("seqeval", scheme="IOB2")


def test_undefined_ratios_do_not_warn_where_seqeval_warns_on_each_run():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load("seqeval").compute(predictions=[["B-X"]], references=[["B-Y"]])
