"""Errors of a run name the row of the data set, whoever raises them and wherever the batch was made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.helpers.tiny_tagger import bert_tokenizer
from tests.unit.training import tiny

import evenweave as ew
from evenweave.errors import DataError
from evenweave.training.diagnose import explained
from evenweave.training.feed import MicroBatch
from evenweave.training.origin import Origin

BAD = 13


def rows_with(**odd: list[int]) -> list[dict[str, list[int]]]:
    rows = tiny.rows(20)
    rows[BAD].update(odd)
    return rows


def trainer(folder: Path, rows: Any, collator: Any, *, model: Any = None, **more: Any) -> Any:
    args = tiny.quiet(folder, num_train_epochs=1, per_device_train_batch_size=4, **more)
    return ew.Trainer(
        model or tiny.tagger(), args, train_dataset=rows, eval_dataset=rows, data_collator=collator
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_a_collators_error_names_the_row_of_the_data_set(tmp_path: Path, workers: int) -> None:
    rows = rows_with(input_ids=[5, 6, 7], labels=[0, 1])
    run = trainer(
        tmp_path, rows, ew.DataCollatorForTokenClassification(bert_tokenizer()),
        dataloader_num_workers=workers,
    )  # fmt: skip
    with pytest.raises(DataError, match=r"^row 13 of the training data, column 'labels': 2 labels for 3"):
        run.train()
    with pytest.raises(DataError, match=r"^row 13 of the evaluation data, column 'labels': 2 labels for 3"):
        run.evaluate()


def test_an_error_of_a_stream_names_the_row_read(tmp_path: Path) -> None:
    class Stream(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            return iter(rows_with(input_ids=[5, 6, 7], labels=[0, 1]))

    run = trainer(tmp_path, Stream(), ew.DataCollatorForTokenClassification(bert_tokenizer()), max_steps=5)
    with pytest.raises(DataError, match=r"^row 13 of the training data, "):
        run.train()


class Fails(tiny.Pad):
    def __call__(self, features: Any) -> Any:
        raise KeyError("mine")


def test_an_error_of_ones_own_collator_is_noted_with_the_rows(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="mine") as caught:
        trainer(tmp_path, tiny.rows(20), Fails(), train_sampling_strategy="sequential").train()
    assert caught.value.__notes__ == ["while collating rows 0, 1, 2, 3 of the training data"]


def test_an_error_of_ones_own_collator_in_a_worker_says_the_rows(tmp_path: Path) -> None:
    own = trainer(
        tmp_path, tiny.rows(20), Fails(), train_sampling_strategy="sequential", dataloader_num_workers=1
    )
    with pytest.raises(KeyError, match=r"while collating rows 0, 1, 2, 3 of the training data"):
        own.train()


def test_a_row_that_is_a_window_is_named_with_its_document() -> None:
    assert Origin(source=np.array([0, 0, 1])).place(2) == "row 2 of the training data (a window of row 1)"


def large_tagger() -> Any:
    model = tiny.tagger()
    model.resize_token_embeddings(5000)  # so many that rows are updated when they are read
    return model


@pytest.mark.parametrize(
    ("model", "odd", "said"),
    [
        (tiny.tagger, {"input_ids": [5], "labels": [9]}, "'labels': label 9; the model has labels 0 to 4"),
        (tiny.tagger, {"input_ids": [5], "labels": [-1]}, "'labels': label -1; .*; give what"),
        (tiny.tagger, {"input_ids": [50], "labels": [0]}, "'input_ids': token id 50; the model has ids 0 to"),
        (large_tagger, {"input_ids": [10**10], "labels": [0]}, "'input_ids': token id 10000000000; the"),
        (tiny.tagger, {"input_ids": [5] * 70, "labels": [0] * 70}, "70 tokens, and the model takes 64"),
    ],
)
def test_what_a_model_cannot_take_is_named(tmp_path: Path, model: Any, odd: Any, said: str) -> None:
    run = trainer(tmp_path, rows_with(**odd), tiny.Pad(), model=model())
    with pytest.raises(DataError, match=f"^row 13 of the training data(, column|:) {said}"):
        run.train()
    with pytest.raises(DataError, match=f"^row 13 of the evaluation data(, column|:) {said}"):
        run.evaluate()


def test_a_label_beyond_a_vocabulary_is_another_tokenizers(tmp_path: Path) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    model = T5ForConditionalGeneration(T5Config(vocab_size=50, decoder_start_token_id=0, **sizes))
    rows = rows_with(input_ids=[5], labels=[77])
    run = trainer(tmp_path, rows, ew.DataCollatorForSeq2Seq(bert_tokenizer()), model=model)
    with pytest.raises(DataError, match=r"^row 13 of .*'labels': label 77; .*use the model's own tokenizer"):
        run.train()


def micro(first_row: int, label: int) -> MicroBatch:
    labels = torch.tensor([[0, label]])
    return MicroBatch({"input_ids": torch.tensor([[5, 6]]), "labels": labels}, np.array([first_row]))


def test_a_gpus_late_error_is_looked_for_in_earlier_steps() -> None:
    late = RuntimeError("CUDA error: device-side assert triggered")
    with (
        pytest.raises(DataError, match=r"^row 7 of the training data, column 'labels': label 8"),
        explained(tiny.tagger(), [micro(9, 0)], Origin(), earlier=lambda: [micro(5, 1), micro(7, 8)]),
    ):
        raise late


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), IndexError("of a callback")])
def test_an_error_that_is_not_the_batchs_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, explained(tiny.tagger(), [micro(0, 0)], Origin()):
        raise error
    assert caught.value is error
