"""Perplexity from probabilities, outcomes, log-probabilities and logits."""

from __future__ import annotations

import logging
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenweave.errors import ArgumentError, DataError
from evenweave.metrics import load
from evenweave.metrics.perplexity import Perplexity, perplexity
from evenweave.metrics.token_nll import token_nll
from evenweave.ragged import Ragged

PROBABILITIES = [0.2, 0.3, 0.5, 0.7, 0.6]


def test_the_documented_example() -> None:
    result = load("perplexity").compute(predictions=PROBABILITIES)
    assert result["perplexity"] == pytest.approx(2.3984236114977886, rel=1e-15)
    assert result["tokens"] == 5


def test_references_0_and_1_are_bernoulli_outcomes() -> None:
    result = load("perplexity").compute(predictions=PROBABILITIES, references=[1, 0, 1, 1, 1])
    assert result["perplexity"] == pytest.approx((0.2 * 0.7 * 0.5 * 0.7 * 0.6) ** (-1 / 5), rel=1e-14)
    logs = load("perplexity", log=True).compute(predictions=np.log(PROBABILITIES), references=[1, 0, 1, 1, 1])
    assert logs["perplexity"] == pytest.approx(result["perplexity"], rel=1e-14)


@given(st.lists(st.lists(st.floats(1e-6, 1.0), max_size=5), max_size=8))
def test_rows_of_any_form_give_the_same_number(rows: list[list[float]]) -> None:
    flat = [value for row in rows for value in row]
    expected = math.exp(-math.fsum(map(math.log, flat)) / len(flat)) if flat else math.nan
    forms: list[Any] = [rows, [np.array(row) for row in rows], pa.array(rows, pa.list_(pa.float64()))]
    forms += [Ragged.from_rows(rows, dtype=np.float64), flat, np.array(flat), pa.array(flat, pa.float64())]
    for form in forms:
        result = load("perplexity").compute(predictions=form)
        assert result["perplexity"] == pytest.approx(expected, rel=1e-12, nan_ok=True)
        assert result["tokens"] == len(flat)
    logs = load("perplexity", log=True).compute(predictions=[np.log(np.array(row)) for row in rows])
    assert logs["perplexity"] == pytest.approx(expected, rel=1e-12, nan_ok=True)


@given(st.lists(st.lists(st.floats(0.01, 1.0), max_size=5), max_size=12), st.integers(0, 12))
def test_any_split_merges_to_the_whole_to_the_bit(rows: list[list[float]], cut: int) -> None:
    whole, part, other = load("perplexity"), load("perplexity"), load("perplexity")
    whole.add_batch(predictions=[*rows, [0.5]])
    part.add_batch(predictions=rows[:cut])
    other.add_batch(predictions=[*rows[cut:], [0.5]])
    assert part.merge(other).compute() == whole.compute()


def test_a_probability_of_zero_is_infinite_and_says_where(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert perplexity([[0.5], [0.5, 1.0, 0.0, 0.0]])["perplexity"] == math.inf
        assert perplexity([[0.5], [0.5, 1.0]], [[1], [1, 0]])["perplexity"] == math.inf
        logits = np.zeros((2, 3, 4))
        logits[1, 2, 3] = -np.inf
        assert perplexity(logits, np.full((2, 3), 3))["perplexity"] == math.inf
    places = [record.message.split(":")[0] for record in caplog.records]
    assert places == ["row 1, position 2", "row 1, position 1", "row 1, position 2"]


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf, -math.inf])
def test_what_is_no_probability_is_refused_with_its_place(value: float) -> None:
    with pytest.raises(DataError, match=r"row 1, position 2, predictions: .* is not a probability"):
        perplexity([[0.5], [0.5, 0.5, value]])
    with pytest.raises(DataError, match="row 2, position 0"):
        perplexity([0.5, 0.5, value])


@pytest.mark.parametrize("value", [0.1, math.nan, math.inf])
def test_what_is_no_log_probability_is_refused(value: float) -> None:
    with pytest.raises(DataError, match=r"row 0, position 1, predictions: .*at most 0"):
        perplexity([[-1.0, value]], log=True)


