"""Classification scores against scikit-learn."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as peer
from hypothesis import given
from hypothesis import strategies as st

from evenweave.errors import ArgumentError, DataError
from evenweave.metrics import load

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:sklearn.exceptions.UndefinedMetricWarning", "ignore::UserWarning"
)
PEERS = {"precision": peer.precision_score, "recall": peer.recall_score, "f1": peer.f1_score}


def pairs(labels):
    return st.lists(st.tuples(st.sampled_from(labels), st.sampled_from(labels)), min_size=1, max_size=30)


LABELS = st.sampled_from([[0, 1], [1, 2, 3, 7], ["a", "b", "c"], [-1, 4.0]])


@given(st.data(), LABELS)
def test_accuracy_and_matthews_equal_sklearn(data, labels):
    gold, predicted = zip(*data.draw(pairs(labels)), strict=True)
    gold, predicted = list(gold), list(predicted)
    ours = load("accuracy").compute(predictions=predicted, references=gold)
    assert ours["accuracy"] == pytest.approx(peer.accuracy_score(gold, predicted), abs=1e-15)
    ours = load("matthews_correlation").compute(predictions=predicted, references=gold)
    assert ours["matthews_correlation"] == pytest.approx(peer.matthews_corrcoef(gold, predicted), abs=1e-12)


@given(st.data(), LABELS, st.sampled_from(["micro", "macro", "weighted", None]), st.sampled_from([0, 1]))
def test_precision_recall_f1_equal_sklearn(data, labels, average, zero):
    gold, predicted = zip(*data.draw(pairs(labels)), strict=True)
    gold, predicted = list(gold), list(predicted)
    for name, score in PEERS.items():
        theirs = score(gold, predicted, average=average, zero_division=zero)
        ours = load(name, average=average, zero_division=zero).compute(predictions=predicted, references=gold)
        np.testing.assert_allclose(ours[name], theirs, atol=1e-12)


@given(pairs([0, 1]), st.sampled_from([0, 1]), st.lists(st.floats(0.1, 5), min_size=30, max_size=30))
def test_binary_and_weighted_rows_equal_sklearn(found, positive, weights):
    gold, predicted = map(list, zip(*found, strict=True))
    weights = weights[: len(gold)]
    if positive not in gold + predicted:
        return
    for name, score in PEERS.items():
        theirs = score(gold, predicted, pos_label=positive, sample_weight=weights, zero_division=0)
        ours = load(name, pos_label=positive).compute(
            predictions=predicted, references=gold, sample_weight=weights
        )
        assert ours[name] == pytest.approx(theirs, abs=1e-12)
    theirs = peer.matthews_corrcoef(gold, predicted, sample_weight=weights)
    ours = load("matthews_correlation", sample_weight=weights).compute(predictions=predicted, references=gold)
    # The peer subtracts squares of sums in another order; near zero that is all there is.
    assert ours["matthews_correlation"] == pytest.approx(theirs, abs=1e-6)


@given(pairs([1, 2, 3]))
def test_chosen_labels_equal_sklearn(found):
    gold, predicted = map(list, zip(*found, strict=True))
    for average in ("micro", "macro", "weighted", None):
        theirs = peer.f1_score(gold, predicted, labels=[1, 3], average=average, zero_division=0)
        ours = load("f1", labels=[1, 3], average=average).compute(predictions=predicted, references=gold)
        np.testing.assert_allclose(ours["f1"], theirs, atol=1e-12)


def test_every_kind_of_column_gives_the_same_score():
    gold, predicted = [1, 0, 1, 1], [1, 1, 0, 1]
    expected = load("f1").compute(predictions=predicted, references=gold)
    assert expected == {"f1": pytest.approx(2 / 3)}
    for make in (
        tuple,
        np.array,
        pa.array,
        iter,
        lambda x: np.array(x, dtype=bool),
        lambda x: [float(v) for v in x],
    ):
        assert load("f1").compute(predictions=make(predicted), references=make(gold)) == expected


def test_bad_columns_are_refused_in_one_line():
    f1 = load("f1")
    with pytest.raises(ArgumentError, match="2 rows for 1 predictions"):
        f1.compute(predictions=[1], references=[1, 0])
    with pytest.raises(ArgumentError, match="'binary' for 3 labels"):
        f1.compute(predictions=[1, 2], references=[1, 0])
    with pytest.raises(DataError, match="not one label a row"):
        f1.compute(predictions=[[1], [2]], references=[[1], [0]])
    with pytest.raises(DataError, match="row 1, column 'predictions': None"):
        f1.compute(predictions=[1, None], references=[1, 0])
    with pytest.raises(DataError, match="nan is not a label"):
        f1.compute(predictions=[1.0, float("nan")], references=[1, 0])
    with pytest.raises(ArgumentError, match="references: none given"):
        f1.compute(predictions=[1])
    with pytest.raises(ArgumentError, match="did you mean 'average'"):
        load("f1", averag="macro")
    with pytest.raises(ArgumentError, match="sample_weight: 1 weights for 2 rows"):
        f1.compute(predictions=[1, 0], references=[1, 0], sample_weight=[1.0])


def test_exact_match_ignores_what_it_is_told_to():
    match = load("exact_match")
    predictions, references = ["The Cat!", "dog 7", "x"], ["the cat", "dog", "y"]
    assert match.compute(predictions=predictions, references=references) == {"exact_match": 0.0}
    told = {
        "ignore_case": True,
        "ignore_punctuation": True,
        "ignore_numbers": True,
        "regexes_to_ignore": [" $", r"\s+(?=\d)"],
    }
    assert match.compute(predictions=predictions, references=references, **told) == {"exact_match": 2 / 3}
