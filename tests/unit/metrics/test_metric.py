"""Metric: the surface people know, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

import evenweave
from evenweave.errors import ArgumentError, DataError, NotFoundError
from evenweave.metrics import Metric, Rows, combine, load
from evenweave.metrics.tally import distinct


def custom_accuracy(predictions, references):
    return sum(p == r for p, r in zip(predictions, references, strict=True)) / len(references)


@dataclass(frozen=True)
class Overlap:
    """A reader's own statistic, as the documentation shows it."""

    beta: float = 1.0
    floor: int = 0

    name = "overlap"
    score_settings = frozenset({"beta"})

    @property
    def signature(self):
        return f"overlap|beta:{self.beta}|floor:{self.floor}"

    def rows(self, predictions, references):
        counts = [
            [len(set(p) & set(r)), max(self.floor, len(set(r)))]
            for p, r in zip(predictions, references, strict=True)
        ]
        return Rows(("shared", "all"), np.array(counts, dtype=np.int64).reshape(-1, 2))

    def score(self, totals):
        return {"overlap": self.beta * totals.get("shared", 0) / max(1, totals.get("all", 0))}


def test_a_function_is_a_metric():
    metric = Metric.from_function(custom_accuracy)
    assert metric.compute(predictions=[1, 0, 1, 1, 0], references=[1, 0, 0, 1, 0]) == {"custom_accuracy": 0.8}
    named = Metric.from_function(lambda p, r: {"a": 1, "b": np.float32(0.5)}, name="two")
    assert named.compute(predictions=[1], references=[1]) == {"a": 1, "b": 0.5}
    assert Metric.from_function(len, name="rows").compute(predictions=["x", "y"]) == {"rows": 2}
    assert Metric.from_function(lambda p, r, k: k).compute(predictions=[1], references=[1], k=3) == {
        "<lambda>": 3
    }


def test_an_additive_function_gives_the_same_number_and_nearly_the_same_interval():
    predictions, references = [1, 0, 1, 1, 0] * 20, [1, 0, 0, 1, 0] * 20
    call = {"predictions": predictions, "references": references, "confidence": 0.9}
    kept = Metric.from_function(custom_accuracy).compute(**call)
    added = Metric.from_function(custom_accuracy, additive=True).compute(**call)
    assert kept["custom_accuracy"] == pytest.approx(added["custom_accuracy"])
    assert kept["intervals"]["custom_accuracy"] == pytest.approx(added["intervals"]["custom_accuracy"])


def test_what_a_function_may_not_return():
    with pytest.raises(ArgumentError, match="returned str; return a number"):
        Metric.from_function(lambda p, r: "good").compute(predictions=[1], references=[1])
    with pytest.raises(ArgumentError, match=r"row 1 gave.*same numbers"):
        Metric.from_function(lambda p, r: {f"k{p[0]}": 1.0}, additive=True).compute(
            predictions=[1, 2], references=[1, 2]
        )
    with pytest.raises(ArgumentError, match="not additive"):
        Metric.from_function(custom_accuracy).rows  # noqa: B018


def test_rows_stream_as_in_evaluate_and_compute_starts_afresh():
    metric = load("accuracy")
    for prediction, reference in ((1, 1), (0, 1)):
        metric.add(prediction=prediction, reference=reference)
    metric.add_batch(predictions=[1, 1], references=[1, 1])
    assert len(metric) == 4
    assert repr(metric).endswith("4 rows)")
    assert metric.compute() == {"accuracy": 0.75}
    metric.add_batch(predictions=[0], references=[1])
    assert metric.compute(predictions=[1], references=[1]) == {"accuracy": 0.5}
    with pytest.raises(ArgumentError, match="none given and none added"):
        metric.compute()


def test_settings_that_change_rows_are_refused_late_and_others_are_not():
    metric = Metric(Overlap())
    metric.add_batch(predictions=["ab"], references=["ac"])
    with pytest.raises(ArgumentError, match=r"floor=3: rows were already added.*load\('overlap', floor=3\)"):
        metric.compute(floor=3)
    assert metric.compute(beta=2.0, floor=0) == {"overlap": 1.0}
    with pytest.raises(ArgumentError, match="bets: not a setting of overlap; did you mean 'beta'"):
        metric.compute(predictions=["ab"], references=["ab"], bets=1)


def test_a_users_statistic_needs_rows_and_score_alone():
    metric = Metric(Overlap())
    result = metric.compute(predictions=["ab", "cd", "ef"], references=["ac", "cd", "xy"], confidence=0.8)
    assert result["overlap"] == 0.5
    low, high = result["intervals"]["overlap"]
    assert 0 <= low < 0.5 < high <= 1