def test_a_softmax_that_rounds_above_one_is_a_probability() -> None:
    assert perplexity(np.array([1.0000001], dtype=np.float32))["perplexity"] == pytest.approx(1, abs=1e-6)


def test_messages_about_what_does_not_fit() -> None:
    with pytest.raises(DataError, match=r"row 1, position 0, references: 2\.0 is not an outcome"):
        perplexity([0.5, 0.5], [1, 2])
    with pytest.raises(DataError, match="row 1, references: 1 outcomes for 2 predictions"):
        perplexity([[0.5], [0.5, 0.5]], [[1], [1]])
    with pytest.raises(DataError, match="row 1, predictions: 'x' is not a number"):
        perplexity([0.5, "x"])
    with pytest.raises(DataError, match="row 1, position 0, references: id 9 for a vocabulary of 4"):
        perplexity(np.zeros((2, 1, 4)), [[0], [9]])
    with pytest.raises(ArgumentError, match=r"shape \(2, 2\) for logits of shape \(2, 1, 4\)"):
        perplexity(np.zeros((2, 1, 4)), [[0, 0], [1, 1]])
    with pytest.raises(ArgumentError, match="mask"):
        perplexity([0.5], mask=[1])
    with pytest.raises(DataError, match="row 0, position 1, predictions: a logit is NaN"):
        perplexity(np.array([[[0.0, 1.0], [np.nan, 0.0]]]), [[0, 1]])
    with pytest.raises(ArgumentError, match="shift"):
        perplexity(np.zeros((3, 4)), [0, 1, 2], shift=True)


def oracle(logits: Any, ids: Any) -> Any:
    wide = np.asarray(logits, dtype=np.longdouble)
    top = wide.max(-1, keepdims=True)
    logs = wide - top - np.log(np.exp(wide - top).sum(-1, keepdims=True))
    picked = np.take_along_axis(logs, np.where(ids < 0, 0, ids)[..., None], -1)[..., 0]
    return np.where(ids == -100, 0, -picked).astype(np.float64)


@pytest.mark.parametrize("vocabulary", [1, 2, 1000, 16384, 16385, 40000])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_logits_streamed_over_the_vocabulary(vocabulary: int, dtype: Any) -> None:
    random = np.random.default_rng(vocabulary)
    logits = (random.normal(size=(3, 9, vocabulary)) * 5).astype(dtype)
    ids = random.integers(0, vocabulary, (3, 9))
    ids[random.random((3, 9)) < 0.3] = -100
    np.testing.assert_allclose(token_nll(logits, ids), oracle(logits, ids), rtol=1e-12, atol=1e-12)


def test_a_row_of_minus_infinities_before_the_first_logit() -> None:
    logits = np.full((1, 40000), -np.inf)
    logits[0, -2:] = [1.0, 2.0]
    assert token_nll(logits, np.array([39999]))[0] == pytest.approx(math.log1p(math.exp(-1)))


def test_mask_and_shift_score_what_a_causal_model_predicts() -> None:
    random = np.random.default_rng(0)
    logits, ids = random.normal(size=(4, 6, 11)), random.integers(0, 11, (4, 6))
    mask = np.arange(6) < np.array([[6], [3], [1], [4]])
    whole = perplexity(logits, ids, mask=mask, shift=True)
    shifted = oracle(logits[:, :-1], np.where(mask, ids, -100)[:, 1:])
    assert whole["tokens"] == mask[:, 1:].sum()
    assert whole["nll"] == pytest.approx(shifted.sum())
    by_batch = load("perplexity", shift=True)
    for row in range(4):
        by_batch.add_batch(
            predictions=logits[row : row + 1], references=np.where(mask, ids, -100)[row : row + 1]
        )
    assert by_batch.compute()["nll"] == pytest.approx(whole["nll"], rel=1e-14)


def test_never_a_second_copy_of_the_logits() -> None:
    logits = np.zeros((64, 50_000), dtype=np.float32)
    ids = np.zeros(64, dtype=np.int64)
    tracemalloc.start()
    perplexity(logits, ids)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert logits.nbytes == 12_800_000
    assert peak < 5_000_000


