"""Classification scores against scikit-learn."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as peer
from hypothesis import given, settings
from hypothesis import strategies as st

from evenweave.errors import ArgumentError, DataError
from evenweave.metrics import load

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:sklearn.exceptions.UndefinedMetricWarning", "ignore::UserWarning"
)
PEERS = {"precision": peer.precision_score, "recall": peer.recall_score, "f1": peer.f1_score}


def pairs(labels):
    return st.lists(st.tuples(st.sampled_from(labels), st.sampled_from(labels)), min_size=1, max_size=30)


ZEROS = ["warn", 0, 1, float("nan")]
LABELS = st.sampled_from([[0, 1], [1, 2, 3, 7], ["a", "b", "c"], [-1, 4.0]])


@given(st.data(), LABELS)
def test_accuracy_and_matthews_equal_sklearn(data, labels):
    gold, predicted = zip(*data.draw(pairs(labels)), strict=True)
    gold, predicted = list(gold), list(predicted)
    ours = load("accuracy").compute(predictions=predicted, references=gold)
    assert ours["accuracy"] == pytest.approx(peer.accuracy_score(gold, predicted), abs=1e-15)
    ours = load("matthews_correlation").compute(predictions=predicted, references=gold)
    assert ours["matthews_correlation"] == pytest.approx(peer.matthews_corrcoef(gold, predicted), abs=1e-12)


@given(st.data(), LABELS, st.sampled_from(["micro", "macro", "weighted", None]), st.sampled_from(ZEROS))
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


AVERAGES = ["binary", "micro", "macro", "weighted", None]
# Far from each other, so that no two scores agree by chance of rounding; 0 takes rows out.
WEIGHTS = st.sampled_from([0, 0, 0.5, 1, 3])


def weighed(found, weights):
    gold, predicted = map(list, zip(*found, strict=True))
    return gold, predicted, weights[: len(gold)] if any(weights[: len(gold)]) else None


@given(
    st.data(),
    st.sampled_from([[0, 1], [1, 2, 3, 7], ["a", "b", "c"], ["a"], [1]]),
    st.sampled_from(AVERAGES),
    st.sampled_from(ZEROS),
    st.lists(WEIGHTS, min_size=30, max_size=30),
)
@settings(max_examples=400)
def test_averages_of_labels_and_weights_equal_sklearn(data, labels, average, zero, weights):
    found = data.draw(pairs(data.draw(st.lists(st.sampled_from(labels), min_size=1, max_size=3))))
    gold, predicted, weights = weighed(found, data.draw(st.sampled_from([weights, [0]])))
    # Some occur, some do not, one may be given twice.
    some = st.lists(st.sampled_from([*labels, "z" if isinstance(labels[0], str) else 9]), min_size=1)
    given = {"average": average, "zero_division": zero, "labels": data.draw(st.none() | some)}
    given["pos_label"] = data.draw(st.sampled_from(labels))
    for name, score in PEERS.items():
        metric = load(name, **given, sample_weight=weights)
        try:
            theirs = score(gold, predicted, **given, sample_weight=weights)
        except ValueError:
            with pytest.raises(ArgumentError, match=r"average: 'binary'|pos_label: "):
                metric.compute(predictions=predicted, references=gold)
            continue
        ours = metric.compute(predictions=predicted, references=gold)[name]
        assert np.shape(ours) == np.shape(theirs)
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
        statistic = metric.statistic
        assert statistic.totals(predicted, gold) == statistic.rows(predicted, gold).totals()


@given(
    st.data(),
    pairs(["a", "b", "c"]),
    st.sampled_from(["micro", "macro", "weighted"]),
    st.sampled_from(ZEROS),
    st.sampled_from([None, ["a"], ["c", "a"]]),
    st.lists(WEIGHTS, min_size=30, max_size=30),
)
@settings(max_examples=200)
def test_a_resample_scores_as_its_rows_do(data, found, average, zero, labels, weights):
    gold, predicted, weights = weighed(found, weights)
    drawn = [data.draw(st.lists(st.integers(0, len(gold) - 1), min_size=1, max_size=9)) for _ in range(3)]
    if weights:
        drawn = [draw for draw in drawn if any(weights[row] for row in draw)] or [list(range(len(gold)))]
    given = {"average": average, "zero_division": zero, "labels": labels}
    for name, score in PEERS.items():
        statistic = load(name, **given, sample_weight=weights).statistic
        rows = statistic.rows(predicted, gold)
        sums = np.array([rows.values[draw].sum(axis=0) for draw in drawn])
        ours = statistic.score_many(dict(zip(rows.names, sums.T, strict=True)))[name]
        for index, draw in enumerate(drawn):
            theirs = score(
                [gold[row] for row in draw],
                [predicted[row] for row in draw],
                **given,
                sample_weight=weights and [weights[row] for row in draw],
            )
            assert np.broadcast_to(ours, len(drawn))[index] == pytest.approx(theirs, abs=1e-12, nan_ok=True)


def test_without_gold_rows_the_weighted_mean_is_the_plain_one():
    given = {"average": "weighted", "zero_division": 1}
    rows = {"predictions": [1, 2, 2], "references": [0, 0, 0]}
    for labels in ([1], [1, 2], [1, 5]):
        for name, score in PEERS.items():
            theirs = score(rows["references"], rows["predictions"], labels=labels, **given)
            assert load(name, labels=labels, **given).compute(**rows) == {name: theirs}


def test_labels_of_rows_without_weight_count():
    rows = {"predictions": ["a", "a", "a"], "references": ["b", "a", "a"]}
    given = {"sample_weight": [0, 1, 1]}
    assert load("f1", average="macro", **given).compute(**rows) == {"f1": 0.5}
    assert load("f1", average=None, **given).compute(**rows) == {"f1": [1.0, 0.0]}
    found = load("f1", average="macro", **given).compute(**rows, confidence=0.9, seed=1)["intervals"]["f1"]
    assert found == (0.5, 1.0)  # without the first row there is one label
    three = {"predictions": [0, 1, 2], "references": [0, 1, 1]}
    with pytest.raises(ArgumentError, match="'binary' for 3 labels"):
        load("f1", sample_weight=[1, 1, 0]).compute(**three)


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


NO_SETTINGS = [
    ("f1", {"sample_weight": [1, float("nan")]}, "sample_weight: row 1 has nan; give a finite number a row"),
    ("accuracy", {"sample_weight": ["a", "b"]}, "sample_weight: row 0 has 'a'; give a finite number a row"),
    ("recall", {"sample_weight": np.ones((2, 1))}, r"sample_weight: row 0 has \[1.0\]; give a finite number"),
    ("accuracy", {"sample_weight": 1.0}, "sample_weight: 1.0 is not a list; give one, such as"),
    ("matthews_correlation", {"sample_weight": "ab"}, "sample_weight: 'ab' is not a list"),
    ("f1", {"sample_weight": [0, 0.0]}, "sample_weight: every row weighs 0"),
    ("f1", {"pos_label": [1]}, r"pos_label: \[1\] is not a label; give a number or a string"),
    ("f1", {"pos_label": 0.5}, "pos_label: 0.5 is not a label"),
    ("f1", {"labels": 5}, r"labels: 5 is not a list; give one, such as \[0, 1\]"),
    ("f1", {"labels": [[1]]}, r"labels: \[1\] \(number 0\) is not a label"),
    ("f1", {"labels": [1, "a"]}, "labels: 1 and 'a'; give labels of one kind"),
    ("f1", {"labels": []}, "labels: none in the list"),
    (
        "exact_match",
        {"regexes_to_ignore": ["("]},
        r"regexes_to_ignore: '\(' is not a regular expression: .*posi",
    ),
    ("exact_match", {"regexes_to_ignore": [1]}, "regexes_to_ignore: 1 is not a string"),
    ("exact_match", {"regexes_to_ignore": 1}, "regexes_to_ignore: 1 is not a list"),
]


@pytest.mark.parametrize(("name", "given", "message"), NO_SETTINGS)
def test_bad_settings_are_refused_in_one_line(name, given, message):
    with pytest.raises(ArgumentError, match=message) as error:
        load(name, **given)
    assert "\n" not in str(error.value)


def test_settings_that_do_not_fit_the_rows_are_refused():
    rows = {"predictions": [1, 0], "references": [1, 0]}
    with pytest.raises(ArgumentError, match="labels: '1' where rows have 0; give numbers or strings as they"):
        load("f1", labels="1", average="macro").compute(**rows)
    with pytest.raises(ArgumentError, match=r"pos_label: 'a' is not among the labels \[0, 1\]"):
        load("f1", pos_label="a").compute(**rows)


@pytest.mark.parametrize("name", ["accuracy", "f1", "matthews_correlation", "exact_match"])
def test_no_rows_have_no_interval(name):
    with pytest.raises(ArgumentError, match="predictions: no rows to resample"):
        load(name).compute(predictions=[], references=[], confidence=0.9)
    if name not in ("exact_match", "matthews_correlation"):
        found = load(name, sample_weight=[]).compute(predictions=[], references=[])[name]
        assert found == pytest.approx(load(name).compute(predictions=[], references=[])[name], nan_ok=True)


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


def test_exact_match_compares_numbers_as_they_are_written_whatever_is_ignored():
    match = load("exact_match")
    for told in ({}, {"ignore_case": True}, {"regexes_to_ignore": "x"}):
        for numbers in ([1, 2], np.array([1, 2]), pa.array([1, 2])):
            found = match.compute(predictions=numbers, references=["1", "2"], **told)
            assert found == {"exact_match": 1.0}
        assert match.compute(predictions=[1, True], references=[1.0, 1], **told) == {"exact_match": 0.0}


@pytest.mark.parametrize("told", [{}, {"ignore_case": True}])
@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["a", None], "row 1, column 'predictions': None is not a string; fill or drop what is missing"),
        (pa.array(["a", None]), "row 1, column 'predictions': None is not a string; fill or drop"),
        ([1, float("nan")], "row 1, column 'predictions': nan is not a string; fill or drop"),
        (
            np.zeros((2, 2)),
            r"row 0, column 'predictions': \[0.0, 0.0\] is not a string; give one string a row",
        ),
        (["a", np.zeros(2)], "row 1, column 'predictions': array.* is not a string; give one string a row"),
        ([["a"], ["b"]], r"row 0, column 'predictions': \['a'\] is not a string; give one string a row"),
        (np.array([b"a", b"b"]), "row 0, column 'predictions': b'a' is not a string; give one string a row"),
    ],
)
def test_what_is_no_string_matches_nothing(told, column, message):
    for add in ("compute", "add_batch"):
        with pytest.raises(DataError, match=message):
            getattr(load("exact_match", **told), add)(predictions=column, references=["a", "b"])


def test_metrics_that_leave_undefined_labels_out_are_equal_wherever_they_come_from():
    one, other = (
        load("f1", average="macro", zero_division=np.float64("nan")),
        pickle.loads(pickle.dumps(load("f1", average="macro", zero_division=float("nan")))),
    )
    one.add_batch(predictions=[0, 1], references=[0, 2])
    other.add_batch(predictions=[2], references=[2])
    assert one.merge(other).compute()["f1"] == pytest.approx((1 + 0 + 2 / 3) / 3)
    with pytest.raises(ArgumentError, match=r"zero_division: 0.5; give 0, 1 or float\('nan'\)"):
        load("f1", zero_division=0.5)


@given(st.data())
def test_token_accuracy_is_sklearns_over_all_tokens(data):
    labels = ["DET", "NOUN", "VERB", "B-X"]
    gold = data.draw(st.lists(st.lists(st.sampled_from(labels), max_size=6), min_size=1, max_size=6))
    predicted = [[data.draw(st.sampled_from(labels)) for _ in row] for row in gold]
    if not any(gold):
        return
    flat = [[label for row in rows for label in row] for rows in (gold, predicted)]
    ours = load("token_accuracy").compute(predictions=predicted, references=gold)
    assert ours.pop("overall_accuracy") == pytest.approx(peer.accuracy_score(*flat), abs=1e-15)
    present = sorted({*flat[0], *flat[1]})
    theirs = peer.precision_recall_fscore_support(*flat, labels=present, zero_division=0)
    assert list(ours) == present
    for place, label in enumerate(present):
        for name, values in zip(("precision", "recall", "f1", "number"), theirs, strict=True):
            assert ours[label][name] == pytest.approx(values[place], abs=1e-12)
    # As ids, with places that do not count, and piece by piece.
    metric = load("token_accuracy", label_names=labels)
    for row, other in zip(gold, predicted, strict=True):
        ids = [[labels.index(label) for label in side] for side in (row, other)]
        metric.add_batch(predictions=[[*ids[1], 0]], references=[[*ids[0], -100]])
    assert metric.compute() == load("token_accuracy").compute(predictions=predicted, references=gold)


def test_token_accuracy_refuses_ids_that_are_no_label():
    metric = load("token_accuracy", label_names=["A", "B"])
    with pytest.raises(DataError, match="row 1, column 'predictions': id 2 at place 1; label_names has 2"):
        metric.compute(predictions=[[0], [1, 2]], references=[[0], [1, 1]])