def test_intervals_are_in_the_results_shape_seeded_and_bracket_the_score():
    gold = [["B-X", "O"], ["B-Y", "O"], ["O", "B-X"]] * 30
    predicted = [["B-X", "O"], ["O", "O"], ["O", "B-Y"]] * 30
    call = {"predictions": predicted, "references": gold, "confidence": 0.95}
    first = load("seqeval").compute(**call)
    assert first == load("seqeval").compute(**call)
    assert first != load("seqeval").compute(**call, seed=1)
    assert set(first["intervals"]) == set(first) - {"intervals"}
    low, high = first["intervals"]["X"]["recall"]
    assert low < first["X"]["recall"] < high
    narrow = load("seqeval").compute(**{**call, "confidence": 0.5})["intervals"]["X"]["recall"]
    assert narrow[1] - narrow[0] < high - low
    with pytest.raises(ArgumentError, match="confidence: 95"):
        load("seqeval").compute(**{**call, "confidence": 95})
    with pytest.raises(ArgumentError, match="no rows to resample"):
        load("seqeval").compute(predictions=[], references=[], confidence=0.9)


def test_merge_refuses_other_settings():
    with pytest.raises(ArgumentError, match="cannot be added"):
        load("f1", average="macro").merge(load("f1"))


def test_the_interval_of_bleu_and_of_a_function_come_from_the_same_resamples():
    hypotheses = ["the cat sat on the mat", "a dog ran", "birds fly high today"] * 5
    references = ["the cat sat on the mat", "the dog ran", "birds fly very high"] * 5
    bleu = load("sacrebleu")

    def as_function(predictions, references):
        return bleu.with_settings().compute(predictions=predictions, references=references)["score"]

    call = {"predictions": hypotheses, "references": references, "confidence": 0.9, "resamples": 50}
    fast = bleu.compute(**call)
    slow = Metric.from_function(as_function, name="score").compute(**call)
    assert fast["score"] == pytest.approx(slow["score"])
    assert fast["intervals"]["score"] == pytest.approx(slow["intervals"]["score"])


def test_combined_metrics_share_rows_and_name_clashing_keys():
    metric = combine(["accuracy", "f1", Metric.from_function(custom_accuracy)])
    metric.add_batch(predictions=[1, 0], references=[1, 1])
    other = combine(["accuracy", "f1", Metric.from_function(custom_accuracy)])
    other.add(prediction=1, reference=1)
    assert len(metric.merge(other)) == 3
    result = metric.compute(confidence=0.9, average="binary")
    assert result["accuracy"] == result["custom_accuracy"] == pytest.approx(2 / 3)
    assert set(result["intervals"]) == {"accuracy", "f1", "custom_accuracy"}
    twice = combine({"a": "accuracy", "b": load("accuracy")})
    assert twice.compute(predictions=iter([1]), references=iter([1])) == {
        "a_accuracy": 1.0,
        "b_accuracy": 1.0,
    }
    assert combine(["f1"], force_prefix=True).compute(predictions=[1], references=[1]) == {"f1_f1": 1.0}
    assert "f1|" in metric.signature
    assert metric.name == "accuracy+f1+custom_accuracy"
    for wrong in (
        lambda: combine([]),
        lambda: metric.merge(twice),
        lambda: twice.compute(predictions=[1], references=[1], averag=1),
    ):
        with pytest.raises(ArgumentError):
            wrong()