def test_tensors_of_any_precision_are_read_block_by_block() -> None:
    torch = pytest.importorskip("torch")
    logits = torch.randn(2, 5, 17, dtype=torch.bfloat16, requires_grad=True)
    ids = torch.randint(0, 17, (2, 5))
    ids[0, 1] = ids[1, 3] = -100
    expected = torch.nn.functional.cross_entropy(logits.double().transpose(1, 2), ids, reduction="sum")
    assert perplexity(logits, ids)["nll"] == pytest.approx(float(expected.detach()), rel=1e-12)


def test_probabilities_in_bfloat16_are_widened() -> None:
    torch = pytest.importorskip("torch")
    probabilities = torch.tensor([0.5, 0.125], dtype=torch.bfloat16)
    assert load("perplexity").compute(predictions=probabilities)["perplexity"] == 4.0


FORMS_OF_IDS: list[Any] = [
    lambda rows: rows,
    lambda rows: tuple(map(tuple, rows)),
    lambda rows: [np.array(row, dtype=np.int32) for row in rows],
    lambda rows: Ragged.from_rows(rows, dtype=np.int64),
    lambda rows: pa.array(rows, pa.list_(pa.int64())),
    lambda rows: (row for row in rows),
]


@given(
    st.lists(st.integers(0, 5), max_size=6), st.integers(1, 9), st.booleans(), st.sampled_from(FORMS_OF_IDS)
)
def test_texts_of_any_length_one_by_one_or_in_a_list_or_padded(
    lengths: list[int], vocabulary: int, shift: bool, form: Any
) -> None:
    random = np.random.default_rng(vocabulary)
    texts = [random.normal(size=(size, vocabulary)) for size in lengths]
    ids = [random.integers(0, vocabulary, size).tolist() for size in lengths]
    padded, wanted = np.zeros((len(texts), 5, vocabulary)), np.full((len(texts), 5), -100)
    for row, (text, true) in enumerate(zip(texts, ids, strict=True)):
        padded[row, : len(text)], wanted[row, : len(true)] = text, true
    expected = perplexity(padded, wanted, shift=shift)
    found = perplexity(texts, form(ids), shift=shift)
    assert found["tokens"] == expected["tokens"]
    assert found["nll"] == pytest.approx(expected["nll"], rel=1e-12)
    one_by_one, batch = load("perplexity", shift=shift), load("perplexity", shift=shift)
    for text, true in zip(texts, ids, strict=True):
        one_by_one.add(prediction=text, reference=true)
    batch.add_batch(predictions=texts, references=form(ids))
    if found["tokens"]:  # else all are NaN
        assert one_by_one.compute() == batch.compute() == found


def test_tokens_stream_one_by_one() -> None:
    logits, ids = np.random.default_rng(0).normal(size=(4, 7)), [3, 0, -100, 6]
    metric = load("perplexity")
    for row, true in zip(logits, ids, strict=True):
        metric.add(prediction=row, reference=true)
    assert metric.compute()["nll"] == pytest.approx(perplexity(logits, ids)["nll"])
    assert perplexity([np.array([0.5]), np.array([0.25])], [1, 1])["perplexity"] == pytest.approx(8**0.5)


def test_tensors_in_a_list() -> None:
    torch = pytest.importorskip("torch")
    texts = [torch.randn(3, 5, dtype=torch.bfloat16), torch.randn(2, 5, dtype=torch.bfloat16)]
    ids = [torch.tensor([1, 2, 0]), torch.tensor([4, 4])]
    expected = sum(perplexity(text, true)["nll"] for text, true in zip(texts, ids, strict=True))
    assert perplexity(texts, ids)["nll"] == pytest.approx(expected)
    assert load("perplexity").compute(predictions=texts, references=ids)["nll"] == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(0, 5, 7), (0, 0, 7), (3, 0, 7), (0, 7), (0, 5, 0), (2, 3, 0)])
