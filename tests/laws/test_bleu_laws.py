"""What must hold of BLEU whatever the text: splits, order, bounds, copies of references."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evenweave.metrics import load
from evenweave.metrics.bleu import sentence_bleu
from evenweave.metrics.bleu_counts import bleu_counts

word = st.sampled_from(["the", "cat", "sat", "on", "überall", "1,000", "U.S.", "&amp;", "中文"])
text = st.lists(word, max_size=12).map(" ".join)
corpus = st.lists(st.tuples(text, st.lists(text, min_size=1, max_size=3)), min_size=1, max_size=12)


@given(corpus, st.integers(0, 12))
def test_any_split_merges_to_the_whole(pairs: Any, cut: int) -> None:
    predictions, references = [p for p, _ in pairs], [r for _, r in pairs]
    whole = load("sacrebleu").compute(predictions=predictions, references=references)
    part, rest, by_one = load("sacrebleu"), load("sacrebleu"), load("sacrebleu")
    part.add_batch(predictions=predictions[:cut], references=references[:cut])
    rest.add_batch(predictions=predictions[cut:], references=references[cut:])
    for prediction, reference in pairs:
        by_one.add(prediction=prediction, reference=reference)
    assert part.merge(rest).compute() == by_one.compute() == whole


@given(corpus)
def test_the_order_of_rows_and_references_is_nothing(pairs: Any) -> None:
    forward = bleu_counts([p for p, _ in pairs], [r for _, r in pairs]).totals()
    backward = bleu_counts([p for p, _ in pairs][::-1], [r[::-1] for _, r in pairs][::-1]).totals()
    assert forward == backward


@given(corpus)
def test_a_reference_given_twice_counts_once(pairs: Any) -> None:
    predictions = [p for p, _ in pairs]
    once = bleu_counts(predictions, [r for _, r in pairs]).values
    assert once.tolist() == bleu_counts(predictions, [r + r for _, r in pairs]).values.tolist()


@given(corpus)
def test_counts_stay_within_their_bounds(pairs: Any) -> None:
    values = bleu_counts([p for p, _ in pairs], [r for _, r in pairs]).values
    length, matched, total = values[:, 0], values[:, 2:6], values[:, 6:]
    assert (matched >= 0).all()
    assert (matched <= total).all()
    assert (total == np.maximum(0, length[:, None] - np.arange(4))).all()
    assert (np.diff(matched, axis=1) <= 0).all()


@given(st.lists(text, min_size=1, max_size=8))
def test_a_text_scores_full_marks_against_itself(texts: list[str]) -> None:
    scores = sentence_bleu(texts, texts)
    words = bleu_counts(texts, texts).values[:, 0]
    np.testing.assert_allclose(scores, np.where(words > 0, 100, 0))


@given(corpus, st.integers(1, 6))
def test_score_many_is_score_of_each(pairs: Any, order: int) -> None:
    predictions, references = [p for p, _ in pairs], [r for _, r in pairs]
    for name, key in (("bleu", "bleu"), ("sacrebleu", "score")):
        metric = load(name, max_order=order)
        metric.add_batch(predictions=predictions, references=references)
        rows, statistic = metric.rows, metric.statistic
        many = statistic.score_many(dict(zip(rows.names, rows.values.T, strict=True)))[key]  # type: ignore[union-attr]
        each = [statistic.score(dict(zip(rows.names, row, strict=True)))[key] for row in rows.values.tolist()]  # type: ignore[union-attr]
        assert many.tolist() == each


def test_threads_change_no_number() -> None:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(["a", "b", "c", "ü"], size)) for size in random.integers(0, 90, 500)]
    texts[7] = "a b " * 1000
    references = [[texts[i - 1], texts[i - 2]] for i in range(500)]
    one = bleu_counts(texts, references).values
    for threads in (2, 3, 7, 600):
        assert bleu_counts(texts, references, threads=threads).values.tolist() == one.tolist()
    several = load("bleu", threads=2)
    several.add_batch(predictions=texts, references=references)
    merged = load("bleu").merge(several).compute()
    assert merged == load("bleu").compute(predictions=texts, references=references)