def test_files_are_read_as_lines(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes("the cat\r\nça\n".encode())
    two.write_bytes(b"the cat\nca")
    assert load("exact_match").compute(predictions=one, references=two) == {"exact_match": 0.5}
    both = load("sacrebleu").compute(predictions=one, references=[one, two])
    assert both["counts"][0] == 3
    with pytest.raises(NotFoundError, match="no such file"):
        load("sacrebleu").compute(predictions=tmp_path / "none", references=two)
    two.write_bytes(b"ok\ncaf\xe9\n")
    with pytest.raises(DataError, match=r"two:2: byte 0xe9 is not UTF-8"):
        load("sacrebleu").compute(predictions=one, references=two)
    two.write_bytes(b"")
    with pytest.raises(ArgumentError, match="0 rows for 2"):
        load("exact_match").compute(predictions=one, references=two)
    with pytest.raises(ArgumentError, match="files of 0 and 2 lines"):
        load("sacrebleu").compute(predictions=one, references=[one, two])


@pytest.mark.parametrize("wrong", ["text", 3, b"bytes", np.float64(1), {"a": 1}, {1}])
def test_one_value_is_no_column(wrong):
    with pytest.raises(ArgumentError, match="predictions: "):
        load("accuracy").compute(predictions=wrong, references=[1])


def test_references_one_list_a_reference_are_told_how_to_be_turned():
    predictions, first, second = ["a b", "c d", "e f"], ["a b", "c", "e"], ["a", "c d", "e f"]
    with pytest.raises(ArgumentError, match=r"2 rows for 3 predictions; .* list\(zip\(\*references\)\)"):
        load("sacrebleu").compute(predictions=predictions, references=[first, second])
    turned = list(zip(*[first, second], strict=True))
    assert load("sacrebleu").compute(predictions=predictions, references=turned)["sys_len"] == 6
    for odd in ([], ["a b"], [first, second[:2]]):
        with pytest.raises(ArgumentError, match=r"predictions$"):
            load("sacrebleu").compute(predictions=predictions, references=odd)


def test_load_suggests_the_nearest_name():
    with pytest.raises(ArgumentError, match="did you mean 'seqeval'"):
        load("seqevl")
    for name in ("BLEU", "./metrics/bleu", "evaluate-metric/bleu"):
        with pytest.raises(ArgumentError, match="did you mean 'bleu'"):
            load(name)
    with pytest.raises(ArgumentError, match="metrics: one alone"):
        combine("bleu")
    with pytest.raises(ArgumentError, match="no metric 3"):
        load(3)
    with pytest.raises(ArgumentError, match="there are bleu"):
        load("zzz")


@pytest.mark.parametrize("n", [0, 1, 15, 16, 33, 160])
@pytest.mark.parametrize("width", [0, 1, 3])
@pytest.mark.parametrize("kind", [np.int64, np.uint8, bool])
def test_totals_are_the_sums_of_any_number_of_rows(n, width, kind):
    values = np.random.default_rng(n).integers(0, 200, (n, 2 * width)).astype(kind)[:, ::2]
    sums = Rows(tuple("abc"[:width]), values).totals()
    assert sums == {name: sum(column.tolist()) for name, column in zip("abc", values.T, strict=False)}


def test_columns_merge_by_name():
    parts = [Rows(("a", "b"), np.array([[1, 2]])), Rows(("c",), np.array([[0.5]]))]
    whole = Rows.concat(parts)
    assert whole.names == ("a", "b", "c")
    assert whole.totals() == {"a": 1.0, "b": 2.0, "c": 0.5}
    assert Rows(("x",), np.array([[np.inf], [-np.inf]])).totals()["x"] != 0
    with pytest.raises(ArgumentError, match="2 column names"):
        Rows(("a", "b"), np.zeros((1, 3)))


def test_metrics_need_no_torch_and_no_network():
    code = (
        "import sys, socket; socket.socket = None; import evenweave;"
        "m = evenweave.load('seqeval'); m.compute(predictions=[['O']], references=[['O']], confidence=0.9);"
        "evenweave.combine(['accuracy']).compute(predictions=[1], references=[1]);"
        "assert not {'torch', 'transformers', 'datasets', 'evaluate', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert evenweave.load is load
    assert evenweave.Metric is Metric


def test_arrow_columns_of_any_kind_are_columns():
    for make in (pa.array, lambda x: pa.chunked_array([pa.array(x[:1]), pa.array(x[1:])])):
        assert load("accuracy").compute(predictions=make(["a", "b"]), references=make(["a", "c"])) == {
            "accuracy": 0.5
        }


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("accuracy", {}),
        ("f1", {"average": "macro"}),
        ("precision", {"average": None}),
        ("matthews_correlation", {}),
    ],
)
@pytest.mark.parametrize(("n", "labels"), [(100, 3), (2_000, 3), (600, 30), (500, 1)])
def test_an_interval_is_the_same_from_a_tally_from_rows_and_from_batches(name, settings, n, labels):
    random = np.random.default_rng(n)
    gold = random.integers(0, labels, n)
    call = {"references": gold, "predictions": np.where(random.random(n) < 0.8, gold, 0)}
    interval = {"confidence": 0.9, "resamples": 40}
    once = load(name, **settings).compute(**call, **interval)
    metric = load(name, **settings)
    for part in (slice(None, n // 3), slice(n // 3, None)):
        metric.add_batch(**{side: values[part] for side, values in call.items()})
    assert metric.compute(**interval) == once
    tally = metric.statistic.tally(**call)
    assert (tally is None) == (n < 256 or (labels**2 > n // 2 and name != "accuracy"))
    if tally is not None:
        rows = metric.statistic.rows(**call)
        assert tally.totals() == rows.totals() == metric.statistic.totals(**call)
        values, counts = distinct(rows.values)
        assert (tally.values == values).all()
        assert (tally.counts == counts).all()
    weighted = load(name, **settings, sample_weight=[0.5] * n)
    assert weighted.compute(**call, **interval)["intervals"].keys() == once["intervals"].keys()