@pytest.mark.parametrize("shift", [False, True])
def test_a_shard_without_tokens_counts_nothing(shape: tuple[int, ...], shift: bool) -> None:
    if shift and len(shape) == 2:
        return
    logits, ids = np.zeros(shape), np.full(shape[:-1], -100)
    assert perplexity(logits, ids, shift=shift)["tokens"] == 0
    metric = load("perplexity", shift=shift)
    metric.add_batch(predictions=logits, references=ids)
    metric.add_batch(predictions=np.zeros((1, 2, 4)), references=[[1, 1]])
    assert metric.compute()["tokens"] == 2 - shift


def test_the_place_of_an_id_that_is_shifted(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DataError, match="row 0, position 2, references: id 9 for a vocabulary of 5"):
        perplexity(np.zeros((1, 4, 5)), [[0, 1, 9, 2]], shift=True)
    with pytest.raises(DataError, match="row 1, position 2, references: id 9 for a vocabulary of 5"):
        perplexity([np.zeros((1, 5)), np.zeros((3, 5))], [[0], [0, 1, 9]], shift=True)
    logits = np.zeros((2, 4, 5))
    logits[1, 1, 3] = -np.inf
    with caplog.at_level(logging.WARNING):
        assert perplexity(logits, np.full((2, 4), 3), shift=True)["perplexity"] == math.inf
    assert caplog.records[0].message.startswith("row 1, position 2: ")
    logits[1, 1] = np.nan
    with pytest.raises(DataError, match="row 1, position 1, predictions: a logit is NaN"):
        perplexity(logits, np.full((2, 4), 3), shift=True)


LOGITS = np.zeros((2, 3, 4))
IDS = [[0, 1, 2], [3, 3, 3]]


@pytest.mark.parametrize(
    ("ids", "mask", "message"),
    [
        ([[0, 1, 2], [3, 2.9, 3]], None, "row 1, position 1, references: 2.9 is not an id; give integers"),
        ([[0, 1, 2], [3, 2.9, 3]], np.ones((2, 3)), "row 1, position 1, references: 2.9 is not an id"),
        (np.array(IDS, dtype=float), None, "row 0, position 0, references: 0.0 is not an id; give integers"),
        (np.array(IDS, dtype=bool), None, "row 0, position 0, references: False is not an id"),
        (np.array(IDS, dtype=np.uint64) + 2**63, None, "9223372036854775808 is not an id"),
        ([["a"] * 3] * 2, None, "row 0, column 'references': .*is not a flat row of numbers"),
        ([[0, 1, 2], None], None, "row 1, column 'references': None is not a row"),
        (
            [[0, 1, 2], [1, 2]],
            None,
            "row 1, references: 2 ids for logits of 3 tokens; give an id a token, -100",
        ),
        ([[0, 1, 2]], None, "references: (1 rows for 2 predictions|shape .1, 3. for logits of)"),
        (IDS, [[1, 1, 1], [1, 0.5, 1]], "row 1, position 1, mask: 0.5 is neither 0 nor 1"),
        (IDS, [[1, 1, 1], [1, math.nan, 1]], "row 1, position 1, mask: nan is neither 0 nor 1"),
        (IDS, [["a"] * 3] * 2, "row 0, column 'mask': .*is not a flat row of numbers"),
        (IDS, [[1, 1, 1], [1, 1]], "mask: rows of 2 to 3 for ids of shape"),
        (IDS, [[1, 1], [1, 1]], r"mask: shape \(2, 2\) for ids of shape \(2, 3\); give one value an id"),
        (IDS, 1, "mask: int is not a column of rows"),
        (IDS, "110", "mask: a single string"),
        (IDS, [1, 1], r"mask: shape \(2,\) for ids of shape \(2, 3\)"),
        (
            [0, 1],
            None,
            r"references: (shape \(2,\) for logits of shape \(2, 3, 4\)|1 ids for logits of 3 tokens)",
        ),
        (np.full((2, 3), "a"), None, "references: values of type <U1; give numbers"),
        (Ragged(np.zeros((6, 2), int), [0, 3, 6]), None, r"references: rows of shape \(2,\) a value"),
        (None, [[1, 1, 1]] * 2, "references: none given; logits need the ids of the true tokens"),
        (None, None, "references: none given; logits need the ids of the true tokens"),
    ],
)
def test_ids_and_masks_that_do_not_fit(ids: Any, mask: Any, message: str) -> None:
    for logits in (LOGITS, list(LOGITS)):
        with pytest.raises((ArgumentError, DataError), match=message):
            perplexity(logits, ids, mask=mask)
        if mask is None:
            with pytest.raises((ArgumentError, DataError), match=message):
                load("perplexity").compute(predictions=logits, references=ids)


