"""What may be a label: everything that could only score as a miss in silence is refused in one line."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from evenweave.errors import DataError
from evenweave.metrics import combine, compare, load
from evenweave.metrics.labels import counts_of, label_totals

NAMES = ["accuracy", "f1", "matthews_correlation"]


def metric_of(name):
    return load(name, average="macro") if name == "f1" else load(name)


REFUSED = [
    (["1", "0"], [1, 0], "row 0, column 'predictions': '1' is a string where column 'references' has the nu"),
    (np.array([1, 0]), np.array(["1", "0"]), "row 0, column 'references': '1' is a string"),
    (pa.array(["1", "0"]), [1.0, 0.0], "row 0, column 'predictions': '1' is a string"),
    (["a", 1], ["a", "b"], "row 1, column 'predictions': 1 among strings"),
    ([1, "a"], [1, 2], "row 1, column 'predictions': 'a' among numbers"),
    (["a", float("nan")], ["a", "b"], "row 1, column 'predictions': nan is not a label; fill or drop"),
    ([1, float("nan")], [1, 0], "row 1, column 'predictions': nan is not a label; fill or drop"),
    ([1.0, float("inf")], [1, 0], "row 1, column 'predictions': inf is not a label"),
    (["a", None], ["a", "b"], "row 1, column 'predictions': None is not a label; fill or drop"),
    (pa.array([1, None]), [1, 0], "row 1, column 'predictions': None is not a label; fill or drop"),
    ([1, 0], pd.Series([1, None], dtype="Int64"), "row 1, column 'references': (nan|<NA>) is not a label"),
    (pd.Series(["a", None], dtype="string"), ["a", "b"], "row 1, column 'predictions': .* is not a label"),
    (["a", pd.NA], ["a", "b"], "row 1, column 'predictions': <NA> is not a label"),
    (["a", np.zeros(2)], ["a", "b"], "column 'predictions': not one label a row"),
    ([0.9, 0.1], [1, 0], "row 0, column 'predictions': 0.9 is not a label but a score"),
    (
        np.array([1, 0.5], dtype=np.float32),
        [1, 0],
        "row 1, column 'predictions': 0.5 is not a label but a s",
    ),
    ([2**70, 0.5, None], [1, 0, 1], "row 1, column 'predictions': 0.5 is not a label but a score"),
    (np.array([b"a"]), np.array([b"a"]), "row 0, column 'references': .*b'a'.* is not a label; give numbers"),
    ([b"a"], ["a"], "row 0, column 'predictions': b'a' is not a label"),
    (np.array(["2020-01-01"], "M8[D]"), ["a"], "row 0, column 'predictions': .*2020-01-01.* is not a label"),
    ([datetime.date(2020, 1, 1)], ["a"], "row 0, column 'predictions': datetime.date.* is not a label"),
    (np.array([1j]), [1], "row 0, column 'predictions': 1j is not a label"),
    ([[1], [0]], [1, 0], "column 'predictions': not one label a row"),
    (["a", ["b"]], ["a", "b"], "column 'predictions': not one label a row"),
    ([1, [0]], [1, 0], "column 'predictions': not one label a row"),
    (np.zeros((2, 1)), [1, 0], "column 'predictions': not one label a row"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("predictions", "references", "message"), REFUSED)
def test_what_is_no_label_is_refused_with_row_and_column(name, predictions, references, message):
    for add in ("compute", "add_batch"):
        with pytest.raises(DataError, match=message) as error:
            getattr(metric_of(name), add)(predictions=predictions, references=references)
        assert "\n" not in str(error.value)


KINDS = [
    list,
    np.array,
    pa.array,
    pd.Series,
    lambda x: np.array(x, dtype=object),
    lambda x: pa.chunked_array([x[:2], x[2:]]),
    lambda x: pa.array(x).dictionary_encode(),
]
INTEGERS = [
    lambda x: np.array(x, dtype=np.uint8),
    lambda x: np.array(x, dtype=np.uint64),
    lambda x: np.array(x, dtype=np.float16),
    lambda x: np.array(x, dtype=bool),
    lambda x: [bool(v) for v in x],
    lambda x: [float(v) for v in x],
    lambda x: [np.int64(v) for v in x],
    lambda x: pa.array(x, pa.float32()),
]
STRINGS = [
    lambda x: np.array(x, dtype=np.dtypes.StringDType()),
    lambda x: [np.str_(v) for v in x],
    lambda x: pa.array(x, pa.large_string()),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("labels", "kinds"), [([1, 0, 1, 1], KINDS + INTEGERS), (["a", "b", "a", "a"], KINDS + STRINGS)]
)
def test_any_two_kinds_of_column_give_the_score_of_lists(name, labels, kinds):
    predicted = [labels[i] for i in (0, 0, 1, 3)]
    expected = metric_of(name).compute(predictions=predicted, references=labels)
    for mine in kinds:
        for theirs in kinds:
            metric = metric_of(name)
            metric.add_batch(predictions=mine(predicted), references=theirs(labels))
            assert metric.compute() == expected
            assert metric.compute(predictions=mine(predicted), references=theirs(labels)) == expected


def test_integers_beyond_64_bits_are_labels_like_any():
    gold, predicted = [2**70, 1, 2**70], [2**70, 1, 1]
    assert load("accuracy").compute(predictions=predicted, references=gold) == {"accuracy": 2 / 3}
    unsigned, signed = np.array([2**63, 1], dtype=np.uint64), np.array([-1, 1])
    found = load("f1", average=None).compute(predictions=unsigned, references=signed)
    assert found == {"f1": [0.0, 1.0, 0.0]}


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.uint64])
def test_integers_near_and_far_are_told_apart(kind):
    least, most = np.iinfo(kind).min, np.iinfo(kind).max
    for labels in ([least, least + 1], [most - 1, most], [least, most], [3, 3]):
        gold, predicted = np.array([labels[0], labels[1]], kind), np.array([labels[0], labels[0]], kind)
        counts = counts_of(label_totals(predicted, gold, None))
        assert list(counts) == sorted(set(map(int, labels)))
        assert sum(count.both for count in counts.values()) == int((gold == predicted).sum())


def test_no_rows_are_no_strings_against_numbers():
    metric = load("accuracy")
    metric.add_batch(predictions=[], references=np.array([], dtype=str))
    metric.add_batch(predictions=np.array([]), references=pa.array([], pa.string()))
    assert metric.compute(predictions=["a"], references=["a"]) == {"accuracy": 1.0}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_integers_is_read_as_them_where_the_other_side_holds_numbers(name, tmp_path):
    path = tmp_path / "predicted.txt"
    path.write_text("1\n-2\n1\n", encoding="utf-8")
    gold, predicted = [1, -2, -2], [1, -2, 1]
    expected = metric_of(name).compute(predictions=predicted, references=gold)
    assert metric_of(name).compute(predictions=path, references=np.array(gold)) == expected
    assert metric_of(name).compute(predictions=path, references=[1.0, -2.0, -2.0]) == expected
    swapped = metric_of(name).compute(predictions=gold, references=predicted)
    assert metric_of(name).compute(predictions=gold, references=path) == swapped
    # Against strings, or another file, its lines are strings.
    assert metric_of(name).compute(predictions=path, references=["1", "-2", "-2"]) == expected
    whole = metric_of(name).compute(predictions=path, references=path)
    assert whole == metric_of(name).compute(predictions=gold, references=gold)


def test_a_file_of_integers_among_several_metrics_and_systems(tmp_path):
    path = tmp_path / "predicted.txt"
    path.write_text("1\n0\n1\n", encoding="utf-8")
    both = combine(["accuracy", "f1"]).compute(predictions=path, references=[1, 0, 0])
    assert both == {"accuracy": 2 / 3, "f1": 2 / 3}
    table = compare("f1", [1, 0, 0], {"a": path, "b": [1, 0, 0]})["systems"]
    assert (table["a"]["f1"]["score"], table["b"]["f1"]["score"]) == (2 / 3, 1.0)


def test_a_file_with_another_line_against_numbers_is_refused(tmp_path):
    path = tmp_path / "predicted.txt"
    path.write_text("1\nO\n", encoding="utf-8")
    with pytest.raises(DataError, match="row 1, column 'predictions': the line 'O' is not an integer"):
        load("accuracy").compute(predictions=path, references=[1, 0])


def test_batches_of_strings_and_of_numbers_do_not_mix():
    metric = load("f1", average="macro")
    metric.add_batch(predictions=["a"], references=["b"])
    metric.add_batch(predictions=[1], references=[0])
    with pytest.raises(DataError, match="strings such as 'a' and with numbers such as 1; add labels of one"):
        metric.compute()
