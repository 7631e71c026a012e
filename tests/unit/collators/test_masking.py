"""Masks: the definition in plain Python, and that they depend on seed, epoch and row alone."""

from __future__ import annotations

import copy
import math
import multiprocessing
import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from collator_features import assert_same, byte_bpe, sentencepiece, with_side, wordpiece
from hypothesis import given
from hypothesis import strategies as st

import evenweave as ew
from evenweave import rng
from evenweave.collators import flat, mask
from evenweave.epoch import Epoch
from evenweave.errors import ArgumentError, DataError
from evenweave.kernels.masking import row_keys

MASK, VOCABULARY = 4, 90
ROWS = st.lists(st.lists(st.integers(0, 60), max_size=12), min_size=1, max_size=5)


def key_of(ids: list[int]) -> int:
    """The oracle asks the kernel for a row's name; that the name is good is tested on its own."""
    one = np.array(ids, dtype=np.int64)
    return int(row_keys(one, np.array([0]), np.array([len(ids)]))[0].astype(np.int64))


def oracle(
    ids: list[int],
    *,
    special: list[bool],
    heads: list[bool] | None,
    probability: float,
    replace: float,
    random: float,
    seed: int,
    epoch: int,
    min_masked: int,
) -> tuple[list[int], list[int]]:
    """What `mask` does to one row, said plainly."""

    def draw(position: int, which: int) -> float:
        return float(rng.uniform(seed, epoch, key_of(ids), position, draw=which)[0])

    units: list[list[int]] = []
    for at in range(len(ids)):
        if special[at]:
            continue
        starts = heads is None or heads[at] or not units or at == 0 or special[at - 1]
        if starts:
            units.append([at])
        else:
            units[-1].append(at)
    ranked = sorted(units, key=lambda unit: draw(unit[0], 0))
    chosen = [unit for unit in ranked if draw(unit[0], 0) < probability]
    chosen = ranked[: max(len(chosen), min_masked)]
    inputs, labels = list(ids), [-100] * len(ids)
    for at in (at for unit in chosen for at in unit):
        labels[at] = ids[at]
        share = draw(at, 1)
        if share < replace:
            inputs[at] = MASK
        elif share < replace + random:
            inputs[at] = math.floor(draw(at, 2) * VOCABULARY)
    return inputs, labels


@given(
    ROWS,
    st.sampled_from(["right", "left", "flat"]),
    st.sampled_from([0.0, 0.15, 0.5, 1.0]),
    st.sampled_from([(0.8, 0.1), (0.0, 1.0), (1.0, 0.0), (0.3, 0.3)]),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(0, 2),
    st.integers(0, 3),
    st.integers(0, 2**32),
)
def test_mask_is_its_definition_in_every_layout(
    rows: Any,
    layout: Any,
    probability: float,
    shares: Any,
    words: bool,
    seed: int,
    epoch: int,
    least: int,
    bits: int,
) -> None:
    sizes = [len(row) for row in rows]
    barred = [[i in (0, 1, 2) for i in row] for row in rows]
    heads = [[bool(bits >> (i * 7 + j) % 33 & 1) for j in range(len(row))] for i, row in enumerate(rows)]
    options = {
        "probability": probability,
        "replace": shares[0],
        "random": shares[1],
        "seed": seed,
        "epoch": epoch,
        "min_masked": least,
    }

    def laid_out(cells: Any, fill: int) -> Any:
        ragged = ew.Ragged.from_rows([[int(v) for v in cell] for cell in cells])
        return ragged.flat[None] if layout == "flat" else ragged.pad(fill=fill, side=layout)

    side = "left" if layout == "left" else "right"
    given_ids = laid_out(rows, 0)
    before = given_ids.copy()
    inputs, labels = mask(
        given_ids,
        sizes=sizes,
        mask_id=MASK,
        vocab_size=VOCABULARY,
        side=side,
        special_ids=[0, 1, 2],
        heads=laid_out(heads, 0) if words else None,
        **options,
    )
    assert np.array_equal(given_ids, before)
    for i, row in enumerate(rows):
        expected = oracle(row, special=barred[i], heads=heads[i] if words else None, **options)
        if layout == "flat":
            where: Any = (0, slice(sum(sizes[:i]), sum(sizes[: i + 1])))
        elif layout == "left":
            where = (i, slice(inputs.shape[1] - sizes[i], None))
        else:
            where = (i, slice(0, sizes[i]))
        assert (inputs[where].tolist(), labels[where].tolist()) == expected
    assert (labels != -100).sum() <= sum(sizes)