def test_a_mask_of_any_form_keeps_what_is_one() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 3, 4))
    expected = perplexity(logits, [[0, -100, 2], [3, 3, -100]])
    for mask in (
        [[1, 0, 1], [1, 1, 0]],
        np.array([[1, 0, 1], [1, 1, 0.0]]),
        [[True, False, True], [1, 1, 0]],
    ):
        assert perplexity(logits, IDS, mask=mask) == expected
        assert perplexity(list(logits), IDS, mask=mask) == expected
    assert perplexity(logits[0], IDS[0], mask=[1, 0, 1])["tokens"] == 2


def test_logits_in_nested_lists_or_of_other_shapes_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"row 0, predictions: list; give logits as an array or tensor \[T, V\]"
    ):
        perplexity(LOGITS.tolist(), IDS)
    with pytest.raises(DataError, match="row 0, predictions: list; give logits as an array"):
        perplexity(LOGITS.tolist())
    with pytest.raises(DataError, match="row 1, predictions: an array of 1 axes; give logits as an array"):
        perplexity([LOGITS[0], LOGITS[0, 0]], IDS)
    with pytest.raises(ArgumentError, match="predictions: logits of type <U1; give floats"):
        perplexity(np.full((2, 3, 4), "x"), IDS)
    with pytest.raises(ArgumentError, match="references: 1 rows for 2 predictions"):
        perplexity(list(LOGITS), [[0, 1, 2]])


def test_settings_that_would_do_nothing_are_refused() -> None:
    with pytest.raises(ArgumentError, match="log: logits are turned into probabilities here"):
        perplexity(LOGITS, IDS, log=True)
    with pytest.raises(ArgumentError, match="shift: probabilities of the true tokens have nothing to shift"):
        load("perplexity", shift=True).compute(predictions=[[0.5, 0.2]])
    with pytest.raises(ArgumentError, match="mask: for logits with ids"):
        perplexity([[0.5, 0.2]], mask=[[1, 0]])
    assert load("perplexity", shift=True).signature.startswith("perplexity|log:no|shift:yes|")


def test_files_of_numbers_a_line_a_text(tmp_path: Path) -> None:
    mine, outcomes = tmp_path / "mine", tmp_path / "outcomes"
    mine.write_text("\ufeff0.5 0.2\r\n\n0.25\n\n")
    outcomes.write_text("1 0\n\n1\n\n")
    rows: list[list[float]] = [[0.5, 0.2], [], [0.25], []]
    assert Perplexity().read(mine).to_lists() == rows
    assert perplexity(mine) == perplexity(rows) == load("perplexity").compute(predictions=mine)
    assert perplexity(mine, outcomes) == perplexity(rows, [[1, 0], [], [1], []])
    mine.write_text("0.5\n0.5 x")
    with pytest.raises(DataError, match="mine:2: 'x' is not a number; give numbers and blanks"):
        perplexity(mine)
    mine.write_text("\n\n")
    with pytest.raises(DataError, match="mine: no numbers; expected one a line"):
        perplexity(mine)


def test_score_many_is_score() -> None:
    statistic = Perplexity()
    many = statistic.score_many({"nll": np.array([1.0, 1e9, 0.0]), "tokens": np.array([2.0, 1.0, 0.0])})
    for i, (nll, tokens) in enumerate([(1.0, 2), (1e9, 1), (0.0, 0)]):
        one = statistic.score({"nll": nll, "tokens": tokens})["perplexity"]
        assert many["perplexity"][i] == one or np.isnan(one)


def test_signature_names_the_settings() -> None:
    assert load("perplexity", log=True).signature.startswith("perplexity|log:yes|shift:no|")
