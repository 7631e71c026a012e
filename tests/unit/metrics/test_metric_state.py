"""What a metric holds: its own copies, whole or not at all, and what it says of itself."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import precision_score

from evenweave.errors import ArgumentError, EvenweaveError, NotFoundError
from evenweave.metrics import Metric, combine, compare, load
from evenweave.metrics.intervals import interval
from evenweave.metrics.sample import Statistics
from evenweave.ragged import Ragged


def share(predictions, references, k=1):
    return k * sum(p == r for p, r in zip(predictions, references, strict=True)) / len(references)


def test_buffers_may_be_filled_anew_between_rows():
    entities, row = load("seqeval"), []
    perplexity, buffer = load("perplexity"), np.zeros(2)
    spans, span = load("seqeval"), [[0, 1, "X"]]
    for tags, chance in zip((["B-PER", "O"], ["O", "O"], ["O", "B-LOC"]), (0.5, 0.25, 0.1), strict=True):
        row[:] = tags
        entities.add(prediction=row, reference=list(tags))
        buffer[:] = chance
        perplexity.add(prediction=buffer)
        span[0][2] = tags[0]
        spans.add(prediction=span, reference=[[0, 1, tags[0]]])
    assert entities.compute()["overall_f1"] == 1.0
    assert perplexity.compute()["perplexity"] == pytest.approx((0.5 * 0.25 * 0.1) ** (-1 / 3))
    assert spans.compute()["overall_f1"] == 1.0
    own, predictions = Metric.from_function(share), []
    for batch in ([1, 1], [0, 0]):
        predictions[:] = batch
        own.add_batch(predictions=predictions, references=[1, 1])
    assert own.compute() == {"share": 0.5}


def test_a_row_that_is_refused_takes_no_other_with_it():
    metric = load("bleu")
    for prediction in ("a b c d", None, "a b c e"):
        metric.add(prediction=prediction, reference="a b c d")
    with pytest.raises(EvenweaveError, match="row 1"):
        metric.compute()
    assert len(metric) == 2
    assert metric.compute()["translation_length"] == 8


def test_a_score_that_fails_leaves_the_rows_that_were_there():
    metric = load("f1")
    metric.add_batch(predictions=[1, 0], references=[1, 1])
    with pytest.raises(EvenweaveError):
        metric.compute(predictions=[2, 2], references=[2, 1])  # binary, and three labels
    assert len(metric) == 2
    assert metric.compute() == {"f1": pytest.approx(2 / 3)}


def test_a_combination_keeps_its_metrics_in_step():
    both = combine(["exact_match", "bleu"])
    both.add_batch(predictions=["a"], references=["b"])
    with pytest.raises(EvenweaveError):
        both.add_batch(predictions=[None], references=["a"])
    both.add(prediction="c", reference="c")
    both.add(prediction=None, reference="c")
    with pytest.raises(EvenweaveError):
        both.compute()
    found = both.compute()
    assert (found["exact_match"], found["translation_length"]) == (0.5, 2)
    scores = combine(["accuracy", "f1"])
    scores.add_batch(predictions=[0, 1, 2], references=[0, 1, 2])
    with pytest.raises(EvenweaveError):
        scores.compute()
    assert [len(metric) for metric in scores.metrics.values()] == [3, 3]


def test_functions_are_metrics_wherever_one_is_asked_for():
    assert combine([share, "accuracy"]).compute(predictions=[1, 0], references=[1, 1]) == {
        "share": 0.5,
        "accuracy": 0.5,
    }
    with pytest.raises(ArgumentError, match="metrics: int is no single metric"):
        combine([3])
    late = Metric.from_function(share)
    late.add_batch(predictions=[1, 0], references=[1, 1])
    assert late.compute(k=2) == {"share": 1.0}
    assert late.signature == "share|k:2"
    additive = Metric.from_function(share, additive=True)
    additive.add_batch(predictions=[1, 0], references=[1, 1])
    with pytest.raises(ArgumentError, match=r"with_settings\(k=2\)"):
        additive.compute(k=2)


def test_additive_functions_give_the_same_numbers_in_every_batch():
    metric = Metric.from_function(lambda p, r: {p[0]: 1.0}, name="own", additive=True)
    metric.add_batch(predictions=[], references=[])
    metric.add_batch(predictions=["a"], references=[1])
    assert metric.compute() == {"a": 1.0}
    metric.add_batch(predictions=["a"], references=[1])
    metric.add_batch(predictions=["b"], references=[1])
    with pytest.raises(ArgumentError, match="some rows gave a and others b"):
        metric.compute()
    with pytest.raises(ArgumentError, match="no rows"):
        Metric.from_function(share, additive=True).compute(predictions=[], references=[])


def test_intervals_of_lists_and_of_numbers_that_some_resamples_lack():
    def ends(predictions, references):
        found = {"both": np.array([min(predictions), max(predictions)])}
        return {**found, "large": 1.0 * sum(predictions)} if sum(predictions) > 2 else found

    result = Metric.from_function(ends).compute(
        predictions=[1, 0, 1, 0, 1], references=[0] * 5, confidence=0.9, resamples=200
    )
    assert result["both"] == [0, 1]
    assert result["intervals"]["both"] == [(0.0, 1.0), (1.0, 1.0)]
    assert result["intervals"]["large"] == (3.0, 5.0)
    chances = load("perplexity").compute(predictions=[[0.5, 0.4], [], [0.1]], confidence=0.95)
    low, high = chances["intervals"]["perplexity"]
    assert 2 < low < high == pytest.approx(10)


@pytest.mark.parametrize("seed", [np.int64(3), np.uint8(3), -2, 2**70])
def test_any_whole_number_is_a_seed(seed):
    rows = {"predictions": [1, 0] * 40, "references": [1, 1] * 40}
    assert load("accuracy").compute(**rows, confidence=0.9, seed=seed) == load("accuracy").compute(
        **rows, confidence=0.9, seed=int(seed)
    )


@pytest.mark.parametrize(
    "settings",
    [{"confidence": "0.95"}, {"confidence": 0.9, "resamples": 10.0}, {"confidence": 0.9, "seed": None}],
)
def test_draws_of_the_wrong_type_are_refused_in_one_line(settings):
    with pytest.raises(ArgumentError, match=f"^{list(settings)[-1]}: "):
        load("accuracy").compute(predictions=[1], references=[1], **settings)


def test_the_signature_is_that_of_the_last_score():
    metric = load("bleu")
    metric.compute(predictions=["A b"], references=["a b"], lowercase=True)
    assert "case:lc" in metric.signature
    metric.add(prediction="a", reference="a")
    assert "case:mixed" in metric.signature
    tags = load("seqeval")
    tags.compute(predictions=[["B-X"]], references=[["B-X"]], zero_division=1)
    assert "zero:1" in tags.signature


def test_settings_may_be_said_again_as_they_were_given():
    metric = load("seqeval", label_names=["O", "B-X"])
    metric.add_batch(predictions=[[0, 1]], references=[[0, 1]])
    assert metric.compute(label_names=["O", "B-X"])["overall_f1"] == 1.0
    metric.add_batch(predictions=[[0, 1]], references=[[0, 1]])
    with pytest.raises(ArgumentError, match="already added"):
        metric.compute(label_names=["B-X", "O"])
    weighted = load("accuracy", sample_weight=np.array([1.0, 2.0]))
    weighted.add_batch(predictions=[1, 0], references=[1, 1])
    with pytest.raises(ArgumentError, match="already added"):
        weighted.compute(sample_weight=np.array([2.0, 1.0]))


def test_what_is_no_metric_or_no_rows_is_refused_in_one_line():
    for metric in (load("accuracy"), combine(["accuracy", "f1"])):
        for other in ("accuracy", combine(["f1"])):
            with pytest.raises(ArgumentError, match=r"^merge: "):
                metric.merge(other)
    with pytest.raises(ArgumentError, match=r"^predictions: None"):
        load("accuracy").add_batch(predictions=None, references=[1])


def test_files(tmp_path: Path):
    marked, plain = tmp_path / "marked", tmp_path / "plain"
    marked.write_bytes(b"\xef\xbb\xbfpos\nneg\n")
    plain.write_text("pos\nneg\n")
    assert load("accuracy").compute(predictions=marked, references=plain) == {"accuracy": 1.0}
    assert load("exact_match").compute(predictions=plain, references=marked) == {"exact_match": 1.0}
    with pytest.raises(ArgumentError, match=r"^predictions: a list of paths"):
        load("rouge").compute(predictions=[plain], references=[plain])
    with pytest.raises(NotFoundError, match="a folder; give a file"):
        load("rouge").compute(predictions=tmp_path, references=plain)


@pytest.mark.parametrize("name", ["f1", "matthews_correlation"])
def test_rows_of_many_labels_are_kept_as_pairs_and_scored_as_counts(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    gold = generator.integers(0, 40, 3000)
    mine, theirs = (np.where(generator.random(3000) < share, gold, gold[::-1]) for share in (0.9, 0.8))
    settings = {} if name == "matthews_correlation" else {"average": "macro"}

    def added() -> Metric:
        metric = load(name, **settings)
        for at in range(0, 3000, 700):  # labels come in another order in each
            metric.add_batch(predictions=mine[at : at + 700], references=gold[at : at + 700])
        return metric

    assert len(pickle.dumps(added())) < 10 * 3000  # the counts are 960 bytes a row
    rows = added().rows
    counted = Statistics(added().statistic, rows)
    assert rows.totals() == added().statistic.rows(mine, gold).totals()
    for room in (1 << 24, 1 << 10):  # all labels at once, and a few
        monkeypatch.setattr("evenweave.metrics.label_pairs.ROOM", room)
        scores = added().compute(confidence=0.95, resamples=50)
        assert scores[name] == counted.score()[name]
        (drawn,) = counted.bootstrap(resamples=50, seed=0)
        assert scores["intervals"][name] == interval(drawn[name], 0.95)
        one, other = added()._sample(), load(name, **settings).sample_of(theirs, gold)
        plain = Statistics(one.statistic, one.rows), Statistics(other.statistic, other.rows)
        for test in ("bootstrap", "exchange"):
            found = getattr(one, test)(other, resamples=50, seed=3)
            wanted = getattr(plain[0], test)(plain[1], resamples=50, seed=3)
            for ours, theirs_ in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(ours[name], theirs_[name])


@pytest.mark.parametrize(("name", "rows"), [("f1", [0, 0]), ("precision", ["a", "a"])])
def test_a_label_that_no_row_has_scores_the_same_in_every_resample(name, rows):
    found = load(name).compute(predictions=rows, references=rows, confidence=0.9)
    assert found["intervals"] == {name: (0.0, 0.0)}


def test_the_interval_of_a_rare_label_is_its_own_though_no_resample_has_it():
    rows = [0] * 50 + [1, 2]
    for seed in range(9):
        found = load("f1", average=None).compute(
            predictions=rows, references=rows, confidence=0.9, resamples=1, seed=seed
        )
        assert len(found["intervals"]["f1"]) == len(found["f1"]) == 3


def test_one_metric_cannot_stand_twice_in_a_combination():
    metric = load("exact_match")
    with pytest.raises(ArgumentError, match="the same exact_match twice"):
        combine([metric, metric])


def test_one_row_may_be_added_under_evaluates_names():
    for metric in (load("accuracy"), combine(["accuracy", "f1"])):
        for reference, prediction in [(0, 1), (1, 1)]:
            metric.add(references=reference, predictions=prediction)
        metric.add(prediction=1, reference=1)
        assert metric.compute()["accuracy"] == 2 / 3
        for row, message in (
            ({}, "prediction: none given"),
            ({"prediction": 1, "predictions": 1}, "prediction: given as predictions= too"),
            ({"prediction": 1, "reference": 1, "references": 1}, "reference: given as references= too"),
        ):
            with pytest.raises(ArgumentError, match=message):
                metric.add(**row)
        assert len(metric) == 0


def test_a_function_is_called_by_the_names_of_its_parameters():
    def counts(references, predictions):
        return {"predicted": sum(predictions), "gold": sum(references)}

    def named(*, predictions, references):
        return {"predicted": sum(predictions), "gold": sum(references)}

    rows = {"predictions": [1, 1, 1], "references": [0, 0, 1]}
    for function in (counts, named):
        for additive in (False, True):
            found = Metric.from_function(function, additive=additive).compute(**rows)
            assert found["predicted"] > found["gold"]
    assert Metric.from_function(precision_score).compute(**rows) == {"precision_score": 1 / 3}
    with pytest.raises(ArgumentError, match=r"function: 'bleu' cannot be called; .* use load"):
        Metric.from_function("bleu")


def test_a_function_that_changes_its_lists_changes_no_rows():
    def sorts(predictions, references):
        predictions.sort()
        references.clear()
        return float(predictions[0])

    rows = {"predictions": [3, 1, 2], "references": [1, 2, 3]}
    found = Metric.from_function(sorts).compute(**rows, confidence=0.9, resamples=20)
    assert found["sorts"] == 1.0
    compare(sorts, [1, 2, 3], [3, 1, 2], [1, 2, 3], test="randomisation", resamples=5)


def test_an_error_of_a_function_in_a_resample_says_so():
    with pytest.raises(ZeroDivisionError) as caught:
        Metric.from_function(lambda p, r: 1 / sum(p)).compute(
            predictions=[1, 0, 0], references=[1, 1, 1], confidence=0.9
        )
    assert "while scoring a resample" in caught.value.__notes__[0]


def test_whether_a_row_is_right_is_a_number_of_an_additive_function():
    def right(predictions, references):
        return predictions[0] == references[0]

    metric = Metric.from_function(right, additive=True)
    for column in ([[1, 2], [3]], Ragged.from_rows([[1, 2], [3]])):
        assert metric.compute(predictions=column, references=[[1, 2], [4]]) == {"right": 0.5}