def test_names_of_rows_differ_and_depend_on_all_of_a_row() -> None:
    rows = [[], [0], [0, 0], [1], [0, 1], [1, 0], [1, 0, 0], [2**40], [-1]]
    rows += np.random.default_rng(0).integers(0, 30_000, (20_000, 6)).tolist()
    names = {key_of(row) for row in rows[:9]}
    assert len(names) == 9
    many = np.array(rows[9:]).reshape(-1)
    keys = row_keys(many, np.arange(0, len(many), 6), np.full(20_000, 6))
    assert len(set(keys.tolist())) == len({tuple(row) for row in rows[9:]})
    # Every bit is set about half the time.
    share = ((keys[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).mean(axis=0)
    assert abs(share - 0.5).max() < 0.02


def corpus(count: int = 64) -> list[dict[str, list[int]]]:
    random = np.random.default_rng(0)
    return [{"input_ids": random.integers(5, 90, size).tolist()} for size in random.integers(3, 20, count)]


def masks_by_row(batches: Any) -> dict[tuple[int, ...], tuple[Any, Any]]:
    """Masked inputs and labels of each row, by the ids it had."""
    found = {}
    for batch in batches:
        for inputs, labels, real in zip(
            batch["input_ids"], batch["labels"], batch["attention_mask"].bool(), strict=True
        ):
            original = torch.where(labels == -100, inputs, labels)[real]
            found[tuple(original.tolist())] = (inputs[real].tolist(), labels[real].tolist())
    return found


def load(data: Any, collator: Any, **options: Any) -> dict[tuple[int, ...], tuple[Any, Any]]:
    return masks_by_row(torch.utils.data.DataLoader(data, batch_size=8, collate_fn=collator, **options))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 8 worker processes")
@pytest.mark.parametrize("words", [False, True])
def test_masks_are_the_same_for_0_1_and_8_workers_in_any_order_and_from_any_container(words: bool) -> None:
    rows = corpus()
    collator = ew.DataCollatorForLanguageModeling(wordpiece(), whole_word_mask=words, seed=3)
    expected = load(rows, collator)
    assert len(expected) == 64
    assert load(ew.Columns(rows), collator) == expected
    for workers in (1, 8):
        assert load(ew.Columns(rows), collator, num_workers=workers) == expected
    shuffled = torch.Generator().manual_seed(1)
    assert load(ew.Columns(rows), collator, shuffle=True, generator=shuffled) == expected
    assert (
        load(
            rows,
            ew.DataCollatorForLanguageModeling(with_side(wordpiece(), "left"), whole_word_mask=words, seed=3),
        )
        == expected
    )
    # A run resumed half-way sees what it would have seen.
    late = masks_by_row([collator(rows[start : start + 8]) for start in range(32, 64, 8)])
    assert late == {ids: made for ids, made in expected.items() if ids in late}


def test_a_new_epoch_or_seed_gives_new_masks() -> None:
    rows = corpus()
    collator = ew.DataCollatorForLanguageModeling(wordpiece(), seed=3)
    first = load(rows, collator)
    collator.set_epoch(1)
    second = load(rows, collator)
    assert first != second
    collator.set_epoch(0)
    assert load(rows, collator) == first
    assert load(rows, ew.DataCollatorForLanguageModeling(wordpiece(), seed=4)) != first
    assert load(rows, ew.DataCollatorForLanguageModeling(wordpiece())) == load(
        rows, ew.DataCollatorForLanguageModeling(wordpiece(), seed=0)
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_the_data_set_may_say_the_epoch(workers: int) -> None:
    """As accelerate's loaders do."""
    columns, collator = ew.Columns(corpus()), ew.DataCollatorForLanguageModeling(wordpiece())
    columns.set_epoch(5)
    made = load(columns, collator, num_workers=workers)
    collator.set_epoch(5)
    assert made == load(corpus(), collator)


def test_persistent_workers_see_the_next_epoch() -> None:
    """In a forked worker a plain attribute would keep the value it had at the fork."""
    rows = corpus()
    collator = ew.DataCollatorForLanguageModeling(wordpiece())
    columns = ew.Columns(rows)
    fork = {"num_workers": 2, "persistent_workers": True, "multiprocessing_context": "fork"}
    by_collator = torch.utils.data.DataLoader(rows, batch_size=8, collate_fn=collator, **fork)
    by_columns = torch.utils.data.DataLoader(columns, batch_size=8, collate_fn=collator, **fork)
    for epoch in (0, 1, 2):
        fresh = ew.DataCollatorForLanguageModeling(wordpiece())
        fresh.set_epoch(epoch)
        collator.set_epoch(epoch)
        assert masks_by_row(by_collator) == load(rows, fresh)
        columns.set_epoch(epoch)
        collator.set_epoch(9)
        assert masks_by_row(by_columns) == load(rows, fresh)


def test_a_copy_of_a_collator_has_an_epoch_of_its_own() -> None:
    collator = ew.DataCollatorForLanguageModeling(wordpiece(), seed=1)
    collator.set_epoch(2)
    for other in (copy.deepcopy(collator), pickle.loads(pickle.dumps(collator))):
        assert load(corpus(8), other) == load(corpus(8), collator)
        other.set_epoch(3)
        assert load(corpus(8), other) != load(corpus(8), collator)


def test_no_row_is_left_without_a_target() -> None:
    rows = corpus(200)
    collator = ew.DataCollatorForLanguageModeling(wordpiece(), mlm_probability=0.01, min_masked=2)
    made = collator([*rows, {"input_ids": [2, 3]}, {"input_ids": [2, 9, 3]}])
    counts = (made["labels"] != -100).sum(dim=1).tolist()
    assert min(counts[:200]) >= 2
    assert counts[200:] == [0, 1]


TEXT = "british lamb in york, sampurn works"


@pytest.mark.parametrize("make", [wordpiece, byte_bpe, sentencepiece])
@pytest.mark.parametrize("by", ["word_ids", "offset_mapping", "pieces", "text"])
def test_whole_words_are_masked_as_one(make: Any, by: str) -> None:
    tokenizer = make()
    encoded = tokenizer(TEXT, return_offsets_mapping=True)
    words = encoded.word_ids()
    assert len(words) > len(set(words)) + 1
    row: dict[str, Any] = {"input_ids": encoded["input_ids"]}
    if by == "word_ids":
        row["word_ids"] = words
    elif by == "offset_mapping":
        row["offset_mapping"] = encoded["offset_mapping"]
    elif by == "text":
        row = {"text": TEXT}
    collator = ew.DataCollatorForLanguageModeling(
        tokenizer, whole_word_mask=True, mlm_probability=0.4, return_tensors="np"
    )
    some = False
    for epoch in range(30):
        collator.set_epoch(epoch)
        made = collator([row])
        assert set(made) <= {"input_ids", "attention_mask", "token_type_ids", "labels"}
        targets = made["labels"][0] != -100
        some |= bool(targets.any() and not targets.all())
        for word in set(words) - {None}:
            inside = {bool(hit) for hit, place in zip(targets, words, strict=True) if place == word}
            assert len(inside) == 1, (word, targets)
        assert not any(hit for hit, place in zip(targets, words, strict=True) if place is None)
    assert some


def test_word_ids_may_be_none_anywhere() -> None:
    row = {"input_ids": [10, 11, 12, 13, 14, 15]}
    collator = ew.DataCollatorForLanguageModeling(wordpiece(), whole_word_mask=True, mlm_probability=0.5)
    for words in ([0, 0, None, 1, 1, 1], [None, 0, 0, 1, 1, None], [None] * 6, (0, 0, 1, 1, 2, None)):
        plain = [-1 if word is None else word for word in words]
        made = collator([{**row, "word_ids": words}])
        assert_same(made, collator([{**row, "word_ids": plain}]))
        beside = made["labels"][0][torch.tensor(plain) < 0]
        assert (beside == -100).all()
        assert_same(made, collator(ew.Columns([{**row, "word_ids": words}]).__getitems__([0])))
        table = pa.Table.from_pylist([{**row, "word_ids": list(words)}])
        if pa.types.is_integer(table.schema.field("word_ids").type.value_type):
            assert_same(made, collator(table))
            assert_same(made, collator(ew.Columns(table).__getitems__([0])))


def test_flat_and_padded_batches_have_the_same_masks() -> None:
    rows = corpus(16)
    made = flat(rows)
    sizes = np.diff(made["cu_seq_lens_q"])
    options: Any = {
        "mask_id": 4,
        "vocab_size": len(wordpiece()),
        "special_ids": wordpiece().all_special_ids,
        "seed": 9,
    }
    inputs, labels = mask(made["input_ids"], sizes=sizes, **options)
    padded = ew.DataCollatorForLanguageModeling(wordpiece(), seed=9, return_tensors="np")(rows)
    real = padded["attention_mask"] == 1
    assert np.array_equal(padded["input_ids"][real], inputs[0])
    assert np.array_equal(padded["labels"][real], labels[0])


@pytest.mark.parametrize(("ids", "sizes"), [([[1, 2]], [3]), ([1, 2], [2]), ([[1], [2]], [1]), ([[1]], [-1])])
def test_sizes_must_fit(ids: Any, sizes: Any) -> None:
    with pytest.raises(ValueError, match=r"^(ids|sizes): "):
        mask(ids, sizes=sizes, mask_id=0, vocab_size=5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"special": [[0]]}, r"special: \[\[0\]\], not of the shape of ids, \(3, 4\)"),
        ({"special": [[0, 0, 0, 1]]}, "special: .*; give one a token"),
        ({"special": [0] * 12}, "special: "),
        ({"special": [["a"] * 4] * 3}, "special: .*; give 0 or 1"),
        ({"heads": [[1]]}, "heads: "),
        ({"heads": [[1], [1, 2]]}, "heads: "),
        ({"probability": 7}, "probability: 7; give a probability between 0 and 1"),
        ({"probability": float("nan")}, "probability: nan"),
        ({"replace": "a"}, "replace: 'a'; give a probability"),
        ({"random": -0.1}, "random: -0.1"),
        ({"vocab_size": 0}, "vocab_size: 0; give a whole number, 1 or more"),
        ({"mask_id": 1.5}, "mask_id: 1.5; give a whole number"),
        ({"mask_id": 2**70}, "mask_id: "),
        ({"side": "foo"}, "side: 'foo'; give 'right' or 'left'"),
        ({"seed": "x"}, "seed: 'x'; give a whole number"),
        ({"epoch": 1.5}, "epoch: 1.5"),
        ({"epoch": -1}, "epoch: -1; give a whole number, 0 or more"),
        ({"min_masked": -1}, "min_masked: -1"),
        ({"sizes": [4.0] * 3}, "sizes: .*; give integers"),
        ({"ids": [[1.5] * 4] * 3}, "ids: .*; give integers"),
        ({"ids": [[1], [1, 2], [1]]}, "ids: .* is not rectangular; pad it first"),
    ],
)
def test_mask_takes_nothing_that_its_kernel_would_misread(settings: Any, message: str) -> None:
    given = {"ids": [[5] * 4] * 3, "sizes": [4] * 3, "mask_id": 1, "vocab_size": 9, **settings}
    with pytest.raises(ArgumentError, match=f"^{message}"):
        mask(given.pop("ids"), **given)


