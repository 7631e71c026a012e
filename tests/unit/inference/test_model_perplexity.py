"""A tiny random GPT-2: each token scored once, whatever the batch, the padding and the windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from evenweave.errors import ArgumentError, DataError
from evenweave.inference.perplexity import model_perplexity, token_log_probabilities
from evenweave.metrics import load

WORDS = [f"w{i}" for i in range(40)]


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=42, n_positions=16, n_embd=16, n_layer=2, n_head=2, bos_token_id=41, eos_token_id=41
    )
    made = GPT2LMHeadModel(config)
    for parameter in made.parameters():  # far from uniform, so that a wrong context shows
        torch.nn.init.normal_(parameter, std=0.5)
    return made.eval()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    vocabulary = {word: i for i, word in enumerate([*WORDS, "[UNK]", "<s>"])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", unk_token="[UNK]")


def texts(*lengths: int) -> list[str]:
    random = np.random.default_rng(1)
    return [" ".join(random.choice(WORDS, size)) for size in lengths]


def one_by_one(model: Any, tokenizer: Any, text: str, limit: int, stride: int) -> list[float]:
    """The definition: each token from the logits of its own window, alone in the batch."""
    ids = [tokenizer.bos_token_id, *tokenizer(text)["input_ids"]]
    found = []
    for target in range(1, len(ids)):
        begin = 0
        while target >= begin + limit:
            begin += stride
        with torch.no_grad():
            logits = model(torch.tensor([ids[begin:target]])).logits[0, -1].double()
        found.append(float(torch.log_softmax(logits, -1)[ids[target]]))
    return found


@pytest.mark.parametrize(("limit", "stride"), [(16, 8), (16, 15), (16, 1), (5, 2), (2, 1)])
def test_each_token_once_with_the_context_of_its_window(
    model: Any, tokenizer: Any, limit: int, stride: int
) -> None:
    rows = texts(3, 0, 1, 16, 15, 17, 40)
    scored = token_log_probabilities(model, tokenizer, rows, max_length=limit, stride=stride, batch_size=3)
    assert scored.lengths.tolist() == [3, 0, 1, 16, 15, 17, 40]
    for row, text in zip(scored, rows, strict=True):
        np.testing.assert_allclose(row, one_by_one(model, tokenizer, text, limit, stride), atol=2e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 64])
def test_batch_size_and_padding_change_nothing(model: Any, tokenizer: Any, batch_size: int) -> None:
    rows = texts(3, 30, 1, 16, 7)
    one = model_perplexity(model, tokenizer, rows, batch_size=1)
    some = model_perplexity(model, tokenizer, rows, batch_size=batch_size)
    assert some["tokens"] == one["tokens"] == 57
    assert some["nll"] == pytest.approx(one["nll"], rel=1e-6)
    assert some["perplexity"] == pytest.approx(np.exp(one["nll"] / 57), rel=1e-6)


def test_without_a_start_token_the_first_word_is_context(model: Any, tokenizer: Any) -> None:
    rows = texts(5, 1, 0)
    scored = token_log_probabilities(model, tokenizer, rows, add_start_token=False)
    assert scored.lengths.tolist() == [4, 0, 0]


def test_its_rows_give_an_interval(model: Any, tokenizer: Any) -> None:
    rows = token_log_probabilities(model, tokenizer, texts(*range(1, 15)))
    result = load("perplexity", log=True).compute(predictions=rows, confidence=0.9, resamples=50)
    low, high = result["intervals"]["perplexity"]
    assert low < result["perplexity"] < high
    assert result["perplexity"] == model_perplexity(model, tokenizer, texts(*range(1, 15)))["perplexity"]


def test_training_mode_is_left_as_it_was(model: Any, tokenizer: Any) -> None:
    model.train()
    first = model_perplexity(model, tokenizer, texts(9))
    assert model.training
    model.eval()
    assert first == model_perplexity(model, tokenizer, texts(9))


def test_no_texts(model: Any, tokenizer: Any) -> None:
    result = model_perplexity(model, tokenizer, [])
    assert result["tokens"] == 0
    assert np.isnan(result["perplexity"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_length": 17}, "give 2 to 16"),
        ({"max_length": 1}, "give 2 to 16"),
        ({"stride": 16}, "give 1 to 15"),
        ({"stride": 0}, "give 1 to 15"),
        ({"stride": 2.5}, "stride: 2.5 for windows of 16 tokens; give 1 to 15"),
        ({"stride": "4"}, "stride: '4' for windows of 16 tokens; give 1 to 15"),
        ({"max_length": 8.5}, "max_length: 8.5; give 2 to 16"),
        ({"max_length": "8"}, "max_length: '8'; give 2 to 16"),
        ({"batch_size": 0}, "batch_size: 0; give a whole number, 1 or more"),
        ({"batch_size": 2.5}, "batch_size: 2.5; give a whole number"),
    ],
)
def test_windows_that_cannot_be(model: Any, tokenizer: Any, settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        model_perplexity(model, tokenizer, texts(3), **settings)
    with pytest.raises(ArgumentError, match="single string"):
        model_perplexity(model, tokenizer, "w1 w2")


def test_texts_of_any_form(model: Any, tokenizer: Any, tmp_path: Path) -> None:
    rows = texts(5, 0, 2)
    expected = model_perplexity(model, tokenizer, rows)
    file = tmp_path / "texts"
    file.write_text("\n".join(rows) + "\n")
    forms: list[Any] = [tuple(rows), np.array(rows), np.array(rows, dtype=object), file]
    forms += [pa.array(rows), pa.chunked_array([rows[:1], rows[1:]]), (text for text in rows)]
    for form in forms:
        assert model_perplexity(model, tokenizer, form) == expected


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["w1", None], "row 1, texts: None is not a string; give '' for an empty text"),
        (pa.array(["w1", None]), "row 1, texts: None is not a string"),
        ([["w1"]], r"row 0, texts: \['w1'\] is not a string"),
        (["w1", "w2 \ud800"], r"row 1, texts: a lone surrogate U\+D800 at character 3"),
        (None, "texts: None; give a list of texts"),
    ],
)
def test_what_is_no_text_is_named_by_its_row(model: Any, tokenizer: Any, rows: Any, message: str) -> None:
    with pytest.raises((ArgumentError, DataError), match=message):
        model_perplexity(model, tokenizer, rows)
