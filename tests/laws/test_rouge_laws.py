"""Laws of ROUGE: any split merges to the whole, identity scores 1, order of rows and of roles."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evenweave.metrics.registry import load
from evenweave.metrics.rouge import Rouge, rouge

TYPES = ["rouge1", "rouge2", "rouge3", "rougeL", "rougeLsum", "rougeW", "rougeS", "rougeSU4"]
text = st.text("abcd \n", max_size=40)
pairs = st.lists(st.tuples(text, text), min_size=1, max_size=12)


@given(pairs, st.data())
def test_any_split_merges_to_the_whole(rows: list[tuple[str, str]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    predictions, references = map(list, zip(*rows, strict=True))
    whole = rouge(predictions, references, rouge_types=TYPES)
    first, second = load("rouge", rouge_types=TYPES), load("rouge", rouge_types=TYPES)
    first.add_batch(predictions=predictions[:cut], references=references[:cut])
    for prediction, reference in rows[cut:]:
        second.add(prediction=prediction, reference=reference)
    assert first.merge(second).compute() == whole


@given(pairs)
def test_rows_do_not_know_each_other(rows: list[tuple[str, str]]) -> None:
    predictions, references = map(list, zip(*rows, strict=True))
    statistic = Rouge(rouge_types=TYPES, details=True)
    together = statistic.rows(predictions, references).values
    apart = [statistic.rows([p], [r]).values[0] for p, r in rows]
    assert (together == apart).all()


@given(st.lists(st.text("abcd", min_size=1, max_size=4), min_size=4, max_size=30))
def test_a_text_scores_one_against_itself(words: list[str]) -> None:
    row = " ".join(words)
    assert all(abs(value - 1) < 1e-12 for value in rouge([row], [row], rouge_types=TYPES).values())


@given(pairs)
def test_exchanging_the_texts_exchanges_precision_and_recall(rows: list[tuple[str, str]]) -> None:
    # Not rougeLsum, whose union is of reference positions, nor rougeW, whose table prefers one direction.
    names = ["rouge1", "rouge2", "rougeL", "rougeS", "rougeSU4"]
    predictions, references = map(list, zip(*rows, strict=True))
    statistic = Rouge(rouge_types=names, details=True)
    there, back = statistic.rows(predictions, references), statistic.rows(references, predictions)
    column = {name: there.names.index(name) for name in there.names}
    for name in names:
        assert (
            there.values[:, column[f"{name}_precision"]] == back.values[:, column[f"{name}_recall"]]
        ).all()


@given(pairs)
def test_scores_are_fractions_and_higher_orders_score_no_hits_the_lower_lack(
    rows: list[tuple[str, str]],
) -> None:
    predictions, references = map(list, zip(*rows, strict=True))
    values = Rouge(rouge_types=TYPES, details=True).rows(predictions, references).values
    assert ((values >= 0) & (values <= 1 + 1e-12)).all()
    lcs, unigram = (rouge(predictions, references, rouge_types=[n])[n] for n in ("rougeL", "rouge1"))
    assert lcs <= unigram + 1e-12


def test_threads_agree() -> None:
    rng = np.random.default_rng(0)
    batches = [
        (["".join(rng.choice(list("abcd \n"), 80)) for _ in range(50)] for _ in range(2)) for _ in range(8)
    ]
    batches = [tuple(batch) for batch in batches]
    alone = [rouge(*batch, rouge_types=TYPES, use_stemmer=True) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda batch: rouge(*batch, rouge_types=TYPES, use_stemmer=True), batches))
    assert together == alone