def test_heads_and_special_are_flags_of_any_number() -> None:
    settings: Any = {"sizes": [4], "mask_id": 1, "vocab_size": 9, "probability": 0.5}
    flags = mask([[5, 6, 7, 8]], special=[[1, 0, 0, 0]], heads=[[1, 1, 0, 1]], **settings)
    for special, heads in (
        ([[256, 0, 0, 0]], [[256, 2, 0, -1]]),
        (np.array([[True, False, False, False]]), None),
    ):
        made = mask([[5, 6, 7, 8]], special=special, heads=heads or [[1, 1, 0, 1]], **settings)
        assert all(np.array_equal(one, other) for one, other in zip(flags, made, strict=True))


@pytest.mark.parametrize("name", ["special_tokens_mask", "attention_mask", "token_type_ids", "word_ids"])
def test_a_column_of_tokens_with_one_value_a_row_is_named(name: str) -> None:
    rows = [{"input_ids": [5, 6, 7], name: 0}, {"input_ids": [5], name: 1}]
    with pytest.raises(DataError, match=f"column '{name}': .*; give one a token"):
        ew.DataCollatorForLanguageModeling(wordpiece(), whole_word_mask=True)(rows)


@pytest.mark.parametrize(
    "spans", [[[[0], [1]], [[1]]], [[[0, 1, 2], [1, 2, 3]], [[1, 2, 3]]], [[[0.5, 1], [1, 2]], [[1, 2]]]]
)
def test_spans_that_are_not_start_and_end_are_named(spans: Any) -> None:
    rows = [{"input_ids": [5, 6], "offset_mapping": spans[0]}, {"input_ids": [5], "offset_mapping": spans[1]}]
    with pytest.raises(DataError, match=r"column 'offset_mapping': .*give start and end"):
        ew.DataCollatorForLanguageModeling(wordpiece(), whole_word_mask=True)(rows)


