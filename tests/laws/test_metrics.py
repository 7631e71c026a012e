"""Laws of every metric: any split merges to the whole, fast paths equal the rows, errors add up."""

from __future__ import annotations

import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenweave.metrics import Metric, Rows, load
from evenweave.metrics.base import HasScoreMany, HasTotals
from evenweave.metrics.entities_errors import entity_errors
from evenweave.metrics.numbers import flatten

TAGS = ["O", "O", "B-X", "I-X", "B-Y", "I-Y", "E-X", "S-Y"]
TEXTS = st.text("ab c", max_size=12)


@dataclass(frozen=True)
class Mean:
    """A statistic of floats: its sums depend on the order unless they are rounded once."""

    name = signature = "mean"

    def rows(self, predictions, references):
        ones = np.ones(len(predictions))
        return Rows(
            ("n", "sum"), np.stack([ones, np.asarray(predictions, dtype=float)], axis=1).reshape(-1, 2)
        )

    def score(self, totals):
        return {"mean": totals["sum"] / totals["n"]}


def f_ratio(predictions, references):
    return {"hits": sum(p == r for p, r in zip(predictions, references, strict=True)) / len(references)}


def tag_rows(data):
    sizes = data.draw(st.lists(st.integers(0, 8), min_size=2, max_size=8))
    side = st.lists(st.sampled_from(TAGS), min_size=1, max_size=1)
    return [
        [[data.draw(side)[0] for _ in range(size)] for size in sizes],
        [[data.draw(side)[0] for _ in range(size)] for size in sizes],
    ]


def columns(name, data):
    if name in ("seqeval", "semeval", "token_accuracy"):
        return tag_rows(data)
    n = data.draw(st.integers(2, 8))
    if name in ("bleu", "sacrebleu", "rouge", "exact_match"):
        item = TEXTS
    elif name == "mean":
        item = st.floats(-1e12, 1e12)
    else:
        item = st.integers(0, 1 if name in ("precision", "recall", "f1") else 3)
    column = st.lists(item, min_size=n, max_size=n)
    return [data.draw(column), data.draw(column)]


def metric_of(name):
    if name == "mean":
        return Metric(Mean())
    if name == "function":
        return Metric.from_function(f_ratio)
    if name == "additive":
        return Metric.from_function(f_ratio, additive=True)
    return load(name)


NAMES = [
    "seqeval", "semeval", "accuracy", "f1", "matthews_correlation", "exact_match",
    "token_accuracy", "bleu", "sacrebleu", "rouge", "mean", "function", "additive",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=25)
def test_any_split_in_any_order_of_merging_is_bit_for_bit_the_whole(name, data):
    predictions, references = columns(name, data)
    whole = metric_of(name).compute(predictions=predictions, references=references)
    cuts = sorted({0, len(predictions), *data.draw(st.lists(st.integers(0, len(predictions)), max_size=3))})
    shards = []
    for a, b in itertools.pairwise(cuts):
        shard = metric_of(name)
        if data.draw(st.booleans()):
            shard.add_batch(predictions=predictions[a:b], references=references[a:b])
        else:
            for prediction, reference in zip(predictions[a:b], references[a:b], strict=True):
                shard.add(prediction=prediction, reference=reference)
        shards.append(shard)
    # A function of columns may look at their order; statistics may not.
    order = shards if name == "function" else data.draw(st.permutations(shards))
    merged = metric_of(name)
    for shard in order:
        merged.merge(shard)
    assert len(merged) == len(predictions)
    assert repr(merged.compute()) == repr(whole)
    assert len(merged) == 0


@pytest.mark.parametrize("name", NAMES[:-2])
@given(data=st.data())
@settings(max_examples=25)
def test_totals_equal_the_rows_and_many_scores_equal_single_ones(name, data):
    predictions, references = columns(name, data)
    statistic = metric_of(name).statistic
    rows = statistic.rows(predictions, references)
    assert len(rows) == len(predictions)
    if isinstance(statistic, HasTotals):
        assert statistic.totals(predictions, references) == rows.totals()
    if isinstance(statistic, HasScoreMany):
        stacked = np.stack([rows.values.sum(axis=0), 2 * rows.values.sum(axis=0)])
        many = dict(flatten(statistic.score_many(dict(zip(rows.names, stacked.T, strict=True)))))
        single = dict(flatten(statistic.score(rows.totals())))
        for key, values in many.items():
            first = np.broadcast_to(values, 2)[0]
            assert first == pytest.approx(single[key], abs=1e-9, nan_ok=True), key


@given(data=st.data())
@settings(max_examples=60)
def test_error_instances_add_up_to_the_counts(data):
    predictions, references = tag_rows(data)
    errors = entity_errors(predictions, references)
    totals = load("seqeval").statistic.totals(predictions, references)
    gold = sum(value for key, value in totals.items() if key.startswith("gold:"))
    predicted = sum(value for key, value in totals.items() if key.startswith("predicted:"))
    both = sum(value for key, value in totals.items() if key.startswith("both:"))
    assert (errors.gold, errors.predicted, errors.counts["correct"]) == (gold, predicted, both)
    assert len(errors.instances) == sum(errors.counts.values()) - errors.counts["correct"]
    assert sum(error.gold is not None for error in errors.instances) == gold - both
    assert sum(error.predicted is not None for error in errors.instances) == predicted - both
    semeval = load("semeval").compute(predictions=predictions, references=references)
    assert semeval["strict"]["correct"] == both
    assert {matching["possible"] for matching in semeval.values()} == {gold}


def test_threads_and_processes_agree():
    predictions, references = [["B-X", "I-X", "O"]] * 50, [["B-X", "O", "O"], ["B-X", "I-X", "O"]] * 25
    metric = load("seqeval")
    whole = metric.compute(predictions=predictions, references=references, confidence=0.9)
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(
            lambda _: metric.with_settings().compute(
                predictions=predictions, references=references, confidence=0.9
            ),
            range(8),
        )
    assert all(result == whole for result in found)
    metric.add_batch(predictions=predictions, references=references)
    sent = pickle.loads(pickle.dumps(metric))  # as multiprocessing hands a metric to another process
    assert sent.compute(confidence=0.9) == whole
