"""Paired tests against their definitions, computed the long way, and against sacrebleu but for ties."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu.significance as peer
from hypothesis import given, settings
from hypothesis import strategies as st

from evenweave.errors import ArgumentError
from evenweave.kernels import resample as kernel
from evenweave.metrics import Metric, combine, compare, load
from evenweave.metrics.resample import resample_keys


def mean_length(predictions, references):
    return float(np.mean([len(p) / len(r) for p, r in zip(predictions, references, strict=True)]))


def mean(predictions, references):
    return float(np.mean([abs(p - r) for p, r in zip(predictions, references, strict=True)]))


@given(st.integers(2, 40), st.integers(0, 5))
@settings(max_examples=15)
def test_p_values_are_those_of_the_same_draws(n, seed):
    random = np.random.default_rng(seed)
    gold, one, two = (random.integers(0, 3, n).tolist() for _ in range(3))
    scores = np.array([[p == r for p, r in zip(side, gold, strict=True)] for side in (one, two)]).astype(
        float
    )
    real = abs(scores[0].mean() - scores[1].mean())
    drawn = np.empty((60, n), dtype=np.uint32)
    heads = np.zeros((60, n), dtype=bool)
    buffer = np.empty(n + 1, dtype=np.uint32)
    for resample, key in enumerate(resample_keys(60, seed)):
        kernel.draw_rows(key, n, drawn[resample])
        heads[resample, buffer[: kernel.toss_rows(key, 0, n, buffer)]] = True
    means = scores[:, drawn].mean(axis=2)
    gaps = np.abs(means[1] - means[0])
    found = compare("accuracy", gold, one, two, resamples=60, seed=seed)["systems"]["system 2"]["accuracy"]
    assert found["p_value"] == pytest.approx(share_beyond(gaps - gaps.mean(), real))
    assert found["mean"] == pytest.approx(means[1].mean())
    assert found["difference"] == pytest.approx(scores[1].mean() - scores[0].mean())
    swapped = (
        np.where(heads, scores[0], scores[1]).mean(axis=1),
        np.where(heads, scores[1], scores[0]).mean(axis=1),
    )
    found = compare("accuracy", gold, one, two, test="randomisation", resamples=60, seed=seed)
    expected = share_beyond(np.abs(swapped[0] - swapped[1]), real)
    assert found["systems"]["system 2"]["accuracy"]["p_value"] == pytest.approx(expected)


def share_beyond(gaps, real):
    """Riezler and Maxwell's p; sacrebleu's too, but for gaps equal to the real one."""
    gaps, real = np.round(gaps, 10), round(real, 10)
    share = ((gaps >= real).sum() + 1) / (len(gaps) + 1)
    assert share - peer._compute_p_value(gaps, real) == pytest.approx((gaps == real).sum() / (len(gaps) + 1))
    return share


@pytest.mark.parametrize("test", ["bootstrap", "randomisation"])
def test_what_differs_in_nothing_or_in_one_row_is_not_significant(test):
    gold = [1] * 100
    found = compare("accuracy", gold, {"a": gold, "same": gold, "one": [0, *gold[1:]]}, test=test)["systems"]
    assert found["same"]["accuracy"]["p_value"] == 1.0
    assert found["one"]["accuracy"]["p_value"] > (0.05 if test == "bootstrap" else 0.99)
    texts = [f"the cat {i} sat on the mat" for i in range(30)]
    assert compare("bleu", texts, texts, texts, test=test)["systems"]["system 2"]["bleu"]["p_value"] == 1.0


@pytest.mark.parametrize("test", ["bootstrap", "randomisation"])
@pytest.mark.parametrize("other", [[0.0, 0.5, 0.3], [0.1, 0.5, 0.3]])
def test_an_infinite_score_is_no_evidence(test, other):
    found = compare("perplexity", None, [0.0, 0.5, 0.3], other, test=test, resamples=50)["systems"]
    assert found["system 2"]["perplexity"]["p_value"] == 1.0


def test_randomisation_is_wrong_as_often_as_it_says():
    random = np.random.default_rng(5)
    wrong = 0
    for seed in range(200):
        one, two = (random.random((2, 80)) < 0.9).astype(int)
        found = compare("accuracy", [1] * 80, one, two, test="randomisation", resamples=199, seed=seed)
        wrong += found["systems"]["system 2"]["accuracy"]["p_value"] <= 0.05
    assert wrong <= 20  # 10 of 200 are expected at most, with a standard deviation of 3


@pytest.mark.parametrize("n", [40, 3_000])
def test_systems_are_resampled_by_the_same_rows_even_where_equal_rows_are_drawn_as_one(n):
    random = np.random.default_rng(2)
    gold = random.integers(0, 2, n)
    one = np.where(random.random(n) < 0.3, 1 - gold, gold)
    two = np.where(random.random(n) < 0.01, 1 - one, one)
    scores = (
        load("accuracy")
        .sample_of(one, gold)
        .bootstrap(load("accuracy").sample_of(two, gold), resamples=2000, seed=3)
    )
    gaps = scores[1]["accuracy"] - scores[0]["accuracy"]
    moved = (two == gold).astype(int) - (one == gold)
    assert gaps.mean() == pytest.approx(moved.mean(), abs=5 * moved.std() / (2000 * n) ** 0.5)
    assert gaps.std() == pytest.approx(moved.std() / n**0.5, rel=0.1)
    assert (np.sort(scores[0]["accuracy"])[[50, -50]] != np.sort(scores[1]["accuracy"])[[50, -50]]).any()


@pytest.mark.parametrize("test", ["bootstrap", "randomisation"])
def test_a_function_and_its_additive_form_agree(test):
    random = np.random.default_rng(1)
    gold, one, two = (random.integers(0, 9, 70).tolist() for _ in range(3))
    found = [
        compare(
            Metric.from_function(mean, additive=additive), gold, {"a": one, "b": two}, test=test, resamples=40
        )
        for additive in (False, True)
    ]
    for name, table in found[0]["systems"].items():
        for value, other in zip(
            table["mean"].values(), found[1]["systems"][name]["mean"].values(), strict=True
        ):
            assert value == pytest.approx(other)


@pytest.mark.parametrize("test", ["bootstrap", "randomisation"])
def test_equal_systems_are_not_told_apart_and_different_ones_are(test):
    gold = [["B-X", "O"], ["B-Y", "O"], ["O", "B-X"]] * 40
    worse = [["B-X", "O"], ["O", "O"], ["O", "B-Y"]] * 40
    found = compare("seqeval", gold, {"gold": gold, "same": gold, "worse": worse}, test=test, resamples=200)
    assert found["signature"].startswith("seqeval|mode:default")
    assert found["systems"]["same"]["overall_f1"]["difference"] == 0.0
    assert found["systems"]["worse"]["overall_f1"]["p_value"] < 0.01
    assert "p_value" not in found["systems"]["gold"]["overall_f1"]
    assert found["systems"]["worse"]["Y.recall"]["score"] == 0.0


def test_every_metric_can_be_compared():
    hypotheses, other = ["the cat sat", "a dog", "birds fly high"], ["the cat", "the dog", "birds fly"]
    references = ["the cat sat down", "the dog", "birds fly high"]
    for metric in ("bleu", "sacrebleu", "rouge", load("exact_match"), mean_length):
        found = compare(metric, iter(references), hypotheses, other, resamples=20)
        assert any("interval" in entry for entry in found["systems"]["system 1"].values())


def test_what_cannot_be_compared():
    with pytest.raises(ArgumentError, match="two or more"):
        compare("accuracy", [1], [1])
    with pytest.raises(ArgumentError, match="2 rows for 1 predictions"):
        compare("accuracy", [1, 0], [1, 0], [1])
    with pytest.raises(ArgumentError, match="not all different"):
        compare("accuracy", [1], {1: [1], "1": [0]})
    with pytest.raises(ArgumentError, match="no single metric"):
        compare(combine(["accuracy", "f1"]), [1, 0], [1, 0], [1, 0])
    with pytest.raises(ArgumentError, match="confidence: None"):
        compare("accuracy", [1, 0], [1, 0], [1, 0], confidence=None)
    with pytest.raises(ArgumentError, match="test: 't'"):
        compare("accuracy", [1, 0], [1, 0], [1, 0], test="t")
    with pytest.raises(ArgumentError, match="resamples: 0"):
        compare("accuracy", [1, 0], [1, 0], [1, 0], resamples=0)


@pytest.mark.parametrize("test", ["bootstrap", "randomisation"])
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 1.0, 0.5] * 10])
def test_numbers_of_labels_are_those_of_the_same_label_where_systems_know_others(test, weights):
    gold, one, two = [0, 2, 0, 2] * 10, [0, 1, 2, 2] * 10, [0, 2, 2, 2] * 10
    f1 = load("f1", average=None, sample_weight=weights)
    found = compare(f1, gold, one, two, test=test, resamples=50)["systems"]["system 2"]
    told = load("f1", average=None, labels=[0, 1, 2], sample_weight=weights)
    assert found == compare(told, gold, one, two, test=test, resamples=50)["systems"]["system 2"]
    assert list(found) == ["f1.0", "f1.1", "f1.2"]


def test_what_no_row_has_is_compared_as_the_constant_it_is():
    found = compare("f1", [0, 0], [0, 0], [0, 0], resamples=20)["systems"]["system 2"]["f1"]
    assert (found["interval"], found["p_value"]) == ((0.0, 0.0), 1.0)


def test_the_mean_is_over_the_resamples_that_have_a_score():
    rows = {"one": [1, 0, 0], "two": [1, 1, 0]}
    found = compare("f1", [1, 0, 0], rows, zero_division=float("nan"), resamples=99)["systems"]["one"]["f1"]
    assert found["mean"] == 1.0


def test_one_number_a_row_is_nothing_to_compare():
    with pytest.raises(ArgumentError, match="rouge gives one number a row"):
        compare(load("rouge", use_aggregator=False), ["a"], ["a"], ["a"])