def test_special_ids_may_be_ids_that_no_token_has() -> None:
    settings: Any = {
        "sizes": [3],
        "mask_id": 1,
        "vocab_size": 9,
        "probability": 1.0,
        "replace": 1.0,
        "random": 0,
    }
    # -2 counted from the end of a table, and one of 2**40 entries is not to be had.
    _, labels = mask([[3, 4, 5]], special_ids=[-2, 5, 2**40], **settings)
    assert labels.tolist() == [[3, 4, -100]]
    with pytest.raises(ArgumentError, match=r"^special_ids: 'a'"):
        mask([[3, 4, 5]], special_ids=["a"], **settings)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ids": [[1, 2]], "sizes": [2**63 - 1, 2**63 - 1, 4]}, "sizes: .* do not fit"),
        ({"ids": np.array([[2**63]], np.uint64), "sizes": [1]}, "ids: .*below 2"),
    ],
)
def test_mask_takes_nothing_that_wraps_around(given: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        mask(given.pop("ids"), mask_id=1, vocab_size=9, **given)


def test_spawned_workers_that_persist_see_the_next_epoch() -> None:
    collator = ew.DataCollatorForLanguageModeling(wordpiece())
    rows = corpus(8)
    spawn = {"num_workers": 1, "persistent_workers": True, "multiprocessing_context": "spawn"}
    loader = torch.utils.data.DataLoader(rows, batch_size=8, collate_fn=collator, **spawn)
    for epoch in (0, 1):
        collator.set_epoch(epoch)
        assert masks_by_row(loader) == load(rows, collator)


def test_a_rank_has_an_epoch_of_its_own() -> None:
    epoch = Epoch(1)
    rank = multiprocessing.get_context("fork").Process(target=epoch.set, args=(2,))
    rank.start()
    rank.join()
    assert (rank.exitcode, epoch.get()) == (0, 1)
